//! Checkpoints of format 2, which were one blob: `MSCP`, the number 2 (`u16`, little-endian), then the state in postcard
//! encoding, the bytes of every operator within it.

use super::manifest::{
    FORMAT, Manifest, OperatorManifest, PieceManifest, PumpManifest, StreamManifest, WriterManifest,
};
use super::{CheckpointError, merge};
use crate::codec::{put_batch, put_u64};
use crate::fingerprint;
use crate::state::{PartId, PartRef};
use millstream_columns::{Batch, array_from_values};
use millstream_sql::{Program, SqlType, Value};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Saved {
    query_started: i64,
    pumps: Vec<SavedPump>,
    streams: Vec<SavedStream>,
}

#[derive(Deserialize)]
struct SavedPump {
    name: String,
    fingerprint: u64,
    operators: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct SavedStream {
    name: String,
    latest: i64,
    given: i64,
    writers: Vec<SavedWriter>,
}

#[derive(Deserialize)]
struct SavedWriter {
    pump: String,
    bound: i64,
    waiting: Vec<(i64, Vec<Value>)>,
}

/// The same as a manifest and parts. The program tells the types of rows that wait.
pub(super) fn converted(
    body: &[u8],
    program: &Program,
) -> Result<(Manifest, HashMap<PartId, Vec<u8>>), CheckpointError> {
    let saved: Saved = postcard::from_bytes(body)?;
    let mut parts = HashMap::new();
    let mut piece = |bytes: Vec<u8>| {
        let part = PartRef { id: PartId::of(&bytes), bytes: bytes.len() as u64 };
        parts.insert(part.id, bytes);
        vec![PieceManifest { key: 0, parts: vec![part] }]
    };
    let mut pumps = Vec::new();
    for pump in saved.pumps {
        let operators = pump.operators.into_iter().map(|bytes| OperatorManifest {
            kind: String::new(),
            version: 1,
            plan: 0,
            pieces: piece(bytes),
        });
        pumps.push(PumpManifest {
            name: pump.name,
            query_started: saved.query_started,
            format_2: Some(pump.fingerprint),
            reads: Vec::new(),
            operators: operators.collect(),
        });
    }
    let mut streams = Vec::new();
    for stream in saved.streams {
        let declared = program.streams.iter().find(|declared| declared.name == stream.name);
        let types: Vec<SqlType> =
            declared.iter().flat_map(|it| &it.columns).map(|column| column.sql_type).collect();
        let waits = stream.writers.iter().any(|writer| !writer.waiting.is_empty());
        let waiting = if waits { piece(waiting(&stream.writers, &types)?) } else { Vec::new() };
        streams.push(StreamManifest {
            columns: fingerprint::of_stream(&stream.name, program),
            name: stream.name,
            latest: stream.latest,
            rows_emitted: 0,
            given: stream.given,
            writers: stream
                .writers
                .into_iter()
                .map(|writer| WriterManifest { pump: writer.pump, bound: writer.bound })
                .collect(),
            version: merge::VERSION,
            waiting,
        });
    }
    Ok((Manifest { format: FORMAT, pumps, streams, errors_emitted: 0 }, parts))
}

/// The rows of all writers, as `Merge::save` writes them. Those of other columns than the stream has are skipped, as they
/// always were.
fn waiting(writers: &[SavedWriter], types: &[SqlType]) -> Result<Vec<u8>, CheckpointError> {
    let mut bytes = Vec::new();
    for writer in writers {
        let rows: Vec<_> = writer.waiting.iter().filter(|(_, values)| values.len() == types.len()).collect();
        put_u64(&mut bytes, u64::from(!rows.is_empty()));
        if rows.is_empty() {
            continue;
        }
        let columns = types.iter().enumerate().map(|(column, sql_type)| {
            let values: Vec<Value> = rows.iter().map(|(_, values)| values[column].clone()).collect();
            array_from_values(*sql_type, &values)
        });
        let rowtimes: Vec<i64> = rows.iter().map(|(rowtime, _)| *rowtime).collect();
        put_batch(&mut bytes, &Batch::new(rowtimes.into(), columns.collect::<Result<_, _>>()?));
    }
    Ok(bytes)
}
