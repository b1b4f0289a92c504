//! The statistical properties of scores: the table of section 8 of the random cut forest specification, each
//! row over three seeds of the stream and of the forest.

use crate::streams::{Source, assert_within, correlation, deviation, mean, quantile};
use millstream_sketch::{ForestSettings, RandomCutForest};

const SEEDS: [u64; 3] = [1, 2, 3];

fn scores(settings: ForestSettings, records: &[Vec<f32>]) -> Vec<f64> {
    let mut forest = RandomCutForest::new(settings).unwrap();
    records.iter().map(|record| forest.score_and_update(record).unwrap()).collect()
}

fn of_column(seed: u64, values: &[f32]) -> Vec<f64> {
    let records: Vec<Vec<f32>> = values.iter().map(|value| vec![*value]).collect();
    scores(ForestSettings { seed, ..ForestSettings::default() }, &records)
}

#[test]
fn a_constant_stream_with_one_other_value() {
    for seed in SEEDS {
        let mut values = vec![5.0; 10_000];
        values[5_000] = 1.0;
        let scores = of_column(seed, &values);
        assert!(scores[..256].iter().all(|score| *score == 0.0));
        assert!(scores[256..5_000].iter().all(|score| (score - 0.5).abs() < 1e-6));
        assert_within("the 1", scores[5_000], 257_f64.log2() - 1e-6..=257_f64.log2() + 1e-6);
        assert_within("the 5 after it", scores[5_001], 0.48..=0.50);
    }
}

#[test]
fn a_uniform_stream() {
    for seed in SEEDS {
        let mut source = Source::new(seed);
        let values: Vec<f32> = (0..10_000).map(|_| source.uniform() as f32).collect();
        let scores = &of_column(seed, &values)[2_000..];
        assert_within("mean", mean(scores), 0.80..=0.90);
        assert_within("standard deviation", deviation(scores), 0.07..=0.14);
        assert_within("median", quantile(scores, 0.5), 0.77..=0.87);
        assert_within("99 %", quantile(scores, 0.99), 1.2..=1.5);
        let distances: Vec<f64> =
            values[2_000..].iter().map(|value| (f64::from(*value) - 0.5).abs()).collect();
        assert_within("correlation with the distance", correlation(scores, &distances), 0.5..=1.0);
    }
}

#[test]
fn star_ratings_with_two_impossible_ones() {
    for time_decay in [100_000, 2_560] {
        for seed in SEEDS {
            let mut source = Source::new(seed);
            let mut values: Vec<f32> = (0..10_000).map(|_| source.star()).collect();
            (values[6_000], values[8_000]) = (100.0, 100.0);
            let settings = ForestSettings { seed, time_decay, ..ForestSettings::default() };
            let records: Vec<Vec<f32>> = values.iter().map(|value| vec![*value]).collect();
            let scores = scores(settings, &records);
            let mean_of = |star: f32| {
                let of_star = (2_000..6_000).filter(|record| values[*record] == star);
                mean(&of_star.map(|record| scores[record]).collect::<Vec<_>>())
            };
            let by_star = [5.0, 4.0, 3.0, 2.0, 1.0].map(mean_of);
            let ranges = [0.58..=0.64, 0.80..=0.90, 0.95..=1.10, 1.10..=1.28, 1.15..=1.35];
            for (score, range) in by_star.into_iter().zip(ranges) {
                assert_within("mean score of a star", score, range);
            }
            assert!(by_star.is_sorted(), "5 < 4 < 3 < 2 < 1: {by_star:?}");
            assert_within("the first 100", scores[6_000], 7.6..=8.006);
            assert_within("the second 100", scores[8_000], 7.4..=8.006);
        }
    }
}

#[test]
fn a_noisy_sine_in_shingles_of_four() {
    for seed in SEEDS {
        let mut source = Source::new(seed);
        let mut values: Vec<f32> = (0..10_000)
            .map(|record| {
                let angle = std::f64::consts::TAU * f64::from(record) / 100.0;
                (100.0 * angle.sin() + 5.0 * source.normal()) as f32
            })
            .collect();
        values[7_000] += 60.0;
        let records: Vec<Vec<f32>> = values.iter().map(|value| vec![*value]).collect();
        let settings = ForestSettings { seed, shingle_size: 4, ..ForestSettings::default() };
        let scores = scores(settings, &records);
        let usual = &scores[2_000..7_000];
        assert_within("mean", mean(usual), 0.76..=0.86);
        let high = quantile(usual, 0.99);
        assert_within("99 %", high, 1.0..=1.3);
        let spike = scores[7_000..7_004].iter().copied().fold(0.0, f64::max);
        assert!(spike > high, "the spike scores {spike}, the 99 % value is {high}");
    }
}

/// Normal columns; the first is 8 higher in every 1000th record. Returns the scores from record 2000 on of
/// the others, and those of the shifted from the third on.
fn gaussian(seed: u64, columns: u32) -> (Vec<f64>, Vec<f64>) {
    let mut source = Source::new(seed);
    let records: Vec<Vec<f32>> = (0..10_000)
        .map(|record| {
            let mut values: Vec<f32> = (0..columns).map(|_| source.normal() as f32).collect();
            if record % 1_000 == 999 {
                values[0] += 8.0;
            }
            values
        })
        .collect();
    let scores = scores(ForestSettings { seed, columns, ..ForestSettings::default() }, &records);
    let (shifted, others): (Vec<usize>, Vec<usize>) =
        (2_000..10_000).partition(|record| record % 1_000 == 999);
    let of = |records: Vec<usize>| records.into_iter().map(|record| scores[record]).collect::<Vec<f64>>();
    (of(others), of(shifted))
}

#[test]
fn a_normal_column_with_shifted_records() {
    for seed in SEEDS {
        let (others, shifted) = gaussian(seed, 1);
        assert_within("mean", mean(&others), 0.74..=0.82);
        assert_within("standard deviation", deviation(&others), 0.17..=0.25);
        assert_within("99 %", quantile(&others, 0.99), 1.6..=2.0);
        assert_within("mean of the shifted", mean(&shifted), 4.6..=5.8);
        assert_within("least of the shifted", quantile(&shifted, 0.0), 3.5..=8.0);
    }
}

#[test]
fn ten_normal_columns_with_one_shifted() {
    for seed in SEEDS {
        let (others, shifted) = gaussian(seed, 10);
        assert_within("mean", mean(&others), 0.68..=0.77);
        assert_within("standard deviation", deviation(&others), 0.11..=0.18);
        assert_within("99 %", quantile(&others, 0.99), 1.0..=1.3);
        assert_within("mean of the shifted", mean(&shifted), 1.9..=2.4);
        assert_within("least of the shifted", quantile(&shifted, 0.0), 1.5..=8.0);
    }
}
