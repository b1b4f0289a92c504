//! The whole state of an application as bytes.
//!
//! Layout: `MSCP`, a format version (`u16`, little-endian), then the state in postcard encoding. Each pump's state is
//! kept under its name and a fingerprint of its plan, so that a changed pump starts afresh and the others go on.

use super::merge::Writer;
use super::{Application, ApplicationSettings};
use crate::batch::Batch;
use crate::expression::CompileError;
use crate::operators::StateError;
use crate::values::{ValueTypeError, array_from_values, value_at};
use arrow_buffer::ScalarBuffer;
use millstream_sql::{NodeKind, Program, Pump, SqlType, Value};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const MAGIC: &[u8; 4] = b"MSCP";
const VERSION: u16 = 2;

/// Why a checkpoint could not be written or taken over.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are not a checkpoint.
    #[error("these bytes are not a checkpoint of an application")]
    NotACheckpoint,
    /// Written by another version.
    #[error("the checkpoint has format version {found}; this build reads version {VERSION}")]
    Version {
        /// Version of the bytes.
        found: u16,
    },
    /// The bytes are damaged.
    #[error("the checkpoint cannot be read: {0}")]
    Encoding(#[from] postcard::Error),
    /// An operator cannot read its part.
    #[error(transparent)]
    Operator(#[from] StateError),
    /// Rows that waited are not of their types.
    #[error("a waiting row of the checkpoint is damaged: {0}")]
    Row(#[from] ValueTypeError),
    /// The program cannot be built.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// What a restore found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Pumps that go on from their saved state.
    pub resumed: Vec<String>,
    /// Pumps that are new or whose plan has changed: they start afresh.
    pub started_afresh: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    query_started: i64,
    pumps: Vec<SavedPump>,
    streams: Vec<SavedStream>,
}

#[derive(Serialize, Deserialize)]
struct SavedPump {
    name: String,
    fingerprint: u64,
    operators: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct SavedStream {
    name: String,
    latest: i64,
    given: i64,
    writers: Vec<SavedWriter>,
}

#[derive(Serialize, Deserialize)]
struct SavedWriter {
    pump: String,
    bound: i64,
    waiting: Vec<(i64, Vec<Value>)>,
}

impl Application {
    /// The whole state as bytes. Rows not yet taken by `take_output` and `take_errors` are not part of it: take them
    /// first.
    ///
    /// # Errors
    /// When an operator cannot write its state.
    pub fn save(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut pumps = Vec::new();
        for pump in &self.pumps {
            let operators = pump.dataflow.save()?;
            let name = pump.name.to_string();
            let fingerprint = self.fingerprint_of(&name);
            pumps.push(SavedPump { name, fingerprint, operators });
        }
        let streams = self.program.streams.iter().enumerate().map(|(index, stream)| {
            let state = &self.streams[index];
            let (writers, given) = state.merge.parts();
            let types: Vec<SqlType> = stream.columns.iter().map(|column| column.sql_type).collect();
            let names =
                self.pumps.iter().filter(|pump| pump.target.0 == index).map(|pump| pump.name.to_string());
            let writers = writers.iter().zip(names).map(|(writer, pump)| SavedWriter {
                pump,
                bound: writer.bound,
                waiting: writer.waiting.iter().map(|row| saved_row(row, &types)).collect(),
            });
            SavedStream { name: stream.name.clone(), latest: state.latest, given, writers: writers.collect() }
        });
        let saved = Saved { query_started: self.settings.query_started, pumps, streams: streams.collect() };
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        Ok(postcard::to_extend(&saved, bytes)?)
    }

    /// Builds the program and takes over a saved state. Pumps whose plan has changed start afresh.
    ///
    /// # Errors
    /// When the bytes are no checkpoint of this format, or are damaged.
    pub fn restore(
        program: Program,
        mut settings: ApplicationSettings,
        bytes: &[u8],
    ) -> Result<(Application, RestoreReport), CheckpointError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::NotACheckpoint)?;
        let (version, body) = body.split_first_chunk::<2>().ok_or(CheckpointError::NotACheckpoint)?;
        let found = u16::from_le_bytes(*version);
        if found != VERSION {
            return Err(CheckpointError::Version { found });
        }
        let saved: Saved = postcard::from_bytes(body)?;
        settings.query_started = saved.query_started;
        let mut application = Application::new(program, settings)?;
        let mut report = RestoreReport::default();
        for index in 0..application.pumps.len() {
            let name = application.pumps[index].name.to_string();
            let fingerprint = application.fingerprint_of(&name);
            let pump = &mut application.pumps[index];
            let matching = saved.pumps.iter().find(|saved| {
                saved.name == name
                    && saved.fingerprint == fingerprint
                    && saved.operators.len() == pump.dataflow.len()
            });
            match matching {
                Some(saved) => {
                    pump.dataflow.restore(&saved.operators)?;
                    report.resumed.push(name);
                }
                None => report.started_afresh.push(name),
            }
        }
        application.restore_streams(&saved)?;
        Ok((application, report))
    }

    fn restore_streams(&mut self, saved: &Saved) -> Result<(), CheckpointError> {
        for (index, stream) in self.program.streams.iter().enumerate() {
            let Some(saved) = saved.streams.iter().find(|saved| saved.name == stream.name) else { continue };
            let types: Vec<SqlType> = stream.columns.iter().map(|column| column.sql_type).collect();
            self.streams[index].latest = saved.latest;
            let mut writers = Vec::new();
            for pump in self.pumps.iter().filter(|pump| pump.target.0 == index) {
                let known = saved.writers.iter().find(|writer| writer.pump == *pump.name);
                let mut waiting = VecDeque::new();
                for (rowtime, values) in known.iter().flat_map(|writer| &writer.waiting) {
                    if values.len() == types.len() {
                        waiting.push_back(restored_row(*rowtime, values, &types)?);
                    }
                }
                writers.push(Writer { waiting, bound: known.map_or(i64::MIN, |writer| writer.bound) });
            }
            self.streams[index].merge.set_parts(writers, saved.given);
        }
        Ok(())
    }

    fn fingerprint_of(&self, pump: &str) -> u64 {
        self.program
            .pumps
            .iter()
            .find(|planned| planned.name == pump)
            .map_or(0, |planned| fingerprint(planned, &self.program))
    }
}

/// A hash of what a pump computes, wherever it stands in the text.
fn fingerprint(pump: &Pump, program: &Program) -> u64 {
    let mut pump = pump.clone();
    pump.query.for_each_expression_mut(&mut |expression| {
        expression.for_each_mut(&mut |e| e.span = millstream_sql::Span::default());
    });
    let streams: Vec<_> = program.streams.iter().map(|stream| (&stream.name, &stream.columns)).collect();
    let mut tables = Vec::new();
    pump.query.walk(&mut |node| {
        if let NodeKind::Table(id) = node.kind {
            tables.extend(program.tables.get(id.0).map(|table| &table.name));
        }
    });
    let mut text = format!("{pump:?} {streams:?}");
    if !tables.is_empty() {
        text.push_str(&format!(" {tables:?}"));
    }
    // FNV-1a, 64 bits: stable over builds.
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn saved_row(row: &Batch, types: &[SqlType]) -> (i64, Vec<Value>) {
    let values =
        row.columns.iter().zip(types).map(|(column, sql_type)| value_at(column, *sql_type, 0)).collect();
    (row.rowtimes[0], values)
}

fn restored_row(rowtime: i64, values: &[Value], types: &[SqlType]) -> Result<Batch, ValueTypeError> {
    let columns = values
        .iter()
        .zip(types)
        .map(|(value, sql_type)| array_from_values(*sql_type, std::slice::from_ref(value)))
        .collect::<Result<_, _>>()?;
    Ok(Batch::new(ScalarBuffer::from(vec![rowtime]), columns))
}
