//! `millstream check --lint`: what is legal and probably not meant, in the text and over a sample of records.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_control::pipeline::{CheckedApplication, Mistake, Pipeline, WrittenApplication};
use millstream_control::replay::{Replay, Rowtimes};
use millstream_wording::counted;

use super::files::PATIENCE;

/// Records that go into the engine at once, and in all.
const BATCH_RECORDS: usize = 1_000;
const MOST_RECORDS: usize = 1_000_000;

/// Characters of a row in a message, at most.
const LONGEST_ROW: usize = 80;

/// Rows a second of virtual time from this time on (2024-01-01 00:00:00): windows see some of them.
const RATE: f64 = 10.0;
const START: i64 = 1_704_067_200_000;

/// What is legal and probably not meant.
pub(super) struct Remark {
    /// Line and column, from 1; `None` for what is about the sample.
    pub(super) place: Option<(usize, usize)>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// As people read it.
    pub(super) rendered: String,
}

impl From<Mistake> for Remark {
    fn from(mistake: Mistake) -> Remark {
        let Mistake { message, hint, line, column, rendered } = mistake;
        Remark { place: Some((line, column)), message, hint, rendered }
    }
}

impl Remark {
    fn without_place(message: String, below: &str) -> Remark {
        let rendered = format!("warning: {message}\n{below}");
        Remark { place: None, message, hint: None, rendered }
    }
}

/// Records to try an application with.
pub(super) struct Sample<'a> {
    pub(super) file: &'a Path,
    /// Its first line is a header.
    pub(super) has_header: bool,
}

/// Remarks on the applications of a pipeline. The sample is for the one of the number `named`, or else for each.
pub(super) fn pipeline(
    pipeline: &Pipeline,
    sample: Option<&Sample<'_>>,
    named: Option<usize>,
) -> anyhow::Result<Vec<Remark>> {
    let mut remarks = Vec::new();
    let applications = pipeline.applications.iter().zip(&pipeline.declarations.applications);
    for (index, (checked, declared)) in applications.enumerate() {
        let source = declared.input.stream.as_ref().map(|name| name.get_ref());
        let stream =
            pipeline.declarations.streams.iter().find(|stream| Some(stream.name.get_ref()) == source);
        let written = WrittenApplication::of_pipeline(pipeline, index);
        let hours = stream.map(|stream| stream.retention());
        remarks.extend(written.lints(hours).into_iter().map(Remark::from));
        for (number, said) in checked.reference_remarks().into_iter().enumerate() {
            remarks.extend(said.iter().map(|message| written.on_reference(number, message).into()));
        }
        if let Some(sample) = sample.filter(|_| named.is_none_or(|named| named == index)) {
            let trial = Trial { written: &written, checked, pipeline: Some(pipeline), sample };
            remarks.append(&mut trial.run()?);
        }
    }
    Ok(remarks)
}

/// Remarks on SQL alone.
pub(super) fn sql(
    written: &WrittenApplication,
    checked: &CheckedApplication,
    sample: Option<&Sample<'_>>,
) -> anyhow::Result<Vec<Remark>> {
    let mut remarks: Vec<Remark> = written.lints(None).into_iter().map(Remark::from).collect();
    if let Some(sample) = sample {
        remarks.append(&mut Trial { written, checked, pipeline: None, sample }.run()?);
    }
    Ok(remarks)
}

/// What fails of a sample, by where: the number, and the first reason.
#[derive(Default)]
struct Failures {
    lines: Option<(u64, String)>,
    records: Option<(u64, String)>,
    pumps: BTreeMap<String, Option<(u64, String)>>,
}

impl Failures {
    fn note(place: &mut Option<(u64, String)>, reason: impl FnOnce() -> String) {
        place.get_or_insert_with(|| (0, reason())).0 += 1;
    }

    fn take_from(&mut self, replay: &mut Replay) {
        for error in replay.take_errors() {
            let place = match error.record {
                Some(_) => &mut self.records,
                // The rows of reference tables are none of the sample: they are told of without one.
                None if error.row.pump_name.is_empty() => continue,
                None => self.pumps.entry(error.row.pump_name.clone()).or_default(),
            };
            Self::note(place, || match error.record {
                Some(number) => format!("of record {number}: {}", error.row.message),
                None => format!("of the row {}: {}", shown(&error.row.data_row), error.row.message),
            });
        }
    }
}

/// A row that failed, from the hex digits of its fields: as much as fits in a line.
fn shown(data_row: &str) -> String {
    let digits = data_row.as_bytes().chunks_exact(2);
    let bytes: Vec<u8> = digits
        .filter_map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let row = String::from_utf8_lossy(&bytes);
    let line: String = row.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.chars().count() > LONGEST_ROW {
        true => line.chars().take(LONGEST_ROW).chain(['…']).collect(),
        false => line,
    }
}

/// An application and the sample that it is tried with.
struct Trial<'a> {
    written: &'a WrittenApplication,
    checked: &'a CheckedApplication,
    /// The file that declares it; `None` for SQL alone.
    pipeline: Option<&'a Pipeline>,
    sample: &'a Sample<'a>,
}

impl Trial<'_> {
    /// What a sample of records shows: texts that are cut, rows that fail.
    fn run(&self) -> anyhow::Result<Vec<Remark>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let remarks = runtime.block_on(self.over_sample());
        runtime.shutdown_timeout(Duration::from_millis(100));
        remarks
    }

    /// What a remark begins with: the name of the application, where there are several.
    fn whose(&self) -> String {
        match self.pipeline {
            Some(pipeline) if pipeline.applications.len() > 1 => {
                format!("application \"{}\": ", self.checked.name)
            }
            _ => String::new(),
        }
    }

    async fn over_sample(&self) -> anyhow::Result<Vec<Remark>> {
        let mut replay = Replay::new(self.checked, 0, Rowtimes::rate(START, RATE)?)?;
        if let Some(pipeline) = self.pipeline {
            replay = replay.with_preprocessor(pipeline, &self.checked.name).await?;
        }
        let mut source = LineSource::file_patiently(self.sample.file, self.sample.has_header, PATIENCE)?;
        let (mut records, mut failures, mut goes_on) = (0, Failures::default(), true);
        let mut batch = SourceBatch::default();
        while goes_on && records < MOST_RECORDS {
            batch.clear();
            let state = source.read(&mut batch, BATCH_RECORDS);
            goes_on = state.is_open();
            for reason in batch.unusable().iter().chain(state.failure()) {
                Failures::note(&mut failures.lines, || reason.clone());
            }
            records += batch.len();
            replay.push(&batch).await?;
            while replay.advance()? {
                failures.take_from(&mut replay);
                replay.take_rows();
            }
        }
        replay.finish()?;
        failures.take_from(&mut replay);
        let wrong_header = source.header_line().and_then(|header| replay.wrong_header(header));
        Ok(self.remarks(&replay, wrong_header, failures))
    }

    fn remarks(&self, replay: &Replay, wrong_header: Option<String>, failures: Failures) -> Vec<Remark> {
        let (written, whose) = (self.written, self.whose());
        let mut remarks: Vec<Remark> = Vec::new();
        let on_input = |message: String| Remark::from(written.on_input(&format!("{whose}{message}")));
        remarks.extend(wrong_header.map(on_input));
        if let Some(wrong) = replay.wrong_shape() {
            remarks.push(on_input(format!(
                "the sample is not as the format and columns of the input say: {wrong}"
            )));
        }
        for empty in replay.empty_columns() {
            let cause = empty.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            remarks
                .push(on_input(format!("column {} is NULL in every row of the sample{cause}", empty.column)));
        }
        for cut in replay.cut_texts() {
            let texts = counted(cut.count, "text");
            let message = format!(
                "{whose}{texts} of the sample would be cut to fit column \"{}\" of \"{}\", which is {}",
                cut.column, cut.stream, cut.sql_type
            );
            let hint = Some("widen the column if they should stay whole".to_owned());
            remarks.push(written.on_column(&cut.stream, &cut.column, &message, hint).into());
        }
        let failed = |(count, first): (u64, String)| {
            let rows = counted(count, "row");
            format!("{rows} of the sample would go to error_stream; the first, {first}")
        };
        remarks.extend(failures.records.map(failed).map(on_input));
        for (pump, failed_rows) in failures.pumps {
            let Some(message) = failed_rows.map(failed).map(|message| format!("{whose}{message}")) else {
                continue;
            };
            remarks.push(match written.on_pump(&pump, &message) {
                Some(remark) => remark.into(),
                None => Remark::without_place(message, ""),
            });
        }
        if let Some((count, first)) = failures.lines {
            let lines = counted(count, "line");
            let sample = self.sample.file.display();
            let message = format!("{whose}{lines} of the sample cannot be records; the first: {first}");
            remarks.push(Remark::without_place(message, &format!(" --> {sample}\n")));
        }
        remarks
    }
}
