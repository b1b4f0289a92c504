//! From raw records to rows of the input streams: reading them, ROWTIME, bounds.
//!
//! The shards of the source are spread over the input streams in turn: shard `n` feeds stream `n mod streams`. ROWTIME is
//! the record's arrival in the log: a second reading gives the same rows. The switch `rowtime` takes the time of reading
//! instead, as the service did.

use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_engine::{Application, ErrorRow, PushError};
use millstream_sql::{Program, StreamId};
use millstream_streamlog::RecordView;

use super::cut_texts::InputCut;
use super::empty_columns::EmptyColumns;
use super::failed_row::{InputErrors, RecordPlace};
use super::preprocess::Preprocessed;
use super::row_reader::{ReadRows, RowReader, TextColumn};
use super::slice_length::MOST_MADE;
use super::window_end::last_window_end;
use crate::pipeline::{CheckedApplication, RowtimeSource};

/// All input streams of an application.
pub(crate) struct Intake {
    ports: Vec<Port>,
    rowtime: RowtimeSource,
    /// Until enough rows have come.
    empty_columns: Option<EmptyColumns>,
}

/// One input stream.
struct Port {
    stream: StreamId,
    reader: RowReader,
    /// ROWTIME never decreases, whatever the clock does.
    latest_rowtime: i64,
    /// ROWTIME of the newest row; after a restore, the time of the state: windows may be open up to there.
    newest_row: Option<i64>,
}

/// What became of a batch.
#[derive(Default)]
pub(crate) struct IntakeReport {
    /// Records that were taken.
    pub(crate) records: usize,
    /// Rows given to the engine.
    pub(crate) rows: u64,
    /// Records that the preprocessing function dropped.
    pub(crate) dropped: u64,
    /// Records that are no rows.
    pub(crate) errors: InputErrors,
    /// Rows that the engine refused, and why.
    pub(crate) refused: Option<(u64, PushError)>,
    /// Texts that columns of the schema have cut.
    pub(super) cuts: Vec<InputCut>,
    /// What is odd about columns.
    pub(super) remarks: Vec<String>,
}

impl Intake {
    /// For an application that was built from this plan. When `shows_errors`, its error rows are delivered: they show
    /// whole rows, also what the SQL does not name.
    pub(crate) fn new(checked: &CheckedApplication, application: &Application, shows_errors: bool) -> Intake {
        let port = |name: &String| {
            let stream = application.program().stream(name).expect("the plan was made with these inputs");
            let newest_row = application.latest(stream);
            Port {
                stream,
                reader: RowReader::new(checked, shows_errors),
                latest_rowtime: newest_row.unwrap_or(i64::MIN),
                newest_row,
            }
        };
        Intake {
            ports: checked.input_streams.iter().map(port).collect(),
            rowtime: checked.switches.rowtime,
            empty_columns: Some(EmptyColumns::new(&checked.schema)),
        }
    }

    /// Error rows are looked at from now on: they show all metadata.
    pub(crate) fn read_all_metadata(&mut self) {
        self.ports.iter_mut().for_each(|port| port.reader.read_all_metadata());
    }

    /// Gives records to the engine in their order, as many as come before [`MOST_MADE`] has come out, but at least one;
    /// `outcomes` has what the preprocessing function made of each. They are read `now`.
    pub(crate) fn take(
        &mut self,
        application: &mut Application,
        records: &[RecordView<'_>],
        outcomes: Option<&[Preprocessed]>,
        now: i64,
    ) -> IntakeReport {
        let mut report = IntakeReport::default();
        let made_before = application.made_bytes();
        let ports = self.ports.len();
        let port_of = |record: &RecordView<'_>| record.shard().0 as usize % ports;
        let mut start = 0;
        // Records of one input stream that follow each other go in together. Where there are several, all of them come to
        // an instant before its first record: which row of an instant leaves first must not depend on when the clock was
        // read.
        let is_together = |one: &RecordView<'_>, next: &RecordView<'_>| {
            port_of(one) == port_of(next) && (ports == 1 || one.arrival() == next.arrival())
        };
        for run in records.chunk_by(is_together) {
            if ports > 1
                && let Err(error) = self.bound(application, run[0].arrival().millis(), now)
            {
                report.refused = Some((0, error));
            }
            let outcomes = outcomes.map(|outcomes| &outcomes[start..start + run.len()]);
            start += run.len();
            let taken = self.take_run(port_of(&run[0]), application, run, outcomes, now, &mut report);
            report.records += taken;
            if taken < run.len() || application.made_bytes() - made_before > MOST_MADE {
                break;
            }
        }
        report
    }

    /// Gives records to one input stream; says how many of them it has taken.
    fn take_run(
        &mut self,
        port: usize,
        application: &mut Application,
        records: &[RecordView<'_>],
        outcomes: Option<&[Preprocessed]>,
        now: i64,
        report: &mut IntakeReport,
    ) -> usize {
        let rowtime = self.rowtime;
        let port = &mut self.ports[port];
        let latest = port.latest_rowtime;
        let time_of = |record: &RecordView<'_>| match rowtime {
            RowtimeSource::Arrival => record.arrival().millis().max(latest),
            RowtimeSource::Processing => now.max(latest),
        };
        let read_at = |record: &RecordView<'_>| match rowtime {
            RowtimeSource::Arrival => record.arrival().millis(),
            RowtimeSource::Processing => now,
        };
        let data = records.iter().map(RecordView::data);
        let read = match outcomes {
            None => port.reader.read(data),
            Some(outcomes) => port.reader.read_preprocessed(data, outcomes),
        };
        let rows = read.records.len();
        let record_of = |row: usize| &records[read.records[row] as usize];
        let rowtimes: Vec<i64> = (0..rows).map(|row| time_of(record_of(row))).collect();
        if let Some(empty_columns) = &mut self.empty_columns {
            note_empty_columns(empty_columns, &read, records, outcomes, report);
            self.empty_columns.take_if(|columns| columns.is_settled());
        }
        let mut columns = read.columns;
        let arrivals = (0..rows).map(|row| record_of(row).arrival().millis());
        port.reader.add_metadata(&mut columns, arrivals, |column, row| metadata_of(column, record_of(row)));
        let batch = Batch::new(ScalarBuffer::from(rowtimes), columns);
        let mut taken_rows = 0;
        match push_records(application, port.stream, &batch, &read.records, now) {
            Ok(taken) => {
                taken_rows = taken;
                if let Some(newest) = batch.rowtimes[..taken].last() {
                    port.latest_rowtime = *newest;
                    port.newest_row = Some(*newest);
                }
                report.rows += taken as u64;
            }
            Err(error) => report.refused = Some((rows as u64, error)),
        }
        let all_are_taken = taken_rows == rows || report.refused.is_some();
        let taken = if all_are_taken { records.len() } else { read.records[taken_rows] as usize };
        for (column, cut) in read.cut_rows.iter().enumerate().filter(|(_, cut)| !cut.is_empty()) {
            // The others are read again.
            let count = cut.partition_point(|row| *row < taken_rows);
            if count > 0 {
                let first = RecordPlace::of(&records[read.records[cut[0]] as usize]);
                report.cuts.push(InputCut { stream: port.stream, column, count: count as u64, first });
            }
        }
        let is_dropped = |outcome: &&Preprocessed| matches!(outcome, Preprocessed::Dropped);
        let of_taken = outcomes.map_or(&[][..], |outcomes| &outcomes[..taken]);
        report.dropped += of_taken.iter().filter(is_dropped).count() as u64;
        for failure in read.failures.iter().take_while(|failure| (failure.record as usize) < taken) {
            let record = &records[failure.record as usize];
            let (at, now) = (time_of(record), read_at(record));
            let row = ErrorRow::of_record(failure.name, &failure.message, &failure.raw, at, now);
            report.errors.push(row, RecordPlace::of(record));
        }
        taken
    }

    /// Time goes on for every input stream: no later record has an earlier arrival than `bound`, and it is `now`. True if
    /// that changed one of them.
    pub(crate) fn bound(
        &mut self,
        application: &mut Application,
        bound: i64,
        now: i64,
    ) -> Result<bool, PushError> {
        let bound = match self.rowtime {
            RowtimeSource::Arrival => bound,
            RowtimeSource::Processing => now,
        };
        let mut has_advanced = false;
        for port in &mut self.ports {
            if bound > port.latest_rowtime {
                port.latest_rowtime = bound;
                application.bound(port.stream, bound, now)?;
                has_advanced = true;
            }
        }
        Ok(has_advanced)
    }

    /// How far time has come on all input streams.
    pub(crate) fn latest(&self) -> i64 {
        self.ports.iter().map(|port| port.latest_rowtime).min().unwrap_or(i64::MIN)
    }

    /// When the last window closes that rows so far can be in; `None` when there were none.
    pub(crate) fn last_window_end(&self, program: &Program) -> Option<i64> {
        let ends = self.ports.iter().filter_map(|port| Some((port.stream, port.newest_row?)));
        ends.map(|(stream, row)| last_window_end(program, stream, row)).max()
    }
}

/// Gives rows to the engine until enough has come out, but all rows of a record; says how many.
fn push_records(
    application: &mut Application,
    stream: StreamId,
    rows: &Batch,
    records: &[u32],
    now: i64,
) -> Result<usize, PushError> {
    let mut taken = 0;
    let mut most_bytes = MOST_MADE;
    let mut end = rows.len();
    while taken < end {
        taken += application.push_some(stream, &rows.slice(taken, end - taken), now, most_bytes)?;
        if most_bytes == MOST_MADE && taken < end {
            // The record ends with the last of its rows.
            let record = records[taken - 1];
            end = taken + records[taken..].partition_point(|other| *other == record);
            most_bytes = usize::MAX;
        }
    }
    Ok(taken)
}

/// Looks at which columns had no value.
fn note_empty_columns(
    empty_columns: &mut EmptyColumns,
    read: &ReadRows,
    records: &[RecordView<'_>],
    outcomes: Option<&[Preprocessed]>,
    report: &mut IntakeReport,
) {
    let rows = read.records.len();
    // What a function has made of them is what was read.
    let data = (0..records.len()).filter_map(|place| match outcomes.map(|outcomes| &outcomes[place]) {
        None => Some(records[place].data()),
        Some(Preprocessed::Data(data)) => Some(data.as_ref()),
        Some(Preprocessed::Dropped | Preprocessed::Failed(_)) => None,
    });
    empty_columns.note(&read.columns, rows, data);
    report.remarks.append(&mut empty_columns.remarks());
}

/// The value of a metadata column.
fn metadata_of(column: TextColumn, record: &RecordView<'_>) -> String {
    match column {
        TextColumn::PartitionKey => record.partition_key().to_owned(),
        TextColumn::SequenceNumber => record.sequence_number().to_string(),
        TextColumn::ShardId => record.shard().to_string(),
    }
}
