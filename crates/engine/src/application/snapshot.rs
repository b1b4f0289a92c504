//! Taking a checkpoint: what has changed since the last one, ready to be stored.
//!
//! ```text
//!   application's thread   │ any thread                       │
//!   snapshot(): the pause ─▶ store(): bytes, names, put parts ─▶ Manifest, to be stored last
//! ```
//!
//! The next snapshot names the parts that this one has stored. One that is dropped, or could not store its parts, costs
//! no more than that the next one writes them again.

use super::manifest::{
    FORMAT, Manifest, OperatorManifest, PieceManifest, PumpManifest, StreamManifest, WriterManifest,
};
use super::{Application, merge};
use crate::fingerprint;
use crate::operators::OperatorState;
use crate::state::{NewPiece, PART_BYTES, PartId, PartRef, PieceSlot, Pieces, StateError};
use std::sync::Arc;

/// The state of an application at one time, not yet stored.
#[must_use = "a snapshot that is not stored is none"]
pub struct Snapshot {
    pumps: Vec<PumpSnapshot>,
    streams: Vec<StreamSnapshot>,
    errors_emitted: u64,
    new: Vec<NewPiece>,
}

struct PumpSnapshot {
    name: String,
    query_started: i64,
    reads: Vec<(String, u64)>,
    operators: Vec<OperatorState>,
}

struct StreamSnapshot {
    manifest: StreamManifest,
    waiting: Option<PieceSlot>,
}

/// Why a snapshot could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError<E> {
    /// A part could not be stored.
    #[error("part {id} of the checkpoint could not be stored: {error}")]
    Part {
        /// The part.
        id: PartId,
        /// What whoever keeps the parts says.
        error: E,
    },
    /// It builds on a snapshot that was not stored. It must be taken again.
    #[error("the snapshot builds on an earlier one that was never stored; take another")]
    Unstored,
}

impl Application {
    /// The state as it is now. Rows not yet taken by `take_output` and `take_errors` are not part of it: take them
    /// first.
    ///
    /// Cost: time and memory of what has changed since the last snapshot that was stored, and of a look at each
    /// operator.
    ///
    /// # Errors
    /// When an operator cannot write its state.
    pub fn snapshot(&mut self) -> Result<Snapshot, StateError> {
        self.take_snapshot(true)
    }

    /// As [`Application::snapshot`]; without `is_incremental` it names no part of an earlier one.
    pub(super) fn take_snapshot(&mut self, is_incremental: bool) -> Result<Snapshot, StateError> {
        let mut new = Vec::new();
        let mut pumps = Vec::new();
        for pump in &mut self.pumps {
            let operators = pump.dataflow.save(is_incremental, self.settings.whole_state_bytes, &mut new)?;
            let mut reads: Vec<(String, u64)> = Vec::new();
            for source in pump.dataflow.sources() {
                let name = &self.program.streams[source.0].name;
                if !reads.iter().any(|(known, _)| known == name) {
                    reads.push((name.clone(), fingerprint::of_stream(name, &self.program)));
                }
            }
            let name = pump.name.to_string();
            pumps.push(PumpSnapshot { name, query_started: pump.query_started, reads, operators });
        }
        let mut streams = Vec::new();
        for (index, stream) in self.program.streams.iter().enumerate() {
            let state = &self.streams[index];
            let writers = self.pumps.iter().filter(|pump| pump.target.0 == index);
            let writers = writers
                .zip(state.merge.bounds())
                .map(|(pump, bound)| WriterManifest { pump: pump.name.to_string(), bound });
            let waiting = state.merge.save().map(|bytes| {
                let slot = PieceSlot::default();
                new.push(NewPiece { slot: Arc::clone(&slot), bytes });
                slot
            });
            let manifest = StreamManifest {
                name: stream.name.clone(),
                columns: fingerprint::of_stream(&stream.name, &self.program),
                latest: state.latest,
                rows_emitted: state.rows_emitted,
                given: state.merge.given(),
                writers: writers.collect(),
                version: merge::VERSION,
                waiting: Vec::new(),
            };
            streams.push(StreamSnapshot { manifest, waiting });
        }
        Ok(Snapshot { pumps, streams, errors_emitted: self.errors_emitted, new })
    }
}

impl Snapshot {
    /// Hands every new part to `put`, and gives the manifest when all are stored. A part that is there already may be put
    /// again: its bytes are the same. Store the manifest only when the parts are durable.
    ///
    /// # Errors
    /// When `put` says so. The application then goes on as if there had been no snapshot.
    pub fn store<E>(
        self,
        mut put: impl FnMut(&PartId, &[u8]) -> Result<(), E>,
    ) -> Result<Manifest, SnapshotError<E>> {
        for NewPiece { slot, bytes } in self.new {
            let mut parts = Vec::new();
            for part in bytes.chunks(PART_BYTES) {
                let id = PartId::of(part);
                put(&id, part).map_err(|error| SnapshotError::Part { id, error })?;
                parts.push(PartRef { id, bytes: part.len() as u64 });
            }
            // It is empty: this snapshot made it.
            let _ = slot.set(parts);
        }
        let pumps = self.pumps.into_iter().map(|pump| {
            let operators = pump.operators.into_iter().map(|operator| {
                Some(OperatorManifest {
                    kind: operator.kind.name.to_owned(),
                    version: operator.kind.version,
                    plan: operator.plan,
                    pieces: stored(&operator.pieces)?,
                })
            });
            let PumpSnapshot { name, query_started, reads, .. } = pump;
            let operators = operators.collect::<Option<_>>()?;
            Some(PumpManifest { name, query_started, format_2: None, reads, operators })
        });
        let pumps = pumps.collect::<Option<_>>().ok_or(SnapshotError::Unstored)?;
        let streams = self.streams.into_iter().map(|stream| {
            let waiting = stream.waiting.and_then(|slot| slot.get().cloned());
            let waiting = waiting.map(|parts| PieceManifest { key: 0, parts });
            StreamManifest { waiting: waiting.into_iter().collect(), ..stream.manifest }
        });
        let streams = streams.collect();
        Ok(Manifest { format: FORMAT, pumps, streams, errors_emitted: self.errors_emitted })
    }

    /// How many pieces are new.
    pub fn new_pieces(&self) -> usize {
        self.new.len()
    }
}

/// The pieces of an operator, if all are stored.
fn stored(pieces: &Pieces) -> Option<Vec<PieceManifest>> {
    let piece =
        |(key, slot): (&u64, &PieceSlot)| Some(PieceManifest { key: *key, parts: slot.get()?.clone() });
    pieces.iter().map(piece).collect()
}
