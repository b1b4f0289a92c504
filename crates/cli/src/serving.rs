//! The port: the page, limits on who may connect, and an orderly end.
//!
//! A client can be slow, silent or hostile: heads have a time limit, connections are counted, and an end waits for what is
//! being answered, but not for long.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use millstream_control::view::OverviewSource;
use millstream_host::{Spawn, real_time};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Connections at a time. Further ones wait to be taken.
const MOST_CONNECTIONS: u32 = 1_024;
/// Time limit for the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long an end waits for what is being answered.
const END_LIMIT: Duration = Duration::from_millis(500);
/// How long it waits for connections that are closed.
const CLOSE_LIMIT: Duration = Duration::from_millis(100);
/// Before connections are taken again after a failure, such as too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Something that is being served.
pub(crate) struct Serving {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Takes the port; nobody is served yet, but nobody else can take it.
pub(crate) async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    anyhow::ensure!(
        listen.ip().is_loopback(),
        "{listen} can be reached from other machines, and requests cannot be authenticated yet; listen on 127.0.0.1 and \
         let an authenticating proxy or an SSH tunnel reach it"
    );
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {} is in use by another program (perhaps another millstream); choose another with --listen {}:0, or \
             serve no page with --no-console",
            listen.port(),
            listen.ip()
        ),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {listen}")),
    })
}

/// What takes connections.
pub(crate) trait Accept: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<Self::Stream>> + Send;
}

impl Accept for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&mut self) -> std::io::Result<Self::Stream> {
        let (stream, _) = TcpListener::accept(self).await?;
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Serving {
    /// Serves the page until stopped.
    pub(crate) fn page(
        listener: TcpListener,
        source: Arc<dyn OverviewSource>,
    ) -> anyhow::Result<(Serving, SocketAddr)> {
        let address = listener.local_addr().context("the port has no address")?;
        let stop = watch::Sender::new(false);
        let router = millstream_console::router(source, stop.subscribe())
            .layer(axum::middleware::from_fn(refuse_foreign_names));
        Ok((Serving::start(listener, router, stop), address))
    }

    /// Serves until stopped; `stop` is also for what runs within.
    pub(crate) fn start(listener: impl Accept, router: Router, stop: watch::Sender<bool>) -> Serving {
        let task = Spawn::current().awaited(serve(listener, router, stop.subscribe()));
        Serving { stop, task }
    }

    /// Answers what is being asked, for a moment, and ends.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "serving failed");
        }
    }
}

async fn serve(mut listener: impl Accept, router: Router, mut stop: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS as usize));
    let graceful = GracefulShutdown::new();
    let close = watch::Sender::new(false);
    loop {
        let taken = tokio::select! {
            // An error means that the sender is gone: that is an end, too.
            _ = stop.wait_for(|stop| *stop) => break,
            taken = next(&mut listener, &permits) => taken,
        };
        let (stream, permit) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                real_time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let mut closed = close.subscribe();
        Spawn::current().awaited(async move {
            // Given back when the connection, and what answers it, is gone.
            let _permit = permit;
            tokio::select! {
                ended = connection => {
                    // A client that breaks off is its own business.
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
    }
    if real_time::within(END_LIMIT, graceful.shutdown()).await.is_none() {
        close.send_replace(true);
        tracing::info!("connections that did not end by themselves were closed");
    }
    // What answered them has let go of the server.
    if real_time::within(CLOSE_LIMIT, permits.acquire_many(MOST_CONNECTIONS)).await.is_none() {
        tracing::warn!("connections were closed, and go on");
    }
}

async fn next<L: Accept>(
    listener: &mut L,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(L::Stream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(std::io::Error::other)?;
    Ok((listener.accept().await?, permit))
}

/// Answers only requests that name this machine: a page of another site whose name was made to lead here (DNS
/// rebinding) must not read what is shown.
async fn refuse_foreign_names(request: Request, next: Next) -> Response {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = header.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    if authority.is_some_and(names_this_machine) {
        return next.run(request).await;
    }
    let text = "This page is for this machine only: open it as http://127.0.0.1 or http://localhost with its port.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// `localhost`, a name below it, or a loopback address, with or without a port.
fn names_this_machine(authority: &str) -> bool {
    let without_port = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = without_port.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for good in ["localhost", "localhost:4566", "127.0.0.1:80", "[::1]:4566", "[::1]", "s3.LOCALHOST:1"] {
            assert!(names_this_machine(good), "{good}");
        }
        for bad in ["example.com", "example.com:4566", "localhost.example.com", "10.0.0.1", "", "[fe80::1]:1"]
        {
            assert!(!names_this_machine(bad), "{bad}");
        }
    }
}
