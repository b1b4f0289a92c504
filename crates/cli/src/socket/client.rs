//! A command's end of the socket.

use std::path::{Path, PathBuf};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use millstream_host::Spawn;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::check_length;
use super::protocol::{ErrorAnswer, STARTING};
use crate::arguments::DEMO_DATA_DIRECTORY;
use crate::failure::say;

/// The socket in a data directory.
pub(crate) fn path_of(data_directory: &Path) -> PathBuf {
    data_directory.join("control.sock")
}

/// A connection to the server of a data directory.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// No server runs on the data directory, or it is another user's.
    pub(crate) async fn connect(data_directory: &Path) -> anyhow::Result<Client> {
        Client::try_connect(data_directory).await?.with_context(|| {
            format!(
                "no server runs on data directory {}: start one with millstream serve --data-dir {}, or name another \
                 directory with --data-dir (that of the demo is {DEMO_DATA_DIRECTORY})",
                data_directory.display(),
                data_directory.display()
            )
        })
    }

    /// Connects, if a server runs.
    pub(crate) async fn try_connect(data_directory: &Path) -> anyhow::Result<Option<Client>> {
        let path = path_of(data_directory);
        check_length(&path)?;
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound
                        | std::io::ErrorKind::ConnectionRefused
                        | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot reach the server at {}", path.display()));
            }
        };
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.context("the server does not answer")?;
        Spawn::current().awaited(connection);
        Ok(Some(Client { sender }))
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<T> {
        let answer = self.send(method, path, body.into()).await?;
        let body = answer.into_body().collect().await.map_err(broke_off)?.to_bytes();
        serde_json::from_slice(&body).context("the server gave an answer that this version does not know")
    }

    /// Asks with a JSON body.
    pub(crate) async fn call_with<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.call(Method::POST, path, serde_json::to_vec(body).context("the request is plain data")?).await
    }

    /// Asks, and gives the body as it comes.
    pub(crate) async fn stream(&mut self, path: &str) -> anyhow::Result<Incoming> {
        Ok(self.send(Method::GET, path, Bytes::new()).await?.into_body())
    }

    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .context("the request cannot be built")?;
        self.sender.ready().await.map_err(broke_off)?;
        let answer = self.sender.send_request(request).await.map_err(broke_off)?;
        if let Some(note) = answer.headers().get(STARTING).and_then(|note| note.to_str().ok()) {
            say(format_args!("{note}"));
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(broke_off)?.to_bytes();
        match serde_json::from_slice::<ErrorAnswer>(&body) {
            Ok(answer) if status == StatusCode::SERVICE_UNAVAILABLE => Err(Busy(answer.error).into()),
            Ok(answer) => anyhow::bail!("{}", answer.error),
            Err(_) => anyhow::bail!("the server answered {status}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

/// The server cannot do it now, has done nothing of it, and can be asked again; it says why.
#[derive(Debug)]
pub(crate) struct Busy(pub(crate) String);

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Busy {}

/// What the connection says about its end helps nobody.
fn broke_off(_: hyper::Error) -> anyhow::Error {
    anyhow::anyhow!("the connection to the server was lost")
}

/// A text as part of a query or path.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_for_paths_and_queries() {
        assert_eq!(escaped("a-b_c.1~"), "a-b_c.1~");
        assert_eq!(escaped("x = 'é'&y"), "x%20%3D%20%27%C3%A9%27%26y");
    }
}
