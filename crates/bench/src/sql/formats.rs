//! Rows from TSV and JSON bytes, and rows to JSON.

use super::Bench;
use crate::Measurement;
use millstream_columns::formats::{
    InputColumn, InputSchema, OutputColumn, OutputFormat, OutputWriter, RecordFormat, RecordParser,
};
use millstream_sql::SqlType;
use std::fmt::Write as _;
use std::hint::black_box;

/// Rows of the text that is parsed again and again.
const ROWS: usize = 16_384;

/// TSV of (text, integer), JSON of the same, records one by one and many at once; and JSON written.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let (mut tsv, mut json) = (String::new(), String::new());
    for row in 0..ROWS {
        let _ = writeln!(tsv, "R{:09}\t{}", row * 7_919, row % 5 + 1);
        let _ = writeln!(json, "{{\"review_id\":\"R{:09}\",\"star_rating\":{}}}", row * 7_919, row % 5 + 1);
    }
    let types = [("review_id", SqlType::Varchar { length: 16 }), ("star_rating", SqlType::Integer)];
    let columns: Vec<InputColumn> =
        types.iter().map(|(name, sql_type)| InputColumn::of_member(name, *sql_type)).collect();
    let tabs =
        RecordFormat::Csv { row_delimiter: "\n".into(), column_delimiter: "\t".into(), quoting: false };
    let documents = RecordFormat::Json { record_row_path: "$".into() };
    let parser = |format: &RecordFormat| -> RecordParser {
        InputSchema { format: format.clone(), columns: columns.clone() }
            .parser()
            .expect("the schema of the bench is valid")
    };
    let mut tsv_parser = parser(&tabs);
    let mut json_parser = parser(&documents);
    let (tabs_size, json_size) = ((ROWS, tsv.len()), (ROWS, json.len()));
    let mut measurements = Vec::new();
    let name = "TSV to rows, many records at once";
    if bench.wants(name) {
        measurements.push(bench.measure(name, None, tabs_size, || {
            tsv_parser.parse_bulk(tsv.as_bytes());
            black_box(tsv_parser.finish());
        }));
    }
    let name = "JSON to rows, many records at once";
    if bench.wants(name) {
        measurements.push(bench.measure(name, None, json_size, || {
            json_parser.parse_bulk(json.as_bytes());
            black_box(json_parser.finish());
        }));
    }
    let name = "JSON to rows, record by record";
    if bench.wants(name) {
        measurements.push(bench.measure(name, None, json_size, || {
            json.lines().for_each(|line| json_parser.parse(line.as_bytes()));
            black_box(json_parser.finish());
        }));
    }
    let name = "rows to JSON";
    if bench.wants(name) {
        json_parser.parse_bulk(json.as_bytes());
        let rows = json_parser.finish().columns;
        let column =
            |(name, sql_type): &(&str, SqlType)| OutputColumn { name: (*name).into(), sql_type: *sql_type };
        let output = types.iter().map(column).collect();
        let writer = OutputWriter::new(OutputFormat::Json { newline: false }, output);
        measurements.push(bench.measure(name, None, json_size, || {
            black_box(writer.write(&rows));
        }));
    }
    measurements
}
