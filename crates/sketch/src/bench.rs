//! Throughput of the random cut forest, with a yardstick measured in the same run.
//!
//! Scoring a point is a hundred walks down small trees, so the yardstick is one such step on this machine: a
//! load whose address depends on the load before, from 512 KiB at random. Points per second divided by
//! loads per second compares across machines.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::generator::Generator;
use crate::{ForestSettings, RandomCutForest};

/// Slots of the yardstick's table: 512 KiB.
const YARDSTICK_SLOTS: usize = 128 << 10;
/// Records before the measurement: samples full, nearly every record rejected by them.
const WARM_UP_RECORDS: usize = 20_000;

/// What [`random_cut_forest`] measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Score and update with 100 trees of 256, one column, uniform numbers.
    pub points_per_second_1d: f64,
    /// The same with ten columns.
    pub points_per_second_10d: f64,
    /// Score, attribution and update with ten columns.
    pub explained_points_per_second_10d: f64,
    /// The yardstick: dependent random loads from 512 KiB.
    pub dependent_loads_per_second: f64,
    /// Loads that take as long as one 1-D point.
    pub loads_per_point_1d: f64,
    /// Loads that take as long as one 10-D point.
    pub loads_per_point_10d: f64,
}

/// Measures for about `seconds` seconds on one thread.
pub fn random_cut_forest(seconds: f64) -> Report {
    let share = Duration::from_secs_f64((seconds / 4.0).clamp(0.01, 3_600.0));
    let dependent_loads_per_second = dependent_loads(share);
    let points_per_second_1d = points_per_second(1, false, share);
    let points_per_second_10d = points_per_second(10, false, share);
    let explained_points_per_second_10d = points_per_second(10, true, share);
    Report {
        points_per_second_1d,
        points_per_second_10d,
        explained_points_per_second_10d,
        dependent_loads_per_second,
        loads_per_point_1d: dependent_loads_per_second / points_per_second_1d,
        loads_per_point_10d: dependent_loads_per_second / points_per_second_10d,
    }
}

fn points_per_second(columns: u32, explain: bool, share: Duration) -> f64 {
    let settings = ForestSettings { columns, seed: 1, ..ForestSettings::default() };
    let mut forest = RandomCutForest::new(settings).expect("the default settings are in range");
    let mut generator = Generator::from_seed(2);
    let mut point = vec![0.0_f32; columns as usize];
    let mut next = move |point: &mut [f32]| {
        point.fill_with(|| generator.open_unit() as f32);
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
    let mut generator = Generator::from_seed(3);
    // Sattolo's shuffle: one cycle through all slots.
    for last in (1..order.len()).rev() {
        order.swap(last, (generator.next_u64() % last as u64) as usize);
    }
    let mut slot = 0_usize;
    per_second(share, 100, || {
        for _ in 0..1_000 {
            slot = order[slot] as usize;
        }
        black_box(slot);
    }) * 1_000.0
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn per_second(share: Duration, batch: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut rounds = 0_u64;
    while start.elapsed() < share {
        for _ in 0..batch {
            work();
        }
        rounds += u64::from(batch);
    }
    rounds as f64 / start.elapsed().as_secs_f64()
}
