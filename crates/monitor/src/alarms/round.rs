//! One round over all alarms: read their periods, judge, act on changes.

use std::collections::HashMap;

use millstream_host::Timestamp;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::announcement::announcement;
use super::evaluate::{Sample, evaluate};
use super::{Alarm, AlarmDefinition, AlarmState, AlarmTransition, table};
use crate::error::TopicError;
use crate::metrics::{self, Pending, bucket_start};
use crate::topics::{Message, Publishing};

/// Ended periods that are caught up at most, one by one, after a pause.
const PERIODS_CAUGHT_UP: i64 = 60;
/// Alarms that look back no further are judged in every round, so that late points count at once; others when a minute
/// has passed.
const CHEAP_RANGE_SECONDS: u64 = 3_600;

/// When each alarm was judged last: up to the end of which period, and at what time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged(HashMap<String, (Timestamp, Timestamp)>);

impl Judged {
    /// Forgets an alarm that changed or is gone.
    pub fn forget(&mut self, alarm: &str) {
        self.0.remove(alarm);
    }

    /// The ends of the periods to judge now, oldest first.
    fn due(&self, definition: &AlarmDefinition, now: Timestamp) -> Vec<Timestamp> {
        let newest = bucket_start(now, definition.period);
        // After the clock was set back the alarm is judged as if for the first time.
        let last = self.0.get(&definition.name).filter(|(end, _)| *end <= newest);
        let Some(&(end, at)) = last else { return vec![newest] };
        let period = i64::from(definition.period) * 1_000;
        let ended = newest.0.saturating_sub(end.0) / period;
        if ended > 0 {
            let first = ended.min(PERIODS_CAUGHT_UP) - 1;
            return (0..=first).rev().map(|back| Timestamp(newest.0 - back * period)).collect();
        }
        let range = u64::from(definition.range_periods()) * u64::from(definition.period);
        let is_due = range <= CHEAP_RANGE_SECONDS || now.since(at).as_secs() >= 60;
        if is_due { vec![newest] } else { Vec::new() }
    }
}

/// Judges all alarms and acts on changes: state, history and messages. To be called in a transaction; `judged` is to be
/// kept only if it commits. Returns how many changed.
pub(crate) fn round(
    connection: &Connection,
    pending: &Mutex<Pending>,
    judged: &mut Judged,
    publishing: &mut Publishing<'_>,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let mut changes = 0;
    for mut alarm in table::all(connection)? {
        let due = judged.due(&alarm.definition, now);
        let (Some(&first), Some(&last)) = (due.first(), due.last()) else { continue };
        let definition = &alarm.definition;
        let period = i64::from(definition.period) * 1_000;
        let range = i64::from(definition.range_periods()) * period;
        let values = metrics::samples(
            connection,
            pending,
            &definition.metric,
            definition.statistic,
            definition.period,
            (Timestamp(first.0 - range), last),
        )?;
        for end in due {
            let samples: Vec<Sample> = (0..i64::from(alarm.definition.range_periods()))
                .map(|index| Timestamp(end.0 - range + index * period))
                .map(|at| Sample { at, value: values.get(&at).copied() })
                .collect();
            let verdict = evaluate(&alarm.definition, &samples, alarm.state);
            if verdict.state != alarm.state {
                change(connection, publishing, &mut alarm, verdict.state, verdict.reason, now)?;
                changes += 1;
            }
        }
        judged.0.insert(alarm.definition.name, (last, now));
    }
    Ok(changes)
}

fn change(
    connection: &Connection,
    publishing: &mut Publishing<'_>,
    alarm: &mut Alarm,
    state: AlarmState,
    reason: String,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let definition = &alarm.definition;
    let mut transition = AlarmTransition {
        alarm: definition.name.clone(),
        at: now,
        from: alarm.state,
        to: state,
        reason,
        action_problems: Vec::new(),
    };
    let topics = match state {
        AlarmState::Ok => &definition.actions.ok,
        AlarmState::Alarm => &definition.actions.alarm,
        AlarmState::InsufficientData => &definition.actions.insufficient_data,
    };
    let (subject, text) = announcement(definition, &transition);
    for topic in topics {
        let message = Message { id: None, subject: Some(&subject), text: &text };
        match publishing.publish(connection, topic, message, now) {
            Ok(_) => {}
            Err(TopicError::Store(error)) => return Err(error.0),
            Err(error) => {
                tracing::warn!(alarm = definition.name, topic, %error, "an alarm could not notify a topic");
                transition.action_problems.push(format!("{topic}: {error}"));
            }
        }
    }
    table::record(connection, &transition)?;
    tracing::info!(alarm = definition.name, from = %transition.from, to = %transition.to, "alarm changed");
    alarm.state = transition.to;
    alarm.reason = transition.reason;
    alarm.changed_at = now;
    Ok(())
}
