//! Waiting until what has come in has arrived.
//!
//! What is waited for may be changed, or may fail and be started again, in the middle: its successor is asked again. Nothing
//! counts as arrived because it was stopped.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Server;
use crate::definition::{Kind, ResourceId};
use crate::feeds::FeedEnd;
use crate::registry::Lifecycle;
use crate::resources::Running;

/// Before a successor is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Server {
    /// Comes back when every feed has put its last record, or all that it could read: gives which failed, and why. Copies of
    /// streams have no end: they do not count.
    pub async fn feeds_ended(&self) -> Vec<String> {
        let waiting = self.that_run(Kind::Feed).into_iter().map(async |id| {
            let name = self.world.registry.row(id).map(|row| row.reference().to_string());
            let end = self.until_done(id, |running| {
                let Running::Feed(feed) = running else { return None };
                let end = feed.end();
                Some(async move {
                    let Some(mut end) = end else { return Ok(None) };
                    match end.wait_for(|end| *end != FeedEnd::Open).await.as_deref() {
                        Ok(FeedEnd::Failed(reason)) => Ok(Some(reason.clone())),
                        Ok(FeedEnd::Open | FeedEnd::Ended) => Ok(None),
                        Ok(FeedEnd::Stopped) | Err(_) => Err(()),
                    }
                })
            });
            let failure = match end.await {
                Some(ended) => ended?,
                None => match self.world.registry.row(id).filter(|row| !row.deleting) {
                    Some(row) => row.status.reason()?.to_owned(),
                    None => "it was deleted before all of it was read".to_owned(),
                },
            };
            Some(name.map_or(failure.clone(), |name| format!("{name}: {failure}")))
        });
        futures::future::join_all(waiting).await.into_iter().flatten().collect()
    }

    /// Stops the feeds, all within `limit`: nothing more comes in by them until the next start. Copies of streams go on.
    pub async fn stop_feeds(&self, limit: Duration) {
        let scopes = self.running.map(|(_, running)| match running {
            Running::Feed(feed) if feed.copy_progress().is_none() => Some(feed.scope().clone()),
            _ => None,
        });
        futures::future::join_all(scopes.iter().map(|scope| scope.stop(limit))).await;
    }

    /// Waits until everything that has come in has come out and arrived: streams copied, functions called, objects
    /// written. With `close_windows` also until the windows that are open have closed by themselves. Takes as long as a
    /// destination is down.
    pub async fn drain(&self, close_windows: bool) {
        // What has come in is delivered while applications wait for their windows to close.
        tokio::join!(self.flush_deliveries(), self.drain_streams(close_windows));
        // What they have put out meanwhile comes behind it.
        self.flush_deliveries().await;
        self.monitor_watch.look_aside().await;
    }

    /// The applications whose windows a drain waits for, each with when the last of them closes (milliseconds since the epoch).
    pub fn closing(&self) -> Vec<(String, i64)> {
        self.running.map(|(_, running)| match running {
            Running::Application(application) => {
                let handle = application.handle();
                handle.windows_close_at().map(|at| (handle.name().to_owned(), at))
            }
            _ => None,
        })
    }

    /// Waits until applications and copies have passed on what is in the streams.
    async fn drain_streams(&self, close_windows: bool) {
        let (applications, feeds) = (self.that_run(Kind::Application), self.that_run(Kind::Feed));
        // They may feed each other through streams: a chain is at most as long as there are applications and copies.
        for _ in 0..applications.len() + feeds.len() {
            let drains = applications.iter().map(async |id| {
                let drained = self.until_done(*id, |running| {
                    let Running::Application(application) = running else { return None };
                    let handle = application.handle().clone();
                    Some(async move { handle.drain(close_windows).await.map_err(drop) })
                });
                drained.await
            });
            futures::future::join_all(drains).await;
            let copies = feeds.iter().map(async |id| {
                let copied = self.until_done(*id, |running| {
                    let Running::Feed(feed) = running else { return None };
                    let progress = feed.copy_progress();
                    Some(async move {
                        match progress {
                            Some(progress) => progress.caught_up().await.map_err(drop),
                            None => Ok(()),
                        }
                    })
                });
                copied.await
            });
            futures::future::join_all(copies).await;
        }
    }

    async fn flush_deliveries(&self) {
        for id in self.that_run(Kind::DeliveryStream) {
            let flushed = self.until_done(id, |running| {
                let Running::DeliveryStream(delivery) = running else { return None };
                let handle = delivery.handle().clone();
                Some(async move { handle.flush().await.map_err(drop) })
            });
            // Without a result there is no such delivery any more.
            let _ = flushed.await;
        }
    }

    /// The resources of a kind of which something runs.
    fn that_run(&self, kind: Kind) -> Vec<ResourceId> {
        self.running.map(|(id, running)| {
            let is_of_kind = match running {
                Running::Application(_) => kind == Kind::Application,
                Running::DeliveryStream(_) => kind == Kind::DeliveryStream,
                Running::Feed(_) => kind == Kind::Feed,
                Running::Passive | Running::Endpoint(_) | Running::Function(_) => false,
            };
            is_of_kind.then_some(*id)
        })
    }

    /// Has what runs of a resource do something; when that ends early, by an error, its successor. `None` when there is none:
    /// it was deleted, or failed for good, or the server stops.
    async fn until_done<T, W: Future<Output = Result<T, ()>>>(
        &self,
        id: ResourceId,
        begin: impl Fn(&Running) -> Option<W>,
    ) -> Option<T> {
        loop {
            let begun = self.running.with(id, &begin).flatten();
            if let Some(work) = begun
                && let Ok(done) = work.await
            {
                return Some(done);
            }
            if !self.is_running.load(Ordering::SeqCst) || !self.comes_back(id) {
                return None;
            }
            self.world.clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether a resource exists and is started again when it has ended.
    fn comes_back(&self, id: ResourceId) -> bool {
        let row = self.world.registry.row(id);
        row.is_some_and(|row| !matches!(Lifecycle::of(&row), Lifecycle::Deleting | Lifecycle::Failed))
    }
}
