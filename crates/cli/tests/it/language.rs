//! The language on the command line: inputs beside SQL, the end of a replay, lints, schemas for samples.

use std::fs;

use crate::support::{Finished, run_in};
use serde_json::{Value, json};
use tempfile::TempDir;

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[track_caller]
fn assert_ok(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn row_05_sql_beside_a_stream_reads_the_metadata_columns() {
    let sql = "CREATE STREAM T (A INTEGER, AT TIMESTAMP, K VARCHAR(512), N VARCHAR(128), H VARCHAR(64));
        CREATE PUMP P AS INSERT INTO T
          SELECT STREAM A, APPROXIMATE_ARRIVAL_TIME, PARTITION_KEY, S.SEQUENCE_NUMBER, \"SHARD_ID\" FROM S;";
    let folder = folder_with(&[("app.sql", sql), ("data.csv", "7\n8\n")]);
    assert_ok(&run_in(folder.path(), &["check", "app.sql", "--stream", "S (A INTEGER)"]));
    let arguments = ["replay", "app.sql", "--stream", "S (A INTEGER)", "--input", "data.csv", "--rate", "1"];
    let finished = run_in(folder.path(), &arguments);
    assert_ok(&finished);
    let expected = "2024-01-01 00:00:01.000\tT\t{\"A\":8,\"AT\":\"2024-01-01 00:00:01.000\",\"K\":\"replay\",\"N\":\"2\",\
                    \"H\":\"shardId-000000000000\"}";
    assert_eq!(finished.lines[1], expected);
}

#[test]
fn row_07_a_replay_closes_every_window_that_holds_a_row() {
    for (group_by, rowtime) in [
        ("FLOOR((S.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') MINUTE / 5 TO MINUTE)", "2024-01-01 00:05:00"),
        ("FLOOR(S.ROWTIME TO MONTH)", "2024-02-01 00:00:00"),
        ("UNIX_TIMESTAMP(S.ROWTIME) / 7000", "2024-01-01 00:00:04"),
        ("MONOTONIC(A)", "2024-01-01 00:00:00"),
        ("STEP(S.ROWTIME BY INTERVAL '1' HOUR), EXTRACT(HOUR FROM S.ROWTIME)", "2024-01-01 01:00:00"),
    ] {
        let sql = format!(
            "CREATE STREAM T (N BIGINT); CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM S GROUP BY {group_by};"
        );
        let folder = folder_with(&[("app.sql", &sql), ("data.csv", "1\n1\n")]);
        let arguments = ["replay", "app.sql", "--stream", "S (A INTEGER)", "--input", "data.csv"];
        let finished = run_in(folder.path(), &arguments);
        assert_ok(&finished);
        assert_eq!(finished.lines.len(), 1, "{group_by}: {finished:#?}");
        assert!(finished.lines[0].starts_with(rowtime), "{group_by}: {}", finished.lines[0]);
        assert!(finished.lines[0].ends_with("{\"N\":2}"), "{group_by}: {}", finished.lines[0]);
    }
}

#[test]
fn row_10_a_replay_gives_what_a_sort_by_time_holds() {
    let sql = "CREATE STREAM T (A INTEGER);
        CREATE PUMP P AS INSERT INTO T
          SELECT STREAM TS AS ROWTIME, A FROM S ORDER BY TS WITHIN INTERVAL '1' HOUR;";
    let data = "2024-01-01 00:00:05,1\n2024-01-01 00:00:03,2\n";
    let folder = folder_with(&[("app.sql", sql), ("data.csv", data)]);
    let stream = "S (TS TIMESTAMP, A INTEGER)";
    let finished = run_in(folder.path(), &["replay", "app.sql", "--stream", stream, "--input", "data.csv"]);
    assert_ok(&finished);
    assert_eq!(
        finished.lines,
        ["2024-01-01 00:00:03.000\tT\t{\"A\":2}", "2024-01-01 00:00:05.000\tT\t{\"A\":1}"]
    );
}

#[test]
fn texts_that_are_cut_are_counted_in_the_summary() {
    let sql = "CREATE STREAM T (K VARCHAR(2)); CREATE PUMP P AS INSERT INTO T SELECT STREAM K FROM S;";
    let folder = folder_with(&[("app.sql", sql), ("data.csv", "GOOGL\nGOOGL\nIBM\nA\n")]);
    let arguments = ["replay", "app.sql", "--stream", "S (K VARCHAR(4))", "--input", "data.csv"];
    let finished = run_in(folder.path(), &arguments);
    assert_ok(&finished);
    for expected in [
        "2 texts were cut to fit column \"K\" of \"S\", which is VARCHAR(4)",
        "3 texts were cut to fit column \"K\" of \"T\", which is VARCHAR(2)",
    ] {
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}

#[test]
fn times_of_a_replay_are_in_the_years_1_to_9999() {
    let sql = "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM A FROM S;";
    let at = "9999-12-31 23:59:59.999";
    let folder =
        folder_with(&[("app.sql", sql), ("data.csv", "7\n8\n"), ("timed.csv", &format!("7,{at}\n"))]);
    let replay = |stream: &str, more: &[&str]| {
        run_in(folder.path(), &[&["replay", "app.sql", "--stream", stream], more].concat())
    };
    for column_type in ["TIMESTAMP", "VARCHAR(32)"] {
        let stream = format!("S (A INTEGER, AT {column_type})");
        let finished = replay(&stream, &["--input", "timed.csv", "--rowtime", "AT"]);
        assert_ok(&finished);
        assert_eq!(finished.stdout(), format!("{at}\tT\t{{\"A\":7}}\n"));
    }
    let numbered = |more: &[&str]| replay("S (A INTEGER)", &[&["--input", "data.csv"], more].concat());
    let last = numbered(&["--start", "9999-12-31 23:59:59", "--rate", "1"]);
    assert_ok(&last);
    assert_eq!(last.stdout(), "9999-12-31 23:59:59.000\tT\t{\"A\":7}\n");
    assert!(last.stderr.contains("at this rate row 2 comes after the year 9999"), "{last:#?}");
    let slow = numbered(&["--rate", "0.000001"]);
    assert_eq!(slow.lines[1], "2024-01-12 13:46:40.000\tT\t{\"A\":8}");
    for rate in ["1e-300", "1e-12", "0"] {
        numbered(&["--rate", rate]).assert_failed(2, &["--rate"]);
    }
    numbered(&["--rate", "1e-12"]).assert_failed(2, &["must be at least 0.000001"]);
    for start in ["10000-01-01", "soon"] {
        numbered(&["--start", start]).assert_failed(2, &["is not a time", "in the years 1 to 9999"]);
    }
}

#[test]
fn lints_show_what_is_probably_not_meant() {
    let sql = "CREATE STREAM T (A BIGINT, B INTEGER, K VARCHAR(3));
        CREATE PUMP P AS INSERT INTO T SELECT STREAM V AS B, TSDIFF(S.ROWTIME, TS) AS A, K FROM S;";
    let data = "1,2024-01-01 00:00:00,GOOG\n2,2024-01-01 00:00:00,IBM\nx,,\n";
    let folder = folder_with(&[("app.sql", sql), ("data.csv", data)]);
    let stream = "S (V INTEGER, TS TIMESTAMP, K VARCHAR(8))";
    let silent = run_in(folder.path(), &["check", "app.sql", "--stream", stream]);
    assert_ok(&silent);
    assert_eq!(silent.stdout(), "app.sql: ok (1 stream, 1 pump)\n");
    let arguments = ["check", "app.sql", "--stream", stream, "--lint", "--sample", "data.csv"];
    let finished = run_in(folder.path(), &arguments);
    assert_ok(&finished);
    let shown = finished.stdout();
    for expected in [
        "warning: TSDIFF has the later time first",
        "--> app.sql:2:62",
        "warning: B fills column A of \"T\", which has a column B elsewhere",
        "warning: 1 text of the sample would be cut to fit column \"K\" of \"T\", which is VARCHAR(3)\n  --> app.sql:1:39\n",
        "warning: 1 row of the sample would go to error_stream; the first, of record 3: column \"V\": 'x' is not a valid INTEGER\n  \
         --> --stream:1:4\n",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    // In a pipeline file the places are those of the file.
    let pipeline = format!(
        "[[stream]]\nname = \"s\"\n[[application]]\nname = \"a\"\nsql = '''\n{}\n'''\n[application.input]\nstream = \"s\"\n\
         columns = \"V INTEGER, TS TIMESTAMP, K VARCHAR(3)\"\n",
        sql.replace("TSDIFF(S.ROWTIME, TS)", "10 / (V - 1)").replace("FROM S", "FROM SOURCE_SQL_STREAM_001")
    );
    fs::write(folder.path().join("app.toml"), pipeline).unwrap();
    let finished = run_in(folder.path(), &["check", "app.toml", "--lint", "--sample", "data.csv"]);
    assert_ok(&finished);
    let shown = finished.stdout();
    for expected in [
        "which has a column B elsewhere: columns are matched by position\n  --> app.toml:7:59\n",
        "warning: 1 text of the sample would be cut to fit column \"K\" of \"SOURCE_SQL_STREAM_001\", which is VARCHAR(3)\n   \
         --> app.toml:11:37\n",
        "is not a valid INTEGER\n   --> app.toml:11:12\n",
        "warning: 1 row of the sample would go to error_stream; the first, of the row \
         1,2024-01-01 00:00:00.000,GOO,2024-01-01 00:00:00.000,,,: division by zero\n  --> app.toml:7:21\n",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let finished = run_in(folder.path(), &["check", "app.toml", "--lint", "--sample", "data.csv", "--json"]);
    let answer: Value = serde_json::from_str(&finished.stdout()).unwrap();
    assert_eq!((&answer["ok"], &answer["warnings"]), (&json!(true), &json!([])), "{answer}");
    let lints = answer["lints"].as_array().unwrap();
    let cut = lints.iter().find(|lint| lint["column"] == 37).unwrap();
    assert_eq!(
        *cut,
        json!({
            "line": 11, "column": 37,
            "message": "1 text of the sample would be cut to fit column \"K\" of \"SOURCE_SQL_STREAM_001\", which is VARCHAR(3)",
            "hint": "widen the column if they should stay whole",
        })
    );
    let example = crate::support::repository("examples/reviews.toml");
    assert_ok(&run_in(folder.path(), &["check", example.to_str().unwrap(), "--lint"]));
}

#[test]
fn sql_of_another_shape_is_refused_with_the_form_of_this_one() {
    for (query, place, message, hint) in [
        (
            "INSERT INTO T SELECT STREAM V FROM TABLE(RANDOM_CUT_FOREST(SELECT STREAM V FROM S))",
            "SELECT STREAM V FROM S)",
            "expected an expression, found SELECT",
            "write CURSOR(SELECT STREAM …)",
        ),
        (
            "INSERT INTO T (ROWTIME, V) SELECT STREAM TS, V FROM S",
            "ROWTIME, V",
            "ROWTIME is a reserved word and cannot be a column name",
            "ROWTIME is set by the select list, not by name: SELECT STREAM … AS ROWTIME",
        ),
        (
            "INSERT INTO T (\"ROWTIME\", V) SELECT STREAM TS, V FROM S",
            "\"ROWTIME\"",
            "stream \"T\" has no column \"ROWTIME\"",
            "ROWTIME is set by the select list, not by name: SELECT STREAM … AS ROWTIME",
        ),
        (
            "INSERT INTO T SELECT STREAM COUNT(*) FROM S WINDOWED BY TUMBLING (INTERVAL '1' MINUTE)",
            "TUMBLING",
            "expected STAGGER, found TUMBLING",
            "a tumbling window is GROUP BY …, STEP(stream.ROWTIME BY INTERVAL '1' MINUTE)",
        ),
        (
            "INSERT INTO T SELECT STREAM COUNT(*) FROM S WINDOWED BY SLIDING (INTERVAL '1' MINUTE)",
            "SLIDING",
            "expected STAGGER, found SLIDING",
            "a sliding window is … OVER (PARTITION BY … RANGE INTERVAL '1' MINUTE PRECEDING)",
        ),
        (
            "INSERT INTO T SELECT STREAM COUNT(*) FROM S GROUP BY V WINDOWED BY STAGGER (PARTITION BY V RANGE INTERVAL '1' MINUTE)",
            "WINDOWED",
            "expected \";\", found WINDOWED",
            "WINDOWED BY STAGGER (PARTITION BY … RANGE INTERVAL '1' MINUTE) takes the place of GROUP BY",
        ),
    ] {
        let sql = format!("CREATE STREAM T (V INTEGER); CREATE PUMP P AS {query};");
        let folder = folder_with(&[("app.sql", &sql)]);
        let arguments = ["check", "app.sql", "--stream", "S (V INTEGER, TS TIMESTAMP)", "--json"];
        let finished = run_in(folder.path(), &arguments);
        let [line] = finished.lines.as_slice() else { panic!("{query}: {finished:#?}") };
        let mistake: Value = serde_json::from_str(line).unwrap();
        let column = sql.find(place).unwrap() + 1;
        assert_eq!(
            (&mistake["message"], &mistake["hint"], &mistake["column"]),
            (&json!(message), &json!(hint), &json!(column)),
            "{query}"
        );
    }
}

#[test]
fn a_sample_goes_through_the_preprocessing_function_first() {
    let example = crate::support::repository("examples/reviews.toml");
    let example = example.to_str().unwrap();
    let reviews =
        "review_id\tproduct_category\treview_body\nR1\tToys\tI love it, five stars.\nR2\tToys\tBad.\n";
    let folder = folder_with(&[("reviews.tsv", reviews), ("broken.tsv", "R1\tToys\tGood.\nR2\n")]);
    let check = |more: &[&str]| {
        let finished = run_in(folder.path(), &[["check", example, "--lint"].as_slice(), more].concat());
        assert_ok(&finished);
        finished.stdout()
    };
    assert_eq!(check(&["--sample", "reviews.tsv", "--header"]), check(&[]));
    let failed = "warning: 1 row of the sample would go to error_stream; the first, of record 2: the record has 1 column";
    let shown = check(&["--sample", "broken.tsv"]);
    assert!(shown.contains(failed), "{shown}");
}

#[test]
fn a_sample_is_tried_with_the_application_that_is_named() {
    let application = |name: &str, columns: &str| {
        format!(
            "[[application]]\nname = \"{name}\"\nsql = \"\"\n[application.input]\nstream = \"s\"\ncolumns = \"{columns}\"\n"
        )
    };
    let two = format!(
        "[[stream]]\nname = \"s\"\n{}{}",
        application("texts", "K VARCHAR(8)"),
        application("numbers", "V INTEGER")
    );
    let one = format!("[[stream]]\nname = \"s\"\n{}", application("numbers", "V INTEGER"));
    let folder = folder_with(&[("two.toml", &two), ("one.toml", &one), ("data.csv", "x\n"), ("a.sql", "")]);
    let check = |arguments: &[&str]| {
        let sample = ["--lint", "--sample", "data.csv"];
        run_in(folder.path(), &[["check"].as_slice(), arguments, &sample].concat())
    };
    let failed = "1 row of the sample would go to error_stream; the first, of record 1: column \"V\": 'x' is not a valid INTEGER";
    for (arguments, message) in [
        (["two.toml"].as_slice(), Some(format!("application \"numbers\": {failed}"))),
        (&["two.toml", "--application", "numbers"], Some(format!("application \"numbers\": {failed}"))),
        (&["two.toml", "--application", "texts"], None),
        (&["one.toml"], Some(failed.to_owned())),
    ] {
        let finished = check(arguments);
        assert_ok(&finished);
        let shown = finished.stdout();
        match message {
            Some(message) => {
                assert!(shown.contains(&format!("warning: {message}\n")), "{arguments:?}: {shown}")
            }
            None => assert!(!shown.contains("of the sample"), "{arguments:?}: {shown}"),
        }
    }
    check(&["two.toml", "--application", "number"]).assert_failed(
        1,
        &["--application number: the file declares no such application; there are: texts, numbers"],
    );
    check(&["a.sql", "--application", "a"]).assert_failed(1, &["--application is for pipeline files"]);
}

#[test]
fn discover_infers_as_the_service_does_and_further_when_asked() {
    let data = "{\"n\": 5, \"id\": \"123\", \"at\": \"2024-01-01 10:00:00\", \"price\": 1.5}\nnot JSON\n\
                {\"n\": 6, \"id\": \"45\", \"at\": \"2024-01-01 10:00:01\", \"price\": 22.25}\n\
                {\"n\": 7, \"id\": \"45\", \"at\": \"2024-01-01 10:00:01\", \"price\": 3}\n";
    let folder = folder_with(&[("data.json", data)]);
    let service = run_in(folder.path(), &["discover", "data.json"]).stdout();
    for expected in [
        "  n INTEGER $.n",
        "  id INTEGER $.id",
        "  COL_at VARCHAR(32) $.at",
        "  price DOUBLE",
        "# columns are named as Kinesis Data Analytics names them: COL_at is \"at\" (a reserved word)",
    ] {
        assert!(service.contains(expected), "{expected}: {service}");
    }
    let typed = run_in(folder.path(), &["discover", "data.json", "--typed"]).stdout();
    for expected in ["  n TINYINT $.n", "  COL_at TIMESTAMP $.at", "  price DECIMAL(4,2)"] {
        assert!(typed.contains(expected), "{expected}: {typed}");
    }
    let pretty = folder_with(&[("data.json", "[\n  {\"a\": 1},\n  {\n    \"a\": 2\n  }\n]\n")]);
    let shown = run_in(pretty.path(), &["discover", "data.json"]).stdout();
    assert!(shown.contains("record_row_path = \"$[0:]\"") && shown.contains("jq -c"), "{shown}");
}

#[test]
fn discover_counts_records_and_not_lines() {
    let folder =
        folder_with(&[("two.json", "{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n"), ("one.csv", "name,n\nx,1\n")]);
    for (file, count) in [("two.json", "# found in 2 records;"), ("one.csv", "# found in 1 record;")] {
        let found = run_in(folder.path(), &["discover", file]);
        assert!(found.lines[0].starts_with(count), "{found:#?}");
    }
}

#[test]
fn discover_names_the_records_that_do_not_fit() {
    let lines: Vec<String> = (0..8).map(|n| format!("x{n},{n}")).collect();
    let csv = format!("name,n\n{}\nbroken\nworse\n", lines.join("\n"));
    let json = "{\"a\": 1}\n{\"a\": 2}\n{\"a\": 3\n{\"a\": 4}\n";
    let folder = folder_with(&[("data.csv", &csv), ("data.json", json)]);
    fs::write(folder.path().join("bytes.csv"), b"name,n\nx,1\n\xff,2\ny,3\n").unwrap();
    for (file, loss) in [
        (
            "data.csv",
            "2 of 10 records do not fit the schema; the first is line 10: it has 1 of 2 fields: the missing ones are NULL",
        ),
        (
            "data.json",
            "1 of 4 records does not fit the schema: line 3: the record is not JSON: a comma or } is expected at byte 7, so it \
             goes to error_stream",
        ),
        (
            "bytes.csv",
            "1 of 3 records does not fit the schema: line 3: the record is not UTF-8: byte 0 is wrong, so it goes to \
             error_stream",
        ),
    ] {
        for arguments in [["discover", file].as_slice(), &["discover", file, "--json"]] {
            let finished = run_in(folder.path(), arguments);
            assert_ok(&finished);
            assert!(finished.stderr.contains(&format!("warning: {loss}")), "{file}: {finished:#?}");
        }
        let finished = run_in(folder.path(), &["discover", "--json", file]);
        let found: Value = serde_json::from_str(&finished.lines[0]).unwrap();
        assert_eq!(found["notes"][0], loss, "{found}");
    }
    let found = run_in(folder.path(), &["discover", "--json", "data.csv"]);
    let found: Value = serde_json::from_str(&found.lines[0]).unwrap();
    assert_eq!(found["columns"][1]["type"], "INTEGER", "{found}");
    let numbers: Vec<&Value> =
        found["irregular_records"].as_array().unwrap().iter().map(|one| &one["record"]).collect();
    assert_eq!(
        (numbers, &found["unreadable_records"]),
        (vec![&json!(10), &json!(11)], &json!([])),
        "{found}"
    );
    let broken = folder_with(&[("data.json", "{\n  \"a\": [1,\n  \"b\": 2\n}\n")]);
    run_in(broken.path(), &["discover", "data.json"])
        .assert_failed(1, &["error: data.json: most records are no JSON", "jq -c . FILE"]);
}

#[test]
fn discover_shows_what_is_cut_and_what_is_skipped() {
    let (long, whole) = ("ä".repeat(41), "ä".repeat(40));
    let rows: Vec<String> = (0..7).map(|_| format!("{{\"t\": \"{long}\", \"u\": \"{whole}\"}}")).collect();
    let folder = folder_with(&[("long.json", &rows.join("\n")), ("odd.json", r#"{"a": 1, "b\nc": 2}"#)]);
    let finished = run_in(folder.path(), &["discover", "long.json"]);
    let cut = format!("#   {whole}… | {whole}");
    assert_eq!(finished.lines.iter().filter(|line| **line == cut).count(), 5, "{finished:#?}");
    assert_eq!(finished.lines.last().unwrap(), "#   … and 2 more rows");
    let loss = r#"1 member is skipped, as no path can name line ends and other control characters: "b\nc""#;
    assert!(run_in(folder.path(), &["discover", "odd.json"]).stderr.contains(loss));
    let finished = run_in(folder.path(), &["discover", "odd.json", "--json"]);
    let found: Value = serde_json::from_str(&finished.lines[0]).unwrap();
    assert_eq!((&found["left_members"], &found["notes"]), (&json!([r#""b\nc""#]), &json!([loss])));
    assert!(finished.stderr.contains(loss), "{finished:#?}");
}

#[test]
fn what_discover_finds_is_a_pipeline_file_that_reads_the_sample() {
    let record = r#"{"a b": 1, "c.d": "x", "it's": {"[0]": 2}, "p,q": true, "(": 3, "\"": 4, "": 5, "\\": 6, "$": 7, "é": 8}"#;
    let folder = folder_with(&[("data.json", record)]);
    let finished = run_in(folder.path(), &["discover", "data.json"]);
    assert!(finished.stderr.is_empty(), "{finished:#?}");
    let discovered = run_in(folder.path(), &["discover", "data.json", "--json"]);
    let found: Value = serde_json::from_str(&discovered.lines[0]).unwrap();
    let columns: Vec<&str> =
        found["columns"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(columns.len(), 10, "{found}");
    let input = finished.stdout().replace("[application.input]", "[application.input]\nstream = \"s\"");
    let declared: Vec<String> = columns.iter().map(|name| format!("\"{name}\" VARCHAR(4)")).collect();
    let casts: Vec<String> = columns.iter().map(|name| format!("CAST(\"{name}\" AS VARCHAR(4))")).collect();
    let pipeline = format!(
        "[[stream]]\nname = \"s\"\n[[application]]\nname = \"app\"\nsql = '''\nCREATE STREAM T ({});\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM {} FROM SOURCE_SQL_STREAM_001;\n'''\n{input}",
        declared.join(", "),
        casts.join(", ")
    );
    fs::write(folder.path().join("p.toml"), pipeline).unwrap();
    assert_ok(&run_in(folder.path(), &["check", "p.toml"]));
    let finished = run_in(folder.path(), &["replay", "p.toml", "--input", "data.json"]);
    assert_ok(&finished);
    let row: Value = serde_json::from_str(finished.lines[0].rsplit('\t').next().unwrap()).unwrap();
    let values: Vec<&str> = columns.iter().map(|name| row[*name].as_str().unwrap()).collect();
    assert_eq!(values, ["1", "x", "2", "TRUE", "3", "4", "5", "6", "7", "8"], "{row}");
}

#[test]
fn low_files_without_an_end_are_refused() {
    for arguments in [["check", "/dev/zero"], ["test", "/dev/zero"]] {
        let folder = folder_with(&[]);
        let finished = run_in(folder.path(), &arguments);
        assert_ne!(finished.code, Some(0));
        assert!(finished.stderr.contains("has more than 16777216 bytes"), "{finished:#?}");
    }
}
