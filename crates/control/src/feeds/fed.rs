//! A stream for the tests of feeds.

use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Clock, Random, SimulatedDisk, Spawn, SystemClock, real_time};
use millstream_streamlog::{Log, LogSettings, Position, ReadFrom, Retention, ShardNumber, StreamKey};
use tokio::sync::mpsc;

use super::FeedServices;
use crate::catalog::Catalog;
use crate::definition::ResourceId;
use crate::live::Live;
use crate::supervise::{Supervisor, TaskEvent, TaskScope};

/// A log with a stream of one shard, and what feeds work with.
pub(super) struct Fed {
    pub(super) log: Arc<Log>,
    pub(super) key: StreamKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) live: Arc<Live>,
    pub(super) supervisor: Supervisor,
    _events: mpsc::UnboundedReceiver<TaskEvent>,
    _folder: tempfile::TempDir,
}

impl Fed {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Fed {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(folder.path(), LogSettings::default(), Arc::clone(&clock)).unwrap();
        Fed::with(log, clock, folder)
    }

    /// On a disk that can hang.
    pub(super) fn on(disk: &SimulatedDisk) -> Fed {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(SystemClock));
        let (settings, random) = (LogSettings::default(), Random::from_seed(1));
        let opened = Log::open_on(
            folder.path(),
            settings,
            Arc::<SystemClock>::clone(&clock),
            random,
            Arc::new(disk.clone()),
        );
        Fed::with(opened.unwrap().0, clock, folder)
    }

    fn with(log: Arc<Log>, clock: Arc<dyn Clock>, folder: tempfile::TempDir) -> Fed {
        let key = StreamKey::data("s".parse().unwrap());
        log.stream_create(&key, 1, Retention::default()).unwrap();
        let live = Arc::new(Live::new());
        let (supervisor, events) = Supervisor::new(Spawn::current(), Arc::clone(&clock), Arc::clone(&live));
        Fed { log, key, clock, live, supervisor, _events: events, _folder: folder }
    }

    pub(super) fn services(
        &self,
        id: ResourceId,
        catalog: &Catalog,
        rate: Option<f64>,
        scope: &TaskScope,
    ) -> FeedServices {
        FeedServices {
            is_copy: false,
            id,
            name: "feed".to_owned(),
            key: self.key.clone(),
            rate,
            records: Arc::default(),
            log: Arc::clone(&self.log),
            catalog: catalog.clone(),
            clock: Arc::clone(&self.clock),
            live: Arc::clone(&self.live),
            spawn: Spawn::current(),
            stop: scope.stop_signal(),
        }
    }

    /// What the stream holds once it holds so many records.
    pub(super) async fn records(&self, count: usize) -> Vec<String> {
        self.records_of(&self.key, count).await
    }

    /// The same of another one.
    pub(super) async fn records_of(&self, key: &StreamKey, count: usize) -> Vec<String> {
        let mut changes = self.log.changes(key).unwrap();
        let held = || {
            let from = ReadFrom::Position(Position::START);
            let batch = self.log.read(key, ShardNumber(0), from, 100_000, 1 << 26).unwrap();
            let records = batch.records.iter();
            records.map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        let enough = async {
            while held().len() < count {
                changes.changed().await.unwrap();
            }
        };
        real_time::within(Duration::from_secs(20), enough).await;
        held()
    }
}

/// A disk that hangs until the end of a test, however that ends: nobody waits for it for ever.
pub(super) struct Hang(SimulatedDisk);

impl Hang {
    pub(super) fn begin(disk: &SimulatedDisk) -> Hang {
        disk.hang_syncs(true);
        Hang(disk.clone())
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        self.0.hang_syncs(false);
    }
}
