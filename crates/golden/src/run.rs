//! Runs a golden file on a virtual clock.

use crate::compare::matches;
use crate::file::{Block, EvalResult, ExpectedRow, GoldenFile, Step, StepKind};
use crate::literal::{DEFAULT_DAY_MILLIS, write_rowtime, write_value};
use arrow_buffer::ScalarBuffer;
use millstream_columns::{Batch, array_from_values, value_at};
use millstream_engine::functions::use_signed_tsdiff;
use millstream_engine::{Application, ApplicationSettings, CompiledExpression, EvaluationContext, catalog};
use millstream_sql::{
    Diagnostic, SqlType, StreamId, TableId, Value, compile_expression, compile_with_tables,
};
use millstream_wording::counted;
use std::collections::BTreeMap;

/// What a file checked.
#[derive(Clone, Debug, Default)]
pub struct GoldenOutcome {
    /// What differed; empty when the file passed.
    pub failures: Vec<GoldenFailure>,
    /// Blocks of expected rows with what came out instead.
    replacements: Vec<(Block, Vec<String>)>,
}

impl GoldenOutcome {
    /// True when nothing differed.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenFailure {
    /// Line of the directive, from 1.
    pub line: usize,
    /// What was expected and what came out, perhaps over several lines.
    pub message: String,
}

/// Runs a file; each `rows` block is one batch.
pub fn run(file: &GoldenFile) -> GoldenOutcome {
    Runner::new(file, false).run()
}

/// Runs a file with every row a batch of its own. The outcome must be that of [`run`].
pub fn run_in_single_rows(file: &GoldenFile) -> GoldenOutcome {
    Runner::new(file, true).run()
}

/// The text of the file with the rows that came out in place of the expected ones.
pub fn complete(text: &str, outcome: &GoldenOutcome) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (block, replacement) in outcome.replacements.iter().rev() {
        lines.splice(block.start..block.end, replacement.iter().cloned());
    }
    lines.join("\n") + "\n"
}

struct Runner<'f> {
    file: &'f GoldenFile,
    single_rows: bool,
    outcome: GoldenOutcome,
}

/// The application under test with what it gave and nobody has looked at yet.
struct Running {
    application: Application,
    settings: ApplicationSettings,
    /// The rows of each reference table: a checkpoint does not hold them.
    tables: BTreeMap<TableId, Batch>,
    outputs: BTreeMap<StreamId, Vec<Batch>>,
    errors: Vec<String>,
}

impl<'f> Runner<'f> {
    fn new(file: &'f GoldenFile, single_rows: bool) -> Runner<'f> {
        Runner { file, single_rows, outcome: GoldenOutcome::default() }
    }

    fn fail(&mut self, line: usize, message: impl Into<String>) {
        self.outcome.failures.push(GoldenFailure { line, message: message.into() });
    }

    fn run(mut self) -> GoldenOutcome {
        let mut running = None;
        if self.file.application.is_some() {
            running = self.start();
        }
        for step in &self.file.steps {
            match &step.kind {
                StepKind::Eval { expression, expected } => self.evaluate(step, expression, expected),
                StepKind::ExpectInvalid { .. } => {}
                _ => {
                    if let Some(running) = &mut running {
                        self.step(step, running);
                    } else if self.file.application.is_none() {
                        self.fail(step.line, "the file has no application for this directive");
                    }
                }
            }
        }
        let expects = |step: &Step| match &step.kind {
            StepKind::Expect { .. }
            | StepKind::ExpectErrors(_)
            | StepKind::ExpectInvalid { .. }
            | StepKind::Eval { .. } => true,
            StepKind::Rows { .. }
            | StepKind::TableRows { .. }
            | StepKind::Bound(_)
            | StepKind::Checkpoint
            | StepKind::Drain => false,
        };
        if !self.file.steps.iter().any(expects) {
            self.fail(
                1,
                "the file expects nothing, so it tests nothing: add expect, expect error_stream, expect invalid or eval",
            );
        }
        self.outcome
    }

    /// Compiles the application; checks `expect invalid`.
    fn start(&mut self) -> Option<Running> {
        let application = self.file.application.as_ref()?;
        let compilation =
            compile_with_tables(&application.text, &self.file.inputs, &self.file.tables, &catalog());
        let errors: Vec<&Diagnostic> = compilation.diagnostics.iter().filter(|d| d.is_error()).collect();
        let expectation = self.file.steps.iter().find_map(|step| match &step.kind {
            StepKind::ExpectInvalid { position, text } => Some((step.line, *position, text)),
            _ => None,
        });
        if let Some((line, position, wanted)) = expectation {
            let place = position.map(|(line, column)| format!(" at {line}:{column}")).unwrap_or_default();
            let expected = format!("expected a mistake{place} that says \"{wanted}\"");
            match errors.first() {
                None => self.fail(line, format!("the application was accepted: {expected}")),
                Some(first) => {
                    let found = first.position(&application.text);
                    let at_place =
                        position.is_none_or(|(line, column)| found.line == line && found.column == column);
                    if !at_place || !first.message.contains(wanted.as_str()) {
                        let shown = first.render("application", &application.text);
                        self.fail(line, format!("{expected}; the first is at {found}:\n{shown}"));
                    }
                }
            }
            return None;
        }
        let Some(program) = compilation.program else {
            let shown: Vec<String> =
                errors.iter().map(|mistake| mistake.render("application", &application.text)).collect();
            self.fail(application.line, format!("the application was refused:\n{}", shown.join("\n")));
            return None;
        };
        let settings = ApplicationSettings {
            seed: self.file.seed,
            query_started: DEFAULT_DAY_MILLIS,
            virtual_clock: true,
            switches: self.file.switches,
            ..ApplicationSettings::default()
        };
        match Application::new(program, settings.clone()) {
            Ok(application) => {
                let mut running = Running {
                    application,
                    settings,
                    tables: BTreeMap::new(),
                    outputs: BTreeMap::new(),
                    errors: Vec::new(),
                };
                self.subscribe(&mut running.application);
                Some(running)
            }
            Err(error) => {
                self.fail(application.line, error.to_string());
                None
            }
        }
    }

    fn subscribe(&self, application: &mut Application) {
        for step in &self.file.steps {
            if let StepKind::Expect { stream, .. } = &step.kind
                && let Some(id) = application.program().stream(stream)
            {
                application.subscribe(id);
            }
        }
    }

    fn step(&mut self, step: &Step, running: &mut Running) {
        match &step.kind {
            StepKind::Rows { input, rows } => {
                let id = StreamId(*input);
                let types: Vec<SqlType> =
                    self.file.inputs[*input].columns.iter().map(|column| column.sql_type).collect();
                let chunk = if self.single_rows { 1 } else { rows.len().max(1) };
                for rows in rows.chunks(chunk) {
                    let batch = batch_of(rows, &types);
                    let now = rows.last().map_or(0, |(rowtime, _)| *rowtime);
                    if let Err(error) = running.application.push(id, &batch, now) {
                        self.fail(step.line, error.to_string());
                    }
                }
            }
            StepKind::TableRows { table, rows } => {
                let types: Vec<SqlType> =
                    self.file.tables[*table].columns.iter().map(|column| column.sql_type).collect();
                let rows: Vec<(i64, Vec<Value>)> = rows.iter().map(|values| (0, values.clone())).collect();
                running.tables.insert(TableId(*table), batch_of(&rows, &types));
                running.load_tables().unwrap_or_else(|message| self.fail(step.line, message));
            }
            StepKind::Bound(bound) => {
                for input in 0..self.file.inputs.len() {
                    if let Err(error) = running.application.bound(StreamId(input), *bound, *bound) {
                        self.fail(step.line, error.to_string());
                    }
                }
            }
            StepKind::Drain => running.application.drain(DEFAULT_DAY_MILLIS),
            StepKind::Checkpoint => {
                running.collect();
                let restored = running.application.save().and_then(|bytes| {
                    let program = running.application.program().clone();
                    Application::restore_saved(program, running.settings.clone(), &bytes)
                });
                match restored {
                    Ok((mut application, report)) => {
                        if !report.started_from_scratch.is_empty() {
                            let lost = report.started_from_scratch.iter();
                            let lost: Vec<String> =
                                lost.map(|(pump, reason)| format!("\"{pump}\" ({reason})")).collect();
                            self.fail(step.line, format!("pumps lost their state: {}", lost.join(", ")));
                        }
                        self.subscribe(&mut application);
                        running.application = application;
                        running.load_tables().unwrap_or_else(|message| self.fail(step.line, message));
                    }
                    Err(error) => self.fail(step.line, error.to_string()),
                }
            }
            StepKind::Expect { stream, rows, unordered, block } => {
                running.collect();
                self.expect(step.line, stream, rows, *unordered, *block, running);
            }
            StepKind::ExpectErrors(count) => {
                running.collect();
                let errors = std::mem::take(&mut running.errors);
                if errors.len() != *count {
                    let found = match errors.len() {
                        0 => "none".to_owned(),
                        number => format!("{number}:\n  {}", errors.join("\n  ")),
                    };
                    let expected = counted(*count, "row error");
                    self.fail(step.line, format!("expected {expected}, found {found}"));
                }
            }
            StepKind::ExpectInvalid { .. } | StepKind::Eval { .. } => {}
        }
    }

    fn expect(
        &mut self,
        line: usize,
        stream: &str,
        expected: &[ExpectedRow],
        unordered: bool,
        block: Block,
        running: &mut Running,
    ) {
        let Some(id) = running.application.program().stream(stream) else {
            self.fail(line, format!("the application has no stream \"{stream}\""));
            return;
        };
        let types: Vec<SqlType> = running.application.program().streams[id.0]
            .columns
            .iter()
            .map(|column| column.sql_type)
            .collect();
        let batches = running.outputs.remove(&id).unwrap_or_default();
        let actual: Vec<(i64, Vec<Value>)> = batches
            .iter()
            .flat_map(|batch| {
                (0..batch.len()).map(|row| {
                    let values = batch.columns.iter().zip(&types);
                    (batch.rowtimes[row], values.map(|(column, t)| value_at(column, *t, row)).collect())
                })
            })
            .collect();
        if !same_rows(expected, &actual, &types, unordered) {
            let shown = |(rowtime, values): &(i64, Vec<Value>)| write_row(*rowtime, values, &types);
            let actual_lines: Vec<String> = actual.iter().map(shown).collect();
            let sql = self.file.application.as_ref().map_or("", |application| application.text.as_str());
            let mut message = format!("rows of {stream} differ\n{sql}\n");
            for row in expected {
                let found = actual.iter().any(|actual| row_matches(row, actual, &types));
                message.push_str(&format!("{} {}\n", if found { ' ' } else { '-' }, row.text));
            }
            for (line, row) in actual_lines.iter().zip(&actual) {
                if !expected.iter().any(|expected| row_matches(expected, row, &types)) {
                    message.push_str(&format!("+ {line}\n"));
                }
            }
            message.push_str("  came out, in this order:\n");
            actual_lines.iter().for_each(|line| message.push_str(&format!("  {line}\n")));
            let mut replacement = Vec::new();
            if actual_lines.is_empty() {
                replacement.push(format!("expect {stream} none"));
            } else {
                replacement.push(format!("expect {stream}{}", if unordered { " unordered" } else { "" }));
                replacement.extend(actual_lines);
            }
            self.outcome.replacements.push((block, replacement));
            let first = expected.first().map_or(line, |row| row.line.min(line));
            self.fail(first, message);
        }
    }

    fn evaluate(&mut self, step: &Step, text: &str, expected: &EvalResult) {
        let expression = match compile_expression(text, &catalog()) {
            Ok(mut expression) => {
                if self.file.switches.tsdiff_end_minus_start {
                    use_signed_tsdiff(&mut expression);
                }
                expression
            }
            Err(mistakes) => {
                if !matches!(expected, EvalResult::Invalid) {
                    let shown: Vec<String> =
                        mistakes.iter().map(|mistake| mistake.render("expression", text)).collect();
                    self.fail(step.line, format!("the expression was refused:\n{}", shown.join("\n")));
                }
                return;
            }
        };
        let context = EvaluationContext {
            query_started: DEFAULT_DAY_MILLIS,
            now: DEFAULT_DAY_MILLIS,
            virtual_clock: true,
        };
        let result = match CompiledExpression::compile(&expression) {
            Ok(compiled) => compiled.evaluate_constant(&context),
            Err(error) => {
                self.fail(step.line, format!("{text}: {error}"));
                return;
            }
        };
        match (expected, result) {
            (EvalResult::Invalid, Ok(value)) => {
                let value = write_value(&value, expression.sql_type);
                self.fail(step.line, format!("{text} was accepted, with the value {value}"));
            }
            (EvalResult::Invalid, Err(error)) => {
                self.fail(step.line, format!("{text} was accepted, and fails for the row: {error}"));
            }
            (EvalResult::Error, Err(_)) => {}
            (EvalResult::Error, Ok(value)) => {
                let value = write_value(&value, expression.sql_type);
                self.fail(step.line, format!("{text} gave {value}, not a row error"));
            }
            (EvalResult::Value(_), Err(error)) => self.fail(step.line, format!("{text}: {error}")),
            (EvalResult::Value(expected), Ok(value)) => {
                if !matches(expected, &value, expression.sql_type) {
                    let found = write_value(&value, expression.sql_type);
                    let message =
                        format!("{text} gave {found} of type {}, expected {expected}", expression.sql_type);
                    self.fail(step.line, message);
                }
            }
        }
    }
}

impl Running {
    fn load_tables(&mut self) -> Result<(), String> {
        let Running { application, tables, .. } = self;
        tables
            .iter()
            .try_for_each(|(id, rows)| application.load_table(*id, rows).map_err(|error| error.to_string()))
    }

    /// Takes what has come out so far.
    fn collect(&mut self) {
        for id in (0..self.application.program().streams.len()).map(StreamId) {
            let batches = self.application.take_output(id);
            if !batches.is_empty() {
                self.outputs.entry(id).or_default().extend(batches);
            }
        }
        let errors = self.application.take_errors();
        self.errors
            .extend(errors.into_iter().map(|error| format!("{}: {}", error.error_name, error.message)));
    }
}

fn batch_of(rows: &[(i64, Vec<Value>)], types: &[SqlType]) -> Batch {
    let columns = types
        .iter()
        .enumerate()
        .map(|(index, sql_type)| {
            let values: Vec<Value> = rows.iter().map(|(_, values)| values[index].clone()).collect();
            array_from_values(*sql_type, &values).expect("the values were read for their columns")
        })
        .collect();
    Batch::new(ScalarBuffer::from(rows.iter().map(|(rowtime, _)| *rowtime).collect::<Vec<_>>()), columns)
}

fn write_row(rowtime: i64, values: &[Value], types: &[SqlType]) -> String {
    let mut line = write_rowtime(rowtime);
    for (value, sql_type) in values.iter().zip(types) {
        line.push_str(" | ");
        line.push_str(&write_value(value, *sql_type));
    }
    line
}

fn row_matches(expected: &ExpectedRow, (rowtime, values): &(i64, Vec<Value>), types: &[SqlType]) -> bool {
    expected.rowtime.is_none_or(|expected| expected == *rowtime)
        && expected.values.len() == values.len()
        && expected.values.iter().zip(values.iter().zip(types)).all(|(e, (value, t))| matches(e, value, *t))
}

fn same_rows(
    expected: &[ExpectedRow],
    actual: &[(i64, Vec<Value>)],
    types: &[SqlType],
    unordered: bool,
) -> bool {
    if expected.len() != actual.len() {
        return false;
    }
    if !unordered {
        return expected.iter().zip(actual).all(|(expected, actual)| row_matches(expected, actual, types));
    }
    let mut left: Vec<&ExpectedRow> = expected.iter().collect();
    actual.iter().all(|row| match left.iter().position(|expected| row_matches(expected, row, types)) {
        Some(index) => {
            left.remove(index);
            true
        }
        None => false,
    })
}
