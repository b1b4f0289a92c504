//! The file of the socket: made, and put back when somebody deletes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use millstream_host::{Disk, FileId, RealDisk, files, real_time};
use tokio::net::{UnixListener, UnixStream};

use crate::serving::Accept;

/// How often is looked whether the file is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Listens on a socket that stays reachable under its path.
pub(super) struct Listening {
    path: PathBuf,
    listener: UnixListener,
    /// The folder of the socket: nothing is put into one that has taken its place.
    folder: Option<FileId>,
}

impl Listening {
    /// Takes the path. Whoever calls this has the data directory alone: a socket that is there is one of a dead process.
    pub(super) fn on(path: PathBuf) -> anyhow::Result<Listening> {
        let _ = files::remove(&path);
        let listener = bind(&path).with_context(|| {
            format!("cannot make the control socket {}; a shorter --data-dir may help", path.display())
        })?;
        let folder = folder_of(&path);
        Ok(Listening { path, listener, folder })
    }

    /// Makes the file again where it is gone.
    fn put_back(&mut self) {
        let is_gone =
            RealDisk.id(&self.path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if !is_gone || self.folder.is_none() || folder_of(&self.path) != self.folder {
            return;
        }
        // What cannot be made now is tried at the next look.
        if let Ok(listener) = bind(&self.path) {
            tracing::warn!(path = %self.path.display(), "the control socket was deleted and is put back");
            self.listener = listener;
        }
    }
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
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
            match real_time::within(LOOK, self.listener.accept()).await {
                Some(taken) => return Ok(taken?.0),
                None => self.put_back(),
            }
        }
    }
}
