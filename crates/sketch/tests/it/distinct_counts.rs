//! Distinct counts: exact below the limit, within the stated error above, the same after storing and merging.

use millstream_sketch::DistinctCounter;
use millstream_sketch::distinct_counter::{DistinctCounterError, EXACT_LIMIT};
use proptest::prelude::*;

fn counter_of(seed: u64, items: impl Iterator<Item = String>) -> DistinctCounter {
    let mut counter = DistinctCounter::new(seed);
    for item in items {
        counter.insert(item.as_bytes());
    }
    counter
}

fn stored(counter: &DistinctCounter) -> Vec<u8> {
    postcard::to_stdvec(counter).unwrap()
}

#[test]
fn counts_are_exact_up_to_the_limit_and_flagged_beyond() {
    for long in ["", "a prefix that makes the items longer than a key "] {
        let mut counter = DistinctCounter::new(1);
        for item in 0..EXACT_LIMIT {
            counter.insert(format!("{long}R{item}").as_bytes());
            counter.insert(format!("{long}R{}", item / 2).as_bytes());
            assert_eq!(counter.count(), item as u64 + 1);
        }
        assert!(counter.is_exact());
        counter.insert(b"one more");
        assert!(!counter.is_exact() && counter.count() > EXACT_LIMIT as u64);
        counter.clear();
        assert!(counter.is_exact() && counter.count() == 0);
    }
}

#[test]
fn items_that_look_alike_differ() {
    let items: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a", b"a\0", &[0; 15], &[0; 16]];
    let mut counter = DistinctCounter::new(0);
    for item in items.iter().chain(&items) {
        counter.insert(item);
    }
    assert_eq!(counter.count(), items.len() as u64);
}

/// The relative standard error is 0.65 %: of 40 estimates none is off by more than 4 of it, and their root
/// mean square is near it.
#[test]
fn estimates_keep_the_stated_error() {
    let mut squares = Vec::new();
    for seed in 0..20 {
        for distinct in [12_000_u32, 60_000] {
            let counter = counter_of(seed, (0..distinct).map(|item| format!("{seed} {item}")));
            let error = counter.count() as f64 / f64::from(distinct) - 1.0;
            assert!(error.abs() < 4.0 * 0.0065, "{distinct} counted with a relative error of {error}");
            squares.push(error * error);
        }
    }
    let root_mean_square = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    assert!(root_mean_square < 1.5 * 0.0065, "{root_mean_square}");
}

#[test]
fn merged_counters_count_the_union() {
    for (left, right, both) in
        [(0..10, 5..20, 20), (0..9_000, 5_000..16_000, 16_000), (0..30_000, 20_000..70_000, 70_000)]
    {
        let mut merged = counter_of(3, left.map(|item| format!("item number {item}")));
        merged.merge(&counter_of(3, right.map(|item| format!("item number {item}")))).unwrap();
        let error = merged.count() as f64 / f64::from(both) - 1.0;
        assert!(error.abs() < if both <= 10_000 { 1e-12 } else { 4.0 * 0.0081 }, "{both}: {error}");
    }
    assert_eq!(
        DistinctCounter::new(1).merge(&DistinctCounter::new(2)),
        Err(DistinctCounterError::DifferentSeeds)
    );
}

#[test]
fn state_is_bounded() {
    let counter = counter_of(1, (0..200_000).map(|item| item.to_string()));
    assert!(stored(&counter).len() < 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A stored and restored counter goes on with equal counts, wherever it was stored, also across the limit.
    #[test]
    fn a_restored_counter_continues_identically(cut in 1_u32..14_000, seed: u64) {
        let mut original = counter_of(seed, (0..cut).map(|item| format!("{item}")));
        let mut restored: DistinctCounter = postcard::from_bytes(&stored(&original)).unwrap();
        for item in cut..cut + 4_000 {
            original.insert(format!("{item}").as_bytes());
            restored.insert(format!("{item}").as_bytes());
        }
        prop_assert_eq!(original.count(), restored.count());
        prop_assert_eq!(stored(&original), stored(&restored));
    }

    /// Order and repetition do not matter while counting is exact.
    #[test]
    fn order_does_not_matter(mut items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..200)) {
        let distinct: std::collections::BTreeSet<_> = items.iter().cloned().collect();
        let mut forward = DistinctCounter::new(7);
        items.iter().for_each(|item| forward.insert(item));
        items.reverse();
        let mut backward = DistinctCounter::new(7);
        items.iter().chain(&items).for_each(|item| backward.insert(item));
        prop_assert_eq!(forward.count(), distinct.len() as u64);
        prop_assert_eq!(stored(&forward), stored(&backward));
    }

    /// Damaged bytes are refused or give a counter that works.
    #[test]
    fn damaged_bytes_never_panic(position in 0.0_f64..1.0, change in 1_u8.., distinct in prop_oneof![Just(50_u32), Just(11_000)]) {
        let mut bytes = stored(&counter_of(1, (0..distinct).map(|item| item.to_string())));
        let position = (bytes.len() as f64 * position) as usize;
        bytes[position] ^= change;
        if let Ok(mut counter) = postcard::from_bytes::<DistinctCounter>(&bytes) {
            counter.insert(b"another");
            counter.count();
        }
    }
}
