//! `millstream check --lint`: what is legal and probably not meant, in the text and over a sample of records.

use std::path::Path;

use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_control::pipeline::{CheckedApplication, Pipeline, lint_sql};
use millstream_control::replay::{Replay, Rowtimes};

/// Records that go into the engine at once, and in all.
const BATCH_RECORDS: usize = 1_000;
const MOST_RECORDS: usize = 1_000_000;

/// Rows a second of virtual time from this time on (2024-01-01 00:00:00): windows see some of them.
const RATE: f64 = 10.0;
const START: i64 = 1_704_067_200_000;

/// Remarks on the applications of a pipeline.
pub(super) fn pipeline(pipeline: &Pipeline, sample: Option<(&Path, bool)>) -> anyhow::Result<Vec<String>> {
    let mut remarks = Vec::new();
    for (checked, declared) in pipeline.applications.iter().zip(&pipeline.declarations.applications) {
        let source = declared.input.stream.as_ref().map(|name| name.get_ref());
        let stream =
            pipeline.declarations.streams.iter().find(|stream| Some(stream.name.get_ref()) == source);
        let name = format!("{} (sql of {})", pipeline.source_name, checked.name);
        remarks.append(&mut application(
            &name,
            checked,
            stream.map(|stream| stream.retention_hours),
            sample,
        )?);
    }
    Ok(remarks)
}

/// Remarks on one application.
pub(super) fn application(
    name: &str,
    checked: &CheckedApplication,
    retention_hours: Option<u32>,
    sample: Option<(&Path, bool)>,
) -> anyhow::Result<Vec<String>> {
    let found = lint_sql(name, &checked.sql, &checked.program, retention_hours);
    let mut remarks: Vec<String> = found.into_iter().map(|remark| remark.rendered).collect();
    if let Some((file, has_header)) = sample {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        remarks.append(&mut runtime.block_on(over_sample(name, checked, file, has_header))?);
    }
    Ok(remarks)
}

/// What a sample of records shows: texts that are cut, rows that fail.
async fn over_sample(
    name: &str,
    checked: &CheckedApplication,
    file: &Path,
    has_header: bool,
) -> anyhow::Result<Vec<String>> {
    let mut replay = Replay::new(checked, 0, Rowtimes::rate(START, RATE)?)?;
    let mut source = LineSource::file(file, has_header, false)?;
    let (mut records, mut errors, mut goes_on) = (0, Vec::new(), true);
    let mut batch = SourceBatch::default();
    while goes_on && records < MOST_RECORDS {
        batch.clear();
        let state = source.read(&mut batch, BATCH_RECORDS);
        goes_on = state.is_open();
        errors.extend(batch.unusable().iter().chain(state.failure()).cloned());
        records += batch.len();
        replay.push(&batch).await?;
        errors.extend(replay.take_errors().into_iter().map(|error| error.row.message));
        replay.take_rows();
    }
    replay.finish()?;
    errors.extend(replay.take_errors().into_iter().map(|error| error.row.message));
    let mut remarks: Vec<String> = Vec::new();
    for cut in replay.cut_texts() {
        let texts = if cut.count == 1 { "1 text".to_owned() } else { format!("{} texts", cut.count) };
        remarks.push(format!(
            "warning: {texts} of the sample would be cut to fit column \"{}\" of \"{}\", which is {}\n  --> {name}\n  \
             hint: widen the column if they should stay whole\n",
            cut.column, cut.stream, cut.sql_type
        ));
    }
    if let Some(first) = errors.first() {
        let rows = if errors.len() == 1 { "1 row".to_owned() } else { format!("{} rows", errors.len()) };
        remarks.push(format!(
            "warning: {rows} of the sample would go to error_stream; the first: {first}\n  --> {name}\n"
        ));
    }
    Ok(remarks)
}
