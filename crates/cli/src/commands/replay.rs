//! `millstream replay`: an application over recorded data on a virtual clock.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use millstream_columns::formats::{InputColumn, InputSchema, RecordFormat};
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_control::pipeline::{ApplicationSwitches, CheckedApplication, Pipeline, SqlInput, check_sql};
use millstream_control::replay::{Replay, ReplayedError, ReplayedRow, Rowtimes};
use millstream_wording::{agreeing, counted};

use super::files::{has_extension, read_text};
use crate::arguments::{Format, ReplayArguments};
use crate::failure::say;
use crate::loading::read_pipeline;
use crate::row_line;

/// Records that go into the engine at once.
const BATCH_RECORDS: usize = 8_192;

pub(super) fn run(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(replay(arguments));
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let rowtimes = match &arguments.rowtime {
        Some(column) => Rowtimes::column(column),
        None => Rowtimes::rate(arguments.start.0, arguments.rate)?,
    };
    let mut replay = if has_extension(&arguments.app, "sql") {
        for (flag, is_given) in
            [("--application", arguments.application.is_some()), ("--preprocessed", arguments.preprocessed)]
        {
            anyhow::ensure!(
                !is_given,
                "{flag} is for pipeline files: {} is SQL, one application without a preprocessing function",
                arguments.app.display()
            );
        }
        let stream = arguments.stream.as_deref();
        let application = sql_application(&arguments.app, stream, arguments.format.unwrap_or(Format::Csv))?;
        Replay::new(&application, arguments.seed, rowtimes)?
    } else {
        for (flag, is_given) in
            [("--format", arguments.format.is_some()), ("--stream", arguments.stream.is_some())]
        {
            anyhow::ensure!(
                !is_given,
                "{flag} is for SQL, in a file whose name ends in .sql: {} is read as a pipeline file, which says itself what its \
                 application reads",
                arguments.app.display()
            );
        }
        let pipeline = read_pipeline(&arguments.app, &[])??;
        let (checked, seed) = find(&pipeline, arguments)?;
        let replay = Replay::new(checked, seed, rowtimes)?;
        anyhow::ensure!(
            !arguments.preprocessed || has_preprocessor(&pipeline, checked),
            "--preprocessed: application \"{}\" has no preprocessing function",
            checked.name
        );
        match arguments.preprocessed {
            true => replay,
            false => replay.with_preprocessor(&pipeline, &checked.name).await?,
        }
    };
    for only in &arguments.only {
        let streams: Vec<&str> = replay.streams().collect();
        anyhow::ensure!(
            !streams.is_empty(),
            "--only {only}: the application has no pump, which would fill a stream"
        );
        anyhow::ensure!(
            streams.contains(&only.as_str()),
            "--only {only}: no pump fills a stream of this name; there are: {}",
            streams.join(", ")
        );
    }
    let mut source = if arguments.input.as_os_str() == "-" {
        LineSource::standard_input(arguments.header)
    } else {
        LineSource::file(&arguments.input, arguments.header, false)?
    };
    if let Some(lateness) = arguments.lateness {
        replay = replay.with_lateness(i64::try_from(lateness.as_millis()).unwrap_or(i64::MAX));
    }
    let progress = progress();
    let mut out = Output { out: std::io::BufWriter::new(std::io::stdout().lock()), arguments, rows: 0 };
    let (mut records, mut unusable) = (0_u64, 0_u64);
    let mut warnings = Warnings::default();
    let mut batch = SourceBatch::default();
    let mut goes_on = true;
    let mut is_first = true;
    let mut looks_like_seconds = false;
    replay.table_remarks().iter().for_each(|remark| tracing::warn!("{remark}"));
    while goes_on {
        batch.clear();
        let state = source.read(&mut batch, BATCH_RECORDS);
        goes_on = state.is_open();
        for reason in batch.unusable() {
            unusable += 1;
            warnings.warn("lines that are not records", reason);
        }
        // What is missing at the end is no line.
        state.failure().into_iter().for_each(|reason| tracing::warn!("{reason}"));
        records += batch.len() as u64;
        replay.push(&batch).await?;
        if let Some(wrong) = replay.wrong_shape().filter(|_| is_first) {
            tracing::warn!("{wrong}");
        }
        let wrong_header = source.header_line().and_then(|header| replay.wrong_header(header));
        if let Some(wrong) = wrong_header.filter(|_| is_first) {
            tracing::warn!("{wrong}");
        }
        is_first = false;
        if let Some(remark) = replay.rowtime_remark().filter(|_| !looks_like_seconds) {
            tracing::warn!("{remark}");
            looks_like_seconds = true;
        }
        if !goes_on {
            replay.end_input()?;
        }
        loop {
            let has_more = replay.advance()?;
            if !has_more && !goes_on {
                replay.finish()?;
            }
            out.rows(replay.take_rows())?;
            for error in replay.take_errors() {
                warnings.failed(&error);
            }
            progress.set_message(format!("{}, {} out", counted(records, "record"), counted(out.rows, "row")));
            if !has_more {
                break;
            }
        }
    }
    out.out.flush()?;
    progress.finish_and_clear();
    warnings.rest();
    say(format_args!(
        "{}, {} into the application, {} out, {} to error_stream, {} skipped",
        counted(records, "record"),
        counted(replay.rows_in(), "row"),
        counted(out.rows, "row"),
        counted(warnings.failed, "row"),
        counted(unusable, "line")
    ));
    for cut in replay.cut_texts() {
        say(format_args!(
            "{} cut to fit column \"{}\" of \"{}\", which is {}: widen it if they should stay whole",
            agreeing(cut.count, "text was", "texts were"),
            cut.column,
            cut.stream,
            cut.sql_type
        ));
    }
    for empty in replay.empty_columns() {
        say(format_args!("column {} was NULL in every row: {}", empty.column, empty.doubt()));
    }
    let all = records + unusable;
    let bad = warnings.bad_records + unusable;
    match arguments.fail_on_errors {
        Some(share) if bad as f64 > share * all as f64 => {
            let all = counted(all, "record");
            anyhow::bail!("{bad} of {all} failed: --fail-on-errors {share} allows fewer")
        }
        None if bad > 0 && replay.rows_in() == 0 => {
            anyhow::bail!("{} read, but none became a row: see the warnings above", counted(all, "record"))
        }
        // What is missing at the end was named.
        _ => Ok(if source.is_cut() { ExitCode::from(4) } else { ExitCode::SUCCESS }),
    }
}

/// Warnings, of each kind the first few.
#[derive(Default)]
struct Warnings {
    kinds: BTreeMap<String, u64>,
    failed: u64,
    /// Records that failed before they were rows.
    bad_records: u64,
}

impl Warnings {
    const MOST_OF_A_KIND: u64 = 5;

    fn warn(&mut self, kind: &str, text: &str) {
        let count = self.kinds.entry(kind.to_owned()).or_default();
        *count += 1;
        if *count <= Self::MOST_OF_A_KIND {
            tracing::warn!("{text}");
        }
    }

    fn failed(&mut self, error: &ReplayedError) {
        self.failed += 1;
        self.bad_records += u64::from(error.record.is_some());
        let ReplayedError { record, row } = error;
        let place = match (row.pump_name.as_str(), record) {
            ("", Some(_)) => "the input",
            ("", None) => "a reference table",
            (pump, _) => pump,
        };
        let number = record.map(|record| format!("record {record}: ")).unwrap_or_default();
        let kind = format!("error_stream: {place}: {}", row.error_name);
        let text = format!("{kind}: {number}{}", row.message);
        self.warn(&kind, &text);
    }

    /// Says how many were not shown.
    fn rest(&self) {
        for (kind, count) in &self.kinds {
            if *count > Self::MOST_OF_A_KIND {
                tracing::warn!("{kind}: {} more", count - Self::MOST_OF_A_KIND);
            }
        }
    }
}

/// A spinner on a terminal; otherwise nothing.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() || std::io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is right"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Rows on their way to standard output.
struct Output<'a, W> {
    out: W,
    arguments: &'a ReplayArguments,
    rows: u64,
}

impl<W: Write> Output<'_, W> {
    fn rows(&mut self, rows: Vec<ReplayedRow>) -> anyhow::Result<()> {
        let only = &self.arguments.only;
        for row in rows.into_iter().filter(|row| only.is_empty() || only.contains(&row.stream)) {
            self.rows += 1;
            if self.arguments.json {
                row_line::write(&mut self.out, row.rowtime, &row.stream, &row.json, None)?;
                writeln!(self.out)?;
            } else {
                writeln!(self.out, "{}\t{}\t{}", row_line::time(row.rowtime), row.stream, row.json)?;
            }
        }
        Ok(())
    }
}

/// Whether an application of a pipeline has a preprocessing function.
fn has_preprocessor(pipeline: &Pipeline, checked: &CheckedApplication) -> bool {
    let mut declared = pipeline.declarations.applications.iter();
    declared.any(|one| *one.name.get_ref() == checked.name && one.input.preprocessor.is_some())
}

fn find<'a>(
    pipeline: &'a Pipeline,
    arguments: &ReplayArguments,
) -> anyhow::Result<(&'a CheckedApplication, u64)> {
    let names: Vec<&str> = pipeline.applications.iter().map(|one| one.name.as_str()).collect();
    let index = match &arguments.application {
        Some(name) => application_named(pipeline, name)?,
        None if names.len() == 1 => 0,
        None if names.is_empty() => anyhow::bail!("{} declares no application", arguments.app.display()),
        None => anyhow::bail!("say with --application which of these is meant: {}", names.join(", ")),
    };
    Ok((&pipeline.applications[index], pipeline.declarations.applications[index].seed))
}

/// The number of the application that --application names.
pub(super) fn application_named(pipeline: &Pipeline, name: &str) -> anyhow::Result<usize> {
    let names: Vec<&str> = pipeline.applications.iter().map(|one| one.name.as_str()).collect();
    names.iter().position(|known| *known == name).with_context(|| match names.is_empty() {
        true => format!("--application {name}: the file declares no application"),
        false => {
            let names = names.join(", ");
            format!("--application {name}: the file declares no such application; there are: {names}")
        }
    })
}

/// SQL alone as an application that reads the stream `stream`.
pub(super) fn sql_application(
    path: &Path,
    stream: Option<&str>,
    format: Format,
) -> anyhow::Result<CheckedApplication> {
    let text = stream.context(
        "SQL alone does not say what it reads: add --stream 'SOURCE_SQL_STREAM_001 (column TYPE, …)'",
    )?;
    let input = SqlInput::parse(text).context("--stream")?;
    let sql = read_text(path)?;
    let streams = std::slice::from_ref(&input.stream);
    let checked = check_sql(&path.display().to_string(), &sql, streams)?;
    let delimited = |delimiter: &str, quoting| RecordFormat::Csv {
        row_delimiter: "\n".to_owned(),
        column_delimiter: delimiter.to_owned(),
        quoting,
    };
    let record_format = match format {
        Format::Csv => delimited(",", true),
        Format::Tsv => delimited("\t", false),
        Format::Json => RecordFormat::Json { record_row_path: "$".to_owned() },
    };
    if format != Format::Json
        && let Some((name, ..)) = input.declared.iter().find(|(_, _, path)| path.is_some())
    {
        anyhow::bail!(
            "--stream: column \"{name}\" has a path, and delimited records have none: add --format json, or remove the path"
        );
    }
    let columns = input.declared.iter().map(|(name, sql_type, mapping)| match mapping {
        None if format == Format::Json => InputColumn::of_member(name, *sql_type),
        mapping => InputColumn { name: name.clone(), sql_type: *sql_type, mapping: mapping.clone() },
    });
    let schema = InputSchema { format: record_format, columns: columns.collect() };
    schema.parser().context("--stream")?;
    Ok(CheckedApplication {
        name: path.display().to_string(),
        sql,
        program: checked.program,
        input_streams: vec![input.stream.name],
        metadata: input.metadata,
        references: Vec::new(),
        memory_limit: None,
        threads: None,
        schema,
        switches: ApplicationSwitches::default(),
    })
}
