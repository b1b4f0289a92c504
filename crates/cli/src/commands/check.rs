//! `millstream check`: every mistake with line, column and hint.
//!
//! What a file is follows from the ending of its name: SQL, a golden file, and else a pipeline file.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use millstream_control::pipeline::{
    Mistake, Mistakes, Pipeline, SqlInput, WrittenApplication, check_sql, has_section, other_kind,
};
use millstream_golden::GoldenFile;
use millstream_wording::counted;
use serde_json::{Value, json};

use super::files::{has_extension, read_text};
use super::lint::{self, Remark, Sample};
use super::replay::{application_named, sql_application};
use crate::arguments::CheckArguments;
use crate::loading::check_pipeline;

/// As many mistakes of a pipeline file are looked for.
const MOST_OF_A_PIPELINE: usize = 50;

/// What a file came to.
struct Checked {
    /// What is in it, when it is right.
    summary: String,
    warnings: Vec<Mistake>,
    /// What is legal and probably not meant, with --lint.
    lints: Vec<Remark>,
}

pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut wrong = 0;
    for path in &arguments.files {
        let name = path.display().to_string();
        match check(path, arguments)? {
            Ok(checked) if arguments.json => {
                let mut line = json!({"file": name, "ok": true, "warnings": objects(checked.warnings.into_iter().map(Remark::from))});
                if arguments.lint {
                    line["lints"] = objects(checked.lints);
                }
                writeln!(out, "{line}")?;
            }
            Ok(checked) => {
                let remarks = checked.warnings.into_iter().map(Remark::from).chain(checked.lints);
                for remark in remarks {
                    writeln!(out, "{}", remark.rendered)?;
                }
                writeln!(out, "{name}: ok ({})", checked.summary)?;
            }
            Err(mistakes) if arguments.json => {
                wrong += 1;
                for mistake in &mistakes.0 {
                    let line = json!({
                        "file": name, "ok": false, "line": mistake.line, "column": mistake.column,
                        "message": mistake.message, "hint": mistake.hint,
                    });
                    writeln!(out, "{line}")?;
                }
            }
            Err(mistakes) => {
                wrong += 1;
                writeln!(out, "{mistakes}")?;
                writeln!(out, "{name}: {}", tally(path, mistakes.0.len()))?;
            }
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(path: &Path, arguments: &CheckArguments) -> anyhow::Result<Result<Checked, Mistakes>> {
    let is_pipeline = !has_extension(path, "sql") && !has_extension(path, "test");
    anyhow::ensure!(
        is_pipeline || arguments.application.is_none(),
        "--application is for pipeline files; {} holds one application",
        path.display()
    );
    if has_extension(path, "sql") {
        return check_sql_file(path, arguments);
    }
    if let Some(mistake) = of_other_kind(path)? {
        return Ok(Err(Mistakes(vec![mistake])));
    }
    anyhow::ensure!(
        arguments.streams.is_empty(),
        "--stream is for .sql files; {} says itself what it reads",
        path.display()
    );
    if has_extension(path, "test") {
        return check_golden_file(path);
    }
    let pipeline = match check_pipeline(path)? {
        Ok(pipeline) => pipeline,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let lints = if arguments.lint { lints_of_pipeline(&pipeline, arguments)? } else { Vec::new() };
    Ok(Ok({
        let declared = &pipeline.declarations;
        let counts = [
            (declared.streams.len(), "stream"),
            (declared.delivery_streams.len(), "delivery stream"),
            (declared.endpoints.len(), "endpoint"),
            (declared.functions.len(), "function"),
            (declared.applications.len(), "application"),
            (declared.topics.len(), "topic"),
            (declared.metrics.len(), "metric"),
            (declared.alarms.len(), "alarm"),
            (declared.inputs.len(), "input"),
        ];
        Checked { summary: summary(&counts), warnings: pipeline.warnings, lints }
    }))
}

/// What is legal and probably not meant, also of the sample.
fn lints_of_pipeline(pipeline: &Pipeline, arguments: &CheckArguments) -> anyhow::Result<Vec<Remark>> {
    let named = arguments.application.as_deref().map(|name| application_named(pipeline, name)).transpose()?;
    lint::pipeline(pipeline, sample(arguments).as_ref(), named)
}

/// How many mistakes there are. Those of a pipeline file are looked for up to a number.
fn tally(path: &Path, count: usize) -> String {
    let mistakes = counted(count, "mistake");
    let is_pipeline = !has_extension(path, "sql") && !has_extension(path, "test");
    match is_pipeline && count >= MOST_OF_A_PIPELINE {
        true => format!("{mistakes} shown, more may follow"),
        false => mistakes,
    }
}

/// Why a file is nothing that can be checked: its name ends in no known way, and nothing in it is a section of a pipeline
/// file. What comes through a pipe has no ending that says anything.
fn of_other_kind(path: &Path) -> anyhow::Result<Option<Mistake>> {
    if !path.is_file() || ["toml", "sql", "test"].iter().any(|known| has_extension(path, known)) {
        return Ok(None);
    }
    let ending = match path.extension() {
        Some(ending) => format!("its name ends in .{}", ending.display()),
        None => "its name has no ending".to_owned(),
    };
    let reason = format!("{ending}: check reads pipeline files (.toml), SQL (.sql) and golden files (.test)");
    let text = read_text(path).with_context(|| reason.clone())?;
    if has_section(&text) {
        return Ok(None);
    }
    Ok(Some(other_kind(&path.display().to_string(), &text, &reason)))
}

/// As mistakes are, but for the file.
fn objects(remarks: impl IntoIterator<Item = Remark>) -> Value {
    let objects = remarks.into_iter().map(|remark| {
        let (line, column) = remark.place.unzip();
        json!({"line": line, "column": column, "message": remark.message, "hint": remark.hint})
    });
    objects.collect()
}

fn sample(arguments: &CheckArguments) -> Option<Sample<'_>> {
    arguments.sample.as_deref().map(|file| Sample { file, has_header: arguments.header })
}

fn check_sql_file(path: &Path, arguments: &CheckArguments) -> anyhow::Result<Result<Checked, Mistakes>> {
    let sql = read_text(path)?;
    let streams = arguments.streams.iter().map(|text| SqlInput::parse(text).map(|input| input.stream));
    let streams = streams.collect::<Result<Vec<_>, _>>().context("--stream")?;
    let checked = match check_sql(&path.display().to_string(), &sql, &streams) {
        Ok(checked) => checked,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let stream = arguments.streams.first().map(String::as_str);
    let name = path.display().to_string();
    let written = || {
        let stream = stream.unwrap_or_default();
        WrittenApplication::sql_file(&name, &sql, &checked.program, "--stream", stream)
    };
    let lints = match (arguments.lint, &arguments.sample) {
        (false, _) => Vec::new(),
        (true, None) => written().lints(None).into_iter().map(Remark::from).collect(),
        (true, Some(_)) => {
            anyhow::ensure!(
                arguments.streams.len() == 1,
                "--sample needs one --stream: the one that it is of"
            );
            let application = sql_application(path, stream, arguments.format)?;
            lint::sql(&written(), &application, sample(arguments).as_ref())?
        }
    };
    Ok(Ok({
        let counts = [
            (checked.program.streams.len() - streams.len().min(checked.program.streams.len()), "stream"),
            (checked.program.pumps.len(), "pump"),
        ];
        Checked { summary: summary(&counts), warnings: checked.warnings, lints }
    }))
}

fn check_golden_file(path: &Path) -> anyhow::Result<Result<Checked, Mistakes>> {
    let text = read_text(path)?;
    let name = path.display().to_string();
    Ok(match GoldenFile::parse(&text) {
        Ok(_) => Ok(Checked { summary: "a golden file".to_owned(), warnings: Vec::new(), lints: Vec::new() }),
        Err(error) => {
            let start = text.split_inclusive('\n').take(error.line.saturating_sub(1)).map(str::len).sum();
            let mistake = Mistake::at(&name, &text, start..start, error.message, None);
            Err(Mistakes(vec![mistake]))
        }
    })
}

/// `2 streams, 1 pump`.
fn summary(counts: &[(usize, &str)]) -> String {
    let parts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
    if parts.is_empty() { "empty".to_owned() } else { parts.join(", ") }
}
