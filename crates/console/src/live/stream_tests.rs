//! One browser on a virtual clock: how often it gets something, what, and when its stream ends.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::BoxStream};
use millstream_control::view::{Overview, OverviewSource};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;

/// A source that the test sets.
struct Scripted {
    overview: Mutex<Overview>,
    changes: watch::Sender<u64>,
    asked: AtomicUsize,
}

impl OverviewSource for Scripted {
    fn overview(&self) -> Overview {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.overview.lock().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Scripted {
    fn new() -> Arc<Scripted> {
        Arc::new(Scripted {
            overview: Mutex::new(Overview { scores_reviews: true, ..Overview::default() }),
            changes: watch::Sender::new(0),
            asked: AtomicUsize::new(0),
        })
    }

    fn change(&self, edit: impl FnOnce(&mut Overview)) {
        edit(&mut self.overview.lock());
        self.changes.send_modify(|change| *change += 1);
    }
}

struct Scene {
    source: Arc<Scripted>,
    renderings: Arc<Renderings>,
    stop: watch::Sender<bool>,
}

fn scene() -> Scene {
    let source = Scripted::new();
    let renderings = Arc::new(Renderings::new(source.clone()));
    Scene { source, renderings, stop: watch::Sender::new(false) }
}

impl Scene {
    fn look(&self) -> BoxStream<'static, String> {
        updates(Arc::clone(&self.renderings), self.stop.subscribe()).boxed()
    }
}

async fn ids(stream: &mut BoxStream<'static, String>) -> Vec<String> {
    let update: Value = serde_json::from_str(&stream.next().await.unwrap()).unwrap();
    update["parts"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn everything_first_then_what_changed() {
    let scene = scene();
    let mut stream = scene.look();
    assert_eq!(ids(&mut stream).await.len(), 11);
    scene.source.change(|overview| overview.summary.records_in = 1);
    assert_eq!(ids(&mut stream).await, ["totals"]);
    scene.source.change(|overview| overview.rating_distribution[4] = 3);
    assert_eq!(ids(&mut stream).await, ["distribution"]);
}

#[tokio::test(start_paused = true)]
async fn at_most_four_updates_a_second_and_the_newest_wins() {
    let scene = scene();
    let source = Arc::clone(&scene.source);
    let changing = tokio::spawn(async move {
        for count in 1..=1_000_u64 {
            source.change(|overview| overview.summary.records_in = count);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let mut stream = scene.look();
    let started = Instant::now();
    let mut updates = 0;
    let newest = loop {
        let update = stream.next().await.unwrap();
        updates += 1;
        if update.contains(">1,000<") {
            break update;
        }
    };
    changing.await.unwrap();
    assert!(newest.contains("totals"));
    assert!((4..=6).contains(&updates), "{updates} updates in {:?}", started.elapsed());
    assert!(started.elapsed() <= Duration::from_millis(1_250), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_update_without_a_difference() {
    let scene = scene();
    let mut stream = scene.look();
    stream.next().await.unwrap();
    scene.source.change(|_| {});
    let waited = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
    assert!(waited.is_err(), "an update came though nothing differs");
}

#[tokio::test(start_paused = true)]
async fn browsers_share_one_rendering() {
    let scene = scene();
    let mut streams: Vec<_> = (0..50).map(|_| scene.look()).collect();
    for change in 1..=3 {
        for stream in &mut streams {
            stream.next().await.unwrap();
        }
        assert_eq!(scene.source.asked.load(Ordering::Relaxed), change);
        scene.source.change(|overview| overview.summary.records_in += 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_read_costs_no_rendering() {
    let scene = scene();
    let mut slow = scene.look();
    slow.next().await.unwrap();
    for _ in 0..100 {
        scene.source.change(|overview| overview.summary.records_in += 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(scene.source.asked.load(Ordering::Relaxed), 1);
    assert!(slow.next().await.unwrap().contains(">100<"), "it gets the newest state at once");
    assert_eq!(scene.source.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_the_stream() {
    let stopped = scene();
    let mut stream = stopped.look();
    stream.next().await.unwrap();
    assert!(stream.next().now_or_never().is_none());
    stopped.stop.send_replace(true);
    assert_eq!(stream.next().await, None);
    assert_eq!(stopped.look().next().await, None, "a late browser is told nothing");

    let gone = scene();
    let mut stream = gone.look();
    stream.next().await.unwrap();
    drop(gone.stop);
    assert_eq!(stream.next().await, None);
}
