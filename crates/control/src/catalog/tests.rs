//! What the catalog promises, on disk and in memory.

use std::collections::BTreeMap;

use millstream_delivery::{Positions, Progress, SourcePosition};
use millstream_host::Timestamp;

use super::*;
use crate::definition::{
    Definition, FeedDefinition, FeedSource, FeedTarget, Generation, Owner, ResourceId, StreamDefinition,
    TopicDefinition,
};
use crate::registry::Status;

fn stream(retention_hours: u32) -> Definition {
    Definition::Stream(StreamDefinition { shards: Some(1), retention_hours })
}

fn insert(name: &str, definition: Definition) -> RowChange {
    RowChange::Insert { name: name.to_owned(), definition, owner: Owner::Api }
}

/// Runs a check against a catalog in a file and one in memory.
fn both(check: impl Fn(&Catalog)) {
    let folder = tempfile::tempdir().unwrap();
    check(&Catalog::open(&folder.path().join("catalog.sqlite")).unwrap());
    check(&Catalog::in_memory().unwrap());
}

impl Catalog {
    /// Keeps how far a consumer has come, alone.
    pub(super) fn put_positions(
        &self,
        consumer: ResourceId,
        source: ResourceId,
        positions: &BTreeMap<u32, u64>,
    ) -> Result<(), CatalogError> {
        self.with(|connection| {
            for (shard, position) in positions {
                let sql = "INSERT OR REPLACE INTO position VALUES (?1, ?2, ?3, ?4)";
                connection.execute(sql, rusqlite::params![consumer.0, source.0, shard, signed(*position)])?;
            }
            Ok(())
        })
    }
}

#[test]
fn rows_change_together_or_not_at_all() {
    both(|catalog| {
        catalog.change_resources(&[insert("a", stream(24)), insert("b", stream(24))], Timestamp(1)).unwrap();
        let rows = catalog.resources().unwrap();
        assert_eq!((rows[0].name.as_str(), rows[0].generation), ("a", Generation(1)));
        let taken = [insert("c", stream(24)), insert("a", stream(24))];
        assert!(catalog.change_resources(&taken, Timestamp(2)).is_err(), "the name is taken");
        assert_eq!(catalog.resources().unwrap().len(), 2);
        let id = rows[0].id;
        let update = |definition| RowChange::Update { id, definition, owner: Owner::Api };
        catalog.change_resources(&[update(stream(48))], Timestamp(3)).unwrap();
        catalog.change_resources(&[update(stream(48))], Timestamp(4)).unwrap();
        let row = &catalog.resources().unwrap()[0];
        assert_eq!((row.generation, row.changed_at), (Generation(2), Timestamp(3)), "only a change counts");
        let failed = Status::Failed { reason: "no".to_owned() };
        catalog.put_status(id, Generation(1), &failed).unwrap();
        let row = &catalog.resources().unwrap()[0];
        assert_eq!((row.observed, &row.status), (Generation(1), &failed));
    });
}

#[test]
fn every_status_is_read_as_it_was_kept_also_by_an_earlier_version() {
    both(|catalog| {
        catalog.change_resources(&[insert("a", stream(24))], Timestamp(1)).unwrap();
        let id = catalog.resources().unwrap()[0].id;
        let reason = || "it is slow".to_owned();
        let status = || catalog.resources().unwrap().remove(0).status;
        for kept in [
            Status::Pending,
            Status::Active,
            Status::TakesLong { reason: reason() },
            Status::Retrying { reason: reason() },
            Status::Failed { reason: reason() },
        ] {
            catalog.put_status(id, Generation(1), &kept).unwrap();
            assert_eq!(status(), kept);
        }
        for (text, read) in [
            ("creating", Status::Pending),
            ("pending", Status::Pending),
            ("active", Status::Active),
            // Also of what took long.
            ("retrying", Status::Retrying { reason: reason() }),
            ("failed", Status::Failed { reason: reason() }),
            ("of a later version", Status::Pending),
        ] {
            let sql = "UPDATE resource SET status = ?1, reason = ?2";
            catalog.with(|connection| connection.execute(sql, [text, &reason()])).unwrap();
            assert_eq!(status(), read, "{text}");
        }
    });
}

#[test]
fn r18_a_name_may_be_used_again_at_once_and_an_id_never() {
    both(|catalog| {
        catalog.change_resources(&[insert("a", stream(24))], Timestamp(1)).unwrap();
        let old = catalog.resources().unwrap()[0].id;
        catalog.put_positions(ResourceId(7), old, &BTreeMap::from([(0, 9)])).unwrap();
        let again = [RowChange::MarkDeleting { id: old }, insert("a", stream(24))];
        catalog.change_resources(&again, Timestamp(2)).unwrap();
        let rows = catalog.resources().unwrap();
        assert_eq!((rows.len(), rows[0].deleting, rows[1].deleting), (2, true, false));
        catalog.erase_resource(old).unwrap();
        let new = catalog.resources().unwrap()[0].id;
        assert!(new > old);
        assert_eq!(catalog.positions(ResourceId(7), old).unwrap(), BTreeMap::new());
        catalog.erase_resource(new).unwrap();
        catalog
            .change_resources(&[insert("t", Definition::Topic(TopicDefinition {}))], Timestamp(3))
            .unwrap();
        assert!(catalog.resources().unwrap()[0].id > new);
    });
}

#[test]
fn positions_and_progress_are_kept() {
    both(|catalog| {
        let delivery = ResourceId(3);
        let progress = Progress::from(Positions::at(SourcePosition(5)));
        assert_eq!(catalog.delivery_progress(delivery).unwrap(), None);
        let definition = Some(crate::definition::DeliveryStreamDefinition {
            bucket: "bucket".to_owned(),
            prefix: "p/".to_owned(),
            error_prefix: None,
            compression: crate::definition::Compression::None,
            buffering: crate::definition::BufferingDefinition::default(),
            transform: None,
            backup: None,
        });
        let stored = StoredDelivery { progress: progress.clone(), definition, functions: Some(u64::MAX) };
        for stored in [StoredDelivery::from(progress), stored] {
            catalog.put_delivery_progress(delivery, &stored).unwrap();
            assert_eq!(catalog.delivery_progress(delivery).unwrap(), Some(stored));
        }
        let reader = ResourceId(4);
        assert_eq!(catalog.lowest_position(delivery, 0, &[delivery, reader]).unwrap(), None);
        catalog.put_positions(reader, delivery, &BTreeMap::from([(0, 2)])).unwrap();
        assert_eq!(catalog.lowest_position(delivery, 0, &[delivery, reader]).unwrap(), Some(2));
        let feed = |name: &str| {
            let source = FeedSource::StandardInput { header: false };
            let target = FeedTarget::Stream("s".to_owned());
            let definition = FeedDefinition { source, target, rate: None, from_command_line: true };
            catalog.change_resources(&[insert(name, Definition::Feed(definition))], Timestamp(1)).unwrap();
            catalog.resources().unwrap().last().unwrap().id
        };
        catalog.change_resources(&[insert("s", stream(24))], Timestamp(1)).unwrap();
        let known = Some(KnownRecord { number: 12, hash: u64::MAX });
        let progress = FeedProgress { pass: 1, produced: 12, ended: false, known };
        let (first, other) = (feed("f"), feed("g"));
        for feed in [first, other] {
            assert_eq!(catalog.known_feed_progress(feed).unwrap(), None);
            assert_eq!(catalog.feed_progress(feed, ["f", "-"], "a").unwrap(), FeedProgress::default());
            catalog.put_feed_progress(feed, progress).unwrap();
            assert_eq!(catalog.feed_progress(feed, ["f", "-"], "a").unwrap(), progress);
            assert_eq!(catalog.known_feed_progress(feed).unwrap(), Some(progress));
        }
        let end = |feed, change| {
            catalog.change_resources(&[change], Timestamp(2)).unwrap();
            catalog.release_feed_progress(feed, "f").unwrap();
            catalog.erase_resource(feed).unwrap();
        };
        end(first, RowChange::MarkDeleting { id: first });
        let scratch = catalog.feed_progress(ResourceId(100), ["f", "-"], "a").unwrap();
        assert_eq!(scratch.produced, 0, "what is deleted leaves nothing");
        end(other, RowChange::Prune { id: other });
        let next = catalog.feed_progress(ResourceId(101), ["f", "-"], "a").unwrap();
        assert_eq!(next, FeedProgress { pass: 0, ..progress }, "the next goes on");
        assert_eq!(
            catalog.feed_progress(ResourceId(102), ["f", "-"], "a").unwrap().produced,
            0,
            "but only one"
        );
        // Another source is another pass, from its beginning.
        let begun = catalog.feed_progress(ResourceId(101), ["f", "-"], "b").unwrap();
        assert_eq!(begun, FeedProgress { pass: 1, ..FeedProgress::default() });
        assert_eq!(catalog.feed_progress(ResourceId(101), ["f", "-"], "b").unwrap(), begun);
    });
}

const SOURCE: ResourceId = ResourceId(1);

/// A checkpoint in the first epoch.
fn at(position: u64) -> StoredCheckpoint {
    StoredCheckpoint {
        source: SOURCE,
        positions: BTreeMap::from([(0, position)]),
        epoch: 0,
        input_errors: 0,
        engine: EngineState::Manifest(Vec::new()),
        waiting: WaitingOutput::Nothing,
        rows_depend_on: None,
        definition: None,
        spent_records: None,
        starting_position: None,
    }
}

#[test]
fn epochs_are_known_whatever_becomes_of_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    let (first, second) = (ResourceId(7), ResourceId(8));
    let in_epoch = |epoch| StoredCheckpoint { epoch, ..at(0) };
    let catalog = Catalog::open(&path).unwrap();
    assert_eq!(catalog.next_epoch(first).unwrap(), 0);
    let older = catalog.put_checkpoint(first, &in_epoch(3), None, Timestamp(1)).unwrap();
    catalog.put_checkpoint(first, &in_epoch(5), Some(older), Timestamp(1)).unwrap();
    catalog.put_checkpoint(first, &in_epoch(3), Some(older), Timestamp(1)).unwrap();
    let older = catalog.put_checkpoint(second, &in_epoch(1), None, Timestamp(1)).unwrap();
    catalog.put_checkpoint(second, &in_epoch(2), Some(older), Timestamp(1)).unwrap();
    let epochs = |catalog: &Catalog| [first, second].map(|id| catalog.next_epoch(id).unwrap());
    assert_eq!(epochs(&catalog), [6, 3]);
    // As layout 3 was, with a damaged checkpoint: it may have begun an epoch.
    let sql = "DROP TABLE epoch; ALTER TABLE feed_position DROP COLUMN spent_records; ALTER TABLE feed_position DROP COLUMN known_record; \
               ALTER TABLE feed_position DROP COLUMN known_hash; \
               ALTER TABLE unclaimed_feed_position DROP COLUMN known_record; \
               ALTER TABLE unclaimed_feed_position DROP COLUMN known_hash; ALTER TABLE feed_position DROP COLUMN target; \
               ALTER TABLE unclaimed_feed_position DROP COLUMN target; \
               ALTER TABLE unclaimed_feed_position DROP COLUMN feed_name; PRAGMA user_version = 3; \
               UPDATE checkpoint SET checksum = checksum + 1 WHERE application = 8 AND number = 2";
    catalog.with(|connection| connection.execute_batch(sql)).unwrap();
    drop(catalog);
    let catalog = Catalog::open(&path).unwrap();
    assert_eq!(epochs(&catalog), [4, 3]);
    catalog.erase_resource(first).unwrap();
    assert_eq!(epochs(&catalog), [0, 3]);
}

#[test]
fn positions_never_pass_what_the_newest_checkpoint_needs() {
    let catalog = Catalog::in_memory().unwrap();
    let (application, source) = (ResourceId(7), SOURCE);
    let lowest = || catalog.lowest_position(source, 0, &[application]).unwrap().unwrap();
    let put = |position, follows| {
        catalog.put_checkpoint(application, &at(position), follows, Timestamp(1)).unwrap()
    };
    let kept = || -> Vec<(i64, StoredCheckpoint)> {
        let all = catalog.checkpoints(application).unwrap().into_iter();
        all.map(|(number, checkpoint)| (number, checkpoint.unwrap())).collect()
    };
    let first = put(100, None);
    assert_eq!(lowest(), 100);
    let second = put(1_000, Some(first));
    assert_eq!(lowest(), 100);
    // A part of the newest is damaged: the application goes on from the one before. What is damaged is no longer there, and
    // what is whole still is.
    let third = put(150, Some(first));
    assert_eq!(lowest(), 100);
    assert_eq!(kept(), [(third, at(150)), (first, at(100))]);
    assert!(third > second, "a number is never used again");
    let fourth = put(180, Some(third));
    assert_eq!((lowest(), kept()), (150, vec![(fourth, at(180)), (third, at(150))]));
    // It starts over, before them.
    put(20, None);
    assert_eq!(lowest(), 20);
}

#[test]
fn a_newer_layout_and_a_file_of_another_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Catalog::open(&path).err().unwrap().to_string();
    assert!(error.contains("has layout 99"), "{error}");
    let other = folder.path().join("other.sqlite");
    std::fs::write(&other, "this is no database, but long enough to look at it").unwrap();
    assert!(Catalog::open(&other).is_err());
}

#[test]
fn an_opening_leaves_nothing_of_earlier_commits_in_the_log_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [path, crashed] = ["catalog.sqlite", "crashed.sqlite"].map(|name| folder.path().join(name));
    let catalog = Catalog::open(&path).unwrap();
    for hours in 1..9 {
        catalog.change_resources(&[insert(&format!("s{hours}"), stream(24))], Timestamp(0)).unwrap();
    }
    // A kill leaves the log of the commits so far.
    let log_of = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(&path, &crashed).unwrap();
    std::fs::copy(log_of(&path), log_of(&crashed)).unwrap();
    let length = std::fs::metadata(log_of(&crashed)).unwrap().len();
    let opened = Catalog::open(&crashed).unwrap();
    assert_eq!(opened.resources().unwrap().len(), 8);
    assert!(length > 0 && std::fs::metadata(log_of(&crashed)).unwrap().len() == 0);
}
