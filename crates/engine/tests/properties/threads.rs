//! Applications of several random pumps, on several threads.

use crate::program::{Query, any_query};
use crate::rows::{Row, batch, input, rows};
use millstream_columns::value_at;
use millstream_engine::{Application, ApplicationSettings, ErrorRow, catalog};
use millstream_sql::{StreamId, Value, compile};
use proptest::prelude::*;

/// All that can be seen of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    /// After each batch: name of the stream, ROWTIME and values of each row.
    rows: Vec<Vec<(String, i64, Vec<Value>)>>,
    errors: Vec<ErrorRow>,
    checkpoints: Vec<Vec<u8>>,
}

/// An application in which every query has a pump of its own, and two more pumps count the rows of the first two
/// targets into one stream.
fn text(queries: &[Query]) -> String {
    let mut text = String::new();
    for (number, query) in queries.iter().enumerate() {
        let own = query.text().replace("STREAM T (", &format!("STREAM T{number} ("));
        let own =
            own.replace("PUMP P AS INSERT INTO T ", &format!("PUMP P{number} AS INSERT INTO T{number} "));
        text.push_str(&own);
        text.push('\n');
    }
    text.push_str("CREATE STREAM C (N BIGINT);\n");
    for number in 0..2 {
        text.push_str(&format!(
            "CREATE PUMP C{number} AS INSERT INTO C SELECT STREAM COUNT(*) FROM T{number} GROUP BY \
             STEP(T{number}.ROWTIME BY INTERVAL '5' SECOND);\n"
        ));
    }
    text
}

fn run(text: &str, rows: &[Row], size: usize, threads: usize) -> Seen {
    let compilation = compile(text, &[input()], &catalog());
    let program = compilation.program.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics));
    let settings = ApplicationSettings {
        seed: 7,
        virtual_clock: true,
        threads,
        // However little there is to do.
        nanoseconds_worth_a_thread: 0,
        ..ApplicationSettings::default()
    };
    let mut application = Application::new(program, settings).expect("the plan is sound");
    let streams: Vec<StreamId> = (0..application.program().streams.len()).map(StreamId).collect();
    streams.iter().for_each(|stream| application.subscribe(*stream));
    let mut seen = Seen { rows: Vec::new(), errors: Vec::new(), checkpoints: Vec::new() };
    for taken in rows.chunks(size) {
        application.push(StreamId(0), &batch(taken), 0).expect("the rows are in order");
        seen.look(&mut application, &streams);
    }
    let end = rows.last().map_or(0, |row| row.rowtime) + 1_000_000;
    application.bound(StreamId(0), end, end).expect("the input exists");
    seen.look(&mut application, &streams);
    seen
}

impl Seen {
    fn look(&mut self, application: &mut Application, streams: &[StreamId]) {
        let mut rows = Vec::new();
        for stream in streams {
            let declared = application.program().streams[stream.0].clone();
            for batch in application.take_output(*stream) {
                for row in 0..batch.len() {
                    let values = batch.columns.iter().zip(&declared.columns);
                    let values = values.map(|(column, declared)| value_at(column, declared.sql_type, row));
                    rows.push((declared.name.clone(), batch.rowtimes[row], values.collect()));
                }
            }
        }
        self.rows.push(rows);
        self.errors.extend(application.take_errors());
        self.checkpoints.push(application.save().expect("the state can be saved"));
    }
}

/// Queries that are a single statement.
fn single_query() -> impl Strategy<Value = Query> {
    any_query().prop_filter("several statements", |query| query.text().matches("CREATE PUMP").count() == 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_number_of_threads_changes_nothing(
        queries in prop::collection::vec(single_query(), 2..6),
        rows in rows(60),
        size in 1_usize..30,
    ) {
        let text = text(&queries);
        let alone = run(&text, &rows, size, 1);
        for threads in [2, 4] {
            prop_assert_eq!(&alone, &run(&text, &rows, size, threads), "{} threads: {}", threads, text);
        }
    }
}
