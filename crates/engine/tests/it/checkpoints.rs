//! Stored checkpoints of older versions are opened for ever.
//!
//! `checkpoints/format-N/` holds what the code wrote while N was its format: the state of every program of
//! `programs.sql` after [`BEFORE`] rows. Set `MILLSTREAM_WRITE_CHECKPOINTS` to a folder to write those of this build.

use millstream_columns::{Batch, array_from_values, value_at};
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, Program, SqlType, StreamId, Value, compile};
use std::path::{Path, PathBuf};

const COLUMNS: [(&str, SqlType); 5] = [
    ("K", SqlType::Varchar { length: 40 }),
    ("N", SqlType::Integer),
    ("D", SqlType::Double),
    ("B", SqlType::Boolean),
    ("E", SqlType::Decimal { precision: 10, scale: 2 }),
];

/// Rows before the checkpoint, and in all.
const BEFORE: usize = 83;
const ROWS: usize = 160;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints")
}

/// Title and text of each program.
fn programs() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("programs.sql")).expect("the programs are there");
    let mut programs: Vec<(String, String)> = Vec::new();
    for paragraph in text.split("\n\n").skip(1) {
        let (title, body) = paragraph.split_once('\n').expect("a title and a text");
        programs.push((title.trim_start_matches("-- ").to_owned(), body.to_owned()));
    }
    programs
}

fn program(text: &str) -> Program {
    let column = |(name, sql_type): &(&str, SqlType)| Column {
        name: (*name).to_owned(),
        sql_type: *sql_type,
        not_null: false,
    };
    let columns = COLUMNS.iter().map(column).collect();
    let input = InputStream { name: "S".to_owned(), columns, metadata_columns: 0 };
    let compilation = compile(text, &[input], &catalog());
    compilation.program.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics))
}

/// Rows `range` of an endless sequence.
fn rows(range: std::ops::Range<usize>) -> Batch {
    let mixed = |row: usize, salt: u64| {
        let mixed = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ salt;
        (mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 40) as i64
    };
    let value = |row: usize, column: usize| {
        let number = mixed(row, column as u64 * 7_919);
        if number % 7 == 0 {
            return Value::Null;
        }
        match column {
            0 => Value::Text(["", "a", "b", "longer than any packed key"][(number % 4) as usize].to_owned()),
            1 => Value::Integer(number % 9 - 2),
            2 => Value::Double((number % 64) as f64 / 4.0),
            3 => Value::Boolean(number % 2 == 0),
            _ => Value::Decimal(i128::from(number % 1_000)),
        }
    };
    let columns = COLUMNS.iter().enumerate().map(|(column, (_, sql_type))| {
        let values: Vec<Value> = range.clone().map(|row| value(row, column)).collect();
        array_from_values(*sql_type, &values).expect("the values are of the type of their column")
    });
    let columns = columns.collect();
    let rowtimes = range.map(|row| 1_704_067_203_500 + row as i64 / 2 * 900);
    Batch::new(rowtimes.collect::<Vec<i64>>().into(), columns)
}

fn settings() -> ApplicationSettings {
    ApplicationSettings {
        seed: 7,
        query_started: 1_000,
        virtual_clock: true,
        ..ApplicationSettings::default()
    }
}

/// Rows and errors, as texts.
fn take(application: &mut Application) -> Vec<String> {
    let output = application.program().stream("T").expect("the program creates T");
    let types: Vec<SqlType> =
        application.program().streams[output.0].columns.iter().map(|column| column.sql_type).collect();
    let mut taken = Vec::new();
    for batch in application.take_output(output) {
        for row in 0..batch.len() {
            let values = batch.columns.iter().zip(&types);
            let values: Vec<Value> = values.map(|(column, of)| value_at(column, *of, row)).collect();
            taken.push(format!("{} {values:?}", batch.rowtimes[row]));
        }
    }
    taken.extend(application.take_errors().into_iter().map(|error| format!("{error:?}")));
    taken
}

fn push(application: &mut Application, range: std::ops::Range<usize>) {
    application.push(StreamId(0), &rows(range), 0).expect("the rows are in order");
}

/// An application with its output subscribed, after the rows before the checkpoint.
fn half_way(text: &str) -> Application {
    let mut application = Application::new(program(text), settings()).expect("the plan is sound");
    let output = application.program().stream("T").expect("the program creates T");
    application.subscribe(output);
    push(&mut application, 0..BEFORE);
    take(&mut application);
    application
}

/// What comes out from the checkpoint on.
fn rest(mut application: Application) -> Vec<String> {
    let output = application.program().stream("T").expect("the program creates T");
    application.subscribe(output);
    let mut found = Vec::new();
    push(&mut application, BEFORE..ROWS);
    found.extend(take(&mut application));
    application.bound(StreamId(0), 1_804_067_203_500, 0).expect("the input exists");
    found.extend(take(&mut application));
    found
}

fn file_name(title: &str) -> String {
    format!("{}.checkpoint", title.replace(' ', "-"))
}

#[test]
fn checkpoints_of_this_build_can_be_written_for_later_ones() {
    let target = std::env::var_os("MILLSTREAM_WRITE_CHECKPOINTS").map(PathBuf::from);
    for (title, text) in programs() {
        let bytes = half_way(&text).save().expect("the state can be saved");
        if let Some(target) = &target {
            std::fs::create_dir_all(target).expect("the folder can be made");
            std::fs::write(target.join(file_name(&title)), bytes).expect("the file can be written");
        }
    }
}

#[test]
fn stored_checkpoints_of_every_format_go_on() {
    let formats = ["format-2", "format-3", "format-3-plain", "format-3-ends"];
    for (title, text) in programs() {
        let expected = rest(half_way(&text));
        assert!(!expected.is_empty(), "{title}");
        for format in formats {
            let Ok(bytes) = std::fs::read(folder().join(format).join(file_name(&title))) else {
                panic!("{format} has no checkpoint of \"{title}\"");
            };
            let restored = Application::restore_saved(program(&text), settings(), &bytes);
            let (restored, report) = restored.unwrap_or_else(|error| panic!("{format}, {title}: {error}"));
            assert!(report.started_from_scratch.is_empty(), "{format}, {title}: {report:?}");
            assert_eq!(rest(restored), expected, "{format}, {title}");
        }
    }
}

#[test]
fn stored_checkpoints_that_know_how_far_their_input_came_end_alike() {
    let end = |mut application: Application| {
        let output = application.program().stream("T").expect("the program creates T");
        application.subscribe(output);
        application.drain(0);
        take(&mut application)
    };
    for (title, text) in programs() {
        for format in ["format-3-plain", "format-3-ends"] {
            let bytes = std::fs::read(folder().join(format).join(file_name(&title)));
            let bytes = bytes.expect("every program has a checkpoint");
            let restored = Application::restore_saved(program(&text), settings(), &bytes);
            let (restored, _) = restored.unwrap_or_else(|error| panic!("{format}, {title}: {error}"));
            assert_eq!(end(restored), end(half_way(&text)), "{format}, {title}");
        }
    }
}
