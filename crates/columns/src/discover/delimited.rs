//! Rows of fields: which character separates them, and whether the first row names them.

use super::column_name::{Names, column_name};
use super::column_type::{ColumnType, Seen};
use super::log_lines;
use super::{Discovered, Types};
use crate::formats::{InputColumn, InputSchema, RecordFormat};

/// What may separate fields, the likelier first.
const DELIMITERS: [char; 4] = [',', '\t', '|', ';'];

pub(super) fn discover(records: &[&str], types: Types) -> Discovered {
    let row_delimiter = if records.iter().any(|record| record.contains("\r\n")) { "\r\n" } else { "\n" };
    let lines: Vec<&str> = records
        .iter()
        .flat_map(|record| record.split('\n'))
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty())
        .collect();
    let best = DELIMITERS
        .into_iter()
        .filter_map(|delimiter| Some((even_width(&lines, delimiter)?, delimiter)))
        .max_by_key(|(width, _)| *width);
    let log = log_lines::recognized(&lines);
    // A log that a parser takes apart is one column; a blank separates fields when nothing else does.
    let delimiter = match &log {
        Some(_) => None,
        None => best.map(|(_, delimiter)| delimiter).or_else(|| blanks_separate(&lines).then_some(' ')),
    };
    let mut rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| match delimiter {
            Some(delimiter) => fields(line, delimiter),
            None => vec![(*line).to_owned()],
        })
        .collect();
    let width = rows.iter().map(Vec::len).max().unwrap_or(1);
    let header = (delimiter.is_some() && is_header(&rows)).then(|| rows.remove(0));
    let mut types_seen = vec![ColumnType::default(); width];
    for row in &rows {
        for (field, column) in row.iter().zip(&mut types_seen) {
            column.see(if delimiter.is_some() { seen(field) } else { Seen::Text(field) });
        }
    }
    let mut names = Names::default();
    let columns = types_seen.iter().enumerate().map(|(position, column)| {
        let name = match header.as_ref().and_then(|header| header.get(position)) {
            Some(source) => column_name(source.trim(), position),
            None => format!("COL_{position}"),
        };
        InputColumn { name: names.take(name), sql_type: column.sql_type(types), mapping: None }
    });
    let columns = columns.collect();
    let format = RecordFormat::Csv {
        row_delimiter: row_delimiter.to_owned(),
        // One column of text: a delimiter that never occurs.
        column_delimiter: delimiter.unwrap_or('\u{1}').to_string(),
        quoting: delimiter.is_some_and(|delimiter| !matches!(delimiter, '\t' | ' ')),
    };
    let schema = InputSchema { format, columns };
    let notes = match (log, delimiter) {
        (Some(note), _) => vec![note],
        (None, None) if lines.len() > 1 || lines.iter().any(|line| line.contains(' ')) => {
            vec![log_lines::GENERAL_NOTE.to_owned()]
        }
        _ => Vec::new(),
    };
    Discovered { has_header: header.is_some(), header, rows, notes, ..Discovered::of(schema) }
}

/// Whether single blanks separate fields: as many in each line, more than a sentence would have by chance, and a column of
/// numbers among them. Flow logs are such.
fn blanks_separate(lines: &[&str]) -> bool {
    let Some(width) = even_width(lines, ' ').filter(|width| *width >= 4) else { return false };
    if lines.iter().any(|line| line.contains(['"', '[']) || line.contains("  ")) {
        return false;
    }
    let rows: Vec<Vec<String>> = lines.iter().map(|line| fields(line, ' ')).collect();
    let data = &rows[usize::from(rows.len() > 1)..];
    !data.is_empty()
        && (0..width).any(|column| data.iter().all(|row| matches!(seen(&row[column]), Seen::Number(_))))
}

/// The number of fields, if it is the same everywhere and more than one.
fn even_width(lines: &[&str], delimiter: char) -> Option<usize> {
    let mut widths = lines.iter().map(|line| fields(line, delimiter).len());
    let first = widths.next()?;
    (first > 1 && widths.all(|width| width == first)).then_some(first)
}

/// The fields of a line. Tabs and blanks separate plainly; with other delimiters a field may be quoted.
fn fields(line: &str, delimiter: char) -> Vec<String> {
    if matches!(delimiter, '\t' | ' ') {
        return line.split(delimiter).map(str::to_owned).collect();
    }
    let mut fields = vec![String::new()];
    let mut characters = line.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is always one");
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            _ if character == delimiter && !is_quoted => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    fields
}

fn seen(field: &str) -> Seen<'_> {
    let trimmed = field.trim();
    let is_number = trimmed.bytes().any(|byte| byte.is_ascii_digit())
        && trimmed.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && trimmed.parse::<f64>().is_ok_and(f64::is_finite);
    match trimmed {
        "" => Seen::Null,
        _ if is_number => Seen::Number(trimmed),
        _ if trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false") => Seen::Boolean,
        _ => Seen::Text(field),
    }
}

/// The first row names the columns: all its fields are different names, and below one of them stands something else than
/// text.
fn is_header(rows: &[Vec<String>]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    let is_name = |field: &String| matches!(seen(field), Seen::Text(_)) && field.len() <= 100;
    let are_different = (1..first.len()).all(|index| !first[..index].contains(&first[index]));
    let is_value = |column: usize| {
        let values: Vec<Seen<'_>> =
            rest.iter().filter_map(|row| row.get(column)).map(|field| seen(field)).collect();
        let is_text = |seen: &Seen<'_>| matches!(seen, Seen::Text(_));
        values.iter().any(|seen| *seen != Seen::Null) && !values.iter().any(is_text)
    };
    !rest.is_empty() && first.iter().all(is_name) && are_different && (0..first.len()).any(is_value)
}
