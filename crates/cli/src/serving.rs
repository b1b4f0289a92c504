//! The port: the page, and an orderly end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use millstream_control::view::OverviewSource;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A port that is being served.
pub(crate) struct Serving {
    /// Where.
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    /// Takes the port; nobody is served yet, but nobody else can take it.
    pub(crate) async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
        anyhow::ensure!(
            listen.ip().is_loopback(),
            "{listen} can be reached from other machines, and requests cannot be authenticated yet; listen on \
             127.0.0.1 and let an authenticating proxy or an SSH tunnel reach it"
        );
        TcpListener::bind(listen).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
                "port {} is in use by another program (perhaps another millstream); choose another with --listen \
                 {}:0, or serve no page with --no-console",
                listen.port(),
                listen.ip()
            ),
            _ => anyhow::Error::new(error).context(format!("cannot listen on {listen}")),
        })
    }

    /// Serves the page until told to stop.
    pub(crate) fn start(listener: TcpListener, source: Arc<dyn OverviewSource>) -> anyhow::Result<Serving> {
        let address = listener.local_addr().context("the port has no address")?;
        let (stop, mut stopped) = watch::channel(false);
        let router = millstream_console::router(source, stop.subscribe())
            .layer(axum::middleware::from_fn(refuse_foreign_names));
        let ended = async move {
            // An error means that the sender is gone: that is an end, too.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let task =
            tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(ended).await });
        Ok(Serving { address, stop, task })
    }

    /// Answers what is being asked and ends.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "serving ended with an error"),
            Err(error) => tracing::error!(%error, "serving failed"),
        }
    }
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
