//! What is wrong with a line that is no TOML, in words for people. The reader of TOML says where it stopped; what the author
//! meant follows from the line itself.

use std::ops::Range;

use toml::de::DeValue;

use super::mistake::Mistake;
use super::source_text::SourceText;

/// What is wrong, and what to write.
struct Found {
    /// Bytes of the line.
    place: Range<usize>,
    message: String,
    hint: String,
}

/// The mistake of a line in which the reader stopped at these bytes of the file; `None` when nothing is wrong with the line
/// itself, which was read as a part of something before it.
pub(super) fn mistake(source: &SourceText<'_>, span: Range<usize>) -> Option<Mistake> {
    if let Some(mistake) = unclosed_text(source, span.start) {
        return Some(mistake);
    }
    let before = source.text.get(..span.start).unwrap_or_default();
    if before.matches("\"\"\"").count() % 2 == 1 {
        let message = "a backslash stands in this text, which must be written otherwise";
        let hint = "write \\\\, or put the text between ''' and ''', where a backslash is itself";
        return Some(Mistake::within(source, span.start..span.start + 1, message, Some(hint.to_owned())));
    }
    let (_, start) = source.line_of(span.start.min(source.text.len()));
    let line = source.text[start..].lines().next().unwrap_or_default();
    let end = span.end.saturating_sub(start).min(line.len());
    let stopped = span.start.saturating_sub(start).min(end)..end;
    let Found { place, message, hint } = found(line, stopped)?;
    Some(Mistake::within(source, start + place.start..start + place.end, message, Some(hint)))
}

/// What is said of a file in which no line is wrong by itself, at the first that could not be read.
pub(super) fn unclosed(source: &SourceText<'_>, span: Range<usize>) -> Mistake {
    let message = "this is read as a part of what stands before it".to_owned();
    Mistake::within(source, span, message, Some("end that: a list with ], a table with }".to_owned()))
}

/// A text of several lines that never ends: the reader stops at the end of the file.
fn unclosed_text(source: &SourceText<'_>, stopped_at: usize) -> Option<Mistake> {
    if !source.text[stopped_at.min(source.text.len())..].trim().is_empty() {
        return None;
    }
    ["\"\"\"", "'''"].into_iter().find_map(|quotes| {
        let (opening, _) = source.text.match_indices(quotes).last()?;
        let is_open = source.text.matches(quotes).count() % 2 == 1;
        let hint = format!("end it with {quotes}");
        let place = opening..opening + quotes.len();
        is_open.then(|| Mistake::within(source, place, "this text is never closed", Some(hint)))
    })
}

fn found(line: &str, stopped: Range<usize>) -> Option<Found> {
    let begin = line.len() - line.trim_start().len();
    let written = &line[begin..];
    let at_begin = begin..line.trim_end().len().max(begin);
    if let Some(found) = typographic_quote(line, &stopped) {
        return Some(found);
    }
    if let Some(sign) = ["//", "--", ";", "/*"].into_iter().find(|sign| written.starts_with(sign)) {
        return Some(Found {
            place: begin..begin + sign.len(),
            message: format!("{sign} does not begin a remark"),
            hint: "remarks begin with #".to_owned(),
        });
    }
    if written.starts_with('[') {
        return Some(section(written, at_begin));
    }
    let Some(at) = equals_sign(written) else { return Some(no_value(written, at_begin)) };
    match written[..at].trim() {
        name if !is_key(name) => Some(key(line, &written[..at], begin)),
        _ if stopped.start <= begin + at => None,
        name => value(line, begin + at + 1, name, stopped),
    }
}

/// Whether a text can stand before `=`: with or without quotes, or several with points between.
fn is_key(text: &str) -> bool {
    let is_bare = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    let is_quoted = |part: &str| {
        let end = part.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        end.is_some_and(|quote| part.len() > 1 && part.ends_with(quote))
    };
    is_quoted(text) || text.split('.').map(str::trim).all(|part| is_bare(part) || is_quoted(part))
}

/// Quotes of a web page or a word processor, at or behind the place.
fn typographic_quote(line: &str, stopped: &Range<usize>) -> Option<Found> {
    let quotes = ['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];
    let (at, quote) =
        line[stopped.clone()].char_indices().find(|(_, character)| quotes.contains(character))?;
    let plain = if matches!(quote, '\u{2018}' | '\u{2019}') { "'" } else { "\"" };
    let start = stopped.start + at;
    Some(Found {
        place: start..start + quote.len_utf8(),
        message: format!("{quote} is a typographic quote"),
        hint: format!("write the plain quote {plain} here and at the other end"),
    })
}

/// `[[stream]`.
fn section(written: &str, place: Range<usize>) -> Found {
    let name = written.trim_start_matches('[').split([']', '#']).next().unwrap_or_default().trim();
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let hint = match name.split('.').all(is_name) {
        true if written.starts_with("[[") => format!("write [[{name}]]"),
        true => format!("write [{name}]"),
        false => "write [[stream]], [application.input]".to_owned(),
    };
    Found {
        place,
        message: "the name of a section stands between [[ and ]], or between [ and ]".to_owned(),
        hint,
    }
}

/// Where the key of a line ends; a quoted key may hold the sign itself.
fn equals_sign(written: &str) -> Option<usize> {
    let mut quote = None;
    written.char_indices().find_map(|(at, character)| match (quote, character) {
        (None, '=') => Some(at),
        (None, '"' | '\'') => {
            quote = Some(character);
            None
        }
        (Some(open), end) if open == end => {
            quote = None;
            None
        }
        _ => None,
    })
}

/// What stands before `=` is no key.
fn key(line: &str, written: &str, begin: usize) -> Found {
    let written = written.trim_end();
    if written.is_empty() {
        let message = "the key before = is missing".to_owned();
        return Found { place: begin..begin + 1, message, hint: "write KEY = VALUE".to_owned() };
    }
    let place = begin..begin + written.len();
    let message = format!("{} is no key", &line[place.clone()]);
    Found { place, message, hint: "a key has letters, digits and _, such as buffer_size".to_owned() }
}

/// A line without `=`.
fn no_value(written: &str, place: Range<usize>) -> Found {
    let written = written.trim_end();
    if let Some((key, value)) = written.split_once(':')
        && key.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        let message = "a value stands behind =, not behind a colon".to_owned();
        return Found { place, message, hint: format!("write {key} = {}", value.trim()) };
    }
    if written.starts_with(['"', '\'', '{', ']']) || written.ends_with(',') {
        let message = "this part of a list cannot be read".to_owned();
        return Found { place, message, hint: LIST.to_owned() };
    }
    Found {
        place,
        message: "this line has no =".to_owned(),
        hint: "a line is KEY = VALUE, a section such as [[stream]], or a remark behind #; a text over several lines stands \
               between \"\"\" and \"\"\""
            .to_owned(),
    }
}

/// How a list is written.
const LIST: &str = "a list is written [\"a\", \"b\"]";

/// What stands behind `=` cannot be read; `None` when it can.
fn value(line: &str, after: usize, key: &str, stopped: Range<usize>) -> Option<Found> {
    let start = after + (line[after..].len() - line[after..].trim_start().len());
    let written = line[start..].trim_end();
    let whole = start..start + written.len();
    if DeValue::parse(written).is_ok() {
        return None;
    }
    let found = |place, message: String, hint: String| Some(Found { place, message, hint });
    if written.is_empty() || written.starts_with('#') {
        return found(
            start..start,
            format!("{key} has no value"),
            format!("write {key} = \"…\", or remove the line"),
        );
    }
    match written.chars().next() {
        Some(quote @ ('"' | '\'')) if !written.starts_with(&quote.to_string().repeat(3)) => {
            quoted(line, start, key, quote, stopped)
        }
        // The text goes on in the next line, and nothing is wrong with its beginning.
        Some('"' | '\'') => None,
        Some('[') if !line[stopped.clone()].trim().is_empty() => Some(unquoted(line, key, stopped)),
        Some('[') if written.ends_with(']') => {
            found(whole, format!("the list of {key} cannot be read: a comma is missing"), LIST.to_owned())
        }
        Some('[') => found(whole, format!("the list of {key} is not closed"), "end it with ]".to_owned()),
        Some('{') => {
            let message = format!("the table of {key} cannot be read");
            found(whole, message, "a table is written { a = 1, b = \"x\" }".to_owned())
        }
        _ => Some(unquoted(line, key, whole)),
    }
}

/// How characters are written that a text cannot hold as they are.
const ESCAPES: &str =
    "in double quotes a backslash is written \\\\; in single quotes it is itself: 'C:\\data'";

/// A text in quotes that does not end, ends before its line does, or holds what it cannot; `None` when nothing is wrong with
/// it.
fn quoted(line: &str, start: usize, key: &str, quote: char, stopped: Range<usize>) -> Option<Found> {
    let written = line[start..].trim_end();
    let Some(length) = end_of_text(&line[start + 1..], quote) else {
        return Some(Found {
            place: start..start + written.len(),
            message: format!("the text of {key} is not closed"),
            hint: format!("end it with {quote}"),
        });
    };
    let end = start + 1 + length + 1;
    let rest = line[end..].trim();
    let is_odd = |c: char| c == '\\' && quote == '"' || c.is_control() && c != '\t';
    if stopped.start < end && line[start..end].contains(is_odd) {
        return Some(Found {
            place: start..end,
            message: format!("the text of {key} holds a character that must be written otherwise"),
            hint: ESCAPES.to_owned(),
        });
    }
    if rest.is_empty() {
        return None;
    }
    let begin = end + (line[end..].len() - line[end..].trim_start().len());
    let hint = match () {
        () if rest.starts_with("//") || rest.starts_with("--") => "remarks begin with #".to_owned(),
        () if rest.ends_with(quote) => {
            format!("a text with {quote} in it stands in the other kind of quotes")
        }
        () => "remove it; each key has a line of its own".to_owned(),
    };
    let message = format!("behind the value of {key} stands {rest}");
    Some(Found { place: begin..begin + rest.len(), message, hint })
}

/// Bytes before the quote that ends a text; in double quotes a backslash keeps the next character.
fn end_of_text(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => drop(characters.next()),
            end if end == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// A value without quotes that is neither a number nor true or false.
fn unquoted(line: &str, key: &str, place: Range<usize>) -> Found {
    let value = line[place.clone()].split('#').next().unwrap_or_default().trim_end();
    let place = place.start..place.start + value.len();
    let lower = value.to_lowercase();
    let number = value.replace([',', '_', ' '], "");
    let is_number = number.parse::<f64>().is_ok_and(f64::is_finite);
    let (message, hint) = match lower.as_str() {
        "true" | "false" => (format!("{value} is no value"), format!("write {lower}")),
        "yes" | "on" => (format!("{value} is no value"), "write true".to_owned()),
        "no" | "off" => (format!("{value} is no value"), "write false".to_owned()),
        "null" | "nil" | "none" => (format!("{value} is no value"), format!("leave {key} out")),
        _ if is_number => (format!("{value} is no number"), "numbers are written 1000, 0.5 or -3".to_owned()),
        _ => {
            let plain = !value.contains(['"', '\'', '\\']);
            let hint = if plain { format!("write \"{value}\"") } else { "put the text in quotes".to_owned() };
            (format!("the text of {key} needs quotes"), hint)
        }
    };
    Found { place, message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_author_meant_follows_from_the_line() {
        let quotes = "write the plain quote \" here and at the other end";
        for (line, marked, message, hint) in [
            ("name = a", "a", "the text of name needs quotes", "write \"a\""),
            ("timeout = 5s # soon", "5s", "the text of timeout needs quotes", "write \"5s\""),
            ("name = “a”", "“", "“ is a typographic quote", quotes),
            ("“name” = 1", "“", "“ is a typographic quote", quotes),
            ("name: a", "name: a", "a value stands behind =, not behind a colon", "write name = a"),
            ("name 'a'", "name 'a'", "this line has no =", "a line is KEY = VALUE"),
            ("  name =", "", "name has no value", "write name = \"…\", or remove the line"),
            ("= 1", "=", "the key before = is missing", "write KEY = VALUE"),
            ("my key = 1", "my key", "my key is no key", "a key has letters"),
            ("colum]n = \"a\"", "colum]n", "colum]n is no key", "a key has letters"),
            ("étoile = 1", "étoile", "étoile is no key", "a key has letters"),
            ("shards = 02", "02", "02 is no number", "numbers are written 1000"),
            ("shards = 1,000", "1,000", "1,000 is no number", "numbers are written 1000"),
            ("rate = .5", ".5", ".5 is no number", "numbers are written"),
            ("name = \"a", "\"a", "the text of name is not closed", "end it with \""),
            ("name = 'a", "'a", "the text of name is not closed", "end it with '"),
            (
                "path = \"C:\\data\"",
                "\"C:\\data\"",
                "the text of path holds a character",
                "in double quotes a backslash",
            ),
            ("name = 'it's'", "s'", "behind the value of name stands s'", "a text with ' in it"),
            (
                "name = \"a\" // one",
                "// one",
                "behind the value of name stands // one",
                "remarks begin with #",
            ),
            ("name = \"a\"; shards = 2", "; shards = 2", "behind the value of name", "remove it"),
            ("columns = [\"a\" \"b\"]", "[\"a\" \"b\"]", "the list of columns cannot be read: a comma", LIST),
            ("columns = [a, b]", "a", "the text of columns needs quotes", "write \"a\""),
            ("columns = [\"a\"", "[\"a\"", "the list of columns is not closed", "end it with ]"),
            ("x = {a = 1", "{a = 1", "the table of x cannot be read", "a table is written"),
            ("[stream", "[stream", "the name of a section stands between", "write [stream]"),
            ("[[stream]", "[[stream]", "the name of a section stands between", "write [[stream]]"),
            ("[a..b]", "[a..b]", "the name of a section stands between", "write [[stream]], ["),
            ("header = True", "True", "True is no value", "write true"),
            ("name = null", "null", "null is no value", "leave name out"),
            ("// a remark", "//", "// does not begin a remark", "remarks begin with #"),
            ("sql = \"\"\"abc", "\"\"\"", "this text is never closed", "end it with \"\"\""),
        ] {
            let text = format!("[[topic]]\nname = \"t\"\n{line}\n");
            let (_, errors) = toml::de::DeTable::parse_recoverable(&text);
            let span = errors[0].span().unwrap_or_default();
            let found = mistake(&SourceText::new("f.toml", &text), span).unwrap();
            assert_eq!(found.line, 3, "{line}: {found:?}");
            assert!(found.message.starts_with(message), "{line}: {}", found.message);
            let found_hint = found.hint.unwrap_or_default();
            assert!(found_hint.starts_with(hint), "{line}: {found_hint}");
            let marks = " ".repeat(found.column - 1) + &"^".repeat(marked.chars().count().max(1));
            assert!(found.rendered.contains(&format!("| {marks}\n")), "{line}:\n{}", found.rendered);
        }
    }

    #[test]
    fn a_backslash_in_a_text_of_several_lines_is_named() {
        let text = "[[application]]\nsql = \"\"\"\nSELECT 'a\\d'\n\"\"\"\n";
        let (_, errors) = toml::de::DeTable::parse_recoverable(text);
        let found = mistake(&SourceText::new("f.toml", text), errors[0].span().unwrap()).unwrap();
        assert!(found.line == 3 && found.message.starts_with("a backslash stands in this text"), "{found:?}");
    }

    #[test]
    fn any_place_in_any_line_is_said_something_of() {
        for line in ["", "=", "é = “", "[", "]", "a = '", "\" = \"", "a = [", "a = {", "'''", "a = \"\\"] {
            for start in 0..=line.len() + 1 {
                for end in start..=line.len() + 1 {
                    let source = SourceText::new("f.toml", line);
                    let is_place = |at: usize| at > line.len() || line.is_char_boundary(at);
                    if is_place(start) && is_place(end) {
                        let found =
                            mistake(&source, start..end).unwrap_or_else(|| unclosed(&source, start..end));
                        assert!(!found.message.is_empty());
                    }
                }
            }
        }
    }
}
