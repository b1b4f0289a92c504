//! The updates for one browser.

use std::sync::Arc;

use futures::{Stream, stream};
use millstream_host::{Sleep, real_time};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{
    UPDATE_INTERVAL,
    rendering::{Rendering, Renderings},
};

/// What is known about one browser.
struct Browser {
    renderings: Arc<Renderings>,
    changes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    /// The hashes of the parts that it has, in their order; empty before the first update.
    has: Vec<u64>,
    /// Until the next update may be sent.
    rest: Sleep,
}

/// Updates as JSON: all parts at once, then those that changed, at most one each [`UPDATE_INTERVAL`]. Ends when `stop` becomes
/// true or its sender is gone, and when the source of changes is gone.
pub(super) fn updates(
    renderings: Arc<Renderings>,
    stop: watch::Receiver<bool>,
) -> impl Stream<Item = String> + Send + 'static {
    let changes = renderings.changes();
    let browser =
        Browser { renderings, changes, stop, has: Vec::new(), rest: Box::pin(std::future::ready(())) };
    stream::unfold(browser, |mut browser| async move {
        let mut stop = browser.stop.clone();
        let update = tokio::select! {
            biased;
            _ = stop.wait_for(|is_stopping| *is_stopping) => None,
            update = browser.next_update() => update,
        };
        update.map(|update| (update, browser))
    })
}

impl Browser {
    /// The next update with at least one part; `None` when no change will come any more.
    async fn next_update(&mut self) -> Option<String> {
        loop {
            (&mut self.rest).await;
            if !self.has.is_empty() {
                self.changes.changed().await.ok()?;
            }
            let change = *self.changes.borrow_and_update();
            let rendering = self.renderings.at(change);
            self.rest = Box::pin(real_time::sleep(UPDATE_INTERVAL));
            if let Some(update) = self.difference(&rendering) {
                return Some(update);
            }
        }
    }

    /// The parts that this browser does not have, as JSON; `None` when it has all.
    fn difference(&mut self, rendering: &Rendering) -> Option<String> {
        let is_missing = |(index, hash): (usize, u64)| self.has.get(index) != Some(&hash);
        let parts: Map<String, Value> = rendering
            .parts
            .iter()
            .enumerate()
            .filter(|(index, part)| is_missing((*index, part.hash)))
            .map(|(_, part)| (part.id.to_owned(), Value::from(part.html.as_str())))
            .collect();
        self.has = rendering.parts.iter().map(|part| part.hash).collect();
        (!parts.is_empty()).then(|| json!({ "edition": rendering.edition, "parts": parts }).to_string())
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
