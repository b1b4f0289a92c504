//! Alarms and their history in the database.

use std::error::Error;

use millstream_host::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Alarm, AlarmDefinition, AlarmState, AlarmTransition};
use crate::database;
use crate::error::AlarmError;
use crate::limits;

/// The reason of an alarm that has not been evaluated.
const NOT_EVALUATED: &str = "not evaluated yet";

/// Stores a definition; returns whether it is new or different, and the alarm so starts from scratch.
pub(crate) fn put(
    connection: &Connection,
    definition: &AlarmDefinition,
    now: Timestamp,
) -> Result<bool, AlarmError> {
    definition.check()?;
    let stored = connection
        .query_row("SELECT definition FROM alarms WHERE name = ?1", [&definition.name], |row| {
            definition_of(row, 0)
        })
        .optional()?;
    if stored.as_ref() == Some(definition) {
        return Ok(false);
    }
    let count = database::count(connection, "SELECT count(*) FROM alarms", [])?;
    if stored.is_none() && count >= limits::ALARMS {
        return Err(AlarmError::TooManyAlarms);
    }
    let text = serde_json::to_string(definition).expect("a definition is texts and finite numbers");
    connection.execute(
        "INSERT OR REPLACE INTO alarms (name, definition, state, reason, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![definition.name, text, AlarmState::InsufficientData.as_str(), NOT_EVALUATED, now.0],
    )?;
    Ok(true)
}

/// Deletes an alarm; its history stays.
pub(crate) fn delete(connection: &Connection, name: &str) -> Result<(), AlarmError> {
    match connection.execute("DELETE FROM alarms WHERE name = ?1", [name])? {
        0 => Err(AlarmError::NotFound(name.chars().take(100).collect())),
        _ => Ok(()),
    }
}

/// All alarms by name.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Alarm>> {
    let mut query = connection
        .prepare_cached("SELECT definition, state, reason, changed_at FROM alarms ORDER BY name")?;
    let rows = query.query_map([], |row| {
        Ok(Alarm {
            definition: definition_of(row, 0)?,
            state: state_of(row, 1)?,
            reason: row.get(2)?,
            changed_at: Timestamp(row.get(3)?),
        })
    })?;
    rows.collect()
}

/// Stores a change of state and its row of history.
pub(super) fn record(connection: &Connection, transition: &AlarmTransition) -> rusqlite::Result<()> {
    let AlarmTransition { alarm, at, from, to, reason, action_problems } = transition;
    connection.execute(
        "UPDATE alarms SET state = ?2, reason = ?3, changed_at = ?4 WHERE name = ?1",
        params![alarm, to.as_str(), reason, at.0],
    )?;
    connection.execute(
        "INSERT INTO alarm_history (alarm, at, from_state, to_state, reason, action_problems)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![alarm, at.0, from.as_str(), to.as_str(), reason, action_problems.join("\n")],
    )?;
    connection.execute(
        "DELETE FROM alarm_history WHERE id <= (SELECT max(id) FROM alarm_history) - ?1",
        [limits::ALARM_HISTORY],
    )?;
    Ok(())
}

/// The newest changes, newest first; of one alarm, or of all.
pub(crate) fn history(
    connection: &Connection,
    alarm: Option<&str>,
    newest: usize,
) -> rusqlite::Result<Vec<AlarmTransition>> {
    let mut query = connection.prepare_cached(
        "SELECT alarm, at, from_state, to_state, reason, action_problems FROM alarm_history
         WHERE ?1 IS NULL OR alarm = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![alarm, i64::try_from(newest).unwrap_or(i64::MAX)], |row| {
        let problems: String = row.get(5)?;
        Ok(AlarmTransition {
            alarm: row.get(0)?,
            at: Timestamp(row.get(1)?),
            from: state_of(row, 2)?,
            to: state_of(row, 3)?,
            reason: row.get(4)?,
            action_problems: problems.lines().map(str::to_owned).collect(),
        })
    })?;
    rows.collect()
}

fn definition_of(row: &Row<'_>, column: usize) -> rusqlite::Result<AlarmDefinition> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| damaged(column, error))
}

fn state_of(row: &Row<'_>, column: usize) -> rusqlite::Result<AlarmState> {
    row.get_ref(column)?.as_str()?.parse().map_err(|error| damaged(column, error))
}

fn damaged(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
