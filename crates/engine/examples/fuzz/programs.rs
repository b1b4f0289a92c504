//! Whole programs: whatever the batches, checkpoints and limits, the rows are those of a run row by row.

use crate::program::{Query, any_query};
use crate::random::Random;
use crate::rows::{Row, rows};
use crate::running::{Cuts, run};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A program with rows and how they are cut.
pub(crate) struct Program {
    query: Query,
    rows: Vec<Row>,
    cuts: Vec<usize>,
    /// Bytes; 0 for no limit.
    memory_limit: u64,
}

pub(crate) fn program(random: &mut Random) -> Program {
    let source = TestRng::from_seed(RngAlgorithm::ChaCha, &random.seed());
    let mut runner = TestRunner::new_with_rng(Config::default(), source);
    let parts = (any_query(), rows(120)).new_tree(&mut runner);
    let (query, rows) = parts.expect("these strategies refuse nothing").current();
    let cuts = (0..1 + random.below(6)).map(|_| 1 + random.below(30)).collect();
    let memory_limit = if random.below(3) == 0 { 1 + random.below(20_000) as u64 } else { 0 };
    Program { query, rows, cuts, memory_limit }
}

impl Program {
    pub(crate) fn shown(&self) -> String {
        let rows: String = self.rows.iter().map(|row| format!("{row:?}\n")).collect();
        format!("{}\n{rows}batches {:?}, memory limit {}", self.query.text(), self.cuts, self.memory_limit)
    }

    pub(crate) fn run(&self) {
        // Errors of several operators come operator by operator within a batch.
        let run = |cuts: Cuts| {
            run(&self.query, &self.rows, &cuts.with_memory_limit(self.memory_limit)).with_errors_sorted()
        };
        let single = run(Cuts::every(&[1]));
        assert_eq!(single, run(Cuts::none()), "all rows in one batch give something else");
        assert_eq!(single, run(Cuts::every(&self.cuts)), "the batches give something else");
        let saved = run(Cuts::every(&self.cuts).with_checkpoints());
        assert_eq!(single, saved, "checkpoints give something else");
    }
}
