//! `millstream discover`: an input schema for records of which only a sample is known.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context;
use millstream_columns::discover::{Discovered, Types, discover_types};
use millstream_columns::formats::RecordFormat;
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_host::{Clock, SystemClock, spawn_thread};
use millstream_wording::counted;
use serde_json::json;

use crate::arguments::DiscoverArguments;

/// A record without the line end that its source keeps.
fn without_line_end(record: &[u8]) -> &[u8] {
    let line = record.strip_suffix(b"\n").unwrap_or(record);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How long the records of a sample are waited for.
const SAMPLE_TIME: Duration = Duration::from_secs(10);
/// Rows of the sample that are shown.
const SHOWN_ROWS: usize = 5;

/// The first records of an input. One that gives them slowly, or none, is waited for a while only: a pipe that nobody
/// writes to, or a line without an end. Somebody who types the records has all the time.
fn sample(file: &Path, most: usize) -> anyhow::Result<Vec<SourceBatch>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let path = file.to_owned();
    let is_interactive = file.as_os_str() == "-" && std::io::stdin().is_terminal();
    // It ends with the process, if it has not ended by itself.
    let reading = move || {
        let opened = match path.as_os_str() == "-" {
            true => Ok(LineSource::standard_input(false)),
            false => LineSource::file(&path, false, false),
        };
        let mut source = match opened {
            Ok(source) => source,
            Err(error) => return drop(sender.send(Err(error))),
        };
        let mut count = 0;
        while count < most {
            let mut batch = SourceBatch::default();
            let state = source.read(&mut batch, most - count);
            count += batch.len();
            let goes_on = state.is_open();
            if sender.send(Ok((batch, state))).is_err() || !goes_on {
                return;
            }
        }
    };
    spawn_thread("sample".to_owned(), reading).context("the system gives no thread")?;
    let clock: &dyn Clock = &SystemClock;
    let began = clock.now();
    let mut batches: Vec<SourceBatch> = Vec::new();
    let count = |batches: &[SourceBatch]| batches.iter().map(SourceBatch::len).sum::<usize>();
    loop {
        let left = SAMPLE_TIME.saturating_sub(clock.now().since(began));
        let next = match is_interactive {
            true => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => receiver.recv_timeout(left),
        };
        match next {
            Ok(Ok((batch, state))) => {
                batch.unusable().iter().for_each(|reason| tracing::warn!("{reason}"));
                batches.push(batch);
                match state.failure() {
                    Some(reason) if count(&batches) == 0 => anyhow::bail!("{}: {reason}", file.display()),
                    Some(reason) => tracing::warn!("{reason}"),
                    None => {}
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(batches),
            Ok(Err(error)) => return Err(error.into()),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = SAMPLE_TIME.as_secs();
                let records = count(&batches);
                anyhow::ensure!(
                    records > 0,
                    "{}: no whole line came within {seconds} s: is it a pipe that nobody writes to, or no text?",
                    file.display()
                );
                tracing::warn!(
                    "{} gave {} within {seconds} s: these are taken",
                    file.display(),
                    counted(records, "record")
                );
                return Ok(batches);
            }
        }
    }
}

pub(super) fn run(arguments: &DiscoverArguments) -> anyhow::Result<ExitCode> {
    let batches = sample(&arguments.file, arguments.records as usize)?;
    let sample: Vec<&[u8]> = batches.iter().flat_map(SourceBatch::iter).map(without_line_end).collect();
    let types = match (arguments.typed, arguments.roomy) {
        (true, _) => Types::Narrow,
        (false, true) => Types::Roomy,
        (false, false) => Types::Service,
    };
    let discovered = discover_types(&sample, types).with_context(|| arguments.file.display().to_string())?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", json_of(&discovered))?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = counted(sample.len(), "record");
    let remark = match types {
        Types::Service => {
            "types are those that Kinesis Data Analytics infers: widen VARCHAR for longer texts to come"
        }
        Types::Narrow => "types are as narrow as the sample allows: widen them for what may come",
        Types::Roomy => "VARCHAR is longer than the sample needs",
    };
    writeln!(out, "# found in {count}; {remark}")?;
    for note in &discovered.notes {
        writeln!(out, "# {note}")?;
    }
    write!(out, "{}", toml_of(&discovered)?)?;
    if discovered.has_header {
        writeln!(out, "# the first line names the columns: give --header where the file is read")?;
    }
    for row in discovered.rows.iter().take(SHOWN_ROWS) {
        let shown: Vec<String> = row.iter().map(|value| value.chars().take(40).collect()).collect();
        writeln!(out, "#   {}", shown.join(" | ").replace(['\n', '\r'], " "))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The section of a pipeline file.
fn toml_of(discovered: &Discovered) -> anyhow::Result<String> {
    let text = |text: &str| serde_json::to_string(text).context("a text");
    let mut lines = vec!["[application.input]".to_owned()];
    match &discovered.schema.format {
        RecordFormat::Json { record_row_path } => {
            lines.push("format = \"json\"".to_owned());
            if record_row_path != "$" {
                lines.push(format!("record_row_path = {}", text(record_row_path)?));
            }
        }
        RecordFormat::Csv { column_delimiter, quoting, .. } => match column_delimiter.as_str() {
            "\t" if !quoting => lines.push("format = \"tsv\"".to_owned()),
            delimiter => {
                lines.push("format = \"csv\"".to_owned());
                lines.push(format!("column_delimiter = {}", text(delimiter)?));
                lines.push(format!("quoting = {quoting}"));
            }
        },
    }
    let columns = discovered.schema.columns.iter().map(|column| {
        let mapping = column.mapping.as_ref().map(|mapping| format!(" {mapping}")).unwrap_or_default();
        format!("  {} {}{mapping}", column.name, column.sql_type)
    });
    let columns: Vec<String> = columns.collect();
    lines.push(format!("columns = '''\n{}'''", columns.join(",\n")));
    Ok(lines.join("\n") + "\n")
}

fn json_of(discovered: &Discovered) -> serde_json::Value {
    let columns: Vec<_> = discovered
        .schema
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "type": column.sql_type.to_string(), "mapping": column.mapping}))
        .collect();
    let format = match &discovered.schema.format {
        RecordFormat::Json { record_row_path } => {
            json!({"format": "json", "record_row_path": record_row_path})
        }
        RecordFormat::Csv { row_delimiter, column_delimiter, quoting } => json!({
            "format": "csv", "row_delimiter": row_delimiter, "column_delimiter": column_delimiter, "quoting": quoting,
        }),
    };
    json!({
        "format": format, "columns": columns, "has_header": discovered.has_header, "header": discovered.header,
        "rows": discovered.rows, "unreadable_records": discovered.unreadable, "notes": discovered.notes,
    })
}
