//! The same applications over the same records with the same arrivals, without kills: what comes out must be what the
//! streams hold, row by row.

use std::sync::Arc;

use anyhow::Context;
use arrow_array::{ArrayRef, new_null_array};
use arrow_buffer::ScalarBuffer;
use millstream_columns::formats::{OutputColumn, OutputFormat, OutputWriter, RecordParser};
use millstream_columns::{Batch, physical_type};
use millstream_control::pipeline::{CheckedApplication, Pipeline};
use millstream_engine::{Application, ApplicationSettings};
use millstream_sql::StreamId;
use millstream_streamlog::Log;

use crate::pipeline::{self, Replayed};
use crate::records::{Stored, Stream};

/// Records that go in together: other batches than those of the process give the same rows.
const BATCH: usize = 1_000;

/// An output, with what the process has written of it.
struct Output {
    name: &'static str,
    stream: StreamId,
    writer: OutputWriter,
    written: Stream,
    rows: u64,
    /// What is wrong with the first row that differs.
    difference: Option<String>,
}

/// What is wrong with the outputs of an application.
pub(crate) fn compare(log: &Arc<Log>, replayed: &Replayed) -> anyhow::Result<Vec<String>> {
    let no_files = |name: &str| Err(format!("there is no {name}"));
    let parsed = Pipeline::parse("pipeline.toml", &pipeline::text(None, 0), &no_files);
    let parsed = parsed.map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?;
    let place = parsed.applications.iter().position(|one| one.name == replayed.application);
    let place = place.context("the pipeline has this application")?;
    let checked = &parsed.applications[place];
    let settings = ApplicationSettings {
        seed: parsed.declarations.applications[place].seed,
        virtual_clock: true,
        ..ApplicationSettings::default()
    };
    let mut application = Application::new(checked.program.clone(), settings)?;
    let mut outputs = Vec::new();
    for (from, to) in replayed.outputs {
        let stream = checked.program.stream(from).context("the plan has this stream")?;
        application.subscribe(stream);
        let columns = checked.program.streams[stream.0].columns.iter();
        let columns =
            columns.map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type });
        outputs.push(Output {
            name: to,
            stream,
            writer: OutputWriter::new(
                OutputFormat::Json { newline: checked.switches.json_newline },
                columns.collect(),
            ),
            written: Stream::new(log, to)?,
            rows: 0,
            difference: None,
        });
    }
    let mut ports = ports_of(checked)?;
    let mut input = Stream::new(log, replayed.input)?;
    let mut latest = i64::MIN;
    loop {
        let mut records = Vec::with_capacity(BATCH);
        while records.len() < BATCH
            && let Some(record) = input.next()?
        {
            records.push(record);
        }
        let Some(last) = records.last() else { break };
        latest = last.arrival;
        push(&mut application, &mut ports, &records)?;
        for output in &mut outputs {
            output.compare(&mut application)?;
        }
    }
    application.drain(latest);
    for output in &mut outputs {
        output.compare(&mut application)?;
        output.finish()?;
    }
    Ok(outputs.into_iter().filter_map(|output| output.difference).collect())
}

/// An input stream: shard `n` feeds stream `n mod streams`.
struct Port {
    stream: StreamId,
    parser: RecordParser,
    /// The types of the columns that no record has.
    metadata: Vec<millstream_sql::SqlType>,
}

fn ports_of(checked: &CheckedApplication) -> anyhow::Result<Vec<Port>> {
    let port = |name: &String| {
        let stream = checked.program.stream(name).context("the plan has its inputs")?;
        let columns = &checked.program.streams[stream.0].columns;
        let metadata = columns.iter().skip(checked.schema.columns.len()).map(|column| column.sql_type);
        Ok(Port { stream, parser: checked.schema.parser()?, metadata: metadata.collect() })
    };
    checked.input_streams.iter().map(port).collect()
}

fn push(application: &mut Application, ports: &mut [Port], records: &[Stored]) -> anyhow::Result<()> {
    let count = ports.len();
    let port_of = |record: &Stored| record.shard as usize % count;
    let is_together = |one: &Stored, next: &Stored| {
        port_of(one) == port_of(next) && (count == 1 || one.arrival == next.arrival)
    };
    for run in records.chunk_by(is_together) {
        // Time comes before the rows.
        for port in ports.iter().filter(|_| count > 1) {
            application.bound(port.stream, run[0].arrival, run[0].arrival)?;
        }
        let port = &mut ports[port_of(&run[0])];
        for record in run {
            port.parser.parse(&record.data);
        }
        let parsed = port.parser.finish();
        let rows = parsed.row_to_record.len();
        if rows == 0 {
            continue;
        }
        let arrivals: Vec<i64> =
            parsed.row_to_record.iter().map(|record| run[*record as usize].arrival).collect();
        let latest = arrivals[rows - 1];
        let mut columns: Vec<ArrayRef> = parsed.columns;
        columns.extend(port.metadata.iter().map(|one| new_null_array(&physical_type(*one), rows)));
        application.push(port.stream, &Batch::new(ScalarBuffer::from(arrivals), columns), latest)?;
    }
    Ok(())
}

impl Output {
    /// Compares what has come out with what is written.
    fn compare(&mut self, application: &mut Application) -> anyhow::Result<()> {
        for batch in application.take_output(self.stream) {
            for expected in self.writer.write(&batch.columns).iter() {
                self.rows += 1;
                let written = self.written.next()?;
                let is_same = written.as_ref().is_some_and(|written| written.data == expected);
                if !is_same && self.difference.is_none() {
                    let written = written.map(|written| String::from_utf8_lossy(&written.data).into_owned());
                    self.difference = Some(format!(
                        "stream {}: row {} is {}, and {} without kills",
                        self.name,
                        self.rows,
                        written.as_deref().unwrap_or("missing"),
                        String::from_utf8_lossy(expected)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Nothing more is written.
    fn finish(&mut self) -> anyhow::Result<()> {
        let mut more = 0_u64;
        let mut first = None;
        while let Some(written) = self.written.next()? {
            more += 1;
            first.get_or_insert(written.data);
        }
        if let (None, Some(first)) = (&self.difference, first) {
            let first = String::from_utf8_lossy(&first);
            let (name, rows) = (self.name, self.rows);
            self.difference = Some(format!(
                "stream {name}: {more} rows more than the {rows} without kills; the first is {first}"
            ));
        }
        Ok(())
    }
}
