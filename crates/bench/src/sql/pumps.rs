//! Several pumps that read one stream, and one whose rows go by key, on one thread and on several.

use super::Bench;
use super::operators::{application_of, trades};
use crate::{Budget, Measurement};
use millstream_columns::Batch;
use millstream_engine::ApplicationSettings;
use millstream_sql::StreamId;
use std::hint::black_box;

/// Four pumps with windows of several kinds.
const TEXT: &str = "
    CREATE STREAM A (K VARCHAR(8), A DOUBLE, N BIGINT);
    CREATE PUMP PA AS INSERT INTO A SELECT STREAM SYMBOL, AVG(PRICE), COUNT(*) FROM TRADES
        GROUP BY SYMBOL, STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND);
    CREATE STREAM B (K VARCHAR(8), A DOUBLE);
    CREATE PUMP PB AS INSERT INTO B SELECT STREAM SYMBOL, AVG(PRICE) OVER
        (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES;
    CREATE STREAM C (K VARCHAR(8), A DOUBLE);
    CREATE PUMP PC AS INSERT INTO C SELECT STREAM SYMBOL, AVG(PRICE) OVER
        (PARTITION BY SYMBOL ROWS 100 PRECEDING) FROM TRADES;
    CREATE STREAM D (K VARCHAR(8), A DOUBLE);
    CREATE PUMP PD AS INSERT INTO D SELECT STREAM UPPER(SYMBOL), MAX(PRICE) OVER
        (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES;";

/// Batches of a run.
const BATCHES: usize = 16;

/// One pump each whose rows go by key, with what tells its measurement apart.
const KEYED: [(&str, &str, &str); 3] = [
    (
        "one pump with grouped AVG, speed-up by threads",
        "K VARCHAR(8), A DOUBLE, N BIGINT",
        "SYMBOL, AVG(PRICE), COUNT(*) FROM TRADES GROUP BY SYMBOL, STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
    ),
    (
        "one pump with sliding AVG by key, speed-up by threads",
        "K VARCHAR(8), A DOUBLE",
        "SYMBOL, AVG(PRICE) OVER (PARTITION BY SYMBOL RANGE INTERVAL '1' MINUTE PRECEDING) FROM TRADES",
    ),
    (
        "one pump with stagger windows, speed-up by threads",
        "K VARCHAR(8), A DOUBLE",
        "SYMBOL, AVG(PRICE) FROM TRADES WINDOWED BY STAGGER (PARTITION BY SYMBOL RANGE INTERVAL '5' SECOND)",
    ),
];

/// Rows of a batch of one pump: what a busy input gives at a time.
const KEYED_ROWS: usize = 65_536;

/// Runs the pumps on one thread and on as many as there are cores, by the clock on the wall: the figure is how many
/// times faster the second is. Other work of the machine makes it smaller.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let trades = trades();
    let mut measurements = Vec::new();
    let four_pumps = "four pumps, speed-up by threads";
    if bench.wants(four_pumps) {
        measurements.push(speed_up(bench, four_pumps, TEXT, &trades[..BATCHES], 0.75));
    }
    for (name, target, query) in KEYED.into_iter().filter(|(name, ..)| bench.wants(name)) {
        let text =
            format!("CREATE STREAM T ({target}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};");
        let batches = trades.chunks(KEYED_ROWS / trades[0].len());
        let batches: Vec<Batch> =
            batches.map(|rows| Batch::concat(rows).expect("they have the same columns")).collect();
        measurements.push(speed_up(bench, name, &text, &batches, 0.85));
    }
    measurements
}

/// How many times faster all cores are than one; at least so much of their number.
fn speed_up(bench: &Bench, name: &'static str, text: &str, batches: &[Batch], least: f64) -> Measurement {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    let [one, several] =
        bench.wall_seconds([&mut || process(text, batches, 1), &mut || process(text, batches, cores)]);
    let rows: usize = batches.iter().map(Batch::len).sum();
    Measurement {
        name: name.into(),
        figure: one / several,
        unit: "times as fast",
        yardstick: "the same on one thread".into(),
        yardstick_figure: rows as f64 / one,
        yardstick_unit: "rows/s",
        ratio: one / several / cores as f64,
        ratio_unit: "of a speed-up by the number of cores",
        budget: (cores > 1).then_some(Budget::AtLeast(least * cores as f64)),
    }
}

fn process(text: &str, batches: &[Batch], threads: usize) {
    let settings = ApplicationSettings { threads, ..ApplicationSettings::default() };
    let mut application = application_of(text, settings);
    for batch in batches {
        application.push(StreamId(0), black_box(batch), 0).expect("the rows are in order");
    }
    black_box(application);
}
