//! Topics and subscriptions in the database.

use millstream_host::{Random, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Protocol, Subscription, Topic, address, check_name, message};
use crate::database;
use crate::error::TopicError;
use crate::limits;

/// Creates a topic unless it is there.
pub(crate) fn create(connection: &Connection, name: &str, now: Timestamp) -> Result<(), TopicError> {
    check_name(name)?;
    if exists(connection, name)? {
        return Ok(());
    }
    let count = database::count(connection, "SELECT count(*) FROM topics", [])?;
    if count >= limits::TOPICS {
        return Err(TopicError::TooManyTopics);
    }
    connection.execute("INSERT INTO topics (name, created_at) VALUES (?1, ?2)", params![name, now.0])?;
    Ok(())
}

/// Deletes a topic and its subscriptions; an unknown one is fine. Its mails stay.
pub(crate) fn delete(connection: &Connection, name: &str) -> Result<(), TopicError> {
    connection.execute("DELETE FROM topics WHERE name = ?1", [name])?;
    Ok(())
}

/// All topics by name.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Topic>> {
    let mut query = connection.prepare("SELECT name, created_at FROM topics ORDER BY name")?;
    let rows =
        query.query_map([], |row| Ok(Topic { name: row.get(0)?, created_at: Timestamp(row.get(1)?) }))?;
    rows.collect()
}

/// Fails unless the topic is there.
pub(super) fn require(connection: &Connection, name: &str) -> Result<(), TopicError> {
    if exists(connection, name)? {
        Ok(())
    } else {
        Err(TopicError::NotFound(name.chars().take(100).collect()))
    }
}

fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM topics WHERE name = ?1")?.exists([name])
}

/// Subscribes an endpoint, or finds its subscription. To be called in a transaction.
pub(crate) fn subscribe(
    connection: &Connection,
    random: &mut Random,
    topic: &str,
    protocol: Protocol,
    endpoint: &str,
    now: Timestamp,
) -> Result<Subscription, TopicError> {
    match protocol {
        Protocol::Email => address::check(endpoint)?,
    }
    require(connection, topic)?;
    let found = connection
        .query_row(
            "SELECT id, topic, protocol, endpoint, created_at FROM subscriptions
             WHERE topic = ?1 AND protocol = ?2 AND endpoint = ?3",
            params![topic, protocol.as_str(), endpoint],
            subscription_of,
        )
        .optional()?;
    if let Some(subscription) = found {
        return Ok(subscription);
    }
    let count = database::count(connection, "SELECT count(*) FROM subscriptions WHERE topic = ?1", [topic])?;
    if count >= limits::SUBSCRIPTIONS_PER_TOPIC {
        return Err(TopicError::TooManySubscriptions(topic.to_owned()));
    }
    let subscription = Subscription {
        id: message::new_id(random, now),
        topic: topic.to_owned(),
        protocol,
        endpoint: endpoint.to_owned(),
        created_at: now,
    };
    connection.execute(
        "INSERT INTO subscriptions (id, topic, protocol, endpoint, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![subscription.id, topic, protocol.as_str(), endpoint, now.0],
    )?;
    Ok(subscription)
}

/// Ends a subscription. Mails that are queued already still go out.
pub(crate) fn unsubscribe(connection: &Connection, id: &str) -> Result<(), TopicError> {
    match connection.execute("DELETE FROM subscriptions WHERE id = ?1", [id])? {
        0 => Err(TopicError::SubscriptionNotFound(id.chars().take(100).collect())),
        _ => Ok(()),
    }
}

/// The subscriptions of one topic, or of all, oldest first.
pub(crate) fn subscriptions(
    connection: &Connection,
    topic: Option<&str>,
) -> Result<Vec<Subscription>, TopicError> {
    if let Some(topic) = topic {
        require(connection, topic)?;
    }
    let mut query = connection.prepare(
        "SELECT id, topic, protocol, endpoint, created_at FROM subscriptions
         WHERE ?1 IS NULL OR topic = ?1 ORDER BY topic, created_at, rowid",
    )?;
    let rows = query.query_map([topic], subscription_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The addresses that are subscribed to a topic, oldest subscription first.
pub(super) fn recipients(connection: &Connection, topic: &str) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare_cached(
        "SELECT endpoint FROM subscriptions WHERE topic = ?1 AND protocol = 'email' ORDER BY created_at, rowid",
    )?;
    query.query_map([topic], |row| row.get(0))?.collect()
}

fn subscription_of(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    let protocol = row.get_ref(2)?.as_str()?;
    Ok(Subscription {
        id: row.get(0)?,
        topic: row.get(1)?,
        protocol: protocol
            .parse()
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)))?,
        endpoint: row.get(3)?,
        created_at: Timestamp(row.get(4)?),
    })
}
