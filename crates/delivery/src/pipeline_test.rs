//! The state machine alone: sizes, ages, order, positions, on a clock that is a number.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_host::{Random, Timestamp};
use proptest::prelude::*;

use crate::naming::ObjectNaming;
use crate::pipeline::{Action, BatchId, Pipeline};
use crate::position::{Positions, Progress, SourcePosition};
use crate::settings::{BackupSettings, BufferingHints, DeliverySettings, TransformSettings};
use crate::source::SourceRecord;
use crate::status::ObjectKind;
use crate::transform::{Invocation, Outcome};

fn hints(size_bytes: usize, seconds: u64) -> BufferingHints {
    BufferingHints { size_bytes, interval: Duration::from_secs(seconds) }
}

fn settings() -> DeliverySettings {
    let naming = ObjectNaming::new("s", "", None).unwrap();
    DeliverySettings { buffering: hints(100, 10), ..DeliverySettings::new("arn", naming) }
}

fn pipeline(settings: DeliverySettings) -> Pipeline {
    Pipeline::new(Arc::new(settings), &Progress::default(), Random::from_seed(1))
}

fn records(range: std::ops::Range<u64>, bytes: usize) -> Vec<SourceRecord> {
    range
        .map(|position| SourceRecord {
            position: SourcePosition(position),
            arrival: Timestamp(position as i64),
            data: Bytes::from(format!("{position:0>bytes$}")),
            metadata: None,
        })
        .collect()
}

fn push(pipeline: &mut Pipeline, now: i64, range: std::ops::Range<u64>, bytes: usize) {
    let next = SourcePosition(range.end);
    pipeline.push(Timestamp(now), records(range, bytes), next);
}

/// Everything to do, when progress is stored at once.
fn poll(pipeline: &mut Pipeline, now: Timestamp) -> Vec<Action> {
    let mut actions = pipeline.poll(now);
    pipeline.stored(&pipeline.progress());
    actions.extend(pipeline.poll(now));
    actions
}

/// The objects to write, in short: kind and number of records.
fn writes(actions: &[Action]) -> Vec<(ObjectKind, usize)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Write { intent, contents } => Some((intent.kind, contents.pieces.len())),
            Action::Invoke { .. } => None,
        })
        .collect()
}

fn delivered(pipeline: &Pipeline) -> u64 {
    pipeline.progress().positions.oldest().0
}

#[test]
fn a_buffer_is_due_by_size_or_by_age_of_its_first_record() {
    let mut pipeline = pipeline(settings());
    push(&mut pipeline, 0, 0..9, 10);
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(9_999))), []);
    assert_eq!(pipeline.deadline(), Some(Timestamp(10_000)));
    push(&mut pipeline, 9_999, 9..10, 10);
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(9_999))), [(ObjectKind::Main, 10)]);
    assert_eq!(delivered(&pipeline), 0, "not before it is written");
    push(&mut pipeline, 11_000, 10..11, 10);
    assert_eq!(pipeline.deadline(), Some(Timestamp(21_000)));
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(21_000))), [], "one object of a kind at a time");
    pipeline.written(ObjectKind::Main);
    assert_eq!(delivered(&pipeline), 10);
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(21_000))), [(ObjectKind::Main, 1)]);
    pipeline.written(ObjectKind::Main);
    assert_eq!((delivered(&pipeline), pipeline.held_bytes(), pipeline.deadline()), (11, 0, None));
}

#[test]
fn a_clock_that_is_set_back_delays_by_one_interval_at_most() {
    let mut pipeline = pipeline(settings());
    push(&mut pipeline, 3_600_000, 0..1, 10);
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(0))), []);
    assert_eq!(pipeline.deadline(), Some(Timestamp(10_000)));
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(10_000))), [(ObjectKind::Main, 1)]);
}

#[test]
fn a_zero_interval_delivers_at_once() {
    let mut pipeline = pipeline(DeliverySettings { buffering: hints(100, 0), ..settings() });
    push(&mut pipeline, 5, 0..1, 10);
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(5))), [(ObjectKind::Main, 1)]);
}

fn transforming(concurrency: usize) -> DeliverySettings {
    let transform = TransformSettings {
        buffering: hints(30, 1),
        concurrency,
        function_arn: "arn:f".to_owned(),
        ..TransformSettings::default()
    };
    DeliverySettings { transform: Some(transform), ..settings() }
}

fn batches(actions: Vec<Action>) -> Vec<(BatchId, Arc<Vec<SourceRecord>>)> {
    actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Invoke { batch, records, .. } => Some((batch, records)),
            Action::Write { .. } => None,
        })
        .collect()
}

fn answer(pipeline: &mut Pipeline, batch: BatchId, outcomes: Vec<Outcome>) -> usize {
    let result = Invocation { outcomes, attempts: 1, ended_at: Timestamp(0) };
    pipeline.transformed(Timestamp(0), batch, result).len()
}

#[test]
fn answers_out_of_order_are_delivered_in_order() {
    let mut pipeline = pipeline(DeliverySettings { buffering: hints(10_000, 10), ..transforming(2) });
    push(&mut pipeline, 0, 0..10, 10);
    let first = batches(poll(&mut pipeline, Timestamp(0)));
    assert_eq!(first.iter().map(|(_, records)| records.len()).collect::<Vec<_>>(), [3, 3], "two at a time");
    let upper = |records: &[SourceRecord]| {
        records.iter().map(|record| Outcome::Ok(record.data.clone())).collect::<Vec<_>>()
    };
    assert_eq!(answer(&mut pipeline, first[1].0, upper(&first[1].1)), 0, "waits for the one before");
    assert_eq!(answer(&mut pipeline, first[0].0, vec![Outcome::Dropped; 3]), 6);
    assert_eq!(delivered(&pipeline), 3, "dropped records are done");
    let rest = batches(poll(&mut pipeline, Timestamp(0)));
    assert_eq!(rest.iter().map(|(_, records)| records.len()).collect::<Vec<_>>(), [3]);
    assert_eq!(batches(poll(&mut pipeline, Timestamp(999))).len(), 0);
    let last = batches(poll(&mut pipeline, Timestamp(1_000)));
    assert_eq!(last[0].1.len(), 1, "the rest by age");
    let failed = Outcome::Failed { code: "Lambda.FunctionError", message: "m".to_owned() };
    answer(&mut pipeline, rest[0].0, vec![failed; 3]);
    answer(&mut pipeline, last[0].0, upper(&last[0].1));
    pipeline.flush_to(SourcePosition(10));
    assert_eq!(
        writes(&poll(&mut pipeline, Timestamp(1_000))),
        [(ObjectKind::Main, 4), (ObjectKind::Failed, 3)]
    );
    pipeline.written(ObjectKind::Main);
    assert_eq!(delivered(&pipeline), 6, "the failed ones are not written yet");
    assert_eq!(pipeline.progress().positions.delivered, SourcePosition(10));
    pipeline.written(ObjectKind::Failed);
    assert_eq!((delivered(&pipeline), pipeline.held_bytes()), (10, 0));
}

#[test]
fn both_halves_go_on_where_each_of_them_was() {
    let naming = ObjectNaming::new("s", "b/", None).unwrap();
    let backup = BackupSettings { buffering: hints(100, 1), naming };
    let settings = DeliverySettings { backup: Some(backup), ..settings() };
    let four = SourcePosition(4);
    let positions = Positions { delivered: four, failed: four, backed_up: SourcePosition(7) };
    let mut pipeline = Pipeline::new(Arc::new(settings), &positions.into(), Random::from_seed(1));
    assert_eq!((pipeline.read_position(), pipeline.progress().positions), (four, positions));
    push(&mut pipeline, 0, 4..9, 10);
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(1_000))), [(ObjectKind::Backup, 2)]);
    pipeline.written(ObjectKind::Backup);
    let backed_up = SourcePosition(9);
    assert_eq!(pipeline.progress().positions, Positions { backed_up, ..positions });
    assert_eq!(writes(&poll(&mut pipeline, Timestamp(10_000))), [(ObjectKind::Main, 5)]);
}

#[test]
fn reading_stops_at_the_held_bytes_and_what_is_held_is_delivered() {
    let mut pipeline = pipeline(DeliverySettings { most_held_bytes: 6 * 74 - 10, ..settings() });
    push(&mut pipeline, 0, 0..6, 10);
    assert_eq!(pipeline.room(), 0);
    assert_eq!(
        writes(&poll(&mut pipeline, Timestamp(0))),
        [(ObjectKind::Main, 6)],
        "although it is not full"
    );
    assert_eq!(pipeline.room(), 0);
    pipeline.written(ObjectKind::Main);
    assert_eq!(pipeline.room(), 6 * 74 - 10);
}

#[test]
fn a_gap_at_the_end_of_the_source_does_not_hold_up_a_flush() {
    let mut pipeline = pipeline(settings());
    pipeline.push(Timestamp(0), Vec::new(), SourcePosition(20));
    assert_eq!(delivered(&pipeline), 20);
}

proptest! {
    /// However the same records come in and whenever objects are written, their concatenation is the same, and no
    /// position is ahead of what is written.
    #[test]
    fn any_batching_gives_the_same_bytes(
        steps in prop::collection::vec((0_u64..7, 0_i64..8_000, any::<bool>()), 1..60),
        with_function in any::<bool>(), size in 20_usize..200,
    ) {
        let base = if with_function { transforming(3) } else { settings() };
        let mut pipeline = pipeline(DeliverySettings { buffering: hints(size, 10), ..base });
        let (mut now, mut position, mut output, mut pending) = (0, 0, Vec::new(), None);
        let mut calls = Vec::new();
        let mut step = |pipeline: &mut Pipeline, now: i64, write_now: bool, answer_newest: bool| {
            for action in poll(pipeline, Timestamp(now)) {
                match action {
                    Action::Write { contents, .. } => pending = Some(contents),
                    Action::Invoke { batch, records, .. } => calls.push((batch, records)),
                }
            }
            if write_now && let Some(contents) = pending.take() {
                contents.pieces.iter().for_each(|piece| output.extend_from_slice(piece));
                pipeline.written(ObjectKind::Main);
            }
            let call = if answer_newest { calls.pop() } else { (!calls.is_empty()).then(|| calls.remove(0)) };
            if let Some((batch, records)) = call {
                let outcomes = records.iter().map(|record| Outcome::Ok(record.data.clone())).collect();
                answer(pipeline, batch, outcomes);
            }
            output.len() as u64
        };
        for (count, wait, flag) in steps {
            now += wait;
            push(&mut pipeline, now, position..position + count, 10);
            position += count;
            let written = step(&mut pipeline, now, flag, !flag);
            prop_assert!(delivered(&pipeline) <= written / 10);
        }
        pipeline.flush_to(SourcePosition(position));
        for _ in 0..1_000 {
            step(&mut pipeline, now, true, false);
        }
        prop_assert_eq!(delivered(&pipeline), position);
        prop_assert_eq!(pipeline.held_bytes(), 0);
        let expected: String = (0..position).map(|position| format!("{position:0>10}")).collect();
        prop_assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}

/// What a pipeline writes: key, positions and bytes of each object.
type Written = std::collections::BTreeMap<String, Vec<u8>>;

/// Drives a pipeline over `total` records whose function upper-cases, drops every third and fails every fifth, until it
/// is killed at a random step. Every write and every store is a step of its own.
fn drive(
    settings: &DeliverySettings,
    progress: &mut Progress,
    random: &mut Random,
    total: u64,
    steps: u64,
    store: &mut Written,
) {
    let mut pipeline =
        Pipeline::new(Arc::new(settings.clone()), progress, Random::from_seed(random.next_u64()));
    let (mut calls, mut writes, mut now) = (Vec::new(), Vec::new(), 0);
    for _ in 0..steps {
        match random.below(6) {
            0 => {
                let from = pipeline.read_position().0;
                let to = (from + 1 + random.below(9)).min(total);
                push(&mut pipeline, now, from..to, 10);
            }
            1 => now += random.below(4_000) as i64,
            2 => {
                let stored = pipeline.progress();
                progress.clone_from(&stored);
                // A kill may fall between the store and its answer.
                if random.below(10) == 0 {
                    return;
                }
                pipeline.stored(&stored);
            }
            3 if !calls.is_empty() => {
                let (batch, records): (BatchId, Arc<Vec<SourceRecord>>) =
                    calls.swap_remove(random.below(calls.len() as u64) as usize);
                let outcome = |record: &SourceRecord| match record.position.0 {
                    number if number % 3 == 0 => Outcome::Dropped,
                    number if number % 5 == 0 => Outcome::Failed { code: "c", message: String::new() },
                    _ => Outcome::Ok(record.data.clone()),
                };
                answer(&mut pipeline, batch, records.iter().map(outcome).collect());
            }
            4 if !writes.is_empty() => {
                let (intent, contents): (crate::position::Intent, crate::lane::Contents) = writes.remove(0);
                let known = progress.intents.contains(&intent);
                assert!(known, "{} is written before its intent is durable", intent.key);
                let bytes: Vec<u8> = contents.pieces.concat();
                if let Some(before) = store.insert(intent.key.clone(), bytes.clone()) {
                    assert_eq!(before, bytes, "the same object has other bytes");
                }
                // A kill may fall between the write and its answer.
                if random.below(4) == 0 {
                    return;
                }
                pipeline.written(intent.kind);
            }
            _ => {}
        }
        for action in pipeline.poll(Timestamp(now)) {
            match action {
                Action::Write { intent, contents } => writes.push((intent, contents)),
                Action::Invoke { batch, records } => calls.push((batch, records)),
            }
        }
    }
}

#[test]
fn kills_at_any_step_leave_every_record_in_one_object_of_each_kind() {
    let naming = |prefix| ObjectNaming::new("s", prefix, None).unwrap();
    for seed in 0..300 {
        let mut random = Random::from_seed(seed);
        let backup =
            BackupSettings { buffering: hints(1 + random.below(80) as usize, 3), naming: naming("raw/") };
        let mut settings =
            DeliverySettings { naming: naming("main/"), backup: Some(backup), ..transforming(2) };
        settings.buffering = hints(1 + random.below(80) as usize, 3);
        let (mut progress, mut store, total) = (Progress::default(), Written::new(), 60);
        let mut rounds = 0;
        while progress.positions.oldest().0 < total || !progress.intents.is_empty() {
            rounds += 1;
            // Settings may change between runs too.
            settings.buffering.size_bytes = 1 + random.below(120) as usize;
            settings.most_held_bytes = if random.below(4) == 0 { 1_000 } else { 1 << 20 };
            let steps = 20 + random.below(300);
            drive(&settings, &mut progress, &mut random, total, steps, &mut store);
            assert!(rounds < 1_000, "seed {seed} does not come to an end: {progress:?}");
        }
        let collect = |prefix: &str| {
            let objects = store.iter().filter(|(key, _)| key.starts_with(prefix));
            let mut numbers: Vec<u64> = objects
                .flat_map(|(_, bytes)| bytes.chunks(10).map(<[u8]>::to_vec).collect::<Vec<_>>())
                .filter_map(|piece| String::from_utf8(piece).ok()?.parse().ok())
                .collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(collect("raw/"), (0..total).collect::<Vec<_>>(), "seed {seed}");
        let good: Vec<u64> = (0..total).filter(|number| number % 3 != 0 && number % 5 != 0).collect();
        assert_eq!(collect("main/1970"), good, "seed {seed}");
        let failed: usize = store
            .iter()
            .filter(|(key, _)| key.starts_with("main/processing-failed"))
            .map(|(_, bytes)| bytes.iter().filter(|byte| **byte == b'\n').count())
            .sum();
        assert_eq!(failed, (0..total).filter(|number| number % 3 != 0 && number % 5 == 0).count());
    }
}
