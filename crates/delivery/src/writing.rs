//! Writing an object until it is written.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::GzEncoder;
use millstream_host::Spawn;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::lane::Contents;
use crate::naming::Compression;
use crate::position::Intent;
use crate::status::{DeliveredObject, Stage};
use crate::trying::Trying;

/// Writes an object; tries again for ever, under the same key.
pub(crate) async fn write(
    intent: Intent,
    contents: Contents,
    store: Arc<dyn ObjectStore>,
    mut trying: Trying,
) -> DeliveredObject {
    let Intent { kind, key, compression, .. } = intent;
    let (path, stage) = (Path::from(key.as_str()), Stage::from(kind));
    let records = contents.pieces.len() as u64;
    let payload = loop {
        match compress(compression, contents.pieces.clone()).await {
            Ok(payload) => break payload,
            Err(error) => trying.failed(stage, format!("compressing {key}: {error}")).await,
        }
    };
    let bytes = payload.content_length() as u64;
    loop {
        match store.put(&path, payload.clone()).await {
            Ok(_) => {
                trying.worked(stage);
                let oldest_arrival = contents.oldest_arrival;
                return DeliveredObject { kind, key, records, bytes, oldest_arrival };
            }
            Err(error) => trying.failed(stage, format!("writing {key}: {error}")).await,
        }
    }
}

/// The pieces as one object, one after the other. Compression runs on a thread for blocking work.
async fn compress(compression: Compression, pieces: Vec<Bytes>) -> Result<PutPayload, String> {
    match compression {
        Compression::Uncompressed => Ok(PutPayload::from_iter(pieces)),
        Compression::Gzip => Spawn::current()
            .awaited_blocking(move || {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                pieces.iter().try_for_each(|piece| encoder.write_all(piece))?;
                encoder.finish()
            })
            .await
            .map_err(|error| error.to_string())?
            .map(PutPayload::from)
            .map_err(|error: std::io::Error| error.to_string()),
    }
}
