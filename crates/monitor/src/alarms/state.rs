//! The state of an alarm, and how it changed.

use std::fmt;
use std::str::FromStr;

use millstream_host::Timestamp;

use super::AlarmDefinition;

/// What an alarm says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmState {
    /// The threshold is not crossed.
    Ok,
    /// It is crossed often enough.
    Alarm,
    /// Not known: the alarm is new, or there are no points.
    InsufficientData,
}

impl AlarmState {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("alarm state \"{0}\" is not known; states are OK, ALARM and INSUFFICIENT_DATA")]
pub struct InvalidAlarmState(String);

impl FromStr for AlarmState {
    type Err = InvalidAlarmState;

    fn from_str(text: &str) -> Result<AlarmState, InvalidAlarmState> {
        [AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| InvalidAlarmState(text.chars().take(40).collect()))
    }
}

/// An alarm and what it says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// What it watches.
    pub definition: AlarmDefinition,
    /// What it says.
    pub state: AlarmState,
    /// Why, as of the last change.
    pub reason: String,
    /// When the state changed last.
    pub changed_at: Timestamp,
}

/// A change of an alarm's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmTransition {
    /// The alarm's name.
    pub alarm: String,
    /// When.
    pub at: Timestamp,
    /// The state before.
    pub from: AlarmState,
    /// The state after.
    pub to: AlarmState,
    /// Why.
    pub reason: String,
    /// Topics that could not be notified, each with why; empty when all went well.
    pub action_problems: Vec<String>,
}
