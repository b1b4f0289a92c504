//! `millstream discover`: an input schema for records of which only a sample is known.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use millstream_columns::discover::{Discovered, Types, discover_types};
use millstream_columns::formats::RecordFormat;
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch, SourceState};
use serde_json::json;

use crate::arguments::DiscoverArguments;

/// A record without the line end that its source keeps.
fn without_line_end(record: &[u8]) -> &[u8] {
    let line = record.strip_suffix(b"\n").unwrap_or(record);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Rows of the sample that are shown.
const SHOWN_ROWS: usize = 5;

pub(super) fn run(arguments: &DiscoverArguments) -> anyhow::Result<ExitCode> {
    let mut source = match arguments.file.as_os_str() == "-" {
        true => LineSource::standard_input(false),
        false => LineSource::file(&arguments.file, false, false)?,
    };
    let mut records = SourceBatch::default();
    let most = arguments.records as usize;
    while records.len() < most {
        let wanted = most - records.len();
        if source.read(&mut records, wanted) == SourceState::Ended {
            break;
        }
    }
    for reason in records.unusable() {
        tracing::warn!("{reason}");
    }
    let sample: Vec<&[u8]> = records.iter().map(without_line_end).collect();
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
    let count = match records.len() {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    };
    let remark = match types {
        Types::Service => {
            "types are those that Kinesis Data Analytics infers: widen VARCHAR for longer texts to come"
        }
        Types::Narrow => "types are as narrow as the sample allows: widen them for what may come",
        Types::Roomy => "texts have room for longer ones to come",
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
