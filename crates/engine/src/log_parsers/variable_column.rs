//! `VARIABLE_COLUMN_LOG_PARSE(text, columns, delimiter [, escape [, quote]])`: fields between delimiters. The escape
//! character makes the next character plain; a field in quotes may hold delimiters, and a doubled closing quote is one.
//! Fields that the text lacks are NULL, more than are listed are left.

use super::{LogParser, Prepared, check_arguments, column_list, constant_text, numbered_fields, refused};
use millstream_sql::{Argument, SignatureError, Value};
use std::borrow::Cow;

pub(super) const PARSER: LogParser = LogParser { name: "VARIABLE_COLUMN_LOG_PARSE", prepare };

/// Most fields of a record.
const MAX_FIELDS: i64 = 1_000;

struct Separators {
    delimiter: String,
    escape: Option<char>,
    /// Opening and closing quote.
    quotes: Option<(char, char)>,
}

fn prepare(arguments: &[Argument]) -> Result<Prepared, SignatureError> {
    check_arguments(arguments, 3..=5, "3 to 5")?;
    let fields = match &arguments[1].literal {
        Some(Value::Integer(count)) if (1..=MAX_FIELDS).contains(count) => {
            numbered_fields(usize::try_from(*count).unwrap_or(1))
        }
        Some(Value::Text(list)) => {
            let list = column_list::read(list).map_err(|message| refused(1, message))?;
            list.into_iter().map(|column| column.field).collect()
        }
        _ => {
            let message =
                format!("the columns are a number from 1 to {MAX_FIELDS}, or a list: 'name TYPE type, …'");
            return Err(refused(1, message));
        }
    };
    let delimiter = constant_text(arguments, 2, "the delimiter")?.to_owned();
    if delimiter.is_empty() {
        return Err(refused(2, "the delimiter has at least one character"));
    }
    let mut separators = Separators { delimiter, escape: None, quotes: None };
    if let Some(characters) = optional_characters(arguments, 3)? {
        match characters.as_slice() {
            [escape] => separators.escape = Some(*escape),
            _ => return Err(refused(3, "the escape character is one character")),
        }
    }
    if let Some(characters) = optional_characters(arguments, 4)? {
        separators.quotes = match characters.as_slice() {
            [quote] => Some((*quote, *quote)),
            [open, close] => Some((*open, *close)),
            _ => return Err(refused(4, "the quote is one character, or the opening and the closing one")),
        };
    }
    let count = fields.len();
    let split: super::Split = Box::new(move |text, _| {
        let mut rest = Some(text);
        let mut next = || {
            let (field, behind) = separators.field(rest?);
            rest = behind;
            Some(field)
        };
        Ok(Some((0..count).map(|_| next()).collect()))
    });
    Ok(Prepared { fields, split })
}

/// The characters of an argument that may be omitted, NULL or empty.
fn optional_characters(arguments: &[Argument], index: usize) -> Result<Option<Vec<char>>, SignatureError> {
    match arguments.get(index).map(|argument| &argument.literal) {
        None | Some(Some(Value::Null)) => Ok(None),
        Some(_) => {
            let text = constant_text(arguments, index, "this argument")?;
            Ok(Some(text.chars().collect()).filter(|characters: &Vec<char>| !characters.is_empty()))
        }
    }
}

impl Separators {
    /// The first field of a text, and what is behind its delimiter.
    fn field<'t>(&self, text: &'t str) -> (Cow<'t, str>, Option<&'t str>) {
        let quoted = self.quotes.filter(|(open, _)| text.starts_with(*open));
        let special = |c: char| Some(c) == self.escape;
        if quoted.is_none() {
            let end = text.find(self.delimiter.as_str()).unwrap_or(text.len());
            if !text[..end].contains(special) {
                return (Cow::Borrowed(&text[..end]), text.get(end + self.delimiter.len()..));
            }
        }
        let mut field = String::new();
        let mut rest = text;
        if let Some((open, close)) = quoted {
            rest = &rest[open.len_utf8()..];
            let mut characters = rest.chars();
            while let Some(character) = characters.next() {
                if special(character) {
                    field.extend(characters.next().or(Some(character)));
                } else if character != close {
                    field.push(character);
                } else if characters.as_str().starts_with(close) {
                    characters.next();
                    field.push(close);
                } else {
                    break;
                }
            }
            rest = characters.as_str();
        }
        // Behind a closing quote, or in a field without one.
        loop {
            if let Some(behind) = rest.strip_prefix(self.delimiter.as_str()) {
                return (Cow::Owned(field), Some(behind));
            }
            let mut characters = rest.chars();
            let Some(character) = characters.next() else { return (Cow::Owned(field), None) };
            if special(character) {
                field.extend(characters.next().or(Some(character)));
            } else {
                field.push(character);
            }
            rest = characters.as_str();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, split};
    use super::*;

    #[test]
    fn delimiters_escapes_and_quotes() {
        let list = "a, b, c";
        assert_eq!(split(&PARSER, &[list, ","], "x,y,z,w"), "x|y|z");
        assert_eq!(split(&PARSER, &[list, ","], "x,,"), "x||");
        assert_eq!(split(&PARSER, &[list, ","], "x,y"), "x|y|-");
        assert_eq!(split(&PARSER, &[list, "::"], "x::y:z"), "x|y:z|-");
        assert_eq!(split(&PARSER, &[list, ",", "\\"], r"a\,b,c\\"), r"a,b|c\|-");
        assert_eq!(split(&PARSER, &[list, ",", "\\", "\""], r#""a,""b""\"",c"#), r#"a,"b""|c|-"#);
        assert_eq!(split(&PARSER, &[list, " ", "", "[]"], "[a b] c"), "a b|c|-");
        assert_eq!(split(&PARSER, &[list, ",", "", "\""], "\"open,b"), "open,b|-|-");
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let prepare = |constants: &[Value]| (PARSER.prepare)(&arguments(constants)).is_err();
        let text = |text: &str| Value::Text(text.to_owned());
        assert!(prepare(&[Value::Integer(0), text(",")]));
        assert!(prepare(&[Value::Integer(2), text("")]));
        assert!(prepare(&[Value::Integer(2), text(","), text("ab")]));
        assert!(prepare(&[Value::Integer(2), text(","), text(""), text("abc")]));
        assert!(!prepare(&[Value::Integer(2), text(","), Value::Null, Value::Null]));
    }
}
