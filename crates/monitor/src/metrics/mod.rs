//! Metrics: what a point is, and the limits on it.
//!
//! ```text
//! put ─▶ check ─▶ pending buckets (memory) ─▶ flush, once a tick ─▶ table buckets ─▶ sweep: coarser with age
//!                        └──────────────────────────┬──────────────────┘
//!                                               statistics
//! ```

mod bucket;
mod distribution;
mod list;
mod pending;
pub(crate) mod retention;
mod statistic;
mod statistics;
pub(crate) mod table;

use millstream_host::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use bucket::Bucket;
pub use list::MetricFilter;
pub(crate) use pending::{CheckedPoint, Pending, check_unit};
pub use statistic::{InvalidStatistic, Statistic};
pub use statistics::{Datapoint, NewestValue, StatisticsQuery};
pub(crate) use statistics::{is_period, newest, samples, statistics};

use crate::error::PutError;
use crate::limits;

/// What identifies a metric: its namespace, its name and the exact set of its dimensions, sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricKey {
    namespace: String,
    name: String,
    dimensions: Vec<(String, String)>,
}

impl MetricKey {
    /// A metric by its parts; the order of dimensions has no meaning.
    ///
    /// # Errors
    /// A part is empty, too long, has control characters, or stands twice.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        dimensions: impl IntoIterator<Item = (String, String)>,
    ) -> Result<MetricKey, PutError> {
        let (namespace, name) = (namespace.into(), name.into());
        let mut dimensions: Vec<(String, String)> = dimensions.into_iter().collect();
        let is_text = |text: &str, longest: usize| {
            !text.is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
        };
        if !is_text(&namespace, limits::NAME_CHARACTERS) || namespace.contains(':') {
            return Err(PutError::Namespace(shorten(&namespace)));
        }
        if !is_text(&name, limits::NAME_CHARACTERS) {
            return Err(PutError::Name(shorten(&name)));
        }
        if dimensions.len() > limits::DIMENSIONS {
            return Err(PutError::TooManyDimensions { name, count: dimensions.len() });
        }
        for (dimension, value) in &dimensions {
            if !is_text(dimension, limits::NAME_CHARACTERS)
                || !is_text(value, limits::DIMENSION_VALUE_CHARACTERS)
            {
                return Err(PutError::Dimension(shorten(dimension)));
            }
        }
        dimensions.sort();
        if let Some(twice) = dimensions.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(PutError::DuplicatedDimension { name, dimension: twice[0].0.clone() });
        }
        Ok(MetricKey { namespace, name, dimensions })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dimensions, sorted by name.
    pub fn dimensions(&self) -> &[(String, String)] {
        &self.dimensions
    }

    /// The dimensions as they are stored.
    fn dimensions_json(&self) -> String {
        serde_json::to_string(&self.dimensions).expect("pairs of texts are JSON")
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A measurement to be put.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Of which metric.
    pub metric: MetricKey,
    /// The unit, such as `None`, `Count` or `Milliseconds`; units are not converted.
    pub unit: String,
    /// When it was measured; absent: now.
    pub at: Option<Timestamp>,
    /// What was measured.
    pub measured: Measured,
    /// How finely it is kept.
    pub resolution: StorageResolution,
}

impl Point {
    /// One value of now, without unit, kept to the second.
    pub fn value(metric: MetricKey, value: f64) -> Point {
        Point {
            metric,
            unit: "None".to_owned(),
            at: None,
            measured: Measured::Value(value),
            resolution: StorageResolution::Second,
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// One value.
    Value(f64),
    /// Values, each with how often it occurred; at most 150.
    Values(Vec<(f64, f64)>),
    /// Values that were summed up already. Percentiles need single values: they stay absent unless all are the same.
    Summary {
        /// How many.
        count: f64,
        /// Their sum.
        sum: f64,
        /// The smallest.
        minimum: f64,
        /// The largest.
        maximum: f64,
    },
}

/// How finely a point is kept at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageResolution {
    /// To the second.
    #[default]
    Second,
    /// To the minute.
    Minute,
}

impl StorageResolution {
    fn seconds(self) -> u32 {
        match self {
            StorageResolution::Second => 1,
            StorageResolution::Minute => 60,
        }
    }
}

/// The instant at which the bucket of `seconds` that holds `at` begins; buckets are aligned to the epoch.
pub(crate) fn bucket_start(at: Timestamp, seconds: u32) -> Timestamp {
    let millis = i64::from(seconds.max(1)) * 1_000;
    Timestamp(at.0.div_euclid(millis).saturating_mul(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_dimensions_has_no_meaning_and_mistakes_are_named() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let one = MetricKey::new("n", "m", [pair("a", "b"), pair("c", "d")]).unwrap();
        let other = MetricKey::new("n", "m", [pair("c", "d"), pair("a", "b")]).unwrap();
        assert_eq!(one, other);
        assert!(matches!(MetricKey::new("a:b", "m", []), Err(PutError::Namespace(_))));
        assert!(matches!(MetricKey::new("", "m", []), Err(PutError::Namespace(_))));
        assert!(matches!(MetricKey::new("n", "m\n", []), Err(PutError::Name(_))));
        assert!(matches!(MetricKey::new("n", "x".repeat(256), []), Err(PutError::Name(_))));
        assert!(matches!(MetricKey::new("n", "m", [pair("a", "")]), Err(PutError::Dimension(_))));
        let twice = MetricKey::new("n", "m", [pair("a", "1"), pair("a", "2")]);
        assert!(matches!(twice, Err(PutError::DuplicatedDimension { .. })));
        let many = (0..31).map(|index| pair(&index.to_string(), "v"));
        assert!(matches!(MetricKey::new("n", "m", many), Err(PutError::TooManyDimensions { .. })));
    }

    #[test]
    fn buckets_are_aligned_to_the_epoch() {
        assert_eq!(bucket_start(Timestamp(61_999), 1), Timestamp(61_000));
        assert_eq!(bucket_start(Timestamp(61_999), 60), Timestamp(60_000));
        assert_eq!(bucket_start(Timestamp(-1), 60), Timestamp(-60_000));
    }
}
