//! A row of an in-application stream as a line of JSON: `tail` and `replay` write the same.

use std::io::{self, Write};

use millstream_columns::datetime_text::write_timestamp;

/// Writes `{"rowtime":"…","stream":"…","row":{…}}`, with members of `more`, an object of its own, behind.
pub(crate) fn write(
    out: &mut impl Write,
    rowtime: i64,
    stream: &str,
    row: &str,
    more: Option<&str>,
) -> io::Result<()> {
    let (rowtime, stream) = (time(rowtime), serde_json::to_string(stream)?);
    write!(out, "{{\"rowtime\":\"{rowtime}\",\"stream\":{stream},\"row\":{row}")?;
    let members = more.and_then(|more| more.strip_prefix('{')?.strip_suffix('}'));
    match members.filter(|members| !members.is_empty()) {
        Some(members) => write!(out, ",{members}}}"),
        None => write!(out, "}}"),
    }
}

/// A ROWTIME in milliseconds since the epoch, as text.
pub(crate) fn time(rowtime: i64) -> String {
    let mut text = Vec::new();
    write_timestamp(&mut text, rowtime, true);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object() {
        let line = |more| {
            let mut out = Vec::new();
            write(&mut out, 1_500, "a \"b\"", "{\"N\":1}", more).unwrap();
            String::from_utf8(out).unwrap()
        };
        let start = r#"{"rowtime":"1970-01-01 00:00:01.500","stream":"a \"b\"","row":{"N":1}"#;
        assert_eq!(line(None), format!("{start}}}"));
        assert_eq!(line(Some("{}")), format!("{start}}}"));
        assert_eq!(line(Some(r#"{"data":"x"}"#)), format!("{start},\"data\":\"x\"}}"));
    }
}
