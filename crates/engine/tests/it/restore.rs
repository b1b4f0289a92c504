//! What is kept of a checkpoint, what is stored again, and what is said about the rest.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, Int32Array, StringArray};
use millstream_columns::Batch;
use millstream_engine::{
    Application, ApplicationSettings, CheckpointError, Manifest, PartError, PartId, RestoreReport,
    ScratchReason, SnapshotError, catalog, plan_restore,
};
use millstream_sql::{Column, InputStream, Program, SqlType, StreamId, compile};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

type Parts = HashMap<PartId, Vec<u8>>;

/// Two inputs `S` and `R` of a text and a number.
fn program(text: &str) -> Program {
    program_with(text, SqlType::Integer)
}

fn program_with(text: &str, number: SqlType) -> Program {
    let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
    let input = |name: &str| InputStream {
        name: name.to_owned(),
        columns: vec![column("K", SqlType::Varchar { length: 65_535 }), column("N", number)],
        metadata_columns: 0,
    };
    let compilation = compile(text, &[input("S"), input("R")], &catalog());
    compilation.program.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics))
}

fn settings(query_started: i64) -> ApplicationSettings {
    ApplicationSettings { query_started, virtual_clock: true, ..ApplicationSettings::default() }
}

fn start(text: &str) -> Application {
    Application::new(program(text), settings(1_000)).expect("the plan is sound")
}

/// Rows one millisecond apart, each with a key of its own.
fn push(application: &mut Application, input: &str, rows: std::ops::Range<i64>) {
    let input = application.program().stream(input).expect("the input exists");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("key {row}")))),
        Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| row as i32))),
    ];
    let batch = Batch::new(rows.collect::<Vec<i64>>().into(), columns);
    application.push(input, &batch, 0).expect("the rows are in order");
    assert!(application.take_errors().is_empty());
}

/// Stores a snapshot; gives its manifest and how many parts were put.
fn store(application: &mut Application, parts: &mut Parts) -> (Manifest, usize) {
    let mut put = 0;
    let snapshot = application.snapshot().expect("the state can be written");
    let stored = snapshot.store(|id, bytes| {
        put += 1;
        parts.insert(*id, bytes.to_vec());
        Ok::<(), Infallible>(())
    });
    (stored.expect("the parts can be stored"), put)
}

fn restore(
    program: Program,
    settings: ApplicationSettings,
    manifest: &Manifest,
    parts: &Parts,
) -> Result<(Application, RestoreReport), CheckpointError> {
    Application::restore(program, settings, manifest, &mut |id| {
        parts.get(id).cloned().ok_or_else(|| "no such file".into())
    })
}

/// The BIGINTs of the first column of T.
fn counts(application: &mut Application) -> Vec<i64> {
    let output = application.program().stream("T").expect("the program creates T");
    let batches = application.take_output(output);
    batches.iter().flat_map(|batch| batch.columns[0].as_primitive::<Int64Type>().values().to_vec()).collect()
}

fn subscribe(application: &mut Application) {
    let output = application.program().stream("T").expect("the program creates T");
    application.subscribe(output);
}

const COUNT: &str = "CREATE STREAM T (C BIGINT);
    CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) AS C FROM S GROUP BY STEP(S.ROWTIME BY INTERVAL '60' SECOND);";

#[test]
fn r1_an_added_stream_loses_no_row_of_an_open_window() {
    let mut application = start(COUNT);
    push(&mut application, "S", 0..250);
    let mut parts = Parts::new();
    let (manifest, _) = store(&mut application, &mut parts);
    for added in [
        "CREATE STREAM UNUSED (X INTEGER);",
        "CREATE STREAM U (X VARCHAR(65535)); CREATE PUMP Q AS INSERT INTO U SELECT STREAM K FROM R;",
    ] {
        let program = program(&format!("{added}\n{COUNT}"));
        let (mut restored, report) = restore(program, settings(2_000), &manifest, &parts).unwrap();
        assert_eq!(report.resumed, ["P"], "{report:?}");
        subscribe(&mut restored);
        push(&mut restored, "S", 250..300);
        restored.bound(StreamId(0), 60_000, 0).unwrap();
        assert_eq!(counts(&mut restored), [300]);
    }
}

#[test]
fn r1_a_plan_tells_before_it_is_done_which_pumps_keep_their_state() {
    let text = "CREATE STREAM T (K VARCHAR(65535), C BIGINT);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM K, COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '60' SECOND) HAVING COUNT(*) > 1;
        CREATE STREAM U (N INTEGER);
        CREATE PUMP Q AS INSERT INTO U SELECT STREAM SUM(N) OVER (RANGE INTERVAL '1' SECOND PRECEDING) FROM R;
        CREATE STREAM V (N INTEGER);
        CREATE PUMP W AS INSERT INTO V SELECT STREAM N FROM R;";
    let mut application = start(text);
    let (manifest, _) = store(&mut application, &mut Parts::new());
    let report = |new: &Program| {
        let report = plan_restore(new, &settings(0), &manifest);
        let scratch = report.started_from_scratch.into_iter();
        (
            report.resumed,
            scratch.map(|(pump, why)| format!("{pump}: {why}")).collect::<Vec<_>>(),
            report.dropped,
        )
    };
    let with = |from: &str, to: &str| report(&program(&text.replace(from, to)));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    assert_eq!(with("", ""), (names(&["P", "Q", "W"]), names(&[]), names(&[])));
    // What stands behind the last state may change.
    assert_eq!(with("COUNT(*) > 1", "COUNT(*) > 2").0, ["P", "Q", "W"]);
    assert_eq!(with("SELECT STREAM N FROM R", "SELECT STREAM N + 1 FROM R").0, ["P", "Q", "W"]);
    assert_eq!(
        with("'60' SECOND", "'61' SECOND"),
        (names(&["Q", "W"]), names(&["P: its GROUP BY, or what feeds it, has changed"]), names(&[]))
    );
    assert_eq!(
        with("FROM S GROUP", "FROM S WHERE N > 1 GROUP").1,
        ["P: its GROUP BY, or what feeds it, has changed"]
    );
    assert_eq!(with("PUMP W ", "PUMP X ").1, ["X: it is new"]);
    assert_eq!(with("PUMP W ", "PUMP X ").2, ["W"]);
    assert_eq!(
        with("SUM(N) OVER (RANGE INTERVAL '1' SECOND PRECEDING)", "N").1,
        ["Q: its query keeps other state than before"]
    );
    assert_eq!(
        report(&program_with(&text.replace("N INTEGER", "N BIGINT"), SqlType::BigInt)).1,
        [
            "P: stream \"S\" that it reads has other columns than before",
            "Q: stream \"R\" that it reads has other columns than before"
        ]
    );
    assert!(matches!(
        plan_restore(&program(COUNT), &settings(0), &manifest).started_from_scratch[..],
        [(_, ScratchReason::QueryChanged { .. })]
    ));
}

#[test]
fn r24_current_timestamp_is_when_the_query_of_the_pump_first_started() {
    let text = "CREATE STREAM T (T TIMESTAMP);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM CURRENT_TIMESTAMP FROM S;";
    let times = |application: &mut Application| {
        subscribe(application);
        push(application, "S", 10..11);
        let batches = application.take_output(application.program().stream("T").expect("there is T"));
        batches[0].columns[0].as_primitive::<TimestampMillisecondType>().value(0)
    };
    let mut application = start(text);
    let mut parts = Parts::new();
    let (manifest, _) = store(&mut application, &mut parts);
    assert_eq!(times(&mut application), 1_000);
    // The same query goes on: it has not started again.
    let (mut same, _) = restore(program(text), settings(2_000), &manifest, &parts).unwrap();
    assert_eq!(times(&mut same), 1_000);
    let (again, _) = store(&mut same, &mut parts);
    // A pump that is new starts when it starts.
    let renamed = text.replace("PUMP P", "PUMP Q");
    let (mut renamed, _) = restore(program(&renamed), settings(3_000), &again, &parts).unwrap();
    assert_eq!(times(&mut renamed), 3_000);
}

#[test]
fn r3_what_has_not_changed_keeps_its_parts_and_what_was_not_stored_is_written_again() {
    let text = "CREATE STREAM T (C BIGINT);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM S GROUP BY K, STEP(S.ROWTIME BY INTERVAL '60' SECOND);
        CREATE STREAM U (C BIGINT);
        CREATE PUMP Q AS INSERT INTO U SELECT STREAM COUNT(*) FROM R GROUP BY K, STEP(R.ROWTIME BY INTERVAL '60' SECOND);";
    let mut application = start(text);
    push(&mut application, "S", 0..1_000);
    push(&mut application, "R", 0..1_000);
    let mut parts = Parts::new();
    let (first, put) = store(&mut application, &mut parts);
    assert!(put >= 2);
    let (second, put) = store(&mut application, &mut parts);
    assert_eq!((put, &second), (0, &first));
    push(&mut application, "R", 1_000..1_010);
    let (third, put) = store(&mut application, &mut parts);
    assert!(put > 0 && third != second);
    let named = |manifest: &Manifest| manifest.parts().map(|part| part.id).collect::<Vec<_>>();
    assert!(named(&third).iter().any(|id| named(&first).contains(id)), "P has not changed");
    // A disk that is full: nothing is lost but this snapshot.
    push(&mut application, "S", 1_000..1_010);
    let failed = application.snapshot().unwrap().store(|_, _| Err("the disk is full"));
    assert!(matches!(failed, Err(SnapshotError::Part { error: "the disk is full", .. })));
    push(&mut application, "S", 1_010..1_020);
    // Nor by one that is dropped.
    drop(application.snapshot().unwrap());
    let (fourth, _) = store(&mut application, &mut parts);
    let (mut restored, _) = restore(program(text), settings(0), &fourth, &parts).unwrap();
    assert_eq!(restored.held_bytes(), application.held_bytes());
    subscribe(&mut restored);
    restored.bound(StreamId(0), 60_000, 0).unwrap();
    assert_eq!(counts(&mut restored).len(), 1_020);
}

#[test]
fn m5_a_damaged_or_missing_part_is_named() {
    let mut application = start(COUNT);
    push(&mut application, "S", 0..10);
    let mut parts = Parts::new();
    let (manifest, _) = store(&mut application, &mut parts);
    let ids: Vec<PartId> = manifest.parts().map(|part| part.id).collect();
    assert!(!ids.is_empty());
    for id in ids {
        let whole = parts[&id].clone();
        for damage in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[damage / 8] ^= 1 << (damage % 8);
            parts.insert(id, bytes);
            let error = restore(program(COUNT), settings(0), &manifest, &parts).err().expect("it is damaged");
            assert!(
                matches!(error.part(), Some(PartError::Damaged { id: found, .. }) if *found == id),
                "{error}"
            );
        }
        parts.remove(&id);
        let error = restore(program(COUNT), settings(0), &manifest, &parts).err().expect("it is missing");
        assert!(matches!(error.part(), Some(PartError::Unreadable { id: found, .. }) if *found == id));
        assert_eq!(error.to_string(), format!("part {id} of the checkpoint cannot be read: no such file"));
        parts.insert(id, whole);
    }
    assert!(restore(program(COUNT), settings(0), &manifest, &parts).is_ok());
}

#[test]
fn damage_of_a_blob_or_a_manifest_is_an_error_and_no_panic() {
    let mut application = start(COUNT);
    push(&mut application, "S", 0..10);
    let bytes = application.save().unwrap();
    for end in 0..bytes.len() {
        assert!(Application::restore_saved(program(COUNT), settings(0), &bytes[..end]).is_err(), "{end}");
    }
    let (manifest, _) = store(&mut application, &mut Parts::new());
    let bytes = manifest.to_bytes();
    assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
    let later = String::from_utf8(bytes.clone()).unwrap().replace("\"format\":3", "\"format\":4");
    let error = Manifest::from_bytes(later.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("format 4") && error.contains("up to 3"), "{error}");
    for end in 0..bytes.len() {
        assert!(Manifest::from_bytes(&bytes[..end]).is_err());
    }
}

/// ROWTIMEs and the first column of T.
fn rows_of_t(application: &mut Application) -> Vec<(i64, i64)> {
    let output = application.program().stream("T").expect("the program creates T");
    let batches = application.take_output(output);
    let rows = |batch: &Batch| {
        let values = batch.columns[0].as_primitive::<Int64Type>().values().to_vec();
        batch.rowtimes.iter().copied().zip(values).collect::<Vec<_>>()
    };
    batches.iter().flat_map(rows).collect()
}

/// What `end` makes of a state is the same whether it was restored or not.
fn assert_ends_alike(text: &str, end: impl Fn(&mut Application)) -> Vec<(i64, i64)> {
    let mut application = start(text);
    subscribe(&mut application);
    push(&mut application, "S", 0..250);
    application.bound(StreamId(0), 400, 0).expect("the input exists");
    rows_of_t(&mut application);
    let mut parts = Parts::new();
    let (manifest, _) = store(&mut application, &mut parts);
    let restored = restore(program(text), settings(2_000), &manifest, &parts);
    let (mut restored, report) = restored.expect("all parts are there");
    assert!(report.started_from_scratch.is_empty(), "{report:?}");
    subscribe(&mut restored);
    end(&mut application);
    end(&mut restored);
    let expected = rows_of_t(&mut application);
    assert_eq!(rows_of_t(&mut restored), expected, "{text}");
    expected
}

#[test]
fn a_window_that_only_a_row_ends_is_drained_with_the_time_of_its_latest_row() {
    let text = "CREATE STREAM T (C BIGINT);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM S GROUP BY MONOTONIC(N / 1000);";
    assert_eq!(assert_ends_alike(text, |application| application.drain(9_000)), [(249, 250)]);
}

#[test]
fn the_first_and_the_last_values_of_groups_are_kept_whole_and_in_parts() {
    let text = "CREATE STREAM T (F VARCHAR(20), L VARCHAR(20), N INTEGER);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM FIRST_VALUE(K), LAST_VALUE(K), LAST_VALUE(NULLIF(N, N))
            FROM S GROUP BY N / 7, FLOOR(S.ROWTIME TO DAY);";
    let texts = |mut application: Application| {
        let output = application.program().stream("T").expect("the program creates T");
        application.subscribe(output);
        push(&mut application, "S", 240..260);
        application.drain(0);
        let rows = Batch::concat(&application.take_output(output)).expect("all rows have the same columns");
        assert_eq!(rows.columns[2].null_count(), rows.len());
        let column = |column: usize| rows.columns[column].as_string::<i32>();
        column(0).iter().zip(column(1)).map(|both| format!("{both:?}")).collect::<Vec<_>>()
    };
    for whole_state_bytes in [0, 64 << 10] {
        let settings = ApplicationSettings { whole_state_bytes, ..settings(1_000) };
        let mut application = Application::new(program(text), settings.clone()).expect("the plan is sound");
        let mut parts = Parts::new();
        for rows in [0..100, 100..110, 110..240] {
            push(&mut application, "S", rows);
            store(&mut application, &mut parts);
        }
        let (manifest, _) = store(&mut application, &mut parts);
        let (restored, _) = restore(program(text), settings, &manifest, &parts).expect("all parts are there");
        assert_eq!(restored.held_bytes(), application.held_bytes());
        let expected = texts(application);
        assert_eq!(expected.len(), 38);
        assert_eq!(expected[1], "(Some(\"key 7\"), Some(\"key 13\"))");
        assert_eq!(texts(restored), expected, "{whole_state_bytes}");
    }
}

#[test]
fn sorted_rows_are_released_as_far_as_the_input_had_come() {
    let text = "CREATE STREAM U (N BIGINT); CREATE STREAM T (C BIGINT);
        CREATE PUMP P AS INSERT INTO U SELECT STREAM N, ETS AS ROWTIME FROM (SELECT STREAM N, S.ROWTIME AS ETS FROM S)
            ORDER BY ETS WITHIN INTERVAL '1' HOUR;
        CREATE PUMP Q AS INSERT INTO T SELECT STREAM COUNT(*) FROM U GROUP BY STEP(U.ROWTIME BY INTERVAL '0.4' SECOND(2, 1));";
    assert_eq!(assert_ends_alike(text, |application| application.release_sorted(9_000)), [(400, 250)]);
}

#[test]
fn a_switch_of_a_function_leaves_the_state_alone() {
    let text = "CREATE STREAM T (C BIGINT);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM SUM(TSDIFF(S.ROWTIME, TIMESTAMP '1970-01-01 00:00:00')) FROM S
            GROUP BY STEP(S.ROWTIME BY INTERVAL '60' SECOND);";
    let mut application = start(text);
    push(&mut application, "S", 0..3);
    let mut parts = Parts::new();
    let (manifest, _) = store(&mut application, &mut parts);
    let mut signed = settings(1_000);
    signed.switches.tsdiff_end_minus_start = true;
    let (mut restored, report) = restore(program(text), signed, &manifest, &parts).unwrap();
    assert_eq!(report.resumed, ["P"], "{report:?}");
    subscribe(&mut restored);
    push(&mut restored, "S", 3..4);
    restored.bound(StreamId(0), 60_000, 0).unwrap();
    assert_eq!(counts(&mut restored), [1 + 2 - 3]);
    let (manifest, put) = store(&mut restored, &mut parts);
    assert!(put > 0);
    let (_, report) = restore(program(text), settings(1_000), &manifest, &parts).unwrap();
    assert_eq!(report.resumed, ["P"], "{report:?}");
}

#[test]
fn h4_large_keys_are_stored_a_few_times_each_and_not_with_every_checkpoint() {
    let text = "CREATE STREAM T (C BIGINT);
        CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) FROM S GROUP BY K, FLOOR(S.ROWTIME TO DAY);";
    const KEY_BYTES: usize = 60_000;
    let mut application = start(text);
    let mut parts = Parts::new();
    let mut written = 0;
    let mut manifest = None;
    for round in 0..100_usize {
        // Three new keys, and one that is there already.
        let keys = [3 * round, 3 * round + 1, 3 * round + 2, round];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(keys.map(|key| format!("{key:0KEY_BYTES$}")))),
            Arc::new(Int32Array::from(vec![0; 4])),
        ];
        application.push(StreamId(0), &Batch::new(vec![round as i64; 4].into(), columns), 0).unwrap();
        let stored = application.snapshot().unwrap().store(|id, bytes| {
            written += bytes.len();
            parts.insert(*id, bytes.to_vec());
            Ok::<(), Infallible>(())
        });
        manifest = Some(stored.unwrap());
    }
    let state = 300 * KEY_BYTES;
    assert!(written < 5 * state, "{written} bytes for a state of {state}");
    let manifest = manifest.expect("there were snapshots");
    assert!(manifest.part_bytes() < 2 * state as u64, "{}", manifest.part_bytes());
    assert!(manifest.parts().all(|part| part.bytes <= millstream_engine::PART_BYTES as u64));
    let (mut restored, _) = restore(program(text), settings(0), &manifest, &parts).unwrap();
    assert_eq!(restored.held_bytes(), application.held_bytes());
    subscribe(&mut restored);
    restored.bound(StreamId(0), 86_400_000, 0).unwrap();
    let counts = counts(&mut restored);
    assert_eq!((counts.len(), counts.iter().sum::<i64>()), (300, 400));
}
