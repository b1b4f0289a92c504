//! What of a group of appends is to be written: all but what producers repeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_host::Timestamp;

use crate::error::AppendError;
use crate::producer::ProducerChange;
use crate::queue::{Append, AppendAck, FrameAck, Work};
use crate::segment::write::PendingFrame;
use crate::stream::Stream;

/// What is to be committed: frames in order, each with its append's place in the group, and what producers did.
#[derive(Default)]
pub(crate) struct Plan<'group> {
    pub(crate) frames: Vec<(usize, &'group Append, PendingFrame)>,
    pub(crate) changes: Vec<(Arc<Stream>, ProducerChange)>,
    pub(crate) answers: Vec<Answer>,
}

/// What comes of a piece of work once the commit is durable.
pub(crate) enum Answer {
    Append(AppendAck),
    Refused(AppendError),
    Done,
}

impl<'group> Plan<'group> {
    /// The plan for a group; `last_commit` is the newest one so far.
    pub(crate) fn of(group: &'group [Work], last_commit: u64) -> Plan<'group> {
        let mut plan = Plan::default();
        // What this group itself adds: it becomes durable with the rest or not at all.
        let mut reached: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        for (number, work) in group.iter().enumerate() {
            let answer = match work {
                Work::Finish(..) => Answer::Done,
                Work::Producer(stream, change, _) => {
                    reached.insert((stream.id, change.producer), change.next_number.unwrap_or(0));
                    plan.changes.push((Arc::clone(stream), *change));
                    Answer::Done
                }
                Work::Append(append) => {
                    let planned = plan_append(append, &mut reached);
                    let (duplicates, frames, change) = match planned {
                        Ok(planned) => planned,
                        Err(refused) => {
                            plan.answers.push(Answer::Refused(refused));
                            continue;
                        }
                    };
                    let acks = append.frames.iter().zip(&frames).map(|(whole, left)| FrameAck {
                        first_index: 0,
                        arrival: Timestamp(0),
                        skipped: whole.count - left.as_ref().map_or(0, |left| left.count),
                    });
                    let ack = AppendAck { frames: acks.collect(), commit: last_commit, duplicates };
                    plan.changes.extend(change.map(|change| (Arc::clone(&append.stream), change)));
                    let left = frames.into_iter().flatten();
                    plan.frames.extend(left.map(|frame| (number, append, frame)));
                    Answer::Append(ack)
                }
            };
            plan.answers.push(answer);
        }
        plan
    }
}

/// How many records the log has already, what is left of each frame, and how far the producer comes.
#[expect(clippy::type_complexity, reason = "three things that only the caller puts together")]
fn plan_append(
    append: &Append,
    reached: &mut BTreeMap<(u32, u64), u64>,
) -> Result<(u32, Vec<Option<PendingFrame>>, Option<ProducerChange>), AppendError> {
    let Some(producer) = append.producer else {
        return Ok((0, append.frames.iter().cloned().map(Some).collect(), None));
    };
    let key = (append.stream.id, producer.id);
    let durable = || append.stream.producers.lock().get(&producer.id).copied();
    let have = reached.get(&key).copied().or_else(durable).unwrap_or(0);
    let duplicates = producer.duplicates(u64::from(append.records), have)? as u32;
    let next = producer.next(u64::from(append.records));
    let change = (next > have).then_some(ProducerChange {
        stream: append.stream.id,
        producer: producer.id,
        next_number: Some(next),
    });
    reached.insert(key, have.max(next));
    let mut skipped = vec![0_u32; append.frames.len()];
    for record in 0..duplicates {
        skipped[append.placements.get(record as usize).0] += 1;
    }
    let left = append.frames.iter().zip(skipped).map(|(frame, skipped)| match skipped {
        0 => Some(frame.clone()),
        all if all == frame.count => None,
        some => Some(frame.without_first(some)),
    });
    Ok((duplicates, left.collect(), change))
}
