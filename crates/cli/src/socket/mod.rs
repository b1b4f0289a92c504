//! How commands reach a server on this machine: HTTP over a socket in its data directory that only its user can open.
//!
//! ```text
//!   millstream apply, list, put, tail, … ─▶ client ─▶ DATA_DIR/control.sock (0600) ─▶ server ─▶ control
//!   curl --unix-socket DATA_DIR/control.sock http://localhost/v1/resources
//! ```
//!
//! | path | does |
//! |---|---|
//! | `GET /v1/status` | version, process, data directory, page, whether it still starts |
//! | `GET /v1/resources?kind=K` | all resources, or those of a kind |
//! | `GET /v1/resources/KIND/NAME` | one |
//! | `DELETE /v1/resources/KIND/NAME?force=true` | deletes one |
//! | `POST /v1/apply` | applies a file |
//! | `POST /v1/reset?kind=K&name=N` | resources start from scratch |
//! | `POST /v1/records/STREAM?kind=K&key=K` | puts the lines of the body |
//! | `GET /v1/tail?what=W&kind=K&from=F&where=C` | records or rows as they come, one JSON object a line |
//!
//! A server that starts can be looked at, and resources deleted: such answers have a header `millstream-starting`. Everything
//! else waits for the start.
//!
//! Every error is `{"error": "…"}`, with one of these statuses:
//!
//! | status | says |
//! |---|---|
//! | 400 | a query, a body, a condition or a file is wrong |
//! | 404 | there is no such path, resource, stream or shard |
//! | 405 | the path takes other methods: `Allow` names them |
//! | 409 | the resource is used by others, or two have the name and no `kind` was given |
//! | 413 | the body has more than 16 MiB, or a record or the records together are too large |
//! | 415, 422 | the body of `apply` is not sent as JSON, or is other JSON |
//! | 500 | a file or the catalog cannot be read or written |
//! | 503 | the server still starts, too much waits to be written, or too many follow something: try again |
//! | 507 | the disk is full |

use std::path::Path;

mod applying;
mod client;
mod listening;
mod protocol;
mod refusal;
mod server;
mod starting;
mod tail_lines;

pub(crate) use client::{Busy, Client, escaped, path_of};
pub(crate) use protocol::{
    ApplyRequest, FailedLine, PutAnswer, ResetAnswer, StatusAnswer, TailLine, WouldResetAnswer,
};
pub(crate) use server::Socket;

/// Bytes that the path of a socket may have: the systems keep it in so many, with a zero at its end.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What to do when the socket of a data directory has a path that no socket can have.
///
/// # Errors
/// It is too long.
pub(crate) fn check_length(socket: &Path) -> anyhow::Result<()> {
    let length = |path: &Path| path.as_os_str().len();
    let Some(data_directory) = socket.parent().filter(|_| length(socket) > LONGEST_PATH) else {
        return Ok(());
    };
    let most = LONGEST_PATH - (length(socket) - length(data_directory));
    anyhow::bail!(
        "the path of data directory {} is too long for the control socket in it: it has {} bytes and may have {most}; name \
         a directory with a shorter path with --data-dir",
        data_directory.display(),
        length(data_directory)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_data_directory_has_a_longest() {
        let most = LONGEST_PATH - "/control.sock".len();
        let check = |length: usize| check_length(&path_of(Path::new(&"d".repeat(length))));
        assert!(check(most).is_ok());
        let refused = check(most + 1).unwrap_err().to_string();
        let expected =
            format!("it has {} bytes and may have {most}; name a directory with a shorter path", most + 1);
        assert!(refused.contains(&expected), "{refused}");
    }

    #[tokio::test]
    async fn a_longest_path_is_listened_on() {
        let folder = tempfile::tempdir().unwrap();
        let room = LONGEST_PATH - folder.path().as_os_str().len() - "/".len();
        let path = folder.path().join("s".repeat(room));
        let (file, _listener) = listening::SocketFile::make(path).unwrap();
        file.remove();
        let longer = folder.path().join("s".repeat(room + 1));
        let refused = listening::SocketFile::make(longer).err().unwrap().to_string();
        assert!(refused.contains("is too long for the control socket"), "{refused}");
    }
}
