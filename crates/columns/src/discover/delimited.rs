//! Rows of fields: which character separates them, and whether the first row names them.

use super::column_name::Names;
use super::column_type::{ColumnType, Seen};
use super::irregular::are_nearly_all;
use super::log_lines;
use super::{Discovered, Types};
use crate::formats::{InputColumn, InputSchema, RecordFormat};
use std::collections::BTreeMap;

/// What may separate fields, the likelier first.
const DELIMITERS: [char; 4] = [',', '\t', '|', ';'];

/// Where the names of columns come from when the sample has none.
const NO_HEADER_NOTE: &str = "no line names the columns: COL_0 is the first field, COL_1 the second, as Kinesis Data \
     Analytics names them; rename them as you like";

/// What was found, and what does not fit it.
pub(super) struct Delimited {
    pub(super) discovered: Discovered,
    /// Lines that have more or fewer fields than most, each with the place of its record in the sample and what becomes of it.
    pub(super) irregular: Vec<(usize, String)>,
}

pub(super) fn discover(records: &[&str], types: Types) -> Delimited {
    let row_delimiter = if records.iter().any(|record| record.contains("\r\n")) { "\r\n" } else { "\n" };
    let (places, lines): (Vec<usize>, Vec<&str>) = records
        .iter()
        .enumerate()
        .flat_map(|(place, record)| record.split('\n').map(move |line| (place, line.trim_end_matches('\r'))))
        .filter(|(_, line)| !line.is_empty())
        .unzip();
    // Of all that may separate, what makes the most fields; of equals the likelier.
    let best = DELIMITERS
        .into_iter()
        .rev()
        .filter_map(|delimiter| Some((usual_width(&lines, delimiter)?, delimiter)))
        .max_by_key(|((width, fitting), _)| (width - 1) * fitting);
    let log = log_lines::recognized(&lines);
    // A log that a parser takes apart is one column; a blank separates fields when nothing else does.
    let delimiter = match &log {
        Some(_) => None,
        None => best.map(|(_, delimiter)| delimiter).or_else(|| blanks_separate(&lines).then_some(' ')),
    };
    let width = delimiter.and_then(|delimiter| usual_width(&lines, delimiter)).map_or(1, |(width, _)| width);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut irregular = Vec::new();
    let mut begins_regularly = false;
    for (index, (line, place)) in lines.iter().zip(places).enumerate() {
        let row = match delimiter {
            Some(delimiter) => fields(line, delimiter),
            None => vec![(*line).to_owned()],
        };
        if row.len() == width {
            begins_regularly |= index == 0;
            rows.push(row);
        } else {
            irregular.push((place, said_of(row.len(), width)));
        }
    }
    let header = (delimiter.is_some() && begins_regularly && is_header(&rows)).then(|| rows.remove(0));
    let mut types_seen = vec![ColumnType::default(); width];
    for row in &rows {
        for (field, column) in row.iter().zip(&mut types_seen) {
            column.see(if delimiter.is_some() { seen(field) } else { Seen::Text(field) });
        }
    }
    let mut names = Names::default();
    let columns = types_seen.iter().enumerate().map(|(position, column)| {
        let name = match header.as_ref().and_then(|header| header.get(position)) {
            Some(source) => names.of_source(source.trim(), position),
            None => names.take(format!("COL_{position}")),
        };
        InputColumn { name, sql_type: column.sql_type(types), mapping: None }
    });
    let columns = columns.collect();
    let format = RecordFormat::Csv {
        row_delimiter: row_delimiter.to_owned(),
        // One column of text: a delimiter that never occurs.
        column_delimiter: delimiter.unwrap_or('\u{1}').to_string(),
        quoting: delimiter.is_some_and(|delimiter| !matches!(delimiter, '\t' | ' ')),
    };
    let schema = InputSchema { format, columns };
    let about_names = match (delimiter, &header) {
        (Some(_), None) => Some(NO_HEADER_NOTE.to_owned()),
        _ => names.note(),
    };
    let about_text = match (log, delimiter) {
        (Some(note), _) => Some(note),
        (None, None) if lines.len() > 1 || lines.iter().any(|line| line.contains(' ')) => {
            Some(log_lines::GENERAL_NOTE.to_owned())
        }
        _ => None,
    };
    let notes = about_names.into_iter().chain(about_text).collect();
    let discovered =
        Discovered { has_header: header.is_some(), header, rows, notes, ..Discovered::of(schema) };
    Delimited { discovered, irregular }
}

/// What is irregular about a line, and what becomes of it.
fn said_of(found: usize, usual: usize) -> String {
    match found < usual {
        true => format!("it has {found} of {usual} fields: the missing ones are NULL"),
        false => format!("it has {found} fields where most have {usual}: the further ones are ignored"),
    }
}

/// Whether single blanks separate fields: as many in each line, more than a sentence would have by chance, and a column of
/// numbers among them. Flow logs are such.
fn blanks_separate(lines: &[&str]) -> bool {
    let Some((width, _)) = usual_width(lines, ' ').filter(|(width, _)| *width >= 4) else { return false };
    let mut rows: Vec<Vec<String>> = lines.iter().map(|line| fields(line, ' ')).collect();
    rows.retain(|row| row.len() == width);
    if rows.iter().flatten().any(|field| field.is_empty() || field.contains(['"', '['])) {
        return false;
    }
    let data = &rows[usize::from(rows.len() > 1)..];
    !data.is_empty()
        && (0..width).any(|column| data.iter().all(|row| matches!(seen(&row[column]), Seen::Number(_))))
}

/// The number of fields that nearly all lines have, and how many of them do, if it is more than one.
fn usual_width(lines: &[&str], delimiter: char) -> Option<(usize, usize)> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    lines.iter().for_each(|line| *counts.entry(fields(line, delimiter).len()).or_default() += 1);
    let (width, fitting) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (width > 1 && are_nearly_all(fitting, lines.len())).then_some((width, fitting))
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

/// The first row names the columns: all its fields are different names, and below one of them stands nearly nothing but
/// what is no text.
fn is_header(rows: &[Vec<String>]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    let is_name = |field: &String| matches!(seen(field), Seen::Text(_)) && field.len() <= 100;
    let are_different = (1..first.len()).all(|index| !first[..index].contains(&first[index]));
    let is_value = |column: usize| {
        let values = rest.iter().filter_map(|row| row.get(column)).map(|field| seen(field));
        let values: Vec<Seen<'_>> = values.filter(|seen| *seen != Seen::Null).collect();
        let others = values.iter().filter(|seen| !matches!(seen, Seen::Text(_))).count();
        are_nearly_all(others, values.len())
    };
    !rest.is_empty() && first.iter().all(is_name) && are_different && (0..first.len()).any(is_value)
}
