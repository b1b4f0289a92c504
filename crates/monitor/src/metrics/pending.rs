//! Points that are in memory and not yet in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_host::Timestamp;

use super::{Bucket, MetricKey, Point, bucket_start};
use crate::error::PutError;
use crate::limits;

/// Which bucket of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// Where the bucket begins.
    pub at: Timestamp,
    /// How long it is, in seconds.
    pub resolution: u32,
    pub unit: String,
}

/// The buckets of one metric.
pub(crate) type Slots = BTreeMap<Slot, Bucket>;

/// Buckets to be written, and the names of all metrics: those in the database and those that wait here.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    slots: HashMap<MetricKey, Slots>,
    count: usize,
    known: BTreeSet<MetricKey>,
}

/// A point that was found good.
pub(crate) struct CheckedPoint {
    metric: MetricKey,
    slot: Slot,
    bucket: Bucket,
}

/// Whether a unit is 1 to 64 printable ASCII characters.
pub(crate) fn check_unit(unit: &str) -> Result<(), PutError> {
    let is_printable = unit.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if unit.is_empty() || unit.len() > limits::UNIT_CHARACTERS || !is_printable {
        return Err(PutError::Unit(unit.chars().filter(|c| !c.is_control()).take(100).collect()));
    }
    Ok(())
}

impl CheckedPoint {
    /// Checks a point; `now` is its time when it bears none.
    pub fn new(point: &Point, now: Timestamp) -> Result<CheckedPoint, PutError> {
        check_unit(&point.unit)?;
        let name = point.metric.name();
        let at = point.at.unwrap_or(now);
        if now.since(at) > limits::OLDEST_POINT {
            return Err(PutError::TooOld(name.to_owned()));
        }
        if at.since(now) > limits::FARTHEST_AHEAD {
            return Err(PutError::TooFarAhead(name.to_owned()));
        }
        let resolution = point.resolution.seconds();
        let slot = Slot { at: bucket_start(at, resolution), resolution, unit: point.unit.clone() };
        Ok(CheckedPoint { metric: point.metric.clone(), slot, bucket: Bucket::of(&point.measured, name)? })
    }
}

impl Pending {
    /// Adds all points, or none if there were too many metrics then.
    pub fn add(&mut self, points: Vec<CheckedPoint>, max_metrics: usize) -> Result<(), PutError> {
        let new: BTreeSet<&MetricKey> =
            points.iter().map(|point| &point.metric).filter(|metric| !self.known.contains(*metric)).collect();
        let room = max_metrics.saturating_sub(self.known.len());
        if let Some(beyond) = new.iter().nth(room) {
            return Err(PutError::TooManyMetrics { name: beyond.name().to_owned(), limit: max_metrics });
        }
        for CheckedPoint { metric, slot, bucket } in points {
            if !self.known.contains(&metric) {
                self.known.insert(metric.clone());
            }
            self.merge(metric, slot, bucket);
        }
        Ok(())
    }

    fn merge(&mut self, metric: MetricKey, slot: Slot, bucket: Bucket) {
        match self.slots.entry(metric).or_default().entry(slot) {
            std::collections::btree_map::Entry::Occupied(mut kept) => kept.get_mut().merge(&bucket),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(bucket);
                self.count += 1;
            }
        }
    }

    /// How many buckets wait.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The waiting buckets of a metric.
    pub fn of(&self, metric: &MetricKey) -> Option<&Slots> {
        self.slots.get(metric)
    }

    /// Takes all waiting buckets, to write them.
    pub fn take(&mut self) -> HashMap<MetricKey, Slots> {
        self.count = 0;
        std::mem::take(&mut self.slots)
    }

    /// Puts back what could not be written.
    pub fn put_back(&mut self, taken: HashMap<MetricKey, Slots>) {
        for (metric, slots) in taken {
            for (slot, bucket) in slots {
                self.merge(metric.clone(), slot, bucket);
            }
        }
    }

    /// Forgets a metric and its waiting buckets.
    pub fn forget(&mut self, metric: &MetricKey) {
        self.count -= self.slots.remove(metric).map_or(0, |slots| slots.len());
        self.known.remove(metric);
    }

    /// All metrics, sorted.
    pub fn known(&self) -> &BTreeSet<MetricKey> {
        &self.known
    }

    /// Sets the metrics of the database; those that wait are kept too.
    pub fn set_known(&mut self, stored: BTreeSet<MetricKey>) {
        self.known = stored;
        self.known.extend(self.slots.keys().cloned());
    }
}
