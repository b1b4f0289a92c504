//! Exact facts about scores, attribution, refused input and stored forests.

use crate::streams::{Source, assert_within};
use millstream_sketch::{ForestSettings, PointError, RandomCutForest, SettingsError};
use proptest::prelude::*;

fn forest(settings: ForestSettings) -> RandomCutForest {
    RandomCutForest::new(settings).unwrap()
}

fn round_trip(forest: &RandomCutForest) -> RandomCutForest {
    postcard::from_bytes(&postcard::to_stdvec(forest).unwrap()).unwrap()
}

#[test]
fn any_distance_from_a_constant_stream_scores_the_maximum() {
    for outside in [5.000_001, 1.0, -0.001, 1e30, -f32::MAX] {
        let mut forest = forest(ForestSettings::default());
        for _ in 0..300 {
            forest.score_and_update(&[5.0]).unwrap();
        }
        let score = forest.score_and_update(&[outside]).unwrap();
        assert!((score - 257_f64.log2()).abs() < 1e-6, "{outside} scores {score}");
    }
}

#[test]
fn scores_do_not_depend_on_the_scale() {
    let (mut plain, mut scaled) = (forest(ForestSettings::default()), forest(ForestSettings::default()));
    let mut source = Source::new(9);
    for _ in 0..2_000 {
        let value = source.normal() as f32;
        let score = plain.score_and_update(&[value]).unwrap();
        assert!((score - scaled.score_and_update(&[value * 1024.0]).unwrap()).abs() < 1e-9);
    }
}

#[test]
fn negative_zero_is_zero() {
    let mut forest = forest(ForestSettings::default());
    for record in 0..400 {
        let score = forest.score_and_update(&[if record % 2 == 0 { 0.0 } else { -0.0 }]).unwrap();
        assert!(record < 256 || (score - 0.5).abs() < 1e-9);
    }
}

#[test]
fn attribution_adds_up_to_the_score_and_points_at_the_column() {
    let settings = ForestSettings { columns: 10, seed: 1, ..ForestSettings::default() };
    let (mut explaining, mut scoring) = (forest(settings.clone()), forest(settings));
    let mut source = Source::new(1);
    for record in 0..6_000 {
        let mut point: Vec<f32> = (0..10).map(|_| source.normal() as f32).collect();
        let shifted = record % 1_000 == 999 && record > 2_000;
        if shifted {
            point[3] += 8.0;
        }
        let explanation = explaining.explain_and_update(&point).unwrap();
        assert_eq!(explanation.score, scoring.score_and_update(&point).unwrap());
        let sum: f64 = explanation.attribution.iter().map(|column| column.high + column.low).sum();
        assert!((sum - explanation.score).abs() < 1e-12, "{sum} and {}", explanation.score);
        assert!(explanation.attribution.iter().all(|column| column.high >= 0.0 && column.low >= 0.0));
        if record < 256 {
            assert_eq!(explanation.score, 0.0);
        } else if shifted {
            assert_within(
                "share of the column",
                explanation.attribution[3].high / explanation.score,
                0.65..=1.0,
            );
            assert!(explanation.attribution[3].low < 0.05 * explanation.score);
            assert!(
                explanation.attribution[4].high + explanation.attribution[4].low < 0.1 * explanation.score
            );
        } else if record > 2_000 {
            for (value, column) in point.iter().zip(&explanation.attribution) {
                assert!(*value < 1.2 || column.high > column.low, "{value}: {column:?}");
                assert!(*value > -1.2 || column.low > column.high, "{value}: {column:?}");
            }
        }
    }
}

#[test]
fn attribution_of_one_column() {
    let mut forest = forest(ForestSettings { seed: 4, ..ForestSettings::default() });
    for _ in 0..300 {
        forest.explain_and_update(&[5.0]).unwrap();
    }
    let usual = forest.explain_and_update(&[5.0]).unwrap().attribution[0];
    assert!((usual.high - 0.25).abs() < 1e-9 && (usual.low - 0.25).abs() < 1e-9);
    let below = forest.explain_and_update(&[1.0]).unwrap().attribution[0];
    assert!(below.high == 0.0 && (below.low - 257_f64.log2()).abs() < 1e-6);
}

#[test]
fn a_duplicate_still_has_a_direction() {
    let mut forest = forest(ForestSettings { seed: 5, ..ForestSettings::default() });
    let mut source = Source::new(5);
    for _ in 0..3_000 {
        forest.score_and_update(&[source.star()]).unwrap();
    }
    let five = forest.explain_and_update(&[5.0]).unwrap().attribution[0];
    assert_within("a 5, high", five.high, 0.53..=0.63);
    assert_within("a 5, low", five.low, 0.0..=0.06);
    let one = forest.explain_and_update(&[1.0]).unwrap().attribution[0];
    assert_within("a 1, high", one.high, 0.0..=0.2);
    assert_within("a 1, low", one.low, 1.0..=1.3);
    let hundred = forest.explain_and_update(&[100.0]).unwrap().attribution[0];
    assert_within("a 100, high", hundred.high, 7.6..=8.006);
    assert_within("a 100, low", hundred.low, 0.0..=1e-9);
}

#[test]
fn a_shingle_of_columns_sums_per_column() {
    let settings = ForestSettings { columns: 2, shingle_size: 3, seed: 1, ..ForestSettings::default() };
    let mut forest = forest(settings);
    let mut source = Source::new(2);
    for _ in 0..1_000 {
        forest.explain_and_update(&[source.normal() as f32, source.normal() as f32]).unwrap();
    }
    let explanation = forest.explain_and_update(&[0.0, 9.0]).unwrap();
    assert_eq!(explanation.attribution.len(), 2);
    assert!(explanation.attribution[1].high > 3.0 * explanation.attribution[0].high);
}

#[test]
fn a_shingle_longer_than_the_learning_phase_gives_zero_until_there_is_something_to_compare() {
    let settings = ForestSettings { sample_size: 10, shingle_size: 30, ..ForestSettings::default() };
    let mut forest = forest(settings);
    let scores: Vec<f64> =
        (0..50_u8).map(|record| forest.score_and_update(&[f32::from(record % 7)]).unwrap()).collect();
    assert!(scores[..30].iter().all(|score| *score == 0.0));
    assert!(scores[30..].iter().all(|score| *score > 0.0));
}

#[test]
fn refused_input_names_what_and_why_and_changes_nothing() {
    let mut forest = forest(ForestSettings { columns: 2, ..ForestSettings::default() });
    let before = forest.clone();
    assert!(matches!(
        forest.score_and_update(&[1.0, f32::NAN]),
        Err(PointError::NotFinite { column: 1, .. })
    ));
    assert!(matches!(forest.explain_and_update(&[f32::INFINITY, 1.0]), Err(PointError::NotFinite { .. })));
    assert_eq!(forest.score_and_update(&[1.0]), Err(PointError::WrongWidth { expected: 2, found: 1 }));
    assert_eq!(forest, before);
}

#[test]
fn settings_out_of_range_are_named() {
    let defaults = ForestSettings::default;
    let refused = [
        (
            ForestSettings { number_of_trees: 0, ..defaults() },
            "numberOfTrees is 0; it must be from 1 to 1000",
        ),
        (ForestSettings { number_of_trees: 1_001, ..defaults() }, "numberOfTrees is 1001"),
        (ForestSettings { sample_size: 9, ..defaults() }, "subSampleSize is 9; it must be from 10 to 1000"),
        (ForestSettings { time_decay: 0, ..defaults() }, "timeDecay is 0"),
        (ForestSettings { shingle_size: 31, ..defaults() }, "shingleSize is 31; it must be from 1 to 30"),
        (ForestSettings { columns: 0, ..defaults() }, "columns is 0"),
        (ForestSettings { time_decay: 256, ..defaults() }, "subSampleSize must be less than timeDecay"),
        (
            ForestSettings { number_of_trees: 1_000, sample_size: 1_000, columns: 100, ..defaults() },
            "the limit is 512 MiB",
        ),
    ];
    for (settings, expected) in refused {
        let message = RandomCutForest::new(settings).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(matches!(
        RandomCutForest::new(ForestSettings { time_decay: u32::MAX, ..defaults() }),
        Err(SettingsError::OutOfRange { parameter: "timeDecay", .. })
    ));
}

/// Values from a small set (many duplicates) or a continuum, so that insertion, mass and removal all happen.
fn records() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let value = prop_oneof![(0_u8..6).prop_map(f32::from), -1e3_f32..1e3, Just(-0.0), Just(f32::MAX)];
    prop::collection::vec(prop::collection::vec(value, 2), 20..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Stored at any point and restored, a forest is sound (reading checks every invariant), equal, and
    /// continues with identical scores.
    #[test]
    fn a_restored_forest_continues_identically(records in records(), cut in 0.0_f64..1.0, seed: u64, shingle_size in 1_u32..4) {
        let settings = ForestSettings {
            number_of_trees: 7, sample_size: 12, time_decay: 40, columns: 2, seed, shingle_size,
        };
        let mut original = forest(settings);
        let (before, after) = records.split_at((records.len() as f64 * cut) as usize);
        for record in before {
            original.score_and_update(record).unwrap();
        }
        let mut restored = round_trip(&original);
        prop_assert_eq!(&restored, &original);
        for record in after {
            let (left, right) = (original.explain_and_update(record).unwrap(), restored.explain_and_update(record).unwrap());
            prop_assert!(left.score >= 0.0 && left.score <= 13_f64.log2() + 1e-9, "{}", left.score);
            prop_assert_eq!(left, right);
        }
        prop_assert_eq!(round_trip(&original), restored);
    }

    /// Damaged bytes are refused or give a forest that works; they never panic.
    #[test]
    fn damaged_bytes_never_panic(position in 0.0_f64..1.0, change in 1_u8.., seed: u64) {
        let mut original = forest(ForestSettings { number_of_trees: 2, sample_size: 10, time_decay: 30, columns: 1, seed, shingle_size: 1 });
        for record in 0..60_u8 {
            original.score_and_update(&[f32::from(record.wrapping_mul(37) % 16)]).unwrap();
        }
        let mut bytes = postcard::to_stdvec(&original).unwrap();
        let position = (bytes.len() as f64 * position) as usize;
        bytes[position] ^= change;
        if let Ok(mut restored) = postcard::from_bytes::<RandomCutForest>(&bytes) {
            for record in 0..60_u8 {
                restored.explain_and_update(&[f32::from(record)]).unwrap();
            }
        }
    }
}
