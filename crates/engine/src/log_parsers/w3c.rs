//! `W3C_LOG_PARSE(text, format)`: one text field for each specifier of an Apache log format, or of a format by name.
//!
//! A specifier is `%`, perhaps `<`, `>` or conditions on the status (`%!200,304`), perhaps a name in brackets, and a letter.
//! `%t` keeps its brackets unless the format writes them itself; a specifier in quotes takes all up to the closing quote.

use super::{LogParser, Prepared, check_arguments, constant_text, numbered_fields, refused};
use millstream_sql::{Argument, SignatureError};
use std::borrow::Cow;

pub(super) const PARSER: LogParser = LogParser { name: "W3C_LOG_PARSE", prepare };

const FORMATS: [(&str, &str); 5] = [
    ("COMMON", r#"%h %l %u %t "%r" %>s %b"#),
    ("COMMON WITH VHOST", r#"%v %h %l %u %t "%r" %>s %b"#),
    ("NCSA EXTENDED", r#"%h %l %u %t "%r" %>s %b "%[Referer]i" "%[User-agent]i""#),
    ("REFERER", "%[Referer]i ---> %U"),
    ("AGENT", "%[User-agent]i"),
];

const LETTERS: &str = "aAbBCDefhHilmnopPqrstTuUvVXIO";

fn prepare(arguments: &[Argument]) -> Result<Prepared, SignatureError> {
    check_arguments(arguments, 2..=2, "2")?;
    let written = constant_text(arguments, 1, "the format")?;
    let format = match FORMATS.iter().find(|(name, _)| name.eq_ignore_ascii_case(written.trim())) {
        Some((_, format)) => *format,
        None if written.contains('%') => written,
        None => {
            let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            let message = format!("'{written}' is not a format: write one with %, or {}", names.join(", "));
            return Err(refused(1, message));
        }
    };
    let (pattern, count) = pattern_of(format).map_err(|message| refused(1, message))?;
    if count == 0 {
        return Err(refused(1, "the format has no specifier"));
    }
    let regex = regex::Regex::new(&pattern).map_err(|_| refused(1, "the format is too long"))?;
    let split: super::Split = Box::new(move |text, _| {
        let found = regex.captures(text);
        let fields = |found: regex::Captures<'_>| -> Vec<Option<(usize, usize)>> {
            (1..=count).map(|group| found.get(group).map(|field| (field.start(), field.end()))).collect()
        };
        let ranges = found.map(fields);
        Ok(ranges.map(|ranges| {
            ranges.iter().map(|range| range.map(|(start, end)| Cow::Borrowed(&text[start..end]))).collect()
        }))
    });
    Ok(Prepared { fields: numbered_fields(count), split })
}

/// The regular expression of a format and the number of its specifiers.
fn pattern_of(format: &str) -> Result<(String, usize), String> {
    let mut pattern = String::from(r"\A(?s:");
    let mut count = 0;
    let mut rest = format;
    let mut before = None;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '%' {
            pattern.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
            before = Some(character);
            continue;
        }
        if let Some(behind) = rest.strip_prefix('%') {
            pattern.push('%');
            before = Some('%');
            rest = behind;
            continue;
        }
        let (letter, behind) = specifier(rest)?;
        rest = behind;
        count += 1;
        pattern.push_str(field_pattern(letter, before, rest.chars().next()));
        before = None;
    }
    pattern.push_str(r")\z");
    Ok((pattern, count))
}

/// The letter of a specifier, and what is behind it.
fn specifier(text: &str) -> Result<(char, &str), String> {
    let mut rest =
        text.trim_start_matches(|c: char| matches!(c, '<' | '>' | '!' | ',') || c.is_ascii_digit());
    let mut named = false;
    for (open, close) in [('[', ']'), ('{', '}')] {
        if let Some(inside) = rest.strip_prefix(open) {
            let end = inside.find(close).ok_or_else(|| format!("the format lacks a closing {close}"))?;
            rest = &inside[end + 1..];
            named = true;
        }
    }
    let letter = rest.chars().next().ok_or_else(|| "the format ends inside a specifier".to_owned())?;
    if !LETTERS.contains(letter) {
        return Err(format!("there is no specifier %{letter} in Apache log formats"));
    }
    if named && !"CeinoPt".contains(letter) {
        return Err(format!("%{letter} takes no name in brackets"));
    }
    Ok((letter, &rest[letter.len_utf8()..]))
}

/// What the field of a specifier may hold, between what stands before and behind it in the format.
fn field_pattern(letter: char, before: Option<char>, behind: Option<char>) -> &'static str {
    match (before, behind) {
        (Some('"'), Some('"')) => r#"((?:[^"\\]|\\.)*)"#,
        (Some('['), Some(']')) => r"([^\]]*)",
        _ if letter == 't' => r"(\[[^\]]*\]|\S+)",
        // A text without blanks.
        _ if "aAbBDhHlmopPsTUvVXIO".contains(letter) => r"(\S*)",
        (_, None) => "(.*)",
        _ => "(.*?)",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, split};
    use super::*;
    use millstream_sql::Value;

    #[test]
    fn formats_by_name_and_by_specifier() {
        let line =
            r#"192.168.254.30 - John [24/May/2004:22:01:02 -0700] "GET /icons/apache_pb.gif HTTP/1.1" 304 0"#;
        let fields =
            "192.168.254.30|-|John|[24/May/2004:22:01:02 -0700]|GET /icons/apache_pb.gif HTTP/1.1|304|0";
        assert_eq!(split(&PARSER, &["common"], line), fields);
        let extended = format!(r#"{line} "http://a/b c" "Agent \"x\" (y)""#);
        assert_eq!(
            split(&PARSER, &["NCSA EXTENDED"], &extended),
            format!(r#"{fields}|http://a/b c|Agent \"x\" (y)"#)
        );
        assert_eq!(split(&PARSER, &["COMMON"], &extended), "no match");
        assert_eq!(split(&PARSER, &["REFERER"], "http://a/b ---> /c"), "http://a/b|/c");
        assert_eq!(split(&PARSER, &["AGENT"], "Mozilla 5 (x)"), "Mozilla 5 (x)");
        assert_eq!(split(&PARSER, &["%h [%t] %400,501[User-agent]i 100%%"], "h [a b] c d 100%"), "h|a b|c d");
        assert_eq!(split(&PARSER, &["%!200,304[Referer]i"], "x"), "x");
    }

    #[test]
    fn unknown_formats_are_refused() {
        for format in ["IIS", "", "%j", "%[x]h", "%[x", "%", "%%"] {
            assert!((PARSER.prepare)(&arguments(&[Value::Text(format.to_owned())])).is_err(), "{format}");
        }
    }
}
