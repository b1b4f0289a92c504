//! `millstream discover`: an input schema for records of which only a sample is known.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context;
use millstream_columns::discover::{Discovered, Irregular, Types, discover_types};
use millstream_columns::formats::RecordFormat;
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_host::{Clock, SystemClock, spawn_thread};
use millstream_wording::{agreeing, counted};
use serde_json::json;

use crate::arguments::DiscoverArguments;

/// A record without the line end that its source keeps.
fn without_line_end(record: &[u8]) -> &[u8] {
    let line = record.strip_suffix(b"\n").unwrap_or(record);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How long the records of a sample are waited for.
const SAMPLE_TIME: Duration = Duration::from_secs(10);
/// Rows of the sample that are shown, and characters of each value.
const SHOWN_ROWS: usize = 5;
const SHOWN_CHARACTERS: usize = 40;
/// Members that are skipped and named.
const SHOWN_MEMBERS: usize = 5;

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
                let lines = count(&batches);
                anyhow::ensure!(
                    lines > 0,
                    "{}: no whole line came within {seconds} s: is it a pipe that nobody writes to, or no text?",
                    file.display()
                );
                tracing::warn!(
                    "{} gave {} within {seconds} s: these are taken",
                    file.display(),
                    counted(lines, "line")
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
    // A line that is too long is no record, and the numbers of records are then not those of lines.
    let are_all_lines = batches.iter().all(|batch| batch.unusable().is_empty());
    let losses = losses(&discovered, if are_all_lines { "line" } else { "record" });
    losses.iter().for_each(|loss| tracing::warn!("{loss}"));
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", json_of(&discovered, &losses))?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = counted(discovered.records, "record");
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
        let shown: Vec<String> = row.iter().map(|value| shown_value(value)).collect();
        writeln!(out, "#   {}", shown.join(" | "))?;
    }
    if let Some(more) = discovered.rows.len().checked_sub(SHOWN_ROWS).filter(|more| *more > 0) {
        writeln!(out, "#   … and {}", counted(more, "more row"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A value of the sample on one line: its beginning, with a mark when more follows.
fn shown_value(value: &str) -> String {
    let mut characters = value.chars();
    let mut shown: String = characters.by_ref().take(SHOWN_CHARACTERS).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown.replace(|character: char| character.is_control(), " ")
}

/// What of a sample is not in the schema, in sentences; `noun` says what their numbers count.
fn losses(discovered: &Discovered, noun: &str) -> Vec<String> {
    let mut losses = Vec::new();
    if let Some(Irregular { record: number, reason, .. }) = discovered.irregular.first() {
        let records = counted(discovered.records, "record");
        losses.push(match discovered.irregular.len() {
            1 => format!("1 of {records} does not fit the schema: {noun} {number}: {reason}"),
            count => {
                format!("{count} of {records} do not fit the schema; the first is {noun} {number}: {reason}")
            }
        });
    }
    if !discovered.left_members.is_empty() {
        let shown: Vec<&str> =
            discovered.left_members.iter().take(SHOWN_MEMBERS).map(String::as_str).collect();
        let more = match discovered.left_members.len().saturating_sub(SHOWN_MEMBERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        losses.push(format!(
            "{} skipped, as no path can name line ends and other control characters: {}{more}",
            agreeing(discovered.left_members.len(), "member is", "members are"),
            shown.join(", ")
        ));
    }
    losses
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

fn json_of(discovered: &Discovered, losses: &[String]) -> serde_json::Value {
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
    let unreadable: Vec<usize> =
        discovered.irregular.iter().filter(|one| one.is_refused).map(|one| one.record).collect();
    let irregular: Vec<_> = discovered
        .irregular
        .iter()
        .map(|one| json!({"record": one.record, "reason": one.reason, "refused": one.is_refused}))
        .collect();
    let notes: Vec<&String> = losses.iter().chain(&discovered.notes).collect();
    json!({
        "format": format, "columns": columns, "has_header": discovered.has_header, "header": discovered.header,
        "rows": discovered.rows, "unreadable_records": unreadable, "irregular_records": irregular,
        "left_members": discovered.left_members, "notes": notes,
    })
}
