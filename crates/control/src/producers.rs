//! Who appends numbered records to the log, and forgetting those that have been deleted.
//!
//! The log keeps for each producer how far it has come, for ever unless it is told that the producer will not come back.

use std::collections::HashSet;

use millstream_streamlog::{AppendError, Log, StreamKey, StreamKind};

use crate::definition::{OutputTarget, ResourceId};
use crate::identifier::stable_hash;

/// The producers of an output of an application: of its rows, or of the input's and of the pumps' error rows.
pub(crate) fn of_output(application: ResourceId, epoch: u64, output: &str) -> [u64; 2] {
    let first = stable_hash(&format!("{} {epoch} {output}", application.0));
    [first, first.wrapping_add(1)]
}

/// Names an output over restarts: rows of one must not go to another.
pub(crate) fn output_name(from: &str, target: &OutputTarget) -> String {
    format!("{from} to {}", target.reference())
}

/// The target of an output that writes this stream of the log.
pub(crate) fn target_of(stream: &StreamKey) -> OutputTarget {
    let name = stream.name.to_string();
    match stream.kind {
        StreamKind::Data => OutputTarget::Stream(name),
        StreamKind::Delivery => OutputTarget::DeliveryStream(name),
    }
}

/// The producer of one pass or shard of a feed's source.
pub(crate) fn of_feed(feed: ResourceId, part: &str) -> u64 {
    stable_hash(&format!("feed {} {part}", feed.0))
}

/// Forgets those of these producers that a stream knows. A stream that is gone has forgotten them already.
///
/// # Errors
/// The log does not take it now.
pub(crate) async fn forget(log: &Log, stream: &StreamKey, producers: Vec<u64>) -> Result<(), AppendError> {
    let known: HashSet<u64> = match log.producer_list(stream) {
        Ok(list) => list.into_iter().map(|(producer, _)| producer).collect(),
        Err(AppendError::StreamNotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    for producer in producers.into_iter().filter(|producer| known.contains(producer)) {
        match log.producer_forget(stream, producer).await {
            Ok(()) => {}
            Err(AppendError::StreamNotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r7_two_outputs_of_one_stream_share_no_number() {
        let targets = [
            OutputTarget::Function("mail-owner".to_owned()),
            OutputTarget::Function("mail-operator".to_owned()),
            OutputTarget::Stream("mail-owner".to_owned()),
            OutputTarget::DeliveryStream("mail-owner".to_owned()),
        ];
        let mut known = HashSet::new();
        for (from, epoch) in [("SCORES", 0), ("AVERAGES", 0), ("SCORES", 1)] {
            for target in &targets {
                for producer in of_output(ResourceId(7), epoch, &output_name(from, target)) {
                    assert!(known.insert(producer), "{from} {epoch} {target:?}");
                }
            }
        }
    }
}
