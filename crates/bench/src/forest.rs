//! Throughput of the random cut forest, with a yardstick measured in the same run.
//!
//! Scoring a point is a hundred walks down small trees, so the yardstick is one such step on this machine: a
//! load whose address depends on the load before, from 512 KiB at random. Points per second divided by
//! loads per second compares across machines.

use std::hint::black_box;
use std::time::{Duration, Instant};

use millstream_host::Random;
use millstream_sketch::{ForestSettings, RandomCutForest};

use crate::{Budget, Measurement};

/// Slots of the yardstick's table: 512 KiB.
const YARDSTICK_SLOTS: usize = 128 << 10;
/// Records before the measurement: samples full, nearly every record rejected by them.
const WARM_UP_RECORDS: usize = 20_000;

/// Score and update with 100 trees of 256, in one and in ten columns; the latter also with attribution. About
/// `duration` for each, on one thread.
pub fn run(duration: Duration) -> Vec<Measurement> {
    let loads = dependent_loads(duration);
    let cases = [
        ("random cut forest, 1-D, score and update", 1, false, Some(30e3)),
        ("random cut forest, 10-D, score and update", 10, false, Some(15e3)),
        ("random cut forest, 10-D, explain and update", 10, true, None),
    ];
    cases
        .into_iter()
        .map(|(name, columns, explain, least)| {
            let figure = points_per_second(columns, explain, duration);
            Measurement {
                name: name.into(),
                figure,
                unit: "points/s",
                yardstick: "dependent random loads from 512 KiB".into(),
                yardstick_figure: loads,
                yardstick_unit: "loads/s",
                ratio: loads / figure,
                ratio_unit: "loads a point",
                budget: least.map(Budget::AtLeast),
            }
        })
        .collect()
}

fn points_per_second(columns: u32, explain: bool, share: Duration) -> f64 {
    let settings = ForestSettings { columns, seed: 1, ..ForestSettings::default() };
    let mut forest = RandomCutForest::new(settings).expect("the default settings are in range");
    let mut generator = Random::from_seed(2);
    let mut point = vec![0.0_f32; columns as usize];
    let mut next = move |point: &mut [f32]| {
        point.fill_with(|| generator.unit() as f32);
    };
    for _ in 0..WARM_UP_RECORDS {
        next(&mut point);
        forest.score_and_update(&point).expect("the numbers are finite");
    }
    per_second(share, 200, || {
        next(&mut point);
        if explain {
            black_box(forest.explain_and_update(&point).expect("the numbers are finite"));
        } else {
            black_box(forest.score_and_update(&point).expect("the numbers are finite"));
        }
    })
}

fn dependent_loads(share: Duration) -> f64 {
    let mut order: Vec<u32> = (0..YARDSTICK_SLOTS as u32).collect();
    let mut generator = Random::from_seed(3);
    // Sattolo's shuffle: one cycle through all slots.
    for last in (1..order.len()).rev() {
        order.swap(last, (generator.below(last as u64)) as usize);
    }
    let mut slot = 0_usize;
    per_second(share, 100, || {
        for _ in 0..1_000 {
            slot = order[slot] as usize;
        }
        black_box(slot);
    }) * 1_000.0
}

/// How often `work` runs in a second: the fastest of five stretches, as other work of the machine only slows.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn per_second(share: Duration, batch: u32, mut work: impl FnMut()) -> f64 {
    const STRETCHES: u32 = 5;
    let mut fastest = 0.0_f64;
    for _ in 0..STRETCHES {
        let start = Instant::now();
        let mut rounds = 0_u64;
        while start.elapsed() < share / STRETCHES {
            for _ in 0..batch {
                work();
            }
            rounds += u64::from(batch);
        }
        fastest = fastest.max(rounds as f64 / start.elapsed().as_secs_f64());
    }
    fastest
}
