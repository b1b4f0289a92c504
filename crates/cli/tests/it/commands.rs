//! The commands beside `demo` and `run`: their output, byte for byte where it is determined, and their exit codes.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::reviews::{AMAZON_HEADER, amazon_line, sentence, write_file};
use crate::support::{Finished, Program, repository, run, run_in};
use serde_json::{Value, json};
use tempfile::TempDir;

const COUNT: &str = r#"CREATE OR REPLACE STREAM "COUNTS" ("n" BIGINT, "highest" DOUBLE);
CREATE OR REPLACE PUMP "COUNT_PUMP" AS INSERT INTO "COUNTS"
  SELECT STREAM COUNT(*) AS "n", MAX("price") AS "highest" FROM "PRICES"
  GROUP BY STEP("PRICES".ROWTIME BY INTERVAL '10' SECOND);
CREATE OR REPLACE STREAM "HIGH" ("price" DOUBLE);
CREATE OR REPLACE PUMP "HIGH_PUMP" AS INSERT INTO "HIGH"
  SELECT STREAM "price" FROM "PRICES" WHERE "price" >= 3;
"#;
const PRICES: &str = "PRICES (at TIMESTAMP, price DOUBLE)";

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// It ended well and wrote exactly this.
#[track_caller]
fn assert_wrote(finished: &Finished, stdout: &str) {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.stdout(), stdout, "{}", finished.stderr);
}

fn jsons(finished: &Finished) -> Vec<Value> {
    finished.lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn check_says_what_is_in_a_file() {
    let example = repository("examples/reviews.toml");
    let example = example.to_str().unwrap();
    let counts =
        "1 stream, 1 delivery stream, 1 endpoint, 3 functions, 1 application, 1 topic, 1 metric, 1 alarm";
    assert_wrote(&run(&["check", example]), &format!("{example}: ok ({counts})\n"));

    let golden = "input S (X INTEGER)\n\napplication\nCREATE STREAM T (X INTEGER);\nend\n";
    let folder =
        folder_with(&[("count.sql", COUNT), ("a.test", golden), ("b.test", "input S (X INTEGER)\nrowz S\n")]);
    let finished = run_in(folder.path(), &["check", "count.sql", "--stream", PRICES]);
    assert_wrote(&finished, "count.sql: ok (2 streams, 2 pumps)\n");
    assert_wrote(
        &run_in(folder.path(), &["check", "a.test", example]),
        &format!("a.test: ok (a golden file)\n{example}: ok ({counts})\n"),
    );
    let finished = run_in(folder.path(), &["check", "b.test"]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.lines[0].starts_with("error: 'rowz' is not a directive"), "{finished:#?}");
    assert_eq!(finished.lines[1], "  --> b.test:2:1");
    assert_eq!(finished.lines.last().unwrap(), "b.test: 1 mistake");

    // For programs: one document a mistake; all files are checked.
    let finished = run_in(folder.path(), &["check", "--json", "count.sql", "a.test", "b.test"]);
    assert_eq!(finished.code, Some(1));
    let [first, second, third, fourth] = jsons(&finished).try_into().unwrap();
    for (found, (line, column)) in [(&first, (3, 65)), (&second, (7, 30))] {
        assert_eq!((&found["file"], &found["ok"]), (&json!("count.sql"), &json!(false)));
        assert_eq!(found["message"], "there is no stream \"PRICES\"");
        assert_eq!((&found["line"], &found["column"]), (&json!(line), &json!(column)), "{found}");
    }
    assert_eq!(third, json!({"file": "a.test", "ok": true, "warnings": []}));
    assert_eq!(
        (&fourth["file"], &fourth["line"], &fourth["ok"]),
        (&json!("b.test"), &json!(2), &json!(false))
    );

    // What SQL reads must be said, and for a pipeline must not.
    run_in(folder.path(), &["check", "count.sql", "--stream", "PRICES (price DOUBL)"]).assert_failed(
        1,
        &["error: --stream: column \"price\": there is no type DOUBL; did you mean \"DOUBLE\"?"],
    );
    run(&["check", example, "--stream", PRICES]).assert_failed(1, &["--stream is for .sql files"]);
}

#[test]
fn check_says_which_kinds_of_files_it_checks() {
    let pipeline = "[[stream]]\nname = \"s\"\n";
    let folder = folder_with(&[
        ("orders.csv", "id,price\n1,2\n"),
        ("orders", "id,price\n"),
        ("empty.json", ""),
        ("p.conf", pipeline),
        ("pipeline", pipeline),
    ]);
    for (file, reason) in [
        ("orders.csv", "its name ends in .csv"),
        ("orders", "its name has no ending"),
        ("empty.json", "its name ends in .json"),
    ] {
        let reason =
            format!("{reason}: check reads pipeline files (.toml), SQL (.sql) and golden files (.test)");
        let finished = run_in(folder.path(), &["check", file]);
        assert_eq!(finished.code, Some(1));
        assert_eq!(finished.lines[0], format!("error: {reason}"));
        assert!(
            finished
                .stdout()
                .contains(&format!("hint: for records, millstream discover {file} finds their columns"))
        );
        assert_eq!(finished.lines.last().unwrap(), &format!("{file}: 1 mistake"));
        let [found] = jsons(&run_in(folder.path(), &["check", file, "--json"])).try_into().unwrap();
        assert_eq!((&found["ok"], &found["message"]), (&json!(false), &json!(reason)));
    }
    fs::write(folder.path().join("orders.csv.gz"), b"\x1f\x8b\xff").unwrap();
    run_in(folder.path(), &["check", "orders.csv.gz"])
        .assert_failed(1, &["its name ends in .gz: check reads"]);
    // A file of sections is a pipeline, whatever its name.
    for file in ["p.conf", "pipeline"] {
        assert_wrote(&run_in(folder.path(), &["check", file]), &format!("{file}: ok (1 stream)\n"));
    }
}

#[test]
fn check_names_every_file_that_is_not_there_beside_other_mistakes() {
    let pipeline = "[[endpoint]]\nname = \"a\"\nmodel = \"models/a\"\n[[endpoint]]\nname = \"b\"\nmodel = \"builtin:b\"\n\
        [[endpoint]]\nname = \"c\"\nmodel = \"models/c\"\n[[stream]]\nname = \"s\"\nshards = 0\n\
        [[input]]\nname = \"i\"\npath = \"missing.csv\"\ninto_stream = \"s\"\n\
        [[application]]\nname = \"x\"\nsql_file = \"missing.sql\"\n[application.input]\nstream = \"s\"\ncolumns = \"A INTEGER\"\n\
        [[application.reference]]\nname = \"T\"\npath = \"missing.txt\"\ncolumns = \"A INTEGER\"\n";
    let folder = folder_with(&[("p.toml", pipeline)]);
    let found: Vec<String> = jsons(&run_in(folder.path(), &["check", "p.toml", "--json"]))
        .iter()
        .map(|one| format!("{}:{} {}", one["line"], one["column"], one["message"].as_str().unwrap()))
        .collect();
    let absolute = fs::canonicalize(folder.path()).unwrap();
    let named = |name: &str| absolute.join(name).display().to_string();
    let expected = [
        format!("3:9 {} is not a model folder", named("models/a")),
        "6:9 there is no model \"builtin:b\"".to_owned(),
        format!("9:9 {} is not a model folder", named("models/c")),
        "12:10 a stream has 1 to 10000 shards".to_owned(),
        format!("15:8 cannot read {}: there is no such file", named("missing.csv")),
        "19:12 cannot read missing.sql: there is no such file".to_owned(),
        format!("25:8 cannot read {}: there is no such file", named("missing.txt")),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}

#[test]
fn check_says_when_it_has_stopped_looking() {
    let sections = |number: usize| -> String {
        (0..number).map(|n| format!("[[stream]]\nname = \"s{n}\"\nsharts = 1\n")).collect()
    };
    let folder = folder_with(&[("few.toml", &sections(49)), ("many.toml", &sections(60))]);
    let last = |file: &str| run_in(folder.path(), &["check", file]).lines.last().unwrap().clone();
    assert_eq!(last("few.toml"), "few.toml: 49 mistakes");
    assert_eq!(last("many.toml"), "many.toml: 50 mistakes shown, more may follow");
}

const GOLDEN: &str = "# Three rows in two windows.
input PRICES (price DOUBLE)

application
CREATE STREAM T (n BIGINT);
CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM PRICES GROUP BY STEP(PRICES.ROWTIME BY INTERVAL '10' SECOND);
end

rows PRICES
10:00:01 | 1
10:00:02 | 2
10:00:13 | 3

bound 10:00:20

expect T
10:00:10 | 2
10:00:20 | 1
";

#[test]
fn test_runs_golden_files_and_completes_them() {
    let wrong = GOLDEN.replace("10:00:20 | 1\n", "10:00:20 | 7\n");
    let folder =
        folder_with(&[("right.test", GOLDEN), ("wrong.test", &wrong), ("notes.txt", "no golden file")]);
    fs::create_dir_all(folder.path().join("deep/deeper")).unwrap();
    fs::write(folder.path().join("deep/deeper/right.test"), GOLDEN).unwrap();
    assert_wrote(&run_in(folder.path(), &["test", "right.test"]), "1 passed, 0 failed\n");
    assert_wrote(&run_in(folder.path(), &["test", "deep", "right.test"]), "2 passed, 0 failed\n");

    let finished = run_in(folder.path(), &["test", "."]);
    assert_eq!(finished.code, Some(1));
    let (last, failures) = finished.lines.split_last().unwrap();
    assert_eq!(last, "2 passed, 1 failed");
    assert!(failures[0].starts_with("FAILED ./wrong.test:16: "), "{failures:#?}");
    assert!(failures.iter().any(|line| line.contains('7')), "{failures:#?}");

    let finished = run_in(folder.path(), &["test", "--json", "right.test", "wrong.test"]);
    assert_eq!(finished.code, Some(1));
    let first: Value = serde_json::from_str(&finished.lines[0]).unwrap();
    assert_eq!(first, json!({"file": "right.test", "passed": true, "failures": []}));
    let second: Value = serde_json::from_str(&finished.lines[1]).unwrap();
    assert_eq!((&second["passed"], &second["failures"][0]["line"]), (&json!(false), &json!(16)));
    let summary: Value = serde_json::from_str(&finished.lines[2]).unwrap();
    assert_eq!(summary, json!({"summary": {"passed": 1, "failed": 1}}));

    // What came out is written in, comments and all; the other files stay.
    assert_wrote(&run_in(folder.path(), &["test", "--complete", "."]), "3 passed, 0 failed\n");
    assert_eq!(fs::read_to_string(folder.path().join("wrong.test")).unwrap(), GOLDEN);
    assert_wrote(&run_in(folder.path(), &["test", "."]), "3 passed, 0 failed\n");

    // What cannot be completed stays as it is, and fails.
    let broken = GOLDEN.replace("rows PRICES", "rows PRICE");
    fs::write(folder.path().join("broken.test"), &broken).unwrap();
    let finished = run_in(folder.path(), &["test", "--complete", "broken.test"]);
    assert_eq!((finished.code, finished.lines.last().unwrap().as_str()), (Some(1), "0 passed, 1 failed"));
    assert_eq!(fs::read_to_string(folder.path().join("broken.test")).unwrap(), broken);
}

/// Replays prices with the time in a column.
fn replay(folder: &Path, more: &[&str]) -> Finished {
    run_in(folder, &[["replay", "count.sql", "--stream", PRICES].as_slice(), more].concat())
}

#[test]
fn replay_of_sql_takes_its_time_from_a_column_or_a_rate() {
    let csv = "at,price\n2024-03-01 12:00:01,1.5\n2024-03-01 12:00:09.250,4\nsome day,2\n2024-03-01 12:00:12,dear\n\
               2024-03-01 12:00:31,\"3\"\n";
    let json = "{\"at\":\"2024-03-01 12:00:01\",\"price\":1.5}\n{\"price\":4,\"at\":\"2024-03-01 12:00:09.250\"}\nno JSON\n\
                {\"at\":\"2024-03-01 12:00:31\",\"price\":3}\n";
    let folder = folder_with(&[
        ("count.sql", COUNT),
        ("prices.csv", csv),
        ("prices.json", json),
        ("prices.tsv", &csv.replace(',', "\t").replace('"', "")),
    ]);
    write_file(&folder.path().join("prices.csv.gz"), csv.as_bytes());
    let expected = "2024-03-01 12:00:09.250\tHIGH\t{\"price\":4.0}\n\
                    2024-03-01 12:00:10.000\tCOUNTS\t{\"n\":2,\"highest\":4.0}\n\
                    2024-03-01 12:00:31.000\tHIGH\t{\"price\":3.0}\n\
                    2024-03-01 12:00:40.000\tCOUNTS\t{\"n\":1,\"highest\":3.0}\n";
    for more in [
        ["--input", "prices.csv", "--header", "--rowtime", "at"].as_slice(),
        &["--input", "prices.csv.gz", "--header", "--rowtime", "at"],
        &["--input", "prices.tsv", "--header", "--rowtime", "at", "--format", "tsv"],
        &["--input", "prices.json", "--rowtime", "at", "--format", "json"],
    ] {
        let (first, second) = (replay(folder.path(), more), replay(folder.path(), more));
        assert_wrote(&first, expected);
        assert_eq!(first.stdout(), second.stdout(), "the same bytes every time");
        assert!(first.stderr.contains("3 rows into the application, 4 rows out"), "{}", first.stderr);
    }
    let finished = replay(folder.path(), &["--input", "prices.csv", "--header", "--rowtime", "at"]);
    assert!(
        finished
            .stderr
            .contains("5 records, 3 rows into the application, 4 rows out, 2 rows to error_stream")
    );
    assert!(
        finished.stderr.contains(
            "the input: COERCION_ERROR: record 3: column \"at\": 'some day' is not a valid TIMESTAMP"
        )
    );

    // From standard input, as JSON, only one stream.
    let arguments = [
        "replay",
        "count.sql",
        "--stream",
        PRICES,
        "--input",
        "-",
        "--rowtime",
        "at",
        "--json",
        "--only",
        "COUNTS",
    ];
    let mut program = Program::start_in(folder.path(), &arguments);
    program.write(csv.split_once('\n').unwrap().1.as_bytes());
    assert_wrote(
        &program.finish(),
        "{\"rowtime\":\"2024-03-01 12:00:10.000\",\"stream\":\"COUNTS\",\"row\":{\"n\":2,\"highest\":4.0}}\n\
         {\"rowtime\":\"2024-03-01 12:00:40.000\",\"stream\":\"COUNTS\",\"row\":{\"n\":1,\"highest\":3.0}}\n",
    );

    // By a rate: a row every four seconds of virtual time.
    let finished = replay(
        folder.path(),
        &[
            "--input",
            "prices.csv",
            "--header",
            "--rate",
            "0.25",
            "--start",
            "2024-05-01 08:00:00",
            "--only",
            "COUNTS",
        ],
    );
    assert_wrote(&finished, "2024-05-01 08:00:10.000\tCOUNTS\t{\"n\":3,\"highest\":4.0}\n");

    let at = |more: &[&str]| {
        replay(folder.path(), &[["--input", "prices.csv", "--header"].as_slice(), more].concat())
    };
    at(&["--rowtime", "time"])
        .assert_failed(1, &["there is no column \"time\" to take ROWTIME from; there are: at, price"]);
    at(&["--only", "COUNT"])
        .assert_failed(1, &["--only COUNT: no pump fills a stream of this name", "COUNTS, HIGH"]);
    at(&["--start", "noon"])
        .assert_failed(2, &["--start", "\"noon\" is not a time: write 2024-01-01 00:00:00"]);
    run_in(folder.path(), &["replay", "count.sql", "--input", "prices.csv"])
        .assert_failed(1, &["add --stream"]);
    let path = ["--stream", "PRICES (at TIMESTAMP, price DOUBLE $.price)"];
    run_in(folder.path(), &[["replay", "count.sql", "--input", "prices.csv"].as_slice(), &path].concat())
        .assert_failed(1, &["column \"price\" has a path", "add --format json, or remove the path"]);
}

#[test]
fn replay_of_json_finds_members_of_any_name() {
    let sql = "CREATE STREAM T (A INTEGER, B INTEGER, C INTEGER);
CREATE PUMP P AS INSERT INTO T SELECT STREAM \"a.b\", \"say \"\"it[0]\"\"\", \"n\" FROM S;";
    let record = "{\"a.b\":20,\"say \\\"it[0]\\\"\":30,\"m\":{\"c, d\":40}}\n";
    let folder = folder_with(&[("t.sql", sql), ("in.json", record)]);
    let stream = "S (\"a.b\" INTEGER, \"say \"\"it[0]\"\"\" INTEGER, n INTEGER $.m['c, d'])";
    let finished = run_in(
        folder.path(),
        &["replay", "t.sql", "--stream", stream, "--format", "json", "--input", "in.json", "--json"],
    );
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(jsons(&finished)[0]["row"], json!({"A": 20, "B": 30, "C": 40}), "{finished:#?}");
}

#[test]
fn replay_of_a_pipeline_asks_its_preprocessing_function() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..300).map(amazon_line).collect();
    write_file(
        &folder.path().join("reviews.tsv.gz"),
        format!("{AMAZON_HEADER}\n{}\n", lines.join("\n")).as_bytes(),
    );
    let example = repository("examples/reviews.toml");
    let arguments =
        ["replay", example.to_str().unwrap(), "--input", "reviews.tsv.gz", "--header", "--rate", "20"];
    let (first, second) = (run_in(folder.path(), &arguments), run_in(folder.path(), &arguments));
    assert_eq!(first.code, Some(0), "{first:#?}");
    assert!(first.stdout() == second.stdout(), "the same bytes every time, anomaly scores included");
    assert!(first.stderr.contains("300 records, 300 rows into the application"), "{}", first.stderr);
    let of = |stream: &str| -> Vec<(String, Value)> {
        let stream = format!("\t{stream}\t");
        let lines = first.lines.iter().filter_map(|line| line.split_once(&stream));
        lines.map(|(time, row)| (time.to_owned(), serde_json::from_str(row).unwrap())).collect()
    };
    // 300 rows at 20 a second: three windows of five seconds.
    let times = ["2024-01-01 00:00:05.000", "2024-01-01 00:00:10.000", "2024-01-01 00:00:15.000"];
    let averages = of("AVG_STAR_RATING_SQL_STREAM");
    let counts = of("APPROXIMATE_COUNT_SQL_STREAM");
    assert_eq!(averages.iter().map(|(time, _)| time.as_str()).collect::<Vec<_>>(), times);
    assert_eq!(counts.iter().map(|(time, _)| time.as_str()).collect::<Vec<_>>(), times);
    for (_, row) in &counts {
        assert_eq!(row, &json!({"NUMBER_OF_DISTINCT_ITEMS": 100}));
    }
    assert_eq!(of("ANOMALY_SCORE_SQL_STREAM").len(), 300);
    // The model agrees with what the sentences say.
    let known = (0..300).map(|number| f64::from(sentence(number).0)).sum::<f64>() / 300.0;
    for (_, row) in averages {
        let average = row["AVG_STAR_RATING"].as_f64().unwrap();
        assert!((average - known).abs() < 0.6, "{average} and {known}");
    }

    // Together they are more than an event of a function may hold, and each is more than a review may be.
    let large: Vec<String> =
        (0..16).map(|number| format!("R{number}\tToys\t{}", "x".repeat(500_000))).collect();
    fs::write(folder.path().join("large.tsv"), large.join("\n")).unwrap();
    let finished = run_in(folder.path(), &["replay", example.to_str().unwrap(), "--input", "large.tsv"]);
    finished.assert_failed(1, &["16 records read, but none became a row"]);
    assert!(
        finished
            .stderr
            .contains("16 records, 0 rows into the application, 0 rows out, 16 rows to error_stream"),
        "{}",
        finished.stderr
    );

    // Records that have been through the function already.
    let rated: Vec<String> =
        (0..40).map(|number| format!("R{number}\t{}\tToys\tfine", 1 + number % 5)).collect();
    fs::write(folder.path().join("rated.tsv"), rated.join("\n")).unwrap();
    let finished = run_in(
        folder.path(),
        &[
            "replay",
            example.to_str().unwrap(),
            "--input",
            "rated.tsv",
            "--preprocessed",
            "--rate",
            "20",
            "--only",
            "AVG_STAR_RATING_SQL_STREAM",
        ],
    );
    assert_wrote(
        &finished,
        "2024-01-01 00:00:05.000\tAVG_STAR_RATING_SQL_STREAM\t{\"AVG_STAR_RATING\":3.0}\n",
    );
    let finished = run_in(
        folder.path(),
        &["replay", example.to_str().unwrap(), "--input", "rated.tsv", "--application", "reviews"],
    );
    finished.assert_failed(1, &["--application reviews", "there are: review-analytics"]);
}

#[test]
fn silent_2_replay_puts_rows_in_the_order_of_their_times() {
    // Every second line is of the other end of the file.
    let line = |second: u64| format!("2024-03-01 12:{:02}:{:02},{second}\n", second / 60, second % 60);
    let sorted: String = (0..120).map(line).collect();
    let mixed: String = (0..60).flat_map(|second| [line(second), line(119 - second)]).collect();
    let jitter: String = (0..60).flat_map(|half| [line(2 * half + 1), line(2 * half)]).collect();
    let folder = folder_with(&[
        ("count.sql", COUNT),
        ("sorted.csv", &sorted),
        ("mixed.csv", &mixed),
        ("jitter.csv", &jitter),
    ]);
    let of = |file: &str, more: &[&str]| {
        replay(folder.path(), &[["--input", file, "--rowtime", "at"].as_slice(), more].concat())
    };
    let expected = of("sorted.csv", &[]);
    assert_eq!(expected.lines.iter().filter(|line| line.contains("\tCOUNTS\t")).count(), 12);
    assert!(expected.lines.iter().any(|line| line.contains("{\"n\":10,\"highest\":119.0}")), "{expected:#?}");
    for (file, more) in [
        ("mixed.csv", [].as_slice()),
        ("jitter.csv", &[]),
        ("jitter.csv", &["--lateness", "1s"]),
        ("sorted.csv", &["--lateness", "0s"]),
    ] {
        let finished = of(file, more);
        assert_eq!((finished.code, finished.stdout()), (Some(0), expected.stdout()), "{file} {more:?}");
    }
    of("mixed.csv", &["--lateness", "30s"])
        .assert_failed(1, &["record 3 is 118 s behind one before it, and --lateness allows for 30 s"]);
    run_in(folder.path(), &["replay", "count.sql", "--input", "sorted.csv", "--lateness", "1s"])
        .assert_failed(2, &["--rowtime"]);
}

#[test]
fn a_record_without_a_time_fails_alone() {
    let texts = "at,price\n2024-03-01 12:00:01,1.5\nsome day,2\n,3\n2024-03-01 12:00:09.250,4\n";
    let numbers = "{\"at\":1709294401000,\"price\":1.5}\n{\"price\":2}\n{\"at\":1709294409250000000,\"price\":3}\n\
                   {\"at\":1709294409250,\"price\":4}\n";
    let folder = folder_with(&[
        ("count.sql", COUNT),
        ("texts.csv", texts),
        ("numbers.json", numbers),
        ("none.csv", "a,1\nb,2\n"),
    ]);
    let expected = "2024-03-01 12:00:09.250\tHIGH\t{\"price\":4.0}\n\
                    2024-03-01 12:00:10.000\tCOUNTS\t{\"n\":2,\"highest\":4.0}\n";
    let of = |stream: &str, more: &[&str]| {
        run_in(
            folder.path(),
            &[["replay", "count.sql", "--stream", stream, "--rowtime", "at"].as_slice(), more].concat(),
        )
    };
    let as_text = "PRICES (at VARCHAR(32), price DOUBLE)";
    for (stream, more, reasons) in [
        (
            as_text,
            ["--input", "texts.csv", "--header"].as_slice(),
            [
                "record 2: column \"at\": 'some day' cannot be ROWTIME: write a time such as 2024-01-01 00:00:05, ",
                "record 3: column \"at\": '' cannot be ROWTIME: write a time such as ",
            ],
        ),
        (
            PRICES,
            &["--input", "texts.csv", "--header"],
            [
                "record 2: column \"at\": 'some day' is not a valid TIMESTAMP",
                "record 3: column \"at\" is NULL: a row needs a time to be ROWTIME",
            ],
        ),
        (
            "PRICES (at BIGINT, price DOUBLE)",
            &["--input", "numbers.json", "--format", "json"],
            [
                "record 2: column \"at\" is NULL: a row needs a time to be ROWTIME",
                "record 3: column \"at\": 1709294409250000000 cannot be ROWTIME: a whole number is milliseconds since 1970",
            ],
        ),
    ] {
        let finished = of(stream, more);
        assert_wrote(&finished, expected);
        for reason in reasons {
            let line = format!("\nwarning: error_stream: the input: COERCION_ERROR: {reason}");
            let stderr = format!("\n{}", finished.stderr);
            assert!(stderr.contains(&line), "{line}\n{stderr}");
        }
        let counts = "4 records, 2 rows into the application, 2 rows out, 2 rows to error_stream";
        assert!(finished.stderr.contains(counts), "{}", finished.stderr);
    }
    of(as_text, &["--input", "texts.csv", "--header", "--fail-on-errors", "0.4"])
        .assert_failed(1, &["2 of 4 records failed"]);
    of(as_text, &["--input", "none.csv"]).assert_failed(1, &["2 records read, but none became a row"]);
}

#[test]
fn one_of_a_kind_is_counted_as_one() {
    let folder = folder_with(&[("count.sql", COUNT), ("one.csv", "2024-03-01 12:00:01,1.5\n")]);
    let finished = replay(folder.path(), &["--input", "one.csv", "--rowtime", "at"]);
    let expected =
        "1 record, 1 row into the application, 1 row out, 0 rows to error_stream, 0 lines skipped\n";
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), expected));
    fs::write(folder.path().join("one.csv"), "no time,1.5\n").unwrap();
    replay(folder.path(), &["--input", "one.csv", "--fail-on-errors", "0.5"])
        .assert_failed(1, &["1 row to error_stream", "1 of 1 record failed"]);
}

#[test]
fn replay_says_what_is_wrong_with_its_input() {
    let bad: String = (0..600).map(|number| format!("2024-03-01 12:00:00,dear {number}\n")).collect();
    let good = "2024-03-01 12:00:01,1.5\n".repeat(8);
    let mut cut = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    cut.write_all(good.as_bytes()).unwrap();
    let cut = cut.finish().unwrap();
    let folder = folder_with(&[
        ("count.sql", COUNT),
        ("bad.csv", &bad),
        ("half.csv", &format!("{good}{}", bad.lines().take(8).collect::<Vec<_>>().join("\n"))),
        ("semicolon.csv", &good.replace(',', ";")),
        ("marked.csv", &format!("\u{feff}{good}")),
        ("rows.json", "{\"at\":\"2024-03-01 12:00:01\",\"price\":1.5}\n"),
        ("pretty.json", "{\n \"at\": \"2024-03-01 12:00:01\",\n \"price\": 1.5\n}\n"),
    ]);
    fs::write(folder.path().join("cut.csv.gz"), &cut[..cut.len() - 20]).unwrap();
    let of =
        |file: &str, more: &[&str]| replay(folder.path(), &[["--input", file].as_slice(), more].concat());

    // Nothing but errors: five of a kind, then how many more there are.
    let finished = of("bad.csv", &[]);
    finished.assert_failed(1, &["600 records read, but none became a row", "COERCION_ERROR: 595 more"]);
    assert_eq!(finished.stderr.matches("is not a valid").count(), 5, "{}", finished.stderr);
    assert!(finished.stderr.contains("record 5: "), "{}", finished.stderr);

    // Half of them: as much as is allowed for.
    assert_eq!(of("half.csv", &[]).code, Some(0));
    assert_eq!(of("half.csv", &["--fail-on-errors", "0.5"]).code, Some(0));
    of("half.csv", &["--fail-on-errors", "0.49"]).assert_failed(1, &["8 of 16 records failed"]);
    of("half.csv", &["--fail-on-errors", "2"]).assert_failed(2, &["a number from 0 to 1"]);

    // Other shapes.
    assert!(of("semicolon.csv", &[]).stderr.contains("every row has 1 of 2 columns: is the delimiter `;`?"));
    assert!(
        of("rows.json", &[])
            .stderr
            .contains("this looks like JSON: format = \"json\", or --format json beside SQL, reads it")
    );
    let finished = of("pretty.json", &["--format", "json"]);
    assert!(
        finished.stderr.contains("this is JSON over several lines: put each document on a line of its own")
    );

    // A byte order mark is no data; a file that is cut has no end.
    let marked = of("marked.csv", &["--rowtime", "at"]);
    assert!(marked.stderr.contains("8 records, 8 rows into the application"), "{}", marked.stderr);
    of("cut.csv.gz", &[]).assert_failed(4, &["reading ends at line"]);
    // What could not be read at all is neither a record nor a line.
    fs::write(folder.path().join("stump.csv.gz"), &cut[..12]).unwrap();
    let finished = of("stump.csv.gz", &[]);
    finished.assert_failed(4, &["reading ends at line 1", "0 records, ", "0 lines skipped"]);
    assert!(!finished.stderr.contains("became a row"), "{}", finished.stderr);
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.path().join("wide.csv"), utf_16).unwrap();
    of("wide.csv", &[])
        .assert_failed(1, &["cannot read wide.csv: this is UTF-16: convert it, e.g. `iconv -f UTF-16LE"]);
}

#[test]
fn logs_are_set_up_as_they_are_named_or_not_at_all() {
    let with = |name: &str, value: &str| {
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["completions", "bash"])
            .env(name, value)
            .output()
            .unwrap();
        (program.status.code(), String::from_utf8(program.stderr).unwrap())
    };
    for (name, value) in [("MILLSTREAM_LOG", "debgu"), ("MILLSTREAM_LOG_FORMAT", "xml")] {
        let (code, stderr) = with(name, value);
        assert!(code == Some(2) && stderr.contains(name) && stderr.contains(value), "{code:?} {stderr}");
    }
    for (name, value) in [("MILLSTREAM_LOG", "warn,hyper=off"), ("MILLSTREAM_LOG_FORMAT", "json")] {
        assert_eq!(with(name, value), (Some(0), String::new()));
    }
}

#[test]
fn a_closed_pipe_ends_a_command_without_noise() {
    let folder =
        folder_with(&[("count.sql", COUNT), ("prices.csv", &"2024-03-01 12:00:01,4.5\n".repeat(50_000))]);
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["replay", "count.sql", "--stream", PRICES, "--input", "prices.csv"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(program.stdout.take());
    let finished = program.wait_with_output().unwrap();
    assert_eq!((finished.status.code(), String::from_utf8_lossy(&finished.stderr).as_ref()), (Some(0), ""));
    // Nobody hears the mistake, and the program ends as it says.
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["replay", "nothing.sql", "--input", "x"])
        .current_dir(folder.path())
        .env("MILLSTREAM_LOG", "trace")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(program.stderr.take());
    assert_eq!(program.wait().unwrap().code(), Some(1));
}

#[test]
fn doctor_looks_at_everything() {
    const LOOKED_AT: [&str; 8] =
        ["version", "processor", "model", "memory", "open files", "data directory", "disk", "port"];
    let folder = tempfile::tempdir().unwrap();
    let data_directory = folder.path().join("not/yet/there");
    let data_directory = data_directory.to_str().unwrap();
    // A port that this test holds.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let arguments = ["doctor", "--data-dir", data_directory, "--listen", &address];
    let finished = run(&[arguments.as_slice(), &["--json"]].concat());
    assert_eq!(finished.code, Some(0), "a port in use is no reason to fail: {finished:#?}");
    let findings = jsons(&finished);
    assert_eq!(
        findings.iter().map(|finding| finding["what"].as_str().unwrap()).collect::<Vec<_>>(),
        LOOKED_AT
    );
    for finding in &findings {
        let level = finding["level"].as_str().unwrap();
        assert!(["ok", "warning"].contains(&level), "{finding}");
        assert_eq!(
            level == "ok",
            finding["fix"].is_null(),
            "what is not well comes with the line that fixes it: {finding}"
        );
    }
    let model = findings[2]["found"].as_str().unwrap();
    assert!(model.contains("kernel") && findings[2]["level"] != "problem", "{model}");
    assert_eq!(findings[7]["level"], "warning");
    assert_eq!(findings[7]["found"], format!("{address} is in use by another program"));
    assert_eq!(findings[7]["fix"], "choose another: --listen 127.0.0.1:0");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");

    // For people: the same, a line each.
    let finished = run(&arguments);
    assert_eq!(finished.code, Some(0));
    for what in LOOKED_AT {
        assert!(finished.lines.iter().any(|line| line.contains(what)), "{what}: {finished:#?}");
    }
    assert!(
        finished.lines.iter().any(|line| line.trim_start().starts_with("fix it: choose another: --listen"))
    );

    // A running millstream is known; a file in the way is a problem.
    drop(held);
    let running = folder.path().join("running");
    let mut program =
        Program::start(&["demo", "--json", "--listen", &address, "--data-dir", running.to_str().unwrap()]);
    program.next_json();
    fs::write(folder.path().join("file"), "in the way").unwrap();
    let in_the_way = folder.path().join("file/data");
    let finished =
        run(&["doctor", "--json", "--data-dir", in_the_way.to_str().unwrap(), "--listen", &address]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let findings = jsons(&finished);
    let of = |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap();
    assert_eq!(of("port")["found"], format!("{address} is in use by a running millstream"));
    assert_eq!(of("data directory")["level"], "problem");
    assert_eq!(of("data directory")["fix"], "choose another: --data-dir DIR");

    // The control socket must fit, too.
    let deep = folder.path().join("d".repeat(110));
    let deep = deep.to_str().unwrap();
    let finished = run(&["doctor", "--json", "--data-dir", deep, "--listen", "127.0.0.1:0"]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let findings = jsons(&finished);
    let socket = findings.iter().find(|finding| finding["what"] == "control socket").unwrap();
    let found = socket["found"].as_str().unwrap();
    assert!(found.starts_with(&format!("the path of data directory {deep} is too long")), "{found}");
    run(&["list", "--data-dir", deep]).assert_failed(1, &["is too long for the control socket in it"]);
}

#[test]
fn help_has_examples_and_the_version_its_commit() {
    let version = run(&["--version"]);
    let [line] = version.lines.as_slice() else { panic!("{version:#?}") };
    let commit = line
        .strip_prefix(&format!("millstream {} (", env!("CARGO_PKG_VERSION")))
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or_else(|| panic!("{line}"));
    let is_commit = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_commit || commit == "unknown", "a commit, or unknown where there is no repository: {commit}");

    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in ["demo", "run", "check", "test", "replay", "doctor", "bench", "completions"] {
        assert!(help.stdout().contains(&format!("  {command} ")), "{command} is listed");
        let help = run(&[command, "--help"]);
        assert_eq!(help.code, Some(0));
        let text = help.stdout();
        let (_, examples) =
            text.split_once("Example").unwrap_or_else(|| panic!("{command} has no examples: {text}"));
        assert!(examples.contains(&format!("millstream {command}")), "{examples}");
    }
    assert!(help.stdout().contains("Examples:\n  millstream demo "), "{}", help.stdout());
}

#[test]
fn bench_pipeline_measures_whole_commands_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let finished = run(&["bench", "pipeline", "--seconds", "0.1", "--json", "--data-dir", directory]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let found = jsons(&finished);
    let names: Vec<&str> = found.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for word in ["replay csv", "run csv", "replay JSON", "run JSON"] {
        assert!(names.iter().any(|name| name.starts_with(word)), "{word}: {names:?}");
    }
    for line in &found {
        assert!(line["figure"].as_f64().unwrap() > 0.0 && line["ratio"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["yardstick"].as_str().unwrap().starts_with("a plain read of the "), "{line}");
        assert!(line["budget"].is_string(), "{line}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its folder is removed");
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let finished = run(&["completions", shell]);
        assert_eq!(finished.code, Some(0));
        let script = finished.stdout();
        for word in ["demo", "run", "check", "test", "replay", "doctor", "bench", "data-dir", "until-end"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // The one shell that is everywhere takes the script and offers commands.
    let folder = folder_with(&[("millstream.bash", &run(&["completions", "bash"]).stdout())]);
    let ask = "source ./millstream.bash && COMP_WORDS=(millstream rep) COMP_CWORD=1 && _millstream millstream rep millstream \
               && echo \"${COMPREPLY[@]}\"";
    let bash = std::process::Command::new("bash").args(["-c", ask]).current_dir(folder.path()).output();
    match bash {
        Ok(answer) => assert_eq!(String::from_utf8_lossy(&answer.stdout), "replay\n", "{answer:?}"),
        Err(error) => eprintln!("skipped: bash does not start: {error}"),
    }
}
