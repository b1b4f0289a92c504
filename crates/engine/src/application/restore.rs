//! Going on from a checkpoint: which pumps keep their state, and taking it over.

use super::manifest::{Manifest, OperatorManifest, PieceManifest, PumpManifest, StreamManifest};
use super::merge::{self, Merge};
use super::{Application, ApplicationSettings, CheckpointError};
use crate::fingerprint;
use crate::operators::{former_plans_of, states_of};
use crate::state::{Fetch, PartRef, PieceSlot, Pieces, StateError, StateReader};
use millstream_sql::{Program, Pump, SqlType, Stream};
use std::fmt;

/// What becomes of the state of each pump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Pumps that go on from their saved state, in the order of the program.
    pub resumed: Vec<String>,
    /// Pumps that start from scratch, each with why.
    pub started_from_scratch: Vec<(String, ScratchReason)>,
    /// Pumps of the checkpoint that the program does not have, or does not start: their state goes.
    pub dropped: Vec<String>,
    /// Streams whose columns have changed while rows of one pump waited for another: those rows go.
    pub lost_rows: Vec<String>,
}

/// Why a pump starts from scratch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScratchReason {
    /// The checkpoint has no pump of its name.
    New,
    /// A stream that it reads has other columns now, or is another one.
    StreamChanged {
        /// Its name.
        stream: String,
    },
    /// An operator with a state, or something below it, computes something else now.
    QueryChanged {
        /// What its author calls the operator, such as `GROUP BY`.
        operator: String,
    },
    /// It has other operators with a state.
    OperatorsChanged,
    /// A later version of the program wrote the state of an operator.
    LaterVersion {
        /// The operator.
        operator: String,
        /// Version of the state.
        found: u16,
        /// The latest version that this build reads.
        known: u16,
    },
}

impl fmt::Display for ScratchReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScratchReason::New => formatter.write_str("it is new"),
            ScratchReason::StreamChanged { stream } => {
                write!(formatter, "stream \"{stream}\" that it reads has other columns than before")
            }
            ScratchReason::QueryChanged { operator } => {
                write!(formatter, "its {operator}, or what feeds it, has changed")
            }
            ScratchReason::OperatorsChanged => formatter.write_str("its query keeps other state than before"),
            ScratchReason::LaterVersion { operator, found, known } => write!(
                formatter,
                "a later version of the program wrote the state of its {operator}: version {found}, and this one reads \
                 versions up to {known}"
            ),
        }
    }
}

/// What [`Application::restore`] would report for this program, from the manifest alone.
pub fn plan_restore(program: &Program, settings: &ApplicationSettings, manifest: &Manifest) -> RestoreReport {
    let starts = |pump: &&Pump| pump.started || settings.switches.pump_stopped_autostart;
    let mut report = RestoreReport::default();
    for pump in program.pumps.iter().filter(starts) {
        match saved_state(pump, program, manifest) {
            Ok(_) => report.resumed.push(pump.name.clone()),
            Err(reason) => report.started_from_scratch.push((pump.name.clone(), reason)),
        }
    }
    let has = |name: &String| program.pumps.iter().filter(starts).any(|pump| pump.name == *name);
    report.dropped = manifest.pumps.iter().map(|pump| pump.name.clone()).filter(|name| !has(name)).collect();
    for stream in &program.streams {
        let saved = manifest.streams.iter().find(|saved| saved.name == stream.name);
        if saved.is_some_and(|saved| rows_that_wait_are_lost(stream, saved, program)) {
            report.lost_rows.push(stream.name.clone());
        }
    }
    report
}

/// Whether rows wait that are not of the columns that the stream has now.
fn rows_that_wait_are_lost(stream: &Stream, saved: &StreamManifest, program: &Program) -> bool {
    let differs = saved.columns != fingerprint::of_stream(&stream.name, program);
    !saved.waiting.is_empty() && (differs || saved.version > merge::VERSION)
}

/// The saved state of a pump, if it can go on from it.
fn saved_state<'m>(
    pump: &Pump,
    program: &Program,
    manifest: &'m Manifest,
) -> Result<&'m PumpManifest, ScratchReason> {
    let saved = manifest.pumps.iter().find(|saved| saved.name == pump.name).ok_or(ScratchReason::New)?;
    if let Some(known) = saved.format_2 {
        let same = known == fingerprint::of_format_2(pump, program);
        return if same { Ok(saved) } else { Err(ScratchReason::OperatorsChanged) };
    }
    let states = states_of(&pump.query, program);
    let former = former_plans_of(&pump.query, program);
    for (((kind, plan), former), operator) in states.iter().zip(former).zip(&saved.operators) {
        let OperatorManifest { kind: name, version, plan: known, .. } = operator;
        if *name != kind.name {
            break;
        }
        if plan != known && former != *known {
            let read = |(stream, known): &&(String, u64)| fingerprint::of_stream(stream, program) != *known;
            return Err(match saved.reads.iter().find(read) {
                Some((stream, _)) => ScratchReason::StreamChanged { stream: stream.clone() },
                None => ScratchReason::QueryChanged { operator: name.clone() },
            });
        }
        if *version > kind.version {
            let (operator, found, known) = (name.clone(), *version, kind.version);
            return Err(ScratchReason::LaterVersion { operator, found, known });
        }
    }
    let names = states.iter().map(|(kind, _)| kind.name);
    if names.eq(saved.operators.iter().map(|operator| operator.kind.as_str())) {
        Ok(saved)
    } else {
        Err(ScratchReason::OperatorsChanged)
    }
}

impl Application {
    /// Builds the program and takes over a stored state; `fetch` reads a part by its name. Pumps whose state does not
    /// belong to their query any more start from scratch: see [`plan_restore`].
    ///
    /// Cost: the time of reading all parts; at most one piece of an operator is in memory beside its state.
    ///
    /// # Errors
    /// When a part cannot be read or is damaged ([`CheckpointError::part`] tells which), or the program cannot be built.
    pub fn restore(
        program: Program,
        settings: ApplicationSettings,
        manifest: &Manifest,
        fetch: &mut Fetch<'_>,
    ) -> Result<(Application, RestoreReport), CheckpointError> {
        let report = plan_restore(&program, &settings, manifest);
        let mut application = Application::new(program, settings)?;
        for index in 0..application.pumps.len() {
            let name = application.pumps[index].name.to_string();
            if report.resumed.contains(&name) {
                let planned = application.program.pumps.iter().find(|pump| *pump.name == *name);
                if let Some(Ok(saved)) = planned.map(|pump| saved_state(pump, &application.program, manifest))
                {
                    application.restore_pump(index, saved, fetch)?;
                }
            }
        }
        application.restore_streams(manifest, fetch)?;
        application.errors_emitted = manifest.errors_emitted;
        Ok((application, report))
    }

    fn restore_pump(
        &mut self,
        index: usize,
        saved: &PumpManifest,
        fetch: &mut Fetch<'_>,
    ) -> Result<(), CheckpointError> {
        let pump = &mut self.pumps[index];
        pump.query_started = saved.query_started;
        let (places, all) = pump.dataflow.places_of_states();
        let is_format_2 = saved.format_2.is_some();
        if is_format_2 && saved.operators.len() != all {
            return Err(StateError::Damaged("a pump has another number of operators").into());
        }
        let planned = self.program.pumps.iter().find(|planned| *planned.name == *pump.name);
        let states = planned.map_or_else(Vec::new, |planned| states_of(&planned.query, &self.program));
        pump.dataflow.restore(&mut |index, take_over| {
            let place = if is_format_2 { places[index] } else { index };
            let (Some(operator), Some((kind, _))) = (saved.operators.get(place), states.get(index)) else {
                return Err(StateError::Damaged("a pump has another number of operators"));
            };
            let mut reader = StateReader::new(operator.version, named(&operator.pieces), fetch);
            take_over(&mut reader)?;
            // What an earlier version has written is written again by the next snapshot.
            let is_current = !is_format_2 && operator.version == kind.version;
            Ok(if is_current { stored(&operator.pieces) } else { Pieces::new() })
        })?;
        Ok(())
    }

    fn restore_streams(&mut self, manifest: &Manifest, fetch: &mut Fetch<'_>) -> Result<(), CheckpointError> {
        for (index, stream) in self.program.streams.iter().enumerate() {
            let Some(saved) = manifest.streams.iter().find(|saved| saved.name == stream.name) else {
                continue;
            };
            let state = &mut self.streams[index];
            state.latest = saved.latest;
            state.rows_emitted = saved.rows_emitted;
            let writers: Vec<&str> =
                self.pumps.iter().filter(|pump| pump.target.0 == index).map(|pump| &*pump.name).collect();
            let place = |name: &str| saved.writers.iter().position(|writer| writer.pump == name);
            let bounds: Vec<i64> = writers
                .iter()
                .map(|name| place(name).map_or(i64::MIN, |place| saved.writers[place].bound))
                .collect();
            state.merge.set_bounds(saved.given, &bounds);
            if rows_that_wait_are_lost(stream, saved, &self.program) {
                continue;
            }
            let types: Vec<SqlType> = stream.columns.iter().map(|column| column.sql_type).collect();
            let mut reader = StateReader::new(saved.version, named(&saved.waiting), fetch);
            while let Some((_, bytes)) = reader.next()? {
                let mut rows = Merge::saved_rows(&bytes, saved.writers.len(), &types)?;
                for (writer, name) in writers.iter().enumerate() {
                    if let Some(rows) = place(name).and_then(|place| rows[place].take()) {
                        state.merge.wait(writer, rows);
                    }
                }
            }
        }
        Ok(())
    }
}

fn named(pieces: &[PieceManifest]) -> Vec<(u64, Vec<PartRef>)> {
    pieces.iter().map(|piece| (piece.key, piece.parts.clone())).collect()
}

/// The pieces as they are stored, for the next snapshot.
fn stored(pieces: &[PieceManifest]) -> Pieces {
    let slot = |piece: &PieceManifest| (piece.key, PieceSlot::new(piece.parts.clone().into()));
    pieces.iter().map(slot).collect()
}
