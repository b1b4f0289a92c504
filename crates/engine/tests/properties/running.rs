//! Runs an application over rows that are cut into batches.

use crate::program::Query;
use crate::rows::{Row, batch, input};
use crate::snapshots::Snapshots;
use millstream_columns::value_at;
use millstream_engine::{Application, ApplicationSettings, catalog, fixed_memory};
use millstream_sql::{SqlType, StreamId, Value, compile};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// A row that came out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputRow {
    pub(crate) rowtime: i64,
    pub(crate) values: Vec<Value>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) rows: Vec<OutputRow>,
    /// Of each row error its name, message and the ROWTIME of its row.
    pub(crate) errors: Vec<(String, String, Option<i64>)>,
}

/// How the rows are cut.
pub(crate) struct Cuts {
    /// Sizes of the batches, over and over; empty for one batch.
    sizes: Vec<usize>,
    /// A snapshot after each batch, and every third time throw away and restore.
    checkpoints: bool,
    /// Snapshots from one restart to the next; 3 when 0.
    period: u32,
    /// How far time goes on before each batch, over and over: in quarters of what it may; empty for not before its rows.
    bounds: Vec<i64>,
    /// Bytes; 0 for no limit.
    memory_limit: u64,
}

impl Cuts {
    pub(crate) fn none() -> Cuts {
        Cuts { sizes: Vec::new(), checkpoints: false, period: 0, bounds: Vec::new(), memory_limit: 0 }
    }

    pub(crate) fn every(sizes: &[usize]) -> Cuts {
        Cuts { sizes: sizes.to_vec(), checkpoints: false, period: 0, bounds: Vec::new(), memory_limit: 0 }
    }

    pub(crate) fn with_checkpoints(mut self) -> Cuts {
        self.checkpoints = true;
        self
    }

    pub(crate) fn with_many_snapshots(mut self, period: u32) -> Cuts {
        (self.checkpoints, self.period) = (true, period);
        self
    }

    /// Time goes on also without rows: each number, 0 to 4, says how many quarters of the way to the next row.
    pub(crate) fn with_bounds(mut self, quarters: &[i64]) -> Cuts {
        self.bounds = quarters.to_vec();
        self
    }

    pub(crate) fn with_memory_limit(mut self, bytes: u64) -> Cuts {
        self.memory_limit = bytes;
        self
    }
}

/// How much later than the last row all windows have closed.
const LONG_AFTER: i64 = 1_000_000;

/// Runs the query over all rows, and then over time without rows.
pub(crate) fn run(query: &Query, rows: &[Row], cuts: &Cuts) -> Found {
    let text = query.text();
    let compilation = compile(&text, &[input()], &catalog());
    let program = compilation.program.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics));
    let settings = ApplicationSettings {
        seed: 7,
        virtual_clock: true,
        memory_limit: cuts.memory_limit,
        // States in parts, however small they are; every other time.
        whole_state_bytes: if rows.len().is_multiple_of(2) { 0 } else { 64 << 10 },
        ..ApplicationSettings::default()
    };
    let mut settings = settings;
    if settings.memory_limit > 0 {
        // Sketches take their memory first.
        settings.memory_limit += fixed_memory(&program, &settings);
    }
    let mut application = Application::new(program, settings.clone()).expect("the plan is sound");
    let output = application.program().stream("T").expect("the program creates T");
    let types: Vec<SqlType> =
        application.program().streams[output.0].columns.iter().map(|column| column.sql_type).collect();
    application.subscribe(output);
    let mut found = Found { rows: Vec::new(), errors: Vec::new() };
    let mut snapshots = Snapshots::with_period(cuts.period);
    let (mut rest, mut sizes, mut bounds) = (rows, cuts.sizes.iter().cycle(), cuts.bounds.iter().cycle());
    let mut latest = rows.first().map_or(0, |row| row.rowtime);
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).min(rest.len()));
        let (taken, later) = rest.split_at(size);
        rest = later;
        if let Some(quarters) = bounds.next() {
            let bound = latest + (taken[0].rowtime - latest) * quarters / 4;
            application.bound(StreamId(0), bound, bound).expect("the input exists");
            found.collect(&mut application, output, &types);
        }
        latest = taken[size - 1].rowtime;
        application.push(StreamId(0), &batch(taken), 0).expect("the rows are in order");
        found.collect(&mut application, output, &types);
        if cuts.checkpoints {
            if !snapshots.is_a_restart() {
                snapshots.take(&mut application);
                continue;
            }
            application = snapshots.restart(application, &settings);
            application.subscribe(output);
            assert_eq!(application.rows_emitted(output), found.rows.len() as u64);
            assert_eq!(application.errors_emitted(), found.errors.len() as u64);
        }
    }
    let end = rows.last().map_or(0, |row| row.rowtime) + LONG_AFTER;
    application.bound(StreamId(0), end, end).expect("the input exists");
    found.collect(&mut application, output, &types);
    found
}

impl Found {
    pub(crate) fn with_errors_sorted(mut self) -> Found {
        self.errors.sort_by(|left, right| (left.2, &left.0, &left.1).cmp(&(right.2, &right.0, &right.1)));
        self
    }

    fn collect(&mut self, application: &mut Application, output: StreamId, types: &[SqlType]) {
        for batch in application.take_output(output) {
            for row in 0..batch.len() {
                let columns = batch.columns.iter().zip(types);
                let values = columns.map(|(column, sql_type)| value_at(column, *sql_type, row)).collect();
                self.rows.push(OutputRow { rowtime: batch.rowtimes[row], values });
            }
        }
        for error in application.take_errors() {
            self.errors.push((error.error_name.to_string(), error.message, error.data_rowtime));
        }
    }
}

/// The same rows in the same order; DOUBLEs within a relative 1e-9.
pub(crate) fn assert_close(found: &[OutputRow], expected: &[OutputRow]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len(), "{:?}\nexpected\n{:?}", found, expected);
    for (found, expected) in found.iter().zip(expected) {
        let same = found.rowtime == expected.rowtime
            && found.values.len() == expected.values.len()
            && found.values.iter().zip(&expected.values).all(|pair| match pair {
                (Value::Double(found), Value::Double(expected)) => {
                    (found - expected).abs() <= 1e-9 * expected.abs().max(1e-6)
                }
                (found, expected) => found == expected,
            });
        prop_assert!(same, "{:?}\nexpected\n{:?}", found, expected);
    }
    Ok(())
}
