//! The limits of memory and of rows: which rows become errors, and that the others go on.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int32Array, StringArray};
use millstream_columns::Batch;
use millstream_engine::{Application, ApplicationSettings, ErrorRow, catalog, check_memory, fixed_memory};
use millstream_sql::{
    Column, InputStream, ReferenceTable, SqlType, StreamId, TableId, compile, compile_with_tables,
};
use std::sync::Arc;

/// Two inputs `S` and `R` of a text and a number.
fn application(target: &str, query: &str, memory_limit: u64) -> Application {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = |name: &str| InputStream {
        name: name.to_owned(),
        columns: vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", SqlType::Integer)],
        metadata_columns: 0,
    };
    let text = format!("CREATE STREAM T ({target}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};");
    let compilation = compile(&text, &[input("S"), input("R")], &catalog());
    let program = compilation.program.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics));
    let settings =
        ApplicationSettings { memory_limit, virtual_clock: true, ..ApplicationSettings::default() };
    let mut application = Application::new(program, settings).expect("the plan is sound");
    let output = application.program().stream("T").expect("the program creates T");
    application.subscribe(output);
    application
}

fn rows(rows: &[(i64, &str, i32)]) -> Batch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.2))),
    ];
    Batch::new(rows.iter().map(|row| row.0).collect::<Vec<_>>().into(), columns)
}

/// `count` rows, one a millisecond, each with a key of its own.
fn different(count: usize) -> Vec<(i64, String, i32)> {
    (0..count).map(|row| (row as i64, format!("key {row}"), row as i32)).collect()
}

fn push(application: &mut Application, input: usize, given: &[(i64, String, i32)]) -> Vec<ErrorRow> {
    let given: Vec<(i64, &str, i32)> = given.iter().map(|(time, key, n)| (*time, key.as_str(), *n)).collect();
    application.push(StreamId(input), &rows(&given), 0).expect("the rows are in order");
    application.take_errors()
}

fn output_rows(application: &mut Application) -> usize {
    let output = application.program().stream("T").expect("the program creates T");
    application.take_output(output).iter().map(Batch::len).sum()
}

/// Pushes 1000 rows with keys of their own: the first go in, the others are refused; then a known key goes on.
fn check(target: &str, query: &str, known_key_needs_nothing: bool) {
    const LIMIT: u64 = 40_000;
    let mut application = application(target, query, LIMIT);
    let errors = push(&mut application, 0, &different(1_000));
    assert!((100..1_000).contains(&errors.len()), "{query}: {} errors", errors.len());
    assert!(errors.iter().all(|error| error.error_name == "MEMORY_LIMIT"), "{:?}", errors[0]);
    assert!(errors[0].message.contains("pump \"P\" holds") && errors[0].message.contains("40000 bytes"));
    assert_eq!(errors[0].pump_name, "P");
    let held: usize = application.held_bytes().iter().map(|(_, bytes)| bytes).sum();
    assert!(held <= LIMIT as usize && held > LIMIT as usize * 9 / 10, "{query}: {held}");
    let known: Vec<_> =
        (0..if known_key_needs_nothing { 1 } else { 100 }).map(|_| (1_000, "key 0".to_owned(), 0)).collect();
    let known = push(&mut application, 0, &known);
    assert_eq!(known.is_empty(), known_key_needs_nothing, "{query}: {known:?}");
    // When the windows have closed there is room again.
    application.bound(StreamId(0), 200_000, 0).expect("the input exists");
    let errors = push(&mut application, 0, &[(200_001, "a new key".to_owned(), 0)]);
    assert!(errors.is_empty(), "{query}: {errors:?}");
    let unlimited = {
        let mut application = self::application(target, query, 0);
        push(&mut application, 0, &different(1_000)).len()
    };
    assert_eq!(unlimited, 0);
}

#[test]
fn groups_of_tumbling_windows_are_limited() {
    check(
        "K VARCHAR(20), N BIGINT",
        "K, COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '60' SECOND)",
        true,
    );
}

#[test]
fn distinct_values_of_tumbling_windows_are_limited() {
    check("N INTEGER", "SUM(DISTINCT N) FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '60' SECOND)", true);
}

#[test]
fn r6_texts_that_are_first_or_last_in_their_group_are_limited() {
    for call in ["FIRST_VALUE(K)", "LAST_VALUE(K)", "LAST_VALUE(K) IGNORE NULLS", "MAX(K)"] {
        let query = format!("N, {call} FROM S GROUP BY N, STEP(S.ROWTIME BY INTERVAL '60' SECOND)");
        let mut application = application("N INTEGER, K VARCHAR(100)", &query, 40_000);
        let given: Vec<_> = (0..100).map(|row| (row, format!("{row:01000}"), row as i32)).collect();
        let errors = push(&mut application, 0, &given);
        assert!((65..90).contains(&errors.len()), "{call}: {} errors", errors.len());
        let held = |application: &Application| application.held_bytes()[0].1;
        assert!(held(&application) <= 40_000, "{call}: {}", held(&application));
        // A text as long as the one that it replaces needs nothing.
        let again = (99, given[0].1.clone(), given[0].2);
        assert!(push(&mut application, 0, &[again]).is_empty(), "{call}");
        application.bound(StreamId(0), 60_000, 0).expect("the input exists");
        assert_eq!(held(&application), 0, "{call}");
    }
}

#[test]
fn stagger_windows_are_limited() {
    check(
        "K VARCHAR(20), N BIGINT",
        "K, COUNT(*) FROM S WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '60' SECOND)",
        true,
    );
    check(
        "K VARCHAR(20), N INTEGER",
        "K, SUM(DISTINCT N) FROM S WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '60' SECOND)",
        true,
    );
}

#[test]
fn rows_of_sliding_windows_are_limited() {
    check("N INTEGER", "SUM(N) OVER (PARTITION BY K RANGE INTERVAL '60' SECOND PRECEDING) FROM S", true);
    check("K VARCHAR(20)", "FIRST_VALUE(K) OVER (RANGE INTERVAL '60' SECOND PRECEDING) FROM S", false);
    check("N INTEGER", "SUM(DISTINCT N) OVER (RANGE INTERVAL '60' SECOND PRECEDING) FROM S", false);
}

#[test]
fn rows_that_wait_to_be_sorted_are_limited() {
    check(
        "K VARCHAR(20), N INTEGER",
        "K, N FROM S ORDER BY STEP(S.ROWTIME BY INTERVAL '60' SECOND), N",
        false,
    );
}

#[test]
fn a_full_window_of_rows_goes_on() {
    let query = "LAST_VALUE(N) OVER (PARTITION BY K ROWS 2 PRECEDING) FROM S";
    let mut application = application("N INTEGER", query, 10_000);
    let refused = push(&mut application, 0, &different(1_000)).len();
    assert!(refused > 0);
    let again: Vec<_> = (0..4).map(|row| (1_000 + row, "key 0".to_owned(), 1)).collect();
    let refused = push(&mut application, 0, &again).len();
    // The window may have no room for its second and third row, but one that is full needs none.
    assert!(refused <= 2 || application.held_bytes()[0].1 > 9_900, "{refused}");
}

#[test]
fn an_unbounded_window_needs_no_memory_for_its_rows() {
    let query = "SUM(N) OVER W, AVG(CAST(N AS DOUBLE)) OVER W, MAX(N) OVER W, STDDEV_POP(CAST(N AS DOUBLE)) OVER W \
                 FROM S WINDOW W AS (ROWS UNBOUNDED PRECEDING)";
    let mut application = application("A INTEGER, B DOUBLE, C INTEGER, D DOUBLE", query, 2_000);
    let errors = push(&mut application, 0, &different(10_000));
    assert!(errors.is_empty(), "{:?}", errors[0]);
    assert_eq!(output_rows(&mut application), 10_000);
}

#[test]
fn rows_of_joins_are_limited() {
    let window = "OVER (RANGE INTERVAL '60' SECOND PRECEDING)";
    let query = format!("S.N FROM S {window} AS S JOIN R {window} AS R ON S.K = R.K");
    let mut application = application("N INTEGER", &query, 40_000);
    let errors = push(&mut application, 0, &different(1_000));
    assert!((100..1_000).contains(&errors.len()), "{} errors", errors.len());
    assert!(errors.iter().all(|error| error.error_name == "MEMORY_LIMIT"), "{:?}", errors[0]);
    // Both sides go on when the rows have left their windows.
    for input in [0, 1] {
        application.bound(StreamId(input), 200_000, 0).expect("the input exists");
    }
    for input in [0, 1] {
        assert!(push(&mut application, input, &[(200_001, "same".to_owned(), 0)]).is_empty());
    }
    for input in [0, 1] {
        application.bound(StreamId(input), 400_000, 0).expect("the input exists");
    }
    assert_eq!(output_rows(&mut application), 1);
}

#[test]
fn rows_that_wait_for_the_other_branch_of_a_union_are_limited() {
    let query = "K, N FROM S UNION ALL SELECT STREAM K, N FROM R";
    let mut application = application("K VARCHAR(20), N INTEGER", query, 40_000);
    let errors = push(&mut application, 0, &different(1_000));
    assert!(errors.iter().all(|error| error.error_name == "MEMORY_LIMIT"), "{:?}", errors[0]);
    assert!((100..1_000).contains(&errors.len()), "{} errors", errors.len());
    application.bound(StreamId(1), 200_000, 0).expect("the input exists");
    assert_eq!(output_rows(&mut application) + errors.len(), 1_000);
}

#[test]
fn a_checkpoint_counts_as_much_as_was_held() {
    for query in [
        "K, SUM(DISTINCT N) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '60' SECOND)",
        "K, SUM(DISTINCT N) FROM S WINDOWED BY STAGGER (PARTITION BY K RANGE INTERVAL '60' SECOND)",
        "MAX(K) OVER W, SUM(DISTINCT N) OVER W FROM S WINDOW W AS (PARTITION BY N RANGE INTERVAL '60' SECOND PRECEDING)",
        "S.K, 1 FROM S OVER (RANGE INTERVAL '1' SECOND PRECEDING) AS S JOIN R ON S.K = R.K",
    ] {
        let mut application = application("K VARCHAR(20), N INTEGER", query, 0);
        push(&mut application, 0, &different(100));
        let held = application.held_bytes();
        assert!(held[0].1 > 1_000, "{query}: {held:?}");
        let bytes = application.save().expect("the state can be saved");
        let settings = ApplicationSettings { virtual_clock: true, ..ApplicationSettings::default() };
        let restored = Application::restore_saved(application.program().clone(), settings, &bytes);
        let (restored, _) = restored.expect("the state can be restored");
        assert_eq!(restored.held_bytes(), held, "{query}");
    }
}

#[test]
fn a_row_of_more_than_512_kilobytes_is_refused_by_an_input_and_by_a_stream() {
    let mut application = application("K VARCHAR(65535), L VARCHAR(65535)", "K, K || K FROM S", 0);
    let long = "x".repeat(600 * 1024);
    let errors =
        push(&mut application, 0, &[(1, "short".to_owned(), 1), (2, long, 1), (3, "short".to_owned(), 1)]);
    let shown: Vec<_> =
        errors.iter().map(|it| (it.error_name.as_str(), it.data_rowtime, it.pump_name.as_str())).collect();
    assert_eq!(shown, [("ROW_TOO_LARGE", Some(2), "")]);
    assert!(errors[0].message.contains("523264"), "{}", errors[0].message);
    assert_eq!(output_rows(&mut application), 2);
}

#[test]
fn m1_forests_count_against_the_limit_and_are_refused_when_they_cannot_fit() {
    let forest =
        "ANOMALY_SCORE FROM TABLE(RANDOM_CUT_FOREST(CURSOR(SELECT STREAM N FROM S), 1000, 1000, 100000, 30))";
    let text = format!("CREATE STREAM T (A DOUBLE); CREATE PUMP P AS INSERT INTO T SELECT STREAM {forest};");
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let columns = vec![column("N", SqlType::Integer)];
    let program =
        compile(&text, &[InputStream { name: "S".to_owned(), columns, metadata_columns: 0 }], &catalog())
            .program
            .unwrap();
    let settings = |memory_limit| ApplicationSettings { memory_limit, ..ApplicationSettings::default() };
    let shortage = check_memory(&program, &settings(10 << 20)).unwrap_err();
    let needed = shortage.needed;
    assert!((300 << 20..500 << 20).contains(&needed), "{needed}");
    assert_eq!(fixed_memory(&program, &settings(0)), needed);
    let message = shortage.to_string();
    for part in ["pump \"P\"", "random cut forest", "10485760 bytes", "numberOfTrees", &needed.to_string()] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let refused = Application::new(program.clone(), settings(10 << 20)).err().expect("it does not fit");
    assert_eq!(refused.to_string(), message);
    assert!(
        check_memory(&program, &settings(needed)).is_ok() && check_memory(&program, &settings(0)).is_ok()
    );
}

#[test]
fn r6_rows_that_wait_for_another_writer_of_their_stream_are_limited() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = |name: &str| InputStream {
        name: name.to_owned(),
        columns: vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", SqlType::Integer)],
        metadata_columns: 0,
    };
    let text = "CREATE STREAM T (K VARCHAR(100), N INTEGER);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM K, N FROM S;
        CREATE PUMP Q AS INSERT INTO T SELECT STREAM K, N FROM R;";
    let program = compile(text, &[input("S"), input("R")], &catalog()).program.unwrap();
    for batch in [1, 7, 1_000] {
        let settings = ApplicationSettings {
            memory_limit: 40_000,
            virtual_clock: true,
            ..ApplicationSettings::default()
        };
        let mut application = Application::new(program.clone(), settings).unwrap();
        let output = application.program().stream("T").unwrap();
        application.subscribe(output);
        let errors: Vec<ErrorRow> =
            different(1_000).chunks(batch).flat_map(|rows| push(&mut application, 0, rows)).collect();
        assert_eq!(errors.len(), 147, "{batch}");
        assert!(errors.iter().all(|error| error.error_name == "MEMORY_LIMIT" && error.pump_name == "P"));
        assert!(errors[0].message.contains("would wait in stream \"T\""), "{}", errors[0].message);
        let held = application.waiting_bytes(output);
        assert!((36_000..=40_000).contains(&held), "{held}");
        application.bound(StreamId(1), 200_000, 0).unwrap();
        assert_eq!(output_rows(&mut application) + errors.len(), 1_000);
        assert_eq!(application.waiting_bytes(output), 0);
    }
}

#[test]
fn r6_reference_rows_count_and_are_refused_when_they_do_not_fit() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let columns = || vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", SqlType::Integer)];
    let input = InputStream { name: "S".to_owned(), columns: columns(), metadata_columns: 0 };
    let table = ReferenceTable { name: "R".to_owned(), columns: columns() };
    for query in ["S.K FROM S JOIN R ON S.K = R.K", "K FROM S WHERE K IN (SELECT K FROM R)"] {
        let text = format!(
            "CREATE STREAM T (K VARCHAR(65535)); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};"
        );
        let program = compile_with_tables(
            &text,
            std::slice::from_ref(&input),
            std::slice::from_ref(&table),
            &catalog(),
        );
        let program = program.program.unwrap_or_else(|| panic!("{query}: {:?}", program.diagnostics));
        let settings = ApplicationSettings { memory_limit: 100_000, ..ApplicationSettings::default() };
        let mut application = Application::new(program, settings).unwrap();
        let load = |application: &mut Application, count: usize| {
            let given = different(count);
            let given: Vec<(i64, &str, i32)> =
                given.iter().map(|(_, key, n)| (0, key.as_str(), *n)).collect();
            application.load_table(TableId(0), &rows(&given))
        };
        load(&mut application, 100).unwrap();
        assert!(push(&mut application, 0, &different(10)).is_empty(), "{query}");
        let held = application.held_bytes()[0].1;
        assert!((5_000..50_000).contains(&held), "{query}: {held}");
        load(&mut application, 1_500).unwrap();
        let errors = push(&mut application, 0, &[(10, "key 1".to_owned(), 1)]);
        assert_eq!(errors.len(), 1, "{query}");
        assert!(
            errors[0].message.starts_with("the reference rows that pump \"P\" looks into take"),
            "{errors:?}"
        );
        let refused = load(&mut application, 10_000).unwrap_err().to_string();
        assert!(refused.contains("reference table \"R\"") && refused.contains("100000 bytes"), "{refused}");
        load(&mut application, 100).unwrap();
        assert!(push(&mut application, 0, &[(11, "key 1".to_owned(), 1)]).is_empty());
    }
}

/// A row of 10 kB that meets 300 small ones of the other input: they fit the limit, what comes of them does not.
#[test]
fn a_row_that_matches_more_than_fits_is_an_error_in_any_batches() {
    let hour = "OVER (RANGE INTERVAL '1' HOUR PRECEDING)";
    let queries = [
        (format!("S.K, R.N FROM S {hour} AS S JOIN R {hour} AS R ON S.N = R.N"), 0),
        (format!("S.K, R.N FROM S {hour} AS S LEFT JOIN R {hour} AS R ON S.N = R.N"), 1),
        (format!("S.K, R.N FROM S {hour} AS S JOIN R {hour} AS R ON S.N <= R.N"), 0),
    ];
    for (query, unmatched) in queries {
        for batch in [1, 7, 1_000] {
            let mut application = application("K VARCHAR(20000), N INTEGER", &query, 1_000_000);
            for rows in (0..300).map(|row| (row, "key".to_owned(), 7)).collect::<Vec<_>>().chunks(batch) {
                assert!(push(&mut application, 1, rows).is_empty(), "{query}");
            }
            let large = "x".repeat(10_000);
            let rows = [
                (300, "small".to_owned(), 7),
                (301, large, 7),
                (302, "small".to_owned(), 7),
                (303, "b".repeat(9_999), 8),
            ];
            for rows in rows.chunks(batch) {
                assert!(push(&mut application, 0, rows).is_empty());
            }
            application.bound(StreamId(1), 400, 0).unwrap();
            let errors = application.take_errors();
            let shown: Vec<_> = errors.iter().map(|it| (it.error_name.as_str(), it.data_rowtime)).collect();
            assert_eq!(shown, [("MEMORY_LIMIT", Some(301))], "{query}: {batch}");
            let message = "the row matches 300 rows in a join of pump \"P\", which makes ";
            assert!(errors[0].message.starts_with(message), "{}", errors[0].message);
            application.drain(0);
            assert_eq!(output_rows(&mut application), 600 + unmatched, "{query}: {batch}");
        }
    }
}

/// Each row of a join of a stream with itself meets all before it, three times over: what one row of the input makes of them
/// is counted together.
#[test]
fn what_a_row_makes_in_several_joins_is_limited() {
    let hour = "OVER (RANGE INTERVAL '1' HOUR PRECEDING)";
    let query = format!("A.K, B.N FROM S {hour} AS A CROSS JOIN S {hour} AS B CROSS JOIN S {hour} AS C");
    let mut given = Vec::new();
    for batch in [1, 7, 1_000] {
        let mut application = application("K VARCHAR(20), N INTEGER", &query, 200_000);
        let mut errors = Vec::new();
        for rows in different(40).chunks(batch) {
            errors.extend(push(&mut application, 0, rows));
        }
        let joined: Vec<_> = errors.iter().filter(|it| it.message.starts_with("the row matches ")).collect();
        assert!((1..40).contains(&joined.len()), "{} errors", joined.len());
        let shown: Vec<_> = errors.iter().map(|it| (it.message.clone(), it.data_rowtime)).collect();
        given.push((shown, output_rows(&mut application)));
    }
    assert!(given.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(given[0].1 > 1_000);
}

/// Of the 1200 rows that a row makes in the first join hardly any finds room in the second.
#[test]
fn a_row_makes_so_many_errors_in_a_pump_and_no_more() {
    let hour = "OVER (RANGE INTERVAL '1' HOUR PRECEDING)";
    let query = format!("A.K, B.N FROM S {hour} AS A CROSS JOIN S {hour} AS B CROSS JOIN R {hour} AS C");
    let mut application = application("K VARCHAR(20), N INTEGER", &query, 1_000_000);
    let mut last = Vec::new();
    for row in different(600) {
        last = push(&mut application, 0, &[row]);
    }
    assert_eq!(last.len(), 1_000, "{}", last[0].message);
    assert!(last[999].message.ends_with("more errors that come of the same row are left out"));
}

#[test]
fn a_row_that_matches_too_many_reference_rows_is_an_error() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let columns = || vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", SqlType::Integer)];
    let input = InputStream { name: "S".to_owned(), columns: columns(), metadata_columns: 0 };
    let table = ReferenceTable { name: "R".to_owned(), columns: columns() };
    for on in ["S.N = R.N", "S.N <= R.N"] {
        let text = format!(
            "CREATE STREAM T (K VARCHAR(20000), N INTEGER);
             CREATE PUMP P AS INSERT INTO T SELECT STREAM S.K, R.N FROM S LEFT JOIN R ON {on};"
        );
        let (inputs, tables) = (std::slice::from_ref(&input), std::slice::from_ref(&table));
        let program = compile_with_tables(&text, inputs, tables, &catalog()).program.unwrap();
        for batch in [1, 1_000] {
            let settings = ApplicationSettings { memory_limit: 1_000_000, ..ApplicationSettings::default() };
            let mut application = Application::new(program.clone(), settings).unwrap();
            application.subscribe(application.program().stream("T").unwrap());
            let table: Vec<(i64, &str, i32)> = vec![(0, "key", 7); 300];
            application.load_table(TableId(0), &rows(&table)).unwrap();
            let given = [(1, "small".to_owned(), 7), (2, "x".repeat(10_000), 7), (3, "small".to_owned(), 8)];
            let errors: Vec<ErrorRow> =
                given.chunks(batch).flat_map(|rows| push(&mut application, 0, rows)).collect();
            assert_eq!(errors.len(), 1, "{on}");
            assert!(
                errors[0].data_rowtime == Some(2)
                    && errors[0].message.starts_with("the row matches 300 rows")
            );
            assert_eq!(output_rows(&mut application), 301, "{on}");
        }
    }
}

/// Two pumps that write one stream take rows one by one.
#[test]
fn no_more_rows_go_in_when_enough_has_come_out() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = InputStream {
        name: "S".to_owned(),
        columns: vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", SqlType::Integer)],
        metadata_columns: 0,
    };
    let text = "CREATE STREAM T (K VARCHAR(65535), N INTEGER); CREATE STREAM U (N INTEGER);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM K, N FROM S;
        CREATE PUMP Q AS INSERT INTO T SELECT STREAM K, N FROM S;
        CREATE PUMP R AS INSERT INTO U SELECT STREAM 1 / N FROM S;";
    let program = compile(text, &[input], &catalog()).program.unwrap();
    let mut application = Application::new(program, ApplicationSettings::default()).unwrap();
    let streams = ["T", "U"].map(|name| application.program().stream(name).unwrap());
    streams.iter().for_each(|stream| application.subscribe(*stream));
    let given: Vec<(i64, &str, i32)> =
        (0..100).map(|row| (row, "twenty bytes of text", row as i32)).collect();
    let given = rows(&given);
    let (mut start, mut pushes) = (0, 0);
    while start < 100 {
        let rest = given.slice(start, 100 - start);
        start += application.push_some(StreamId(0), &rest, 0, 1_000).unwrap();
        let made = application.take_output(streams[0]).iter().map(Batch::len).sum::<usize>();
        assert!((2..=20).contains(&made), "{made} rows");
        pushes += 1;
    }
    assert!((8..=20).contains(&pushes), "{pushes}");
    assert_eq!(application.take_output(streams[1]).iter().map(Batch::len).sum::<usize>(), 99);
    assert_eq!(application.take_errors().len(), 1);
    assert!(application.made_bytes() > 200 * 20);
}

#[test]
fn bounds_change_nothing_behind_a_row_that_is_too_large() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = InputStream {
        name: "S".to_owned(),
        columns: vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", SqlType::Integer)],
        metadata_columns: 0,
    };
    let text = "CREATE STREAM T (N BIGINT);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM N FROM S;
        CREATE PUMP Q AS INSERT INTO T SELECT STREAM 1000 + COUNT(*) FROM S \
            GROUP BY STEP(S.ROWTIME BY INTERVAL '1' SECOND);";
    let large = "x".repeat(600_000);
    let numbers = |with_bound: bool| {
        let program = compile(text, std::slice::from_ref(&input), &catalog()).program.unwrap();
        let mut application = Application::new(program, ApplicationSettings::default()).unwrap();
        let target = application.program().stream("T").unwrap();
        application.subscribe(target);
        application.push(StreamId(0), &rows(&[(500, "a", 1)]), 0).unwrap();
        if with_bound {
            application.bound(StreamId(0), 1_000, 0).unwrap();
        }
        application.push(StreamId(0), &rows(&[(1_000, &large, 2), (1_000, "b", 3)]), 0).unwrap();
        application.bound(StreamId(0), 5_000, 0).unwrap();
        let batches = application.take_output(target);
        let values =
            batches.iter().map(|batch| batch.columns[0].as_primitive::<Int64Type>().values().to_vec());
        values.collect::<Vec<_>>().concat()
    };
    assert_eq!(numbers(true), [1, 1_001, 3, 1_001]);
    assert_eq!(numbers(false), numbers(true));
}

#[test]
fn no_more_rows_go_in_when_a_reference_table_makes_much_of_few() {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let columns = || vec![column("K", SqlType::Varchar { length: 32 }), column("N", SqlType::Integer)];
    let input = InputStream { name: "S".to_owned(), columns: columns(), metadata_columns: 0 };
    let table = ReferenceTable { name: "R".to_owned(), columns: columns() };
    let text = "CREATE STREAM T (K VARCHAR(32), N INTEGER);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM S.K, R.N FROM S JOIN R ON S.N = R.N;";
    let program = compile_with_tables(text, &[input], &[table], &catalog()).program.unwrap();
    // Nothing matches for long, then each row does many.
    let given: Vec<(i64, &str, i32)> = (0..12_000).map(|row| (0, "key", i32::from(row >= 8_000))).collect();
    let given = rows(&given);
    let run = |most_bytes: usize| {
        let mut application = Application::new(program.clone(), ApplicationSettings::default()).unwrap();
        let target = application.program().stream("T").unwrap();
        application.subscribe(target);
        application.load_table(TableId(0), &rows(&[(0, "key", 1); 200])).unwrap();
        let (mut start, mut most, mut all) = (0, 0, 0);
        while start < given.len() {
            let rest = given.slice(start, given.len() - start);
            start += application.push_some(StreamId(0), &rest, 0, most_bytes).unwrap();
            let made = application.take_output(target).iter().map(Batch::len).sum::<usize>();
            most = most.max(made);
            all += made;
        }
        (all, most)
    };
    assert_eq!(run(usize::MAX), (800_000, 800_000));
    let (all, most) = run(1 << 20);
    assert_eq!(all, 800_000);
    // Of the rows that go in at once.
    assert!(most <= 1_100 * 200, "{most}");
}
