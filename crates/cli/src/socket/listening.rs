//! The file of the socket: made, put back when somebody deletes it, and removed in the end. A disk that hangs holds up
//! nobody who is being served.

use std::os::unix::net::UnixListener as FileListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use millstream_host::{Disk, FileId, RealDisk, Spawn, files, real_time};
use parking_lot::Mutex;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::check_length;
use crate::serving::Accept;

/// How often is looked whether the file is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Listens on a socket that stays reachable under its path.
pub(super) struct Listening {
    listener: UnixListener,
    look: Look,
    /// The look that has not ended yet.
    looking: Option<Looking>,
}

/// Gives a new listener where the file of the old one was gone. It waits for the disk.
type Look = Arc<dyn Fn() -> Option<FileListener> + Send + Sync>;

type Looking = JoinHandle<Option<FileListener>>;

/// The file of a socket. All calls wait for the disk.
pub(super) struct SocketFile {
    path: PathBuf,
    /// The folder of the socket: nothing is put into one that has taken its place.
    folder: Option<FileId>,
    /// It was removed for good. Held while the file is made or removed, so that no look makes it once more.
    has_ended: Mutex<bool>,
}

impl SocketFile {
    /// Takes the path. Whoever calls this has the data directory alone: a socket that is there is one of a dead process.
    pub(super) fn make(path: PathBuf) -> anyhow::Result<(Arc<SocketFile>, FileListener)> {
        anyhow::ensure!(
            !path.is_dir(),
            "{} is a folder, but the control socket is to be there: move the folder away or delete it, or use another data \
             directory",
            path.display()
        );
        check_length(&path)?;
        let _ = files::remove(&path);
        let listener =
            bind(&path).with_context(|| format!("cannot make the control socket {}", path.display()))?;
        let folder = folder_of(&path);
        Ok((Arc::new(SocketFile { path, folder, has_ended: Mutex::new(false) }), listener))
    }

    /// Removes it for good.
    pub(super) fn remove(&self) {
        let mut has_ended = self.has_ended.lock();
        *has_ended = true;
        let _ = files::remove(&self.path);
    }

    /// Makes the file again where it is gone.
    fn put_back(&self) -> Option<FileListener> {
        let has_ended = self.has_ended.lock();
        let is_gone =
            RealDisk.id(&self.path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if *has_ended || !is_gone || self.folder.is_none() || folder_of(&self.path) != self.folder {
            return None;
        }
        // What cannot be made now is tried at the next look.
        let listener = bind(&self.path).ok()?;
        tracing::warn!(path = %self.path.display(), "the control socket was deleted and is put back");
        Some(listener)
    }
}

impl Listening {
    /// Takes connections of a socket, and puts its file back.
    pub(super) fn on(file: Arc<SocketFile>, listener: FileListener) -> std::io::Result<Listening> {
        Listening::looking(listener, move || file.put_back())
    }

    fn looking(
        listener: FileListener,
        look: impl Fn() -> Option<FileListener> + Send + Sync + 'static,
    ) -> std::io::Result<Listening> {
        Ok(Listening { listener: UnixListener::from_std(listener)?, look: Arc::new(look), looking: None })
    }
}

/// Looks once more, after a while; gives what is listened on from now on. May be dropped and called again.
async fn replaced(look: &Look, looking: &mut Option<Looking>) -> Option<FileListener> {
    let under_way = match looking {
        Some(under_way) => under_way,
        None => {
            real_time::sleep(LOOK).await;
            let look = Arc::clone(look);
            looking.insert(Spawn::current().awaited_blocking(move || look()))
        }
    };
    let found = under_way.await;
    *looking = None;
    // One that panicked is done again.
    found.ok().flatten()
}

fn bind(path: &Path) -> std::io::Result<FileListener> {
    let listener = FileListener::bind(path)?;
    listener.set_nonblocking(true)?;
    files::restrict_to_owner(path)?;
    Ok(listener)
}

fn folder_of(path: &Path) -> Option<FileId> {
    RealDisk.id(path.parent()?).ok()
}

impl Accept for Listening {
    type Stream = UnixStream;

    async fn accept(&mut self) -> std::io::Result<UnixStream> {
        loop {
            let replaced = tokio::select! {
                biased;
                taken = self.listener.accept() => return Ok(taken?.0),
                replaced = replaced(&self.look, &mut self.looking) => replaced,
            };
            if let Some(listener) = replaced {
                self.listener = UnixListener::from_std(listener)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// More than any machine takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_no_client() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_file, listener) = SocketFile::make(path.clone()).unwrap();
        let (looks, mut looked) = tokio::sync::mpsc::unbounded_channel();
        let (end, ended) = mpsc::channel::<()>();
        let ended = Mutex::new(ended);
        let hangs = move || {
            looks.send(()).unwrap();
            let _ = ended.lock().recv_timeout(PATIENCE);
            None
        };
        let mut listening = Listening::looking(listener, hangs).unwrap();
        tokio::select! {
            look = real_time::within(PATIENCE, looked.recv()) => look.unwrap().unwrap(),
            _ = listening.accept() => panic!("nobody has connected"),
        }
        let connected = UnixStream::connect(&path);
        let (accepted, connected) =
            tokio::join!(real_time::within(PATIENCE / 2, listening.accept()), connected);
        accepted.expect("the look hangs still").unwrap();
        connected.unwrap();
        drop(end);
    }

    #[test]
    fn a_folder_in_its_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        RealDisk.create_folder(&path).unwrap();
        let refused = SocketFile::make(path.clone()).err().unwrap().to_string();
        let expected = format!("{} is a folder, but the control socket is to be there: move", path.display());
        assert!(refused.starts_with(&expected), "{refused}");
    }

    #[test]
    fn what_was_removed_for_good_is_not_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (file, _listener) = SocketFile::make(path.clone()).unwrap();
        assert!(file.put_back().is_none(), "it is there");
        files::remove(&path).unwrap();
        assert!(file.put_back().is_some() && path.exists());
        file.remove();
        assert!(file.put_back().is_none() && !path.exists());
    }
}
