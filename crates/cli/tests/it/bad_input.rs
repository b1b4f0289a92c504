//! Bad records in the running pipeline: each lands where it belongs, its neighbours arrive, and the sum is right.

use std::path::Path;

use crate::support::objects::{BACKUP, DELIVERY_STREAM, Failed, delivered, failed, joined, lines};
use crate::support::reviews::{id, sentence};
use crate::support::{Finished, Program, objects_of, page, run, run_in, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

const HEADER: &str = "review_id\tproduct_category\tstar_rating\treview_body\tshop";

/// A line with its id, rating and text.
fn line(number: usize, stars: &str, body: &[u8]) -> Vec<u8> {
    [format!("{}\tKitchen\t{stars}\t", id(number)).as_bytes(), body, b"\tnorth"].concat()
}

/// The raw record of a line: three columns and a line end; a line that is no review stays as it is.
fn record_of(line: &[u8]) -> Vec<u8> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    match fields.as_slice() {
        [id, category, _, body, _] if std::str::from_utf8(line).is_ok() => {
            [*id, b"\t", *category, b"\t", *body, b"\n"].concat()
        }
        _ => [line, b"\n"].concat(),
    }
}

fn good_line(number: usize) -> Vec<u8> {
    let (stars, body) = sentence(number);
    line(number, &stars.to_string(), body.as_bytes())
}

/// Runs the demo over lines until as many as can be records have come in and been looked at by both readers.
fn demo_of(folder: &Path, lines: &[Vec<u8>], records: u64) -> (Value, Finished) {
    let file = folder.join("reviews.tsv");
    let text = [HEADER.as_bytes(), b"\n", &lines.join(b"\n".as_slice()), b"\n"].concat();
    std::fs::write(&file, text).unwrap();
    let data_directory = folder.join("data");
    let mut program = Program::start(&[
        "demo",
        "--input",
        file.to_str().unwrap(),
        "--rate",
        "200",
        "--close-windows",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data_directory.to_str().unwrap(),
    ]);
    let page = program.next_json()["page"].as_str().unwrap().to_owned();
    let overview = wait_for("every record is rated or has failed, for both readers", || {
        let overview = page::overview(&page);
        let counter = |kind, stage, counter| page::counter(&overview, kind, stage, counter).unwrap_or(0);
        let rated = overview["summary"]["records_classified"].as_u64().unwrap();
        let failed = counter("delivery stream", DELIVERY_STREAM, "failed");
        let rows = counter("application", "review-analytics", "rows in");
        let error_rows = counter("application", "review-analytics", "error rows");
        (rated + failed >= records && rows + error_rows >= records).then_some(overview)
    });
    program.signal(Signal::TERM);
    (overview, program.finish())
}

#[test]
fn bad_reviews_are_set_aside_and_their_neighbours_arrive() {
    const MIB: usize = 1 << 20;
    let control = b"bell \x07 escape \x1b[31m null \x00 delete \x7f end".as_slice();
    let tokens = "a fine kettle ".repeat(10_000 / 3 + 1);
    // What the model rates, and how it arrives.
    let good: Vec<(Vec<u8>, String)> = vec![
        (good_line(0), sentence(0).1),
        (line(1, "100", b"A rating of one hundred."), "A rating of one hundred.".to_owned()),
        (good_line(2), sentence(2).1),
        (line(3, "5", b"."), ".".to_owned()),
        (line(4, "5", tokens.as_bytes()), tokens.clone()),
        (line(5, "5", control), String::from_utf8(control.to_vec()).unwrap()),
        (line(6, "many", b"No rating at all."), "No rating at all.".to_owned()),
        (good_line(7), sentence(7).1),
        (good_line(8), sentence(8).1),
    ];
    // What is no review.
    let bad: Vec<Vec<u8>> = vec![
        format!("{}\tKitchen", id(100)).into_bytes(),
        line(101, "1", b"not \xff\xfe text"),
        line(102, "1", &vec![b'b'; 900 << 10]),
        Vec::new(),
        b"\tKitchen\t5\tNobody's review.\tnorth".to_vec(),
        line(104, "5", b""),
    ];
    // What could be mistaken for another review.
    let odd = line(103, "1", b"a\ttab\ttoo\tmany");
    // What is no record: only the line that is too long by one byte, and a far longer one.
    let overhead = line(200, "1", b"").len();
    let longest = MIB - 64 - overhead - 1;
    let left_out = [line(200, "1", &vec![b'c'; longest + 1]), line(201, "1", &vec![b'd'; 3 * MIB])];
    let largest = line(202, "1", &vec![b'e'; longest]);

    // Good and bad ones in turn.
    let mut lines = Vec::new();
    for (number, (line, _)) in good.iter().enumerate() {
        lines.push(line.clone());
        lines.extend(bad.get(number).cloned());
        lines.extend(left_out.get(number).cloned());
    }
    lines.insert(9, largest.clone());
    lines.insert(4, odd.clone());
    let folder = tempfile::tempdir().unwrap();
    let records = good.len() + bad.len() + 1;
    let (overview, finished) = demo_of(folder.path(), &lines, records as u64);
    let summary = finished.summary_of_success();
    let data_directory = folder.path().join("data");

    let reviews = delivered(&data_directory);
    let found: Vec<(&str, &str)> =
        reviews.iter().map(|review| (review.review_id.as_str(), review.review_body.as_str())).collect();
    let ids: Vec<String> = (0..good.len()).map(id).collect();
    let expected: Vec<(&str, &str)> =
        ids.iter().zip(&good).map(|(id, (_, body))| (id.as_str(), body.as_str())).collect();
    assert!(found == expected, "{:?}", reviews.iter().map(|review| &review.review_id).collect::<Vec<_>>());

    let mut set_aside: Vec<Vec<u8>> = bad.iter().map(|line| record_of(line)).collect();
    set_aside.push(record_of(&largest));
    set_aside.sort();
    let failures = failed(&data_directory);
    let mut data: Vec<Vec<u8>> = failures.iter().map(|failure| failure.data.clone()).collect();
    data.sort();
    assert!(data == set_aside, "{} of {} records are set aside as they came", data.len(), set_aside.len());
    for Failed { code, message, .. } in &failures {
        assert_eq!(code, "Lambda.ProcessingFailedStatus");
        // Why, and not only that.
        assert!(!message.is_empty() && !message.starts_with("ProcessingFailed"), "{message}");
    }

    // Nothing vanishes.
    assert_eq!(reviews.len() + failures.len() + left_out.len() + 1, lines.len());
    assert_eq!(summary["records_in"], records, "{summary}");
    assert_eq!(summary["records_classified"], good.len());
    let is_record = |line: &&Vec<u8>| !left_out.contains(line) && **line != odd;
    let in_order: Vec<Vec<u8>> = lines.iter().filter(is_record).map(|line| record_of(line)).collect();
    assert!(joined(&objects_of(&data_directory, BACKUP)) == in_order.concat(), "the backup has every record");
    // A bad record fails twice: in the delivery, and as a row of the application's error stream.
    assert_eq!(summary["errors"], 2 * set_aside.len() + left_out.len() + 1, "{summary}");

    // The page says what happened.
    assert_eq!(
        page::counter(&overview, "endpoint", "star-rating", "truncated"),
        Some(2),
        "the 10,000 tokens, for both readers"
    );
    let problems: Vec<&str> = overview["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["message"].as_str().unwrap())
        .collect();
    for number in [201, 200] {
        let index = left_out.iter().position(|line| line.starts_with(id(number).as_bytes())).unwrap();
        let said = format!(
            "has {} bytes: a record holds at most {}; it is skipped",
            left_out[index].len() + 1,
            MIB - 64
        );
        assert!(problems.iter().any(|problem| problem.contains(&said)), "{said}: {problems:#?}");
    }
    assert!(problems.iter().any(|problem| problem.contains("processing-failed objects")), "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.contains("error_stream")), "{problems:#?}");
    // Of the authors' ratings only those from 1 to 5 count: all but two.
    assert_eq!(overview["agreement"]["known"], good.len() - 2);
}

#[test]
fn many_large_reviews_in_a_row_pass() {
    let bodies: Vec<String> =
        (0..24).map(|number| format!("{number} fine ").repeat((250 << 10) / 9)).collect();
    let lines: Vec<Vec<u8>> =
        bodies.iter().enumerate().map(|(number, body)| line(number, "5", body.as_bytes())).collect();
    let folder = tempfile::tempdir().unwrap();
    let (_, finished) = demo_of(folder.path(), &lines, lines.len() as u64);
    let summary = finished.summary_of_success();
    assert_eq!(summary["errors"], 0, "{}", finished.stderr);
    let reviews = delivered(&folder.path().join("data"));
    let found: Vec<&String> = reviews.iter().map(|review| &review.review_body).collect();
    assert!(found == bodies.iter().collect::<Vec<_>>(), "{} of {} arrive", found.len(), bodies.len());
}

/// Reads numbers without any function before it.
const QUOTIENTS: &str = r#"
[[delivery_stream]]
name = "raw"
bucket = "raw"

[[delivery_stream]]
name = "quotients"
bucket = "quotients"

[[delivery_stream]]
name = "errors"
bucket = "errors"

[[application]]
name = "division"
sql = '''
CREATE OR REPLACE STREAM "QUOTIENTS" ("id" VARCHAR(8), "quotient" INTEGER);
CREATE OR REPLACE PUMP "DIVIDE" AS INSERT INTO "QUOTIENTS"
  SELECT STREAM "id", 100 / "divisor" FROM "SOURCE_SQL_STREAM_001";
'''

[application.input]
delivery_stream = "raw"
columns = "id VARCHAR(8), divisor INTEGER"

[[application.output]]
from = "QUOTIENTS"
delivery_stream = "quotients"
format = "csv"

[[application.output]]
from = "error_stream"
delivery_stream = "errors"
"#;

#[test]
fn bad_rows_go_to_the_error_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("division.toml"), QUOTIENTS).unwrap();
    std::fs::write(path("rows.csv"), "a,4\nb,none\nc,0\nd,5\ne\nf,\n\"g\",25\n").unwrap();
    let summary = run(&[
        "run",
        &path("division.toml"),
        "--input",
        &path("rows.csv"),
        "--into",
        "raw",
        "--until-end",
        "--json",
        "--no-console",
        "--data-dir",
        &path("data"),
    ])
    .summary_of_success();
    let data_directory = folder.path().join("data");
    assert_eq!(lines(&objects_of(&data_directory, "quotients/")), ["a,25", "d,20", "e,", "f,", "g,4"]);
    let errors = joined(&objects_of(&data_directory, "errors/"));
    let mut errors: Vec<Value> =
        serde_json::Deserializer::from_slice(&errors).into_iter().collect::<Result<_, _>>().unwrap();
    let times: Vec<Value> = errors
        .iter_mut()
        .flat_map(|error| ["ERROR_TIME", "DATA_ROWTIME"].map(|name| error[name].take()))
        .collect();
    assert!(
        times.iter().all(|time| time.as_str().unwrap().len() == "2024-01-01 00:00:00.000".len()),
        "{times:?}"
    );
    // A row of the input stream ends with the time at which its record arrived.
    let arrival = "2024-01-01 00:00:00.000".len() * 2;
    let row = errors[1]["DATA_ROW"].as_str().unwrap();
    errors[1]["DATA_ROW"] = Value::from(&row[..row.len() - arrival]);
    let error = |name: &str, message: &str, row: &str, pump: &str| {
        let row: String = row.bytes().map(|byte| format!("{byte:02X}")).collect();
        json!({
            "ERROR_TIME": null, "ERROR_LEVEL": "ERROR", "ERROR_NAME": name, "MESSAGE": message,
            "DATA_ROWTIME": null, "DATA_ROW": row, "PUMP_NAME": pump,
        })
    };
    let expected = [
        error("COERCION_ERROR", "column \"divisor\": 'none' is not a valid INTEGER", "b,none", ""),
        error("DIVISION_BY_ZERO", "division by zero", "c,0,", "DIVIDE"),
    ];
    assert_eq!(errors, expected);
    assert_eq!(summary["errors"], 2);
}

/// As of a replay: that nothing became a row is no success.
#[test]
fn a_run_of_which_no_record_became_a_row_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("division.toml"), QUOTIENTS).unwrap();
    std::fs::write(folder.path().join("none.csv"), "a,none\nb,none\n").unwrap();
    std::fs::write(folder.path().join("half.csv"), "a,none\nb,2\n").unwrap();
    let of = |data: &str, input: &str, more: &[&str]| {
        let arguments =
            ["run", "division.toml", "--input", input, "--into", "raw", "--until-end", "--no-console"];
        run_in(folder.path(), &[arguments.as_slice(), &["--data-dir", data], more].concat())
    };
    let none = "error: 2 records were read by application \"division\", but none became a row";
    let finished = of("a", "none.csv", &[]);
    finished.assert_failed(1, &[none]);
    assert!(!finished.stderr.contains("everything that came in is delivered"), "{finished:#?}");
    let finished = of("b", "none.csv", &["--json"]);
    finished.assert_failed(1, &[none]);
    assert_eq!(finished.summary()["is_delivered"], true);
    assert_eq!(of("c", "none.csv", &["--fail-on-errors", "1"]).code, Some(0));
    assert_eq!(of("d", "half.csv", &[]).code, Some(0));
    assert_eq!(of("e", "half.csv", &["--fail-on-errors", "0.5"]).code, Some(0));
    of("f", "half.csv", &["--fail-on-errors", "0.49"])
        .assert_failed(1, &["1 of 2 records", "0.49 allows fewer"]);
}

#[test]
fn a_header_that_names_the_columns_in_another_order_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("division.toml"), QUOTIENTS).unwrap();
    let said = "the header names the columns in another order (divisor, id) than the schema (id, divisor)";
    for (header, is_said) in [("divisor,id", true), ("ID,Divisor", false), ("a,b", false)] {
        std::fs::write(folder.path().join("rows.csv"), format!("{header}\n1,2\n2,3\n3,4\n")).unwrap();
        for command in [
            ["replay", "division.toml", "--input", "rows.csv", "--header"].as_slice(),
            &["check", "division.toml", "--lint", "--sample", "rows.csv", "--header"],
            &[
                "run",
                "division.toml",
                "--input",
                "rows.csv",
                "--header",
                "--into",
                "raw",
                "--until-end",
                "--no-console",
                "--data-dir",
                header,
            ],
        ] {
            let finished = run_in(folder.path(), command);
            let output = [finished.stdout(), finished.stderr.clone()].concat();
            assert_eq!(output.matches(said).count(), usize::from(is_said), "{command:?}: {finished:#?}");
        }
    }
}
