//! What a batch costs that holds a single row: the work that is paid for by the batch, not by the row.

use super::Bench;
use super::operators::{application, trades};
use crate::{Budget, Measurement};
use millstream_columns::Batch;
use millstream_sql::StreamId;
use std::hint::black_box;

/// Batches of a run.
const BATCHES: usize = 1 << 14;

/// The budget: microseconds a batch through three operators.
const MOST_MICROSECONDS: f64 = 5.0;

/// Pumps of three operators: a filter, a window or a subquery, a select list. Name, columns of the target, query.
const PUMPS: [(&str, &str, &str); 3] = [
    (
        "one-row batches: filter, tumbling window, select list",
        "K VARCHAR(8), A DOUBLE, N BIGINT",
        "SYMBOL, AVG(PRICE), COUNT(*) FROM TRADES WHERE QUANTITY > 20 GROUP BY SYMBOL, \
         STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
    ),
    (
        "one-row batches: filter, sliding window, select list",
        "K VARCHAR(8), A DOUBLE, N BIGINT",
        "SYMBOL, AVG(PRICE) OVER W, COUNT(*) OVER W FROM TRADES WHERE QUANTITY > 20 WINDOW W AS \
         (PARTITION BY SYMBOL RANGE INTERVAL '5' SECOND PRECEDING)",
    ),
    (
        "one-row batches: select list, filter, select list",
        "K VARCHAR(8), A DOUBLE",
        "UPPER(K), A FROM (SELECT STREAM SYMBOL AS K, PRICE * QUANTITY AS A FROM TRADES) WHERE A > 20",
    ),
];

/// Pushes row after row, each in a batch of its own, and takes the results of each.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let wanted: Vec<_> = PUMPS.iter().filter(|(name, ..)| bench.wants(name)).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Batch> = trades()
        .iter()
        .flat_map(|batch| (0..batch.len()).map(|row| batch.slice(row, 1)))
        .take(BATCHES)
        .collect();
    wanted
        .into_iter()
        .map(|(name, target, query)| {
            // Eight bytes of time, a number of eight, one of four and a text of three.
            let size = (BATCHES, BATCHES * 23);
            let mut measurement = bench.measure(name, None, size, || {
                let mut application = application(target, query);
                let output = application.program().stream("T").expect("the application creates T");
                application.subscribe(output);
                for row in &rows {
                    application.push(StreamId(0), row, 0).expect("the rows are in order");
                    black_box(application.take_output(output));
                }
            });
            measurement.figure = 1e6 / measurement.figure;
            measurement.unit = "µs a batch";
            measurement.budget = Some(Budget::AtMost(MOST_MICROSECONDS));
            measurement
        })
        .collect()
}
