//! The directives of a golden file.

use crate::literal::{Expected, parse_expected, parse_rowtime, parse_time_of_row, parse_value, split_fields};
use millstream_engine::Switches;
use millstream_sql::{Column, InputStream, ReferenceTable, Value, parse_sql_type};
use millstream_wording::counted;

/// A golden file, read.
#[derive(Clone, Debug, Default)]
pub struct GoldenFile {
    pub(super) inputs: Vec<InputStream>,
    pub(super) tables: Vec<ReferenceTable>,
    pub(super) switches: Switches,
    pub(super) seed: u64,
    pub(super) application: Option<ApplicationText>,
    pub(super) steps: Vec<Step>,
}

/// The SQL and the line before it, so that places in it are places in the file.
#[derive(Clone, Debug)]
pub(super) struct ApplicationText {
    pub(super) text: String,
    /// Line of `application`, from 1.
    pub(super) line: usize,
}

/// One directive with its line, from 1.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) kind: StepKind,
}

#[derive(Clone, Debug)]
pub(super) enum StepKind {
    Rows { input: usize, rows: Vec<(i64, Vec<Value>)> },
    TableRows { table: usize, rows: Vec<Vec<Value>> },
    Bound(i64),
    Checkpoint,
    Drain,
    Expect { stream: String, rows: Vec<ExpectedRow>, unordered: bool, block: Block },
    ExpectErrors(usize),
    ExpectInvalid { position: Option<(usize, usize)>, text: String },
    Eval { expression: String, expected: EvalResult },
}

/// The lines that an `expect` takes in the file: from 0, end exclusive. The first is the directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug)]
pub(super) struct ExpectedRow {
    pub(super) line: usize,
    /// Absent for `*`.
    pub(super) rowtime: Option<i64>,
    pub(super) values: Vec<Expected>,
    pub(super) text: String,
}

#[derive(Clone, Debug)]
pub(super) enum EvalResult {
    Value(Expected),
    Error,
    Invalid,
}

/// A golden file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl GoldenFile {
    /// Reads the directives of a file.
    ///
    /// # Errors
    /// The first line that is not of the format.
    pub fn parse(text: &str) -> Result<GoldenFile, FileError> {
        let mut reader = Reader { lines: text.lines().collect(), next: 0, file: GoldenFile::default() };
        while reader.next < reader.lines.len() {
            reader.directive().map_err(|(line, message)| FileError { line: line + 1, message })?;
        }
        Ok(reader.file)
    }
}

struct Reader<'t> {
    lines: Vec<&'t str>,
    next: usize,
    file: GoldenFile,
}

/// A mistake with its line from 0.
type Mistake = (usize, String);

/// The words that begin a directive.
const DIRECTIVES: [&str; 10] =
    ["input", "table", "set", "application", "rows", "bound", "checkpoint", "drain", "expect", "eval"];

impl<'t> Reader<'t> {
    fn take_line(&mut self) -> &'t str {
        let line = self.lines[self.next];
        self.next += 1;
        line
    }

    fn directive(&mut self) -> Result<(), Mistake> {
        let at = self.next;
        let line = self.take_line().trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let fail = |message: String| (at, message);
        let step = match word {
            "input" => {
                let (name, columns) = self.relation(at, rest)?;
                let metadata_columns = metadata_columns(&columns);
                self.file.inputs.push(InputStream { name, columns, metadata_columns });
                return Ok(());
            }
            "table" => {
                let (name, columns) = self.relation(at, rest)?;
                self.file.tables.push(ReferenceTable { name, columns });
                return Ok(());
            }
            "set" => {
                let (key, value) = rest
                    .split_once(char::is_whitespace)
                    .ok_or_else(|| fail("write set KEY VALUE".to_owned()))?;
                return self.set(key, value.trim()).map_err(fail);
            }
            "application" => return self.application(at),
            "rows" => self.rows(at, rest)?,
            "bound" => StepKind::Bound(parse_time_of_row(rest).map_err(fail)?),
            "checkpoint" => StepKind::Checkpoint,
            "drain" => StepKind::Drain,
            "expect" => self.expect(at, rest)?,
            "eval" => {
                let (expression, result) = rest
                    .rsplit_once("=>")
                    .ok_or_else(|| fail("write eval EXPRESSION => VALUE".to_owned()))?;
                let expected = match result.trim() {
                    "ERROR" => EvalResult::Error,
                    "INVALID" => EvalResult::Invalid,
                    value => EvalResult::Value(parse_expected(value).map_err(fail)?),
                };
                StepKind::Eval { expression: expression.trim().to_owned(), expected }
            }
            _ if line.contains('|') => {
                return Err(fail(
                    "this row is of no rows and no expect: a blank line has ended the block above".to_owned(),
                ));
            }
            other => {
                let known = DIRECTIVES.join(", ");
                return Err(fail(format!("'{other}' is not a directive: there are {known}")));
            }
        };
        self.file.steps.push(Step { line: at + 1, kind: step });
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if key == "seed" {
            self.file.seed =
                value.parse().map_err(|_| format!("\"{value}\" is not a seed: write a whole number"))?;
            return Ok(());
        }
        self.file.switches.set(key, value).map_err(|error| error.to_string())
    }

    /// `NAME (COLUMN TYPE, …)`, over several lines until the parenthesis closes.
    fn relation(&mut self, at: usize, rest: &str) -> Result<(String, Vec<Column>), Mistake> {
        let mut text = rest.to_owned();
        while !is_closed(&text) {
            if self.next >= self.lines.len() {
                return Err((at, "the list of columns is not closed by )".to_owned()));
            }
            let line = self.take_line().trim();
            if !line.starts_with('#') {
                text.push(' ');
                text.push_str(line);
            }
        }
        let (relation_name, rest) = leading_name(&text);
        let columns = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let columns = columns.ok_or_else(|| (at, "write NAME (COLUMN TYPE, …)".to_owned()))?;
        let mut found = Vec::new();
        for column in split_columns(columns) {
            let (name, type_text) = leading_name(column.trim());
            if type_text.trim().is_empty() {
                return Err((at, format!("'{}' is not a column: write NAME TYPE", column.trim())));
            }
            let sql_type = parse_sql_type(type_text.trim()).map_err(|mistake| (at, mistake.message))?;
            found.push(Column { name, sql_type, not_null: false });
        }
        Ok((relation_name, found))
    }

    fn application(&mut self, at: usize) -> Result<(), Mistake> {
        if self.file.application.is_some() {
            return Err((at, "a file has one application".to_owned()));
        }
        let mut lines = Vec::new();
        loop {
            if self.next >= self.lines.len() {
                return Err((at, "the application is not closed by a line with end".to_owned()));
            }
            let line = self.take_line();
            if line.trim_end() == "end" {
                break;
            }
            lines.push(line);
        }
        self.file.application = Some(ApplicationText { text: lines.join("\n"), line: at + 1 });
        Ok(())
    }

    /// The data lines up to a blank line, with their places from 0.
    fn data_lines(&mut self) -> Result<Vec<(usize, &'t str)>, Mistake> {
        let mut data = Vec::new();
        while self.next < self.lines.len() && !self.lines[self.next].trim().is_empty() {
            let at = self.next;
            let line = self.take_line();
            // No value begins as a directive does: texts stand in quotes.
            if let Some(word) = line.split_whitespace().next().filter(|word| DIRECTIVES.contains(word)) {
                let message = format!("the blank line before {word} is missing: it ends the rows above");
                return Err((at, message));
            }
            if !line.starts_with('#') {
                data.push((at, line));
            }
        }
        Ok(data)
    }

    fn rows(&mut self, at: usize, rest: &str) -> Result<StepKind, Mistake> {
        if rest.is_empty() {
            return Err((at, "write rows NAME, then its rows".to_owned()));
        }
        let (name, _) = leading_name(rest);
        let input = self.file.inputs.iter().position(|input| input.name == name);
        let table = self.file.tables.iter().position(|table| table.name == name);
        let data = self.data_lines()?;
        match (input, table) {
            (Some(input), _) => {
                let mut rows = Vec::new();
                for (line, text) in data {
                    let fields = split_fields(text);
                    let rowtime = parse_rowtime(&fields[0]).map_err(|message| (line, message))?;
                    let columns = &self.file.inputs[input].columns;
                    rows.push((rowtime, row_values(line, &fields[1..], columns, "a ROWTIME and ")?));
                }
                Ok(StepKind::Rows { input, rows })
            }
            (None, Some(table)) => {
                let mut rows = Vec::new();
                for (line, text) in data {
                    let columns = &self.file.tables[table].columns;
                    rows.push(row_values(line, &split_fields(text), columns, "")?);
                }
                Ok(StepKind::TableRows { table, rows })
            }
            (None, None) => Err((
                at,
                format!(
                    "there is no input or table \"{name}\": declare it with input {name} (…) or table {name} (…)"
                ),
            )),
        }
    }

    fn expect(&mut self, at: usize, rest: &str) -> Result<StepKind, Mistake> {
        let (name, tail) = leading_name(rest);
        let qualifier = tail.split_whitespace().next();
        if rest.is_empty() {
            return Err((at, "write expect STREAM, then its rows".to_owned()));
        }
        if name == "invalid" && !rest.starts_with('"') {
            return expect_invalid(at, rest);
        }
        if let ("error_stream", Some(count)) = (name.as_str(), qualifier) {
            let count = count.parse().map_err(|_| (at, format!("\"{count}\" is not a number of rows")))?;
            return Ok(StepKind::ExpectErrors(count));
        }
        let unordered = match qualifier {
            None => false,
            Some("unordered") => true,
            Some("none") => {
                let block = Block { start: at, end: self.next };
                let stream = name;
                return Ok(StepKind::Expect { stream, rows: Vec::new(), unordered: false, block });
            }
            Some(other) => {
                return Err((at, format!("\"{other}\" is not known here: write unordered or none")));
            }
        };
        let mut rows = Vec::new();
        for (line, text) in self.data_lines()? {
            let fields = split_fields(text);
            let rowtime = match fields[0].as_str() {
                "*" => None,
                time => Some(parse_rowtime(time).map_err(|message| (line, message))?),
            };
            let values = fields[1..]
                .iter()
                .map(|field| parse_expected(field))
                .collect::<Result<_, _>>()
                .map_err(|message| (line, message))?;
            rows.push(ExpectedRow { line: line + 1, rowtime, values, text: text.trim().to_owned() });
        }
        let block = Block { start: at, end: self.next };
        Ok(StepKind::Expect { stream: name, rows, unordered, block })
    }
}

/// The names by which a file declares what the service adds to an input.
const METADATA_COLUMNS: [&str; 4] =
    ["APPROXIMATE_ARRIVAL_TIME", "PARTITION_KEY", "SEQUENCE_NUMBER", "SHARD_ID"];

/// How many of the last columns of an input the service adds.
fn metadata_columns(columns: &[Column]) -> usize {
    columns.iter().rev().take_while(|column| METADATA_COLUMNS.contains(&column.name.as_str())).count()
}

/// The values of a row by its columns; `before` says what else a row has.
fn row_values(
    line: usize,
    fields: &[String],
    columns: &[Column],
    before: &str,
) -> Result<Vec<Value>, Mistake> {
    if fields.len() != columns.len() {
        let (wanted, found) = (counted(columns.len(), "value"), counted(fields.len(), "value"));
        return Err((line, format!("a row has {before}{wanted}, this has {found}")));
    }
    let value = |(field, column): (&String, &Column)| {
        parse_value(field, column.sql_type)
            .map_err(|message| (line, format!("column \"{}\": {message}", column.name)))
    };
    fields.iter().zip(columns).map(value).collect()
}

/// `invalid LINE:COL TEXT`
fn expect_invalid(at: usize, rest: &str) -> Result<StepKind, Mistake> {
    let rest = rest.strip_prefix("invalid").unwrap_or(rest).trim();
    let (place, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let position = if place == "*" {
        None
    } else {
        let parsed =
            place.split_once(':').and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        Some(parsed.ok_or_else(|| (at, "write expect invalid LINE:COL TEXT".to_owned()))?)
    };
    Ok(StepKind::ExpectInvalid { position, text: text.trim().to_owned() })
}

/// The name at the start of a text, bare or in double quotes with `""` for one, and what follows it.
fn leading_name(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return (name, &quoted[at + 1..]);
        }
    }
    (name, "")
}

/// Calls `see` with each character outside double quotes, its place, and how many parentheses are open before it.
fn outside_quotes(text: &str, mut see: impl FnMut(usize, char, i32)) {
    let (mut depth, mut quoted) = (0, false);
    for (at, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        }
        if quoted {
            continue;
        }
        see(at, character, depth);
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
}

/// Whether the parentheses of a declaration have opened and closed.
fn is_closed(text: &str) -> bool {
    let mut closed = false;
    outside_quotes(text, |_, character, depth| closed |= character == ')' && depth == 1);
    closed
}

/// Splits at the commas outside parentheses and quotes.
fn split_columns(text: &str) -> Vec<&str> {
    let mut commas = Vec::new();
    outside_quotes(text, |at, character, depth| {
        if character == ',' && depth == 0 {
            commas.push(at);
        }
    });
    let mut columns = Vec::new();
    let mut start = 0;
    for comma in commas {
        columns.push(&text[start..comma]);
        start = comma + 1;
    }
    columns.push(&text[start..]);
    columns.retain(|column| !column.trim().is_empty());
    columns
}
