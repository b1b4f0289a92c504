//! Alarms: a statistic of a metric compared with a threshold, period after period.
//!
//! ```text
//!                     points, enough not breaching
//!    INSUFFICIENT_DATA ─────────────▶ OK           every change: a row of history and
//!        ▲      │                    │  ▲          one message to each topic of the new
//!        │      └─ M of N breach ─┐  │  │          state, in the same transaction
//!   no point                      ▼  ▼  │
//!        └────────────────────────ALARM─┘
//! ```

mod announcement;
mod definition;
mod evaluate;
#[cfg(test)]
mod evaluate_test;
pub(crate) mod round;
mod state;
pub(crate) mod table;

pub use definition::{AlarmActions, AlarmDefinition, Comparison, MissingData};
pub use state::{Alarm, AlarmState, AlarmTransition};
