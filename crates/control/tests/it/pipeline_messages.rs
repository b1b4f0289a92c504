//! What a pipeline file may not say, and in which words that is said.

use millstream_control::pipeline::Pipeline;

/// `LINE:COLUMN message (hint)` of each mistake.
fn mistakes(text: &str) -> Vec<String> {
    let parsed = Pipeline::parse("f.toml", text, &|_| Err("no files".to_owned()));
    let mistakes = parsed.err().map(|mistakes| mistakes.0).unwrap_or_default();
    mistakes
        .iter()
        .map(|one| {
            let hint = one.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}:{} {}{hint}", one.line, one.column, one.message)
        })
        .collect()
}

fn application(columns: &str, from: &str) -> String {
    format!(
        "[[stream]]\nname = \"in\"\n[[application]]\nname = \"app\"\nsql = \"CREATE OR REPLACE STREAM AGGREGATES (N INTEGER); \
         CREATE OR REPLACE STREAM B (N INTEGER); CREATE OR REPLACE PUMP P AS INSERT INTO AGGREGATES SELECT STREAM \\\"n\\\" FROM \
         SOURCE_SQL_STREAM_001;\"\n[application.input]\nstream = \"in\"\nformat = \"json\"\ncolumns = '''\n{columns}'''\n\
         [[application.output]]\nfrom = \"{from}\"\nstream = \"in2\"\n[[stream]]\nname = \"in2\"\n"
    )
}

#[test]
fn mistakes_inside_columns_have_their_own_place() {
    assert_eq!(mistakes(&application("n INTEGER,\nm INTEGER", "AGGREGATES")), Vec::<String>::new());
    let found = mistakes(&application("n INTEGER,\n  m INTEGR,\n", "AGGREGATES"));
    assert_eq!(found.len(), 2, "also the comma at the end: {found:?}");
    assert!(found[0].starts_with("11:5 column \"m\": "), "{found:?}");
    let found = mistakes(&application("n INTEGER,\n  m: INTEGER", "AGGREGATES"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("11:3 a blank stands between a name and its type, no colon: m INTEGER"),
        "{found:?}"
    );
    let found = mistakes(&application("n INTEGER,\n  m DOUBLE .CHANGE", "AGGREGATES"));
    assert!(found[0].starts_with("11:12 column \"m\": a path begins with $: write $.CHANGE"), "{found:?}");
}

#[test]
fn a_stream_that_is_not_there_lists_those_that_are() {
    let found = mistakes(&application("n INTEGER", "AGG"));
    assert_eq!(
        found,
        [
            "12:8 the application has no in-application stream \"AGG\" (there are: SOURCE_SQL_STREAM_001, AGGREGATES, B, error_stream)"
        ]
    );
}

#[test]
fn a_section_without_its_name_may_be_any_that_is_referred_to() {
    let text = |streams: &str| {
        format!(
            "{streams}[[application]]\nname = \"app\"\nsql = \"\"\n[application.input]\nstream = \"rates\"\ncolumns = \"n INTEGER\"\n"
        )
    };
    let misspelt = "2:1 unknown key `nmae`";
    for streams in
        ["[[stream]]\nnmae = \"rates\"\n", "[[stream]]\nnmae = \"rates\"\n[[stream]]\nname = \"orders\"\n"]
    {
        let found = mistakes(&text(streams));
        assert!(found.len() == 1 && found[0].starts_with(misspelt), "{found:?}");
    }
    let found = mistakes(&text("[[stream]]\nname = \"orders\"\n"));
    assert!(found[0].ends_with("there is no stream \"rates\" (there are: orders)"), "{found:?}");
}

#[test]
fn rows_go_to_a_destination_once() {
    let output =
        |from: &str, to: &str| format!("[[application.output]]\nfrom = \"{from}\"\nstream = \"{to}\"\n");
    let other = [output("B", "in2"), output("AGGREGATES", "in3")].concat();
    let file = |more: &str| {
        let text = application("n INTEGER", "AGGREGATES");
        format!("{text}[[stream]]\nname = \"in3\"\n").replacen(
            "[[stream]]\nname = \"in2\"",
            &format!("{more}[[stream]]\nname = \"in2\""),
            1,
        )
    };
    assert_eq!(mistakes(&file(&other)), Vec::<String>::new());
    let again = output("AGGREGATES", "in2");
    assert_eq!(
        mistakes(&file(&format!("{other}{again}format = \"csv\"\n"))),
        [
            "22:10 in-application stream \"AGGREGATES\" goes to stream \"in2\" twice, first in line 13 (remove one of the two \
             outputs; to write the rows in another format, too, send them to another stream or function)"
        ]
    );
    // Where the names are not known nothing is said of them.
    let without = again.replace("from = \"AGGREGATES\"\n", "");
    assert!(mistakes(&file(&without.repeat(2))).iter().all(|found| !found.contains("twice")));
}

#[test]
fn mistakes_of_the_input_the_sql_and_the_outputs_are_told_together() {
    let columns = application("n INTEGR", "AGGREGATE").replace("SELECT STREAM", "SELECT STREEM STREAM");
    let found = mistakes(&columns);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found[0], "1:155 expected FROM, found STREAM");
    assert!(found[1].starts_with("10:3 column \"n\": "), "{found:#?}");
    assert_eq!(found[2], "12:8 the application has no in-application stream \"AGGREGATE\"");
    // What the columns could have to do with is not told, nor what the SQL may be meant to declare.
    let unknown = application("n INTEGR", "AGGREGATES").replace("\\\"n\\\"", "m");
    assert_eq!(mistakes(&unknown).len(), 1, "{:#?}", mistakes(&unknown));
    for from in ["AGGREGATES", "aggregates", "error_stream", "SOURCE_SQL_STREAM_001"] {
        let wrong = application("n INTEGER", from).replace("N INTEGER", "N INTEGR");
        assert!(mistakes(&wrong).iter().all(|found| !found.contains("in-application stream")), "{from}");
    }
}

#[test]
fn a_name_that_is_declared_twice_is_listed_once() {
    let found = mistakes(
        &application("n INTEGER", "B")
            .replace("\"in2\"\n[[", "\"other\"\n[[")
            .replace("name = \"in2\"", "name = \"in\""),
    );
    assert!(found.iter().any(|one| one.contains("(there are: in)")), "{found:#?}");
    assert!(found.iter().any(|one| one.contains("stream \"in\" is declared twice")), "{found:#?}");
}

#[test]
fn an_unknown_key_hides_no_mistake_behind_it() {
    let found = mistakes(
        "[[stream]]\nname = \"in\"\nshard = 2\n[[application]]\nname = \"app\"\nthread = 2\nsql = \"\"\"\nCREATE STREAM T (A BIGINT);\n\
         CREATE PUMP P AS INSERT INTO T SELECT STREAM nn FROM SOURCE_SQL_STREAM_001;\n\"\"\"\n[application.input]\n\
         stream = \"inn\"\nencoding = \"latin1\"\ncolumns = \"N INTEGER\"\n[[application.output]]\nfrom = \"T\"\n\
         stream = \"nowhere\"\n[[input]]\nname = \"i\"\npath = \"x\"\nint_stream = \"in\"\nrate = -1\n",
    );
    let expected = [
        "3:1 unknown key `shard`",
        "6:1 unknown key `thread`",
        "9:46 column \"NN\" does not exist",
        "12:10 there is no stream \"inn\"",
        "13:12 encoding \"latin1\" is not known",
        "17:10 there is no stream \"nowhere\"",
        // It is not said that the input leads nowhere: that was the misspelled key.
        "21:1 unknown key `int_stream`",
        "22:8 rate must be a number above 0",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}

#[test]
fn what_follows_from_a_mistake_of_the_file_is_not_told() {
    // The sections that others refer to cannot be read, or stand under a name that is misspelled.
    let text = "[[strem]]\nname = \"a\"\n[[metric]]\nname = \"m\"\nunit = 5\n[[function]]\nname = \"f\"\nbuiltin = \"clasify\"\ncolumn = \"c\"\n\
                [[topic]]\nname = \"t\"\n[[alarm]]\nname = \"alarm\"\nmetric = \"m\"\ncomparison = \"below\"\nthreshold = 3\n\
                topic = \"t\"\n[[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\n[delivery_stream.transform]\n\
                function = \"f\"\n[[input]]\nname = \"i\"\npath = \"x\"\ninto_stream = \"a\"\n";
    let found = mistakes(text);
    let expected = [
        "1:3 unknown key `strem`",
        "5:8 unit needs a string",
        "8:11 unknown value `clasify`",
        "15:14 unknown value `below`",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}

#[test]
fn every_column_and_table_is_looked_at() {
    let tables = "[[application.reference]]\nname = \"R\"\ncolumns = \"k STRING, v INTEGR\"\n[[application.reference]]\n\
                  name = \"R\"\npath = \"x\"\ncolumns = \"k\"\n";
    let found = mistakes(
        &application("n INTEGR,\nm INTEGER, n DOUBLE,\nm REAL", "AGGREGATES")
            .replace("[[stream]]\nname = \"in2\"", &format!("{tables}[[stream]]\nname = \"in2\"")),
    );
    let places: Vec<&str> = found.iter().filter_map(|one| one.split(" (").next()).collect();
    assert_eq!(places.len(), 7, "{found:#?}");
    for (found, expected) in found.iter().zip([
        "10:3 column \"n\": there is no type INTEGR",
        "12:1 column \"m\" is declared twice",
        "17:8 a reference table needs either path",
        "18:14 column \"k\": there is no type STRING (use VARCHAR(n))",
        "18:24 column \"v\": there is no type INTEGR",
        "20:8 table \"R\" is declared twice",
        "22:12 column \"k\" has no type",
    ]) {
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}

#[test]
fn low_addresses_and_alarms_are_checked() {
    let smtp =
        |from: &str| format!("[smtp]\nhost = \"localhost\"\nport = 25\nfrom = {from}\nsecurity = \"none\"\n");
    assert_eq!(mistakes(&smtp("\"Me <me@example.com>\"")), Vec::<String>::new());
    for from in ["\"me@example.com\\r\\nBcc: you@example.com\"", "\"nobody\"", "\"a@b.c\\u0000\""] {
        let found = mistakes(&smtp(from));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("4:8 smtp: the sender"), "{found:?}");
    }
    let rest = "[[topic]]\nname = \"t\"\n[[metric]]\nname = \"m\"\n";
    let found = mistakes(&format!("{rest}[[subscription]]\ntopic = \"t\"\nemail = \"a@b.c\\r\\nx\"\n"));
    assert!(found[0].starts_with("7:9 "), "{found:?}");
    let alarm = |more: &str| {
        mistakes(&format!(
            "{rest}[[alarm]]\nname = \"a\"\nmetric = \"m\"\ncomparison = \"less-than\"\nthreshold = 3.0\n{more}"
        ))
    };
    assert_eq!(alarm("period = \"5s\""), Vec::<String>::new());
    for (wrong, words) in [
        ("period = \"7s\"", "period 7 must be 1, 5, 10"),
        ("period = \"1500ms\"", "whole seconds"),
        ("period = \"1s\"\nevaluation_periods = 0", "evaluation_periods must be 1 to 100"),
    ] {
        let found = alarm(wrong);
        assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
    }
    let prefix = "[[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\nprefix = \"a\\u0000b\"\n";
    assert!(mistakes(prefix)[0].contains("U+0000"), "{:?}", mistakes(prefix));
    let unit = "[[metric]]\nname = \"m\"\nunit = \"a\\nb\"\n";
    assert!(mistakes(unit)[0].contains("unit"), "{:?}", mistakes(unit));
}

#[test]
fn classify_keys_must_go_together() {
    let function = |more: &str| {
        mistakes(&format!(
            "[[endpoint]]\nname = \"e\"\nmodel = \"builtin:star-rating\"\n[[function]]\nname = \"f\"\nbuiltin = \"classify\"\n\
             endpoint = \"e\"\n{more}\n"
        ))
    };
    for right in [
        "",
        "text = \"$.body\"",
        "columns = [\"id\", \"body\"]\ntext = \"body\"\ndelimiter = \";\"",
        "output = [\"text\", \"label\"]",
    ] {
        assert_eq!(function(right), Vec::<String>::new(), "{right}");
    }
    for (wrong, expected) in [
        ("text = \"body\"", "8:8 \"body\" is no path: a path begins with $"),
        ("text = \".body\"", "8:8 \".body\" is no path: a path begins with $"),
        ("columns = [\"id\", \"body\"]", "8:11 which column is the text? add text = \"id\" or \"body\""),
        ("columns = [\"id\"]\ntext = \"body\"", "9:8 text names \"body\", which is none of the columns id"),
        ("delimiter = \"ab\"", "8:13 a delimiter is one character"),
        ("delimiter = \";\"", "8:13 a delimiter is for columns or output"),
        ("output = [\"idd\"]", "8:10 output names \"idd\"; there are: text, label, label_index, probability"),
        ("threshold = 3.0", "8:13 a function of kind classify does not take threshold"),
        ("dead_letter = \"x\"", "8:15 "),
    ] {
        let found = function(wrong);
        assert!(found.iter().any(|one| one.starts_with(expected)), "{wrong}: {found:?}");
    }
    // All of them, not only the first.
    let found = function(
        "columns = [\"id\", \"id\", \"label\"]\ntext = \"body\"\ndelimiter = \"\"\noutput = [\"idd\", \"x\"]\nthreshold = 3.0",
    );
    for (found, expected) in found.iter().zip([
        "8:11 the columns name \"id\" more than once",
        "8:11 \"label\" is what the function adds",
        "9:8 text names \"body\"",
        "10:13 a delimiter is one character",
        "11:10 output names \"idd\"",
        "11:10 output names \"x\"",
        "12:13 a function of kind classify does not take threshold",
    ]) {
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn low_a_file_of_two_hundred_thousand_sections_takes_linear_time() {
    let text: String = (0..200_000).map(|number| format!("[[stream]]\nname = \"s{number}\"\n")).collect();
    let started = now();
    assert_eq!(mistakes(&text), Vec::<String>::new());
    let twice = format!("{text}{}", "[[stream]]\nname = \"s1\"\nshards = 0\n".repeat(1_000));
    assert_eq!(mistakes(&twice).len(), 2_000);
    // A second and a half in a release build; a quadratic look would take minutes in any.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn numbers_that_nothing_can_run_with_are_refused() {
    let delivery = "[[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\n";
    let endpoint = "[[endpoint]]\nname = \"e\"\nmodel = \"builtin:star-rating\"\n";
    let stream = "[[stream]]\nname = \"s\"\n";
    let input = format!("{stream}[[input]]\nname = \"i\"\npath = \"x\"\ninto_stream = \"s\"\n");
    let function =
        format!("{endpoint}[[function]]\nname = \"f\"\nbuiltin = \"classify\"\nendpoint = \"e\"\n");
    for (text, message) in [
        (format!("{stream}retention_hours = 1\nshards = 0\n"), "4:10 a stream has 1 to 10000 shards"),
        (format!("{stream}shards = 2\nretention_hours = 0\n"), "4:19 retention_hours must be 1 to 8760"),
        (format!("{input}rate = 0\n"), "7:8 rate must be a number above 0"),
        (format!("{input}rate = 1\nspeed = nan\n"), "8:9 speed must be a number above 0"),
        (format!("{function}timeout = \"0s\"\n"), "8:11 timeout must be above 0"),
        (
            format!("{delivery}buffer_size = \"0MB\"\n"),
            "4:15 buffering size is 0: it must be 1 byte to 1 GiB",
        ),
        (format!("{delivery}buffer_size = \"2GiB\"\n"), "4:15 buffering size is 2147483648"),
        (
            format!(
                "{delivery}[delivery_stream.backup]\nbucket = \"backup\"\nprefix = \"raw/\"\nbuffer_size = \"4GiB\"\n"
            ),
            "7:15 backup buffering size is 4294967296",
        ),
        (
            format!("{function}{delivery}[delivery_stream.transform]\nfunction = \"f\"\nretries = 301\n"),
            "13:11 transform retries is 301",
        ),
        (format!("{endpoint}queue_texts = 0\n"), "4:15 queue_texts must be at least 1"),
        (format!("{endpoint}threads = 0\n"), "4:11 threads must be 1 to 1024"),
        (format!("{endpoint}threads = 100000\n"), "4:11 threads must be 1 to 1024"),
    ] {
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(message), "{text}: {found:?}");
    }
}

#[test]
fn prefixes_of_which_no_file_system_makes_folders_are_refused() {
    let delivery =
        |more: &str| mistakes(&format!("[[delivery_stream]]\nname = \"d\"\nbucket = \"bucket\"\n{more}\n"));
    let long = "x".repeat(256);
    assert_eq!(delivery(&format!("prefix = \"{0}/{0}/\"", "x".repeat(200))), Vec::<String>::new());
    for (more, place) in [
        (
            format!("prefix = \"a/{long}/b/\""),
            "4:10 prefix: a part of the keys between slashes has 256 bytes",
        ),
        (
            format!("prefix = \"a/\"\nerror_prefix = \"{long}/\""),
            "5:16 error output prefix: a part of the keys",
        ),
        (format!("[delivery_stream.backup]\nprefix = \"{long}/\""), "5:10 prefix: a part of the keys"),
    ] {
        let found = delivery(&more);
        assert!(found.len() == 1 && found[0].starts_with(place), "{more}: {found:?}");
    }
}

#[test]
fn keys_that_nothing_comes_of_are_refused() {
    // The input of the application is in JSON.
    let json = |keys: &str| {
        application("n INTEGER", "B").replace("format = \"json\"\n", &format!("format = \"json\"\n{keys}"))
    };
    for (keys, expected) in [
        (
            "column_delimiter = \";\"\n",
            "9:20 column_delimiter is for delimited records, not for format = \"json\"",
        ),
        ("row_delimiter = \";\"\n", "9:17 row_delimiter is for delimited records"),
        ("quoting = false\n", "9:11 quoting is for delimited records"),
        ("record_row_path = \"a\"\n", "9:19 \"a\" is not a path"),
    ] {
        let found = mistakes(&json(keys));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{keys}: {found:?}");
    }
    let found = mistakes(&application("n INTEGER,\n  m DOUBLE $.a[1]", "B"));
    assert!(found.len() == 1 && found[0].starts_with("11:3 \"$.a[1]\" is not a path"), "{found:?}");
    let csv = |columns: &str, keys: &str| {
        mistakes(
            &application(columns, "B").replace("format = \"json\"\n", &format!("format = \"csv\"\n{keys}")),
        )
    };
    let found = csv("n INTEGER,\n  m DOUBLE $.quote.price", "");
    assert!(
        found.len() == 1
            && found[0].starts_with("11:3 column \"m\" has the path $.quote.price, and delimited records"),
        "{found:?}"
    );
    let found = csv("n INTEGER $.n", "record_row_path = \"$\"\ncolumn_delimiter = \"\"\n");
    assert_eq!(found.len(), 3, "{found:?}");
    for (keys, expected) in [
        ("record_row_path = \"$\"\n", "9:19 record_row_path is for format = \"json\""),
        ("column_delimiter = \"\"\n", "9:20 the column delimiter must have 1 to 1024 characters"),
        ("row_delimiter = \"\"\n", "9:17 the row delimiter must have 1 to 1024 characters"),
    ] {
        let found = csv("n INTEGER", keys);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{keys}: {found:?}");
    }
}

#[test]
fn a_memory_limit_in_which_nothing_runs_is_refused() {
    let with = |limit: &str| {
        mistakes(
            &application("n INTEGER", "B")
                .replace("name = \"app\"\n", &format!("name = \"app\"\nmemory_limit = {limit}\n")),
        )
    };
    for right in ["\"64KiB\"", "0", "\"0\""] {
        assert_eq!(with(right), Vec::<String>::new(), "{right}");
    }
    for wrong in ["\"5\"", "5", "65535"] {
        let found = with(wrong);
        let expected =
            "5:16 memory_limit must be at least 65536 bytes, or 0 for no limit (a number without a unit";
        assert!(found.len() == 1 && found[0].starts_with(expected), "{wrong}: {found:?}");
    }
    // Whatever else is wrong.
    let text = application("n INTEGR", "B").replace("name = \"app\"\n", "name = \"app\"\nmemory_limit = 5\n");
    assert_eq!(mistakes(&text).len(), 2, "{:?}", mistakes(&text));
}
