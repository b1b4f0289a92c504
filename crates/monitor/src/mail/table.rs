//! Mails in the database.

use millstream_host::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Mail, MailCounts, MailStatus, NewMail, RetriedMail, TopicMails};
use crate::database;

const COLUMNS: &str = "id, message_id, topic, recipient, subject, body, created_at, smtp_status, attempts, last_error, \
                       next_attempt_at, sent_at";

/// Puts a mail into the mailbox; a queued one is due at once.
pub(crate) fn insert(connection: &Connection, mail: &NewMail<'_>, is_queued: bool) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO mail
             (message_id, topic, recipient, subject, body, created_at, smtp_status, attempts, next_attempt_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?6)",
        )?
        .execute(params![
            mail.message_id,
            mail.topic,
            mail.recipient,
            mail.subject,
            mail.body,
            mail.created_at.0,
            if is_queued { "queued" } else { "local" },
        ])?;
    Ok(())
}

/// Whether a message of this id was published to the topic.
pub(crate) fn has_message(connection: &Connection, topic: &str, message_id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM mail WHERE message_id = ?1 AND topic = ?2)")?
        .query_row(params![message_id, topic], |row| row.get(0))
}

/// How many mails wait for the SMTP server.
pub(crate) fn queued(connection: &Connection) -> rusqlite::Result<usize> {
    database::count(connection, "SELECT count(*) FROM mail WHERE smtp_status = 'queued'", [])
}

/// How the mails to the SMTP server fare.
pub(crate) fn counts(connection: &Connection) -> rusqlite::Result<MailCounts> {
    let count = |status: &str| {
        database::count(connection, "SELECT count(*) FROM mail WHERE smtp_status = ?1", [status])
    };
    let newest_refusal = connection
        .prepare_cached("SELECT last_error FROM mail WHERE smtp_status = 'failed' ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    let retried = connection
        .prepare_cached(
            "SELECT created_at, attempts, last_error FROM mail
             WHERE smtp_status = 'queued' AND last_error IS NOT NULL ORDER BY id LIMIT 1",
        )?
        .query_row([], |row| {
            Ok(RetriedMail { since: Timestamp(row.get(0)?), attempts: row.get(1)?, error: row.get(2)? })
        })
        .optional()?;
    Ok(MailCounts {
        waiting: count("queued")?,
        sent: count("sent")?,
        refused: count("failed")?,
        newest_refusal,
        retried,
    })
}

/// The mails of a topic since it was created: those of an earlier one of its name stay in the mailbox.
pub(crate) fn of_topic(connection: &Connection, topic: &str) -> rusqlite::Result<TopicMails> {
    let condition = "topic = ?1 AND created_at >= (SELECT created_at FROM topics WHERE name = ?1)";
    let newest = connection
        .prepare_cached(&format!(
            "SELECT subject, created_at FROM mail WHERE {condition} ORDER BY id DESC LIMIT 1"
        ))?
        .query_row([topic], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))
        .optional()?;
    let kept = database::count(connection, &format!("SELECT count(*) FROM mail WHERE {condition}"), [topic])?;
    Ok(TopicMails { kept, newest })
}

/// The newest mails, newest first.
pub(crate) fn newest(connection: &Connection, count: usize) -> rusqlite::Result<Vec<Mail>> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM mail ORDER BY id DESC LIMIT ?1"))?;
    query.query_map([i64::try_from(count).unwrap_or(i64::MAX)], mail_of)?.collect()
}

/// When mails are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub now: Timestamp,
    /// No mail waits longer than until here. One that seems to was written before the clock was set back, and is due.
    pub latest: Timestamp,
}

/// Mails whose time has come, those that waited longest first.
pub(super) fn due(connection: &Connection, due: Due, count: u32) -> rusqlite::Result<Vec<Mail>> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM mail
         WHERE smtp_status = 'queued' AND (next_attempt_at <= ?1 OR next_attempt_at > ?2)
         ORDER BY next_attempt_at, id LIMIT ?3"
    ))?;
    query.query_map(params![due.now.0, due.latest.0, count], mail_of)?.collect()
}

/// Notes that the server took a mail.
pub(super) fn record_sent(connection: &Connection, id: i64, now: Timestamp) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE mail SET smtp_status = 'sent', attempts = attempts + 1, last_error = NULL, sent_at = ?2 WHERE id = ?1",
        params![id, now.0],
    )?;
    Ok(())
}

/// Notes that the server refused a mail for good.
pub(super) fn record_failed(connection: &Connection, id: i64, error: &str) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE mail SET smtp_status = 'failed', attempts = attempts + 1, last_error = ?2 WHERE id = ?1",
        params![id, error],
    )?;
    Ok(())
}

/// Notes that a mail is to be tried again.
pub(super) fn record_retry(
    connection: &Connection,
    id: i64,
    error: &str,
    next: Timestamp,
) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE mail SET attempts = attempts + 1, last_error = ?2, next_attempt_at = ?3 WHERE id = ?1",
        params![id, error, next.0],
    )?;
    Ok(())
}

/// Notes on all mails whose time has come that the server cannot be reached.
pub(super) fn record_unreachable(
    connection: &Connection,
    error: &str,
    due: Due,
    next: Timestamp,
) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE mail SET attempts = attempts + 1, last_error = ?1, next_attempt_at = ?4
         WHERE smtp_status = 'queued' AND (next_attempt_at <= ?2 OR next_attempt_at > ?3)",
        params![error, due.now.0, due.latest.0, next.0],
    )?;
    Ok(())
}

/// Deletes the oldest mails beyond `kept`; queued ones do not count and are never deleted.
pub(crate) fn sweep(connection: &Connection, kept: usize) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM mail WHERE smtp_status != 'queued' AND id <=
             (SELECT id FROM mail WHERE smtp_status != 'queued' ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute([i64::try_from(kept).unwrap_or(i64::MAX)])?;
    Ok(())
}

fn mail_of(row: &Row<'_>) -> rusqlite::Result<Mail> {
    let attempts = row.get(8)?;
    let status = match row.get_ref(7)?.as_str()? {
        "local" => MailStatus::Local,
        "queued" => {
            MailStatus::Queued { attempts, last_error: row.get(9)?, next_attempt_at: Timestamp(row.get(10)?) }
        }
        "sent" => MailStatus::Sent { attempts, at: Timestamp(row.get(11)?) },
        "failed" => MailStatus::Failed { attempts, error: row.get(9)? },
        other => {
            let problem = format!("\"{other}\" is no status of a mail");
            return Err(rusqlite::Error::FromSqlConversionFailure(7, Type::Text, problem.into()));
        }
    };
    Ok(Mail {
        id: row.get(0)?,
        message_id: row.get(1)?,
        topic: row.get(2)?,
        recipient: row.get(3)?,
        subject: row.get(4)?,
        body: row.get(5)?,
        created_at: Timestamp(row.get(6)?),
        status,
    })
}
