//! Statistics over periods of time.

use std::collections::BTreeMap;

use millstream_host::Timestamp;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::{Bucket, MetricKey, Pending, Statistic, bucket_start, table};
use crate::error::QueryError;
use crate::limits;

/// Which statistics of which metric, over which periods.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsQuery {
    /// The metric: its exact set of dimensions.
    pub metric: MetricKey,
    /// What to compute; at least one.
    pub statistics: Vec<Statistic>,
    /// Length of a period in seconds: 1, 5, 10, 20, 30 or a multiple of 60. Periods are aligned to the epoch.
    pub period: u32,
    /// First instant, included; rounded down to a whole period.
    pub start: Timestamp,
    /// Last instant, excluded.
    pub end: Timestamp,
    /// Only points of this unit; absent: all, each unit with datapoints of its own.
    pub unit: Option<String>,
}

/// The statistics of one period and unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Datapoint {
    /// Where the period begins.
    pub at: Timestamp,
    /// The unit of the points.
    pub unit: String,
    /// One for each statistic asked, in that order; `None` for a percentile of points whose single values are unknown.
    pub values: Vec<Option<f64>>,
}

/// What a metric measured last: the mean of its newest bucket, and when that begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewestValue {
    /// When, to the second or minute in which the metric is kept.
    pub at: Timestamp,
    /// The mean of what was measured then.
    pub value: f64,
}

/// The newest value of a metric, from the database and what waits in memory. The caller keeps points from moving between
/// the two meanwhile.
pub(crate) fn newest(
    connection: &Connection,
    pending: &Mutex<Pending>,
    metric: &MetricKey,
) -> rusqlite::Result<Option<NewestValue>> {
    let stored = table::newest_at(connection, metric)?;
    let waiting = pending.lock().of(metric).and_then(|slots| slots.keys().map(|slot| slot.at).max());
    let Some(at) = stored.max(waiting) else { return Ok(None) };
    let range = (at, Timestamp(at.0.saturating_add(1)));
    let values = samples(connection, pending, metric, Statistic::Average, 1, range)?;
    Ok(values.into_iter().map(|(at, value)| NewestValue { at, value }).next_back())
}

/// Whether periods may have this length, in seconds.
pub(crate) fn is_period(seconds: u32) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || (seconds > 0 && seconds.is_multiple_of(60))
}

/// Answers a query from the database and what waits in memory; oldest first. A period without points has no datapoint.
/// The caller keeps points from moving between the two meanwhile.
pub(crate) fn statistics(
    connection: &Connection,
    pending: &Mutex<Pending>,
    query: &StatisticsQuery,
    now: Timestamp,
) -> Result<Vec<Datapoint>, QueryError> {
    let period = query.period;
    if query.statistics.is_empty() {
        return Err(QueryError::NoStatistic);
    }
    if !is_period(period) {
        return Err(QueryError::Period(period));
    }
    let kept = resolution_kept(now, query.start);
    if !period.is_multiple_of(kept) {
        return Err(QueryError::PeriodTooFine {
            period,
            age_hours: now.since(query.start).as_secs() / 3_600,
            kept,
        });
    }
    if query.end <= query.start {
        return Err(QueryError::EmptyRange);
    }
    let start = bucket_start(query.start, period);
    let asked = query.end.since(start).as_millis().div_ceil(u128::from(period) * 1_000);
    let asked = u64::try_from(asked).unwrap_or(u64::MAX);
    if asked > limits::DATAPOINTS {
        return Err(QueryError::TooManyDatapoints { asked });
    }
    let mut periods: BTreeMap<(Timestamp, String), Bucket> = BTreeMap::new();
    let with_distributions = query.statistics.iter().any(Statistic::needs_distribution);
    for_each_bucket(
        connection,
        pending,
        &query.metric,
        (start, query.end),
        with_distributions,
        |at, unit, bucket| {
            if query.unit.as_ref().is_none_or(|wanted| wanted == unit) {
                merge_into(&mut periods, (bucket_start(at, period), unit.to_owned()), bucket);
            }
        },
    )?;
    let datapoint = |((at, unit), bucket): ((Timestamp, String), Bucket)| Datapoint {
        at,
        unit,
        values: query.statistics.iter().map(|&statistic| bucket.statistic(statistic)).collect(),
    };
    Ok(periods.into_iter().map(datapoint).collect())
}

/// One statistic by period over `[start, end)`, all units together; for alarms.
pub(crate) fn samples(
    connection: &Connection,
    pending: &Mutex<Pending>,
    metric: &MetricKey,
    statistic: Statistic,
    period: u32,
    range: (Timestamp, Timestamp),
) -> rusqlite::Result<BTreeMap<Timestamp, f64>> {
    let mut periods = BTreeMap::new();
    for_each_bucket(connection, pending, metric, range, statistic.needs_distribution(), |at, _, bucket| {
        merge_into(&mut periods, bucket_start(at, period), bucket);
    })?;
    let value = |(at, bucket): (Timestamp, Bucket)| Some((at, bucket.statistic(statistic)?));
    Ok(periods.into_iter().filter_map(value).collect())
}

fn for_each_bucket(
    connection: &Connection,
    pending: &Mutex<Pending>,
    metric: &MetricKey,
    (start, end): (Timestamp, Timestamp),
    with_distributions: bool,
    mut each: impl FnMut(Timestamp, &str, &Bucket),
) -> rusqlite::Result<()> {
    table::read(connection, metric, (start, end), with_distributions, |slot, bucket| {
        each(slot.at, &slot.unit, &bucket);
    })?;
    for (slot, bucket) in pending.lock().of(metric).into_iter().flatten() {
        if slot.at >= start && slot.at < end {
            each(slot.at, &slot.unit, bucket);
        }
    }
    Ok(())
}

fn merge_into<K: Ord>(periods: &mut BTreeMap<K, Bucket>, key: K, bucket: &Bucket) {
    match periods.entry(key) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(bucket.clone());
        }
        std::collections::btree_map::Entry::Occupied(mut kept) => kept.get_mut().merge(bucket),
    }
}

/// The finest resolution that is kept of the time `start`, in seconds.
fn resolution_kept(now: Timestamp, start: Timestamp) -> u32 {
    let age = now.since(start);
    let tier = limits::TIERS.iter().find(|(_, kept_for)| age <= *kept_for);
    tier.unwrap_or(&limits::TIERS[limits::TIERS.len() - 1]).0
}
