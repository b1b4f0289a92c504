//! Server-sent events: the parts of the page that changed.
//!
//! ```text
//!  changes() ──▶ wait ──▶ newest rendering (shared) ──▶ parts that this browser does not have ──▶ event `parts`
//!                 ▲                                                                                   │
//!                 └────────────── at least UPDATE_INTERVAL, and not before the browser took it ◀──────┘
//! ```
//!
//! An event holds a JSON object: `edition` (see `page.rs`) and `parts`, from the id of a part to its HTML. The first
//! event of a stream holds all parts, so a browser that connects again misses nothing.
//!
//! Cost: a rendering for each change at most, whoever looks; for each browser one hash a part. The server polls a stream only
//! when its socket takes bytes, so a slow browser holds one event, not a queue. A gone one fails at the next event or
//! at the next sign of life (a comment every 15 seconds) and its stream ends.

mod rendering;
mod stream;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::{StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::StreamExt;
use millstream_control::view::OverviewSource;
use tokio::sync::{Semaphore, watch};

use rendering::Renderings;

/// The least time between two updates of one browser.
pub const UPDATE_INTERVAL: Duration = Duration::from_millis(250);

/// The most live streams at a time. One more is refused with 503, and its page tries again.
pub const MOST_BROWSERS: usize = 100;

/// How often an idle stream says that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The live streams of one console.
pub(crate) struct Live {
    renderings: Arc<Renderings>,
    stop: watch::Receiver<bool>,
    places: Arc<Semaphore>,
}

impl Live {
    /// No streams yet; those to come end when `stop` becomes true or its sender is gone.
    pub(crate) fn new(source: Arc<dyn OverviewSource>, stop: watch::Receiver<bool>) -> Live {
        Live {
            renderings: Arc::new(Renderings::new(source)),
            stop,
            places: Arc::new(Semaphore::new(MOST_BROWSERS)),
        }
    }

    /// Answers a browser with a stream of events, or refuses it when there are too many.
    pub(crate) fn connect(&self) -> Response {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let reason = format!(
                "{MOST_BROWSERS} browsers look already; close one, or reload the page for newer numbers\n"
            );
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], reason).into_response();
        };
        let updates = stream::updates(Arc::clone(&self.renderings), self.stop.clone());
        let events = updates.map(move |update| {
            // The place is held for as long as the stream is.
            let _held = &place;
            Ok::<Event, Infallible>(Event::default().event("parts").data(update))
        });
        let headers = [(header::CACHE_CONTROL, "no-store")];
        (headers, Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE))).into_response()
    }
}
