//! A source that a test scripts, overviews to show, and a server to show them.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "for tests only")]

pub mod http;
pub mod overviews;

use std::{net::SocketAddr, sync::Arc};

use millstream_control::view::{Overview, OverviewSource};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A source that shows what the test has set.
pub struct ScriptedSource {
    overview: Mutex<Overview>,
    changes: watch::Sender<u64>,
}

impl ScriptedSource {
    pub fn new(overview: Overview) -> Arc<ScriptedSource> {
        Arc::new(ScriptedSource { overview: Mutex::new(overview), changes: watch::Sender::new(0) })
    }

    /// Changes the overview and tells it.
    pub fn change(&self, edit: impl FnOnce(&mut Overview)) {
        edit(&mut self.overview.lock());
        self.changes.send_modify(|change| *change += 1);
    }
}

impl OverviewSource for ScriptedSource {
    fn overview(&self) -> Overview {
        self.overview.lock().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The console on a free port of this machine, served as the program does.
pub struct Server {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start(source: Arc<dyn OverviewSource>) -> Server {
        Server::start_at("127.0.0.1:0".parse().unwrap(), source).await
    }

    /// Serves at an address that another server has left.
    pub async fn start_at(address: SocketAddr, source: Arc<dyn OverviewSource>) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let router = millstream_console::router(source, stop.subscribe());
        let serving = tokio::spawn(async move {
            let shutdown = async move {
                let _ = stopped.wait_for(|is_stopping| *is_stopping).await;
            };
            axum::serve(listener, router).with_graceful_shutdown(shutdown).await.unwrap();
        });
        Server { address, stop, serving }
    }

    /// Stops gracefully: ends when all connections have.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.serving.await.unwrap();
    }
}
