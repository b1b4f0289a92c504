//! Properties of whole applications over random programs and random rows.
//!
//! - Any cutting of the rows into batches gives the same rows and errors.
//! - Time that goes on without rows, as far as it truly does, changes no row: nobody can tell how often a clock was read.
//! - A checkpoint anywhere changes nothing, and neither do the rows' numbers; what many snapshots have stored in parts is
//!   the state as one alone would store it.
//! - A limit of memory refuses the same rows in any batches.
//! - The number of threads changes no row, error or checkpoint.
//! - Tumbling, staggered and sliding aggregates equal those of a naive evaluator that looks at all rows again each time.
//! - DISTINCT, ORDER BY, TOP_K_ITEMS_TUMBLING and GROUP_RANK equal those of naive evaluators.
//! - Joins and UNION ALL of two inputs equal those of a naive evaluator.
//! - No text makes the front end panic.

mod aggregates;
mod forms;
mod front_end;
mod joins;
mod naive;
mod program;
mod rows;
mod running;
mod snapshots;
mod threads;

use proptest::prelude::*;
use running::{Cuts, run};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_many_snapshots_have_stored_is_the_state(
        query in program::any_query(),
        rows in rows::rows(400),
        cuts in prop::collection::vec(1_usize..6, 1..8),
        period in 20_u32..70,
    ) {
        let whole = run(&query, &rows, &Cuts::none());
        let saved = run(&query, &rows, &Cuts::every(&cuts).with_many_snapshots(period));
        prop_assert_eq!(&whole, &saved, "{}", query.text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_batching_gives_the_same_rows(
        query in program::any_query(),
        rows in rows::rows(60),
        cuts in prop::collection::vec(1_usize..20, 1..8),
    ) {
        let whole = run(&query, &rows, &Cuts::none());
        let single = run(&query, &rows, &Cuts::every(&[1]));
        prop_assert_eq!(&whole, &single, "row by row: {}", query.text());
        let cut = run(&query, &rows, &Cuts::every(&cuts));
        prop_assert_eq!(&whole, &cut, "{}", query.text());
    }

    #[test]
    fn true_bounds_anywhere_change_nothing(
        query in program::any_query(),
        rows in rows::rows(60),
        cuts in prop::collection::vec(1_usize..20, 1..8),
        quarters in prop::collection::vec(0_i64..=4, 1..8),
    ) {
        let whole = run(&query, &rows, &Cuts::none());
        let bounded = run(&query, &rows, &Cuts::every(&cuts).with_bounds(&quarters));
        prop_assert_eq!(&whole, &bounded, "{}", query.text());
    }

    #[test]
    fn a_checkpoint_anywhere_changes_nothing(
        query in program::any_query(),
        rows in rows::rows(60),
        cuts in prop::collection::vec(1_usize..20, 1..8),
    ) {
        let whole = run(&query, &rows, &Cuts::none());
        let saved = run(&query, &rows, &Cuts::every(&cuts).with_checkpoints());
        prop_assert_eq!(&whole, &saved, "{}", query.text());
    }

    #[test]
    fn a_memory_limit_refuses_the_same_rows_however_they_come(
        query in program::any_query(),
        rows in rows::rows(60),
        cuts in prop::collection::vec(1_usize..20, 1..8),
        limit in 1_u64..12_000,
    ) {
        // Errors of several operators come operator by operator within a batch.
        let run = |cuts: Cuts| run(&query, &rows, &cuts.with_memory_limit(limit)).with_errors_sorted();
        let single = run(Cuts::every(&[1]));
        let whole = run(Cuts::none());
        prop_assert_eq!(&single, &whole, "{} bytes: {}", limit, query.text());
        let cut = run(Cuts::every(&cuts));
        prop_assert_eq!(&single, &cut, "{} bytes: {}", limit, query.text());
        let saved = run(Cuts::every(&cuts).with_checkpoints());
        prop_assert_eq!(&single, &saved, "{} bytes, checkpoints: {}", limit, query.text());
    }

    #[test]
    fn tumbling_windows_equal_the_naive_ones(query in program::tumbling(), rows in rows::rows(60)) {
        let found = run(&program::Query::Tumbling(query.clone()), &rows, &Cuts::none());
        prop_assert!(found.errors.is_empty());
        running::assert_close(&found.rows, &naive::tumbling(&query, &rows))?;
    }

    #[test]
    fn staggered_windows_equal_the_naive_ones(query in program::staggered(), rows in rows::rows(60)) {
        let found = run(&program::Query::Staggered(query.clone()), &rows, &Cuts::none());
        prop_assert!(found.errors.is_empty());
        running::assert_close(&found.rows, &naive::staggered(&query, &rows))?;
    }

    #[test]
    fn sliding_windows_equal_the_naive_ones(query in program::sliding(), rows in rows::rows(60)) {
        let found = run(&program::Query::Sliding(query.clone()), &rows, &Cuts::none());
        prop_assert!(found.errors.is_empty());
        running::assert_close(&found.rows, &naive::sliding(&query, &rows))?;
    }
}
