//! Who still needs the records of a delivery stream's buffer: what all of them have consumed may be trimmed.
//!
//! The consumers are rows: the delivery stream itself and every application that reads it, whether it runs or not. One
//! that has stored no position yet keeps everything.

use millstream_streamlog::{Log, Position};

use crate::catalog::{Catalog, ResourceRow};
use crate::connect::log_to_delivery::BUFFER_SHARD;
use crate::definition::{ApplicationSource, Definition, ResourceId};
use crate::registry::Registry;
use crate::world::log_key;

/// Lets the log delete what no consumer of a buffer needs any more. Waits for the disk.
pub(crate) fn trim_buffer(log: &Log, catalog: &Catalog, registry: &Registry, delivery: ResourceId) {
    let rows = registry.rows();
    let Some(row) = rows.iter().find(|row| row.id == delivery && !row.deleting) else { return };
    let consumers = consumers_of(&rows, row);
    let lowest = match catalog.lowest_position(delivery, BUFFER_SHARD.0, &consumers) {
        Ok(Some(lowest)) => lowest,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(delivery_stream = row.name, %error, "positions cannot be read");
            return;
        }
    };
    let key = log_key(&row.reference());
    if let Err(error) = log.trim_consumed(&key, BUFFER_SHARD, Position(lowest)) {
        tracing::warn!(delivery_stream = row.name, %error, "buffer cannot be trimmed");
    }
}

/// The delivery stream and the applications that read it.
fn consumers_of(rows: &[ResourceRow], delivery: &ResourceRow) -> Vec<ResourceId> {
    let reads = |row: &&ResourceRow| match &row.definition {
        Definition::Application(application) => {
            application.input.source == ApplicationSource::DeliveryStream(delivery.name.clone())
        }
        _ => false,
    };
    let readers = rows.iter().filter(|row| !row.deleting).filter(reads).map(|row| row.id);
    readers.chain([delivery.id]).collect()
}
