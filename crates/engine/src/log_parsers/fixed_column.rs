//! `FIXED_COLUMN_LOG_PARSE(text, 'name TYPE type [NOT NULL] START n [FOR m], …')`: fields at fixed places. START counts
//! characters from 0; without FOR a field reaches to the start of the next one, the last to the end.

use super::{LogParser, Prepared, check_arguments, column_list, constant_text, refused};
use millstream_sql::{Argument, SignatureError};
use std::borrow::Cow;

pub(super) const PARSER: LogParser = LogParser { name: "FIXED_COLUMN_LOG_PARSE", prepare };

fn prepare(arguments: &[Argument]) -> Result<Prepared, SignatureError> {
    check_arguments(arguments, 2..=2, "2")?;
    let list = column_list::read(constant_text(arguments, 1, "the list of columns")?)
        .map_err(|message| refused(1, message))?;
    let mut starts = Vec::new();
    for column in &list {
        match column.start {
            Some(start) => starts.push(start),
            None => {
                return Err(refused(
                    1,
                    format!("column {} needs START n, counted from 0", column.field.name),
                ));
            }
        }
        if column.length == Some(0) {
            return Err(refused(1, format!("column {}: FOR takes 1 or more characters", column.field.name)));
        }
    }
    let places: Vec<(usize, Option<usize>)> = list
        .iter()
        .zip(&starts)
        .map(|(column, start)| {
            let next = starts.iter().filter(|other| *other > start).min().copied();
            (*start, column.length.map(|length| start.saturating_add(length)).or(next))
        })
        .collect();
    let fields = list.into_iter().map(|column| column.field).collect();
    let split: super::Split = Box::new(move |text, _| {
        let byte_of = |place: usize| -> Option<usize> {
            if text.is_ascii() {
                return (place <= text.len()).then_some(place);
            }
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().nth(place)
        };
        let field = |(start, end): &(usize, Option<usize>)| {
            let start = byte_of(*start).filter(|start| *start < text.len())?;
            let end = end.and_then(byte_of).unwrap_or(text.len());
            Some(Cow::Borrowed(&text[start..end]))
        };
        Ok(Some(places.iter().map(field).collect()))
    });
    Ok(Prepared { fields, split })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, split};
    use super::*;
    use millstream_sql::Value;

    #[test]
    fn fields_are_cut_by_characters() {
        let list = "a START 0, n START 3 FOR 4, b START 7";
        assert_eq!(split(&PARSER, &[list], "abc0012tail"), "abc|0012|tail");
        assert_eq!(split(&PARSER, &[list], "äöü0012ß"), "äöü|0012|ß");
        assert_eq!(split(&PARSER, &[list], "abc00"), "abc|00|-");
        assert_eq!(split(&PARSER, &[list], ""), "-|-|-");
    }

    #[test]
    fn a_place_is_needed() {
        for list in ["a TYPE INTEGER", "a START 0 FOR 0"] {
            assert!((PARSER.prepare)(&arguments(&[Value::Text(list.to_owned())])).is_err());
        }
    }
}
