//! Writing an object until it is written.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::GzEncoder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;

use crate::backoff::Backoff;
use crate::lane::Contents;
use crate::naming::Compression;
use crate::settings::RetrySettings;
use crate::status::{DeliveredObject, DeliveryStatus, ObjectKind};

/// An object to write.
pub(crate) struct NewObject {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    pub(crate) compression: Compression,
    pub(crate) contents: Contents,
}

/// Writes an object; tries again for ever, under the same key.
pub(crate) async fn write(
    object: NewObject,
    store: Arc<dyn ObjectStore>,
    retry: RetrySettings,
    status: Arc<Mutex<DeliveryStatus>>,
) -> DeliveredObject {
    let NewObject { kind, key, compression, contents } = object;
    let path = Path::from(key.as_str());
    let records = contents.pieces.len() as u64;
    let payload = loop {
        match compress(compression, contents.pieces.clone()).await {
            Ok(payload) => break payload,
            Err(error) => note(&status, format!("compressing {key}: {error}")),
        }
        tokio::time::sleep(retry.longest_wait).await;
    };
    let bytes = payload.content_length() as u64;
    let mut backoff = Backoff::new(retry);
    loop {
        match store.put(&path, payload.clone()).await {
            Ok(_) => {
                return DeliveredObject {
                    kind,
                    key,
                    records,
                    bytes,
                    oldest_arrival: contents.oldest_arrival,
                };
            }
            Err(error) => note(&status, format!("writing {key}: {error}")),
        }
        tokio::time::sleep(backoff.failed()).await;
    }
}

/// Counts an error and keeps its text.
pub(crate) fn note(status: &Mutex<DeliveryStatus>, error: String) {
    tracing::warn!(%error, "delivery is tried again");
    let mut status = status.lock();
    status.errors += 1;
    status.last_error = Some(error);
}

/// The pieces as one object, one after the other. Compression runs on a thread for blocking work.
async fn compress(compression: Compression, pieces: Vec<Bytes>) -> Result<PutPayload, String> {
    match compression {
        Compression::Uncompressed => Ok(PutPayload::from_iter(pieces)),
        Compression::Gzip => tokio::task::spawn_blocking(move || {
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
