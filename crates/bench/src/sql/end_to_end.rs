//! From the bytes of records to the bytes of results, one pump between them.

use super::Bench;
use super::operators::{COLUMNS, application};
use crate::Measurement;
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_columns::formats::{
    InputColumn, InputSchema, OutputColumn, OutputFormat, OutputWriter, RecordFormat, RecordParser,
};
use millstream_sql::{SqlType, StreamId};
use std::fmt::Write as _;
use std::hint::black_box;

/// Rows of a batch; they are one millisecond apart.
const ROWS_PER_BATCH: usize = 8_192;

/// Batches of a run.
const BATCHES: usize = 32;

/// The statements: columns of the target, query.
const TUMBLING: (&str, &str) =
    ("A DOUBLE", "AVG(PRICE) FROM TRADES GROUP BY STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)");
const GROUPED: (&str, &str) = (
    "K VARCHAR(8), A DOUBLE, N BIGINT",
    "SYMBOL, AVG(PRICE), COUNT(*) FROM TRADES GROUP BY SYMBOL, STEP(TRADES.ROWTIME BY INTERVAL '5' SECOND)",
);

/// Records of tabs and of JSON through a tumbling and a grouped statement, results written as JSON.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let tabs =
        RecordFormat::Csv { row_delimiter: "\n".into(), column_delimiter: "\t".into(), quoting: false };
    let json = RecordFormat::Json { record_row_path: "$".into() };
    let (tab_records, json_records) = (records(true), records(false));
    let cases = [
        ("TSV to tumbling AVG to JSON", &tabs, &tab_records, TUMBLING, 10e6),
        ("TSV to grouped AVG and COUNT to JSON", &tabs, &tab_records, GROUPED, 10e6),
        ("JSON to tumbling AVG to JSON", &json, &json_records, TUMBLING, 4e6),
        ("JSON to grouped AVG and COUNT to JSON", &json, &json_records, GROUPED, 4e6),
    ];
    let wanted = cases.into_iter().filter(|(name, ..)| bench.wants(name));
    wanted
        .map(|(name, format, records, (target, query), least)| {
            let bytes = records.iter().map(String::len).sum();
            let mut parser = parser(format);
            bench.measure(name, Some(least), (ROWS_PER_BATCH * BATCHES, bytes), || {
                process(&mut parser, records, target, query);
            })
        })
        .collect()
}

/// Runs the records through an application of its own.
fn process(parser: &mut RecordParser, records: &[String], target: &str, query: &str) {
    let mut application = application(target, query);
    let output = application.program().stream("T").expect("the application creates T");
    application.subscribe(output);
    let columns = &application.program().streams[output.0].columns;
    let columns =
        columns.iter().map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type });
    let writer = OutputWriter::new(OutputFormat::Json { newline: false }, columns.collect());
    let mut rowtime = 0;
    for text in records {
        parser.parse_bulk(text.as_bytes());
        let parsed = parser.finish();
        let rows = parsed.row_to_record.len() as i64;
        let batch = Batch::new(ScalarBuffer::from_iter(rowtime..rowtime + rows), parsed.columns);
        rowtime += rows;
        application.push(StreamId(0), &batch, 0).expect("the rows are in order");
        for results in application.take_output(output) {
            black_box(writer.write(&results.columns));
        }
    }
}

fn parser(format: &RecordFormat) -> RecordParser {
    let column = |(name, sql_type): &(&str, SqlType)| InputColumn::of_member(name, *sql_type);
    let columns = COLUMNS.iter().map(column).collect();
    let schema = InputSchema { format: format.clone(), columns };
    schema.parser().expect("the schema of the bench is valid")
}

/// The text of each batch.
fn records(tabs: bool) -> Vec<String> {
    let batch = |number: usize| {
        let mut text = String::new();
        for row in number * ROWS_PER_BATCH..(number + 1) * ROWS_PER_BATCH {
            let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
            let (symbol, price, quantity) = (mixed % 100, (mixed % 1_000_003) as f64 / 1_000.0, mixed % 100);
            let written = if tabs {
                writeln!(text, "S{symbol}\t{price}\t{quantity}")
            } else {
                writeln!(text, "{{\"SYMBOL\":\"S{symbol}\",\"PRICE\":{price},\"QUANTITY\":{quantity}}}")
            };
            written.expect("a String takes all text");
        }
        text
    };
    (0..BATCHES).map(batch).collect()
}
