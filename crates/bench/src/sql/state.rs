//! Large states: what a checkpoint costs while a part of the keys changes, and how long it takes to go on from one.

use super::{Bench, wall_seconds};
use crate::{Budget, Measurement};
use arrow_array::{ArrayRef, Float64Array, StringArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, Manifest, PartId, catalog};
use millstream_sql::{Column, InputStream, Program, SqlType, StreamId, compile};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

/// Seconds from one checkpoint to the next.
const INTERVAL: f64 = 3.0;

/// Checkpoints of a run: the oldest parts are written again several times within them.
const CHECKPOINTS: usize = 40;

/// Rows of a batch.
const ROWS_PER_BATCH: usize = 8_192;

/// What a run found. Times are those of the clock on the wall, in seconds; sizes are bytes.
#[derive(Clone, Debug, Default)]
pub struct StateFigures {
    /// What the application counts as held.
    pub held_bytes: usize,
    /// Keys.
    pub keys: usize,
    /// Parts of the first checkpoint, which holds everything.
    pub first_bytes: u64,
    /// The longest pause of a later checkpoint.
    pub longest_pause: f64,
    /// All pauses of later checkpoints.
    pub pauses: f64,
    /// What other threads did for them.
    pub background: f64,
    /// What they wrote.
    pub written_bytes: u64,
    /// Reading everything back.
    pub restore: f64,
    /// The share of the time that pauses take, 1 % of the keys changing a second and a checkpoint every 3 s.
    pub share_lost: f64,
}

/// Counts and averages by key over a day.
fn program() -> Program {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let columns = vec![column("K", SqlType::Varchar { length: 64 }), column("P", SqlType::Double)];
    let text = "CREATE STREAM T (K VARCHAR(64), N BIGINT, A DOUBLE); CREATE PUMP P AS INSERT INTO T SELECT STREAM K, \
                COUNT(*), AVG(P) FROM S GROUP BY K, FLOOR(S.ROWTIME TO DAY);";
    let input = InputStream { name: "S".to_owned(), columns, metadata_columns: 0 };
    compile(text, &[input], &catalog()).program.expect("the statement is legal")
}

fn settings() -> ApplicationSettings {
    ApplicationSettings { memory_limit: 0, ..ApplicationSettings::default() }
}

/// One row for each of these keys.
fn rows(keys: impl Iterator<Item = usize> + Clone) -> Batch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(keys.clone().map(|key| format!("customer {key:012}")))),
        Arc::new(Float64Array::from_iter_values(keys.clone().map(|key| key as f64))),
    ];
    Batch::new(ScalarBuffer::from_iter(keys.map(|_| 1_i64)), columns)
}

fn push(application: &mut Application, keys: impl Iterator<Item = usize>) {
    let keys: Vec<usize> = keys.collect();
    for keys in keys.chunks(ROWS_PER_BATCH) {
        application.push(StreamId(0), &rows(keys.iter().copied()), 0).expect("the rows are in order");
    }
}

/// Fills a state of about `bytes`, changes 1 % of its keys a second, and goes on from the last checkpoint. `look` is called
/// after each step.
pub fn measure(bytes: usize, mut look: impl FnMut(&str)) -> StateFigures {
    let mut figures = StateFigures::default();
    let mut application = Application::new(program(), settings()).expect("the plan is sound");
    let held = |application: &Application| application.held_bytes()[0].1;
    while held(&application) < bytes {
        push(&mut application, figures.keys..figures.keys + ROWS_PER_BATCH);
        figures.keys += ROWS_PER_BATCH;
    }
    figures.held_bytes = held(&application);
    look("filled");
    let mut parts: HashMap<PartId, Vec<u8>> = HashMap::new();
    let mut manifest = take(&mut application, &mut parts, &mut StateFigures::default());
    figures.first_bytes = manifest.part_bytes();
    look("first checkpoint");
    let changed = (figures.keys as f64 * 0.01 * INTERVAL) as usize;
    for checkpoint in 0..CHECKPOINTS {
        let mixed = |key: usize| (checkpoint * changed + key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        push(&mut application, (0..changed).map(|key| mixed(key) % figures.keys));
        manifest = take(&mut application, &mut parts, &mut figures);
        let named: HashSet<PartId> = manifest.parts().map(|part| part.id).collect();
        parts.retain(|id, _| named.contains(id));
    }
    figures.share_lost = figures.pauses / (CHECKPOINTS as f64 * INTERVAL);
    look("later checkpoints");
    drop(application);
    let began = wall_seconds();
    let restored = Application::restore(program(), settings(), &manifest, &mut |id| {
        parts.get(id).cloned().ok_or_else(|| "no such part".into())
    });
    figures.restore = wall_seconds() - began;
    let (restored, _) = restored.expect("the state can be restored");
    assert_eq!(held(&restored), figures.held_bytes);
    look("restored");
    figures
}

fn take(
    application: &mut Application,
    parts: &mut HashMap<PartId, Vec<u8>>,
    figures: &mut StateFigures,
) -> Manifest {
    let began = wall_seconds();
    let snapshot = application.snapshot().expect("the state can be written");
    let paused = wall_seconds() - began;
    figures.pauses += paused;
    figures.longest_pause = figures.longest_pause.max(paused);
    let began = wall_seconds();
    let stored = snapshot.store(|id, bytes| {
        figures.written_bytes += bytes.len() as u64;
        parts.insert(*id, bytes.to_vec());
        Ok::<(), Infallible>(())
    });
    figures.background += wall_seconds() - began;
    stored.expect("parts can be kept in memory")
}

/// Two figures of a state of 256 MiB.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let names = ["256 MiB of state, 1 % of keys changed a second", "256 MiB of state, restored"];
    if !names.iter().any(|name| bench.wants(name)) {
        return Vec::new();
    }
    let figures = measure(256 << 20, |_| ());
    let measurement = |name, figure, unit, ratio, ratio_unit, budget| Measurement {
        name: Cow::Borrowed(name),
        figure,
        unit,
        yardstick: "a copy of memory on one core".into(),
        yardstick_figure: bench.copied_bytes_per_second,
        yardstick_unit: "bytes/s",
        ratio,
        ratio_unit,
        budget: Some(Budget::AtMost(budget)),
    };
    let copy = |bytes: usize| bytes as f64 / bench.copied_bytes_per_second;
    let held = figures.held_bytes;
    vec![
        measurement(
            names[0],
            100.0 * figures.share_lost,
            "% of the time lost to checkpoints",
            figures.pauses / CHECKPOINTS as f64 / copy(held),
            "copies of the state a checkpoint",
            5.0,
        ),
        measurement(names[1], figures.restore, "s", figures.restore / copy(held), "copies of the state", 2.5),
    ]
}
