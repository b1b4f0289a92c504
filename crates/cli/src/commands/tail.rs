//! `millstream tail`: records and rows as they come.

use std::process::ExitCode;

use anyhow::Context;
use http_body_util::BodyExt;
use millstream_wording::agreeing;

use super::{failed_row, print};
use crate::arguments::TailArguments;
use crate::failure::say;
use crate::row_line;
use crate::socket::{Client, TailLine, escaped};

pub(super) async fn run(arguments: TailArguments) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(&arguments.data.data_dir).await?;
    let condition = arguments.condition.as_deref();
    let condition = condition.map(|text| format!("&where={}", escaped(text))).unwrap_or_default();
    let what = escaped(&arguments.what);
    let kind = arguments.kind.as_query().map(|kind| format!("&{kind}")).unwrap_or_default();
    let path = format!("/v1/tail?what={what}&from={}{kind}{condition}", escaped(&arguments.from));
    let mut body = client.stream(&path).await?;
    let mut waiting: Vec<u8> = Vec::new();
    let mut shown = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| anyhow::anyhow!("the connection to the server was lost"))?;
        let Some(data) = frame.data_ref() else { continue };
        waiting.extend_from_slice(data);
        while let Some(end) = memchr::memchr(b'\n', &waiting) {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let line: TailLine =
                serde_json::from_slice(&line).context("the server sent something that is not a line")?;
            if let TailLine::End { reason } = &line {
                anyhow::bail!("nothing more comes: {reason}");
            }
            let text = if arguments.json { json_of(&line) } else { text_of(&line) };
            let is_counted = matches!(line, TailLine::Record { .. } | TailLine::Row { .. });
            if is_counted || arguments.json {
                print(&text)?;
            } else {
                say(format_args!("{text}"));
            }
            shown += u64::from(is_counted);
            if arguments.limit.is_some_and(|limit| shown >= limit) {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    anyhow::bail!("the server has ended")
}

/// Rows as `replay` writes them, all else as it comes.
fn json_of(line: &TailLine) -> String {
    let TailLine::Row { rowtime, stream, row, failed } = line else {
        return serde_json::to_string(line).expect("a line is plain data");
    };
    let failed = failed.as_ref().map(|failed| serde_json::to_string(failed).expect("it is plain data"));
    let mut out = Vec::new();
    let written = row_line::write(&mut out, *rowtime, stream, row.get(), failed.as_deref());
    written.expect("memory can be written");
    String::from_utf8_lossy(&out).into_owned()
}

/// Time, then the record or row as it is.
fn text_of(line: &TailLine) -> String {
    match line {
        TailLine::Record { arrival, data, base64, .. } => {
            let data = data.as_deref().or(base64.as_deref()).unwrap_or_default();
            format!("{}\t{}", row_line::time(*arrival), data.trim_end_matches(['\n', '\r']))
        }
        TailLine::Row { rowtime, row, failed: None, .. } => format!("{}\t{row}", row_line::time(*rowtime)),
        TailLine::Row { rowtime, row, failed: Some(failed), .. } => {
            format!("{}\t{}", row_line::time(*rowtime), failed_row::text_of(row.get(), failed))
        }
        TailLine::Lost { rows } => {
            let rows = agreeing(*rows, "row is", "rows are");
            format!("({rows} not shown: more came than this reader takes)")
        }
        TailLine::Deleted { records } => {
            let records = agreeing(
                *records,
                "record was deleted before it could be read",
                "records were deleted before they could be read",
            );
            format!("({records}: the stream's retention period is over)")
        }
        TailLine::Undecided { records } => format!(
            "({records} skipped: --where could not be decided for them: they are not rows with its columns, or it fails on them)"
        ),
        TailLine::End { reason } => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_replay_writes_it() {
        let row = serde_json::value::RawValue::from_string("{\"N\":1}".to_owned()).unwrap();
        let line = TailLine::Row { rowtime: 1_000, stream: "T".to_owned(), row, failed: None };
        let expected = r#"{"rowtime":"1970-01-01 00:00:01.000","stream":"T","row":{"N":1}}"#;
        assert_eq!(json_of(&line), expected);
        assert_eq!(text_of(&line), "1970-01-01 00:00:01.000\t{\"N\":1}");
    }

    #[test]
    fn what_was_deleted_is_not_called_too_fast() {
        assert_eq!(
            text_of(&TailLine::Deleted { records: 1 }),
            "(1 record was deleted before it could be read: the stream's retention period is over)"
        );
        let deleted = text_of(&TailLine::Deleted { records: 300 });
        assert!(deleted.starts_with("(300 records were deleted before they could be read"), "{deleted}");
        let lost = text_of(&TailLine::Lost { rows: 300 });
        assert_eq!(lost, "(300 rows are not shown: more came than this reader takes)");
        assert_eq!(json_of(&TailLine::Deleted { records: 3 }), "{\"deleted\":{\"records\":3}}");
    }
}
