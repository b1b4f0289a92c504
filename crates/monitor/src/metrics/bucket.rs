//! What is kept of the points of one bucket of time.

use super::Measured;
use super::distribution::Distribution;
use super::statistic::Statistic;
use crate::error::PutError;
use crate::limits;

/// Count, sum, extremes and a sketch of the values. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub count: f64,
    pub sum: f64,
    pub minimum: f64,
    pub maximum: f64,
    pub distribution: Distribution,
}

impl Bucket {
    /// The bucket of one point; `name` is for the message.
    pub fn of(measured: &Measured, name: &str) -> Result<Bucket, PutError> {
        match measured {
            Measured::Value(value) => Bucket::repeated(*value, 1.0, name),
            Measured::Values(values) => {
                if values.is_empty() || values.len() > limits::VALUES_PER_POINT {
                    return Err(distribution_error(name, "a point needs 1 to 150 values"));
                }
                let mut merged: Option<Bucket> = None;
                for &(value, count) in values {
                    let bucket = Bucket::repeated(value, count, name)?;
                    match &mut merged {
                        None => merged = Some(bucket),
                        Some(merged) => merged.merge(&bucket),
                    }
                }
                Ok(merged.expect("there is at least one value"))
            }
            &Measured::Summary { count, sum, minimum, maximum } => {
                check_value(minimum, name)?;
                check_value(maximum, name)?;
                check_count(count, name)?;
                if minimum > maximum {
                    return Err(distribution_error(name, "the minimum is larger than the maximum"));
                }
                if !sum.is_finite() || sum.abs() > limits::largest_value() * limits::COUNT {
                    return Err(distribution_error(
                        name,
                        "the sum is not a finite number of a possible size",
                    ));
                }
                let mut distribution = Distribution::default();
                if minimum == maximum || count == 1.0 {
                    distribution.add(if minimum == maximum { minimum } else { sum }, count);
                }
                Ok(Bucket { count, sum, minimum, maximum, distribution })
            }
        }
    }

    fn repeated(value: f64, count: f64, name: &str) -> Result<Bucket, PutError> {
        check_value(value, name)?;
        check_count(count, name)?;
        let mut distribution = Distribution::default();
        distribution.add(value, count);
        Ok(Bucket { count, sum: value * count, minimum: value, maximum: value, distribution })
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Bucket) {
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self.distribution.merge(&other.distribution);
    }

    /// The statistic; `None` for a percentile of points whose single values are not known.
    pub fn statistic(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::SampleCount => Some(self.count),
            Statistic::Sum => Some(self.sum),
            Statistic::Average => Some(self.sum / self.count),
            Statistic::Minimum => Some(self.minimum),
            Statistic::Maximum => Some(self.maximum),
            Statistic::Percentile { hundredths } => {
                let all_known = (self.distribution.weight() - self.count).abs() <= 1e-9 * self.count;
                let rank = f64::from(hundredths) / 10_000.0;
                let value = self.distribution.quantile(rank).filter(|_| all_known)?;
                Some(value.clamp(self.minimum, self.maximum))
            }
        }
    }
}

fn check_value(value: f64, name: &str) -> Result<(), PutError> {
    if value.is_finite() && value.abs() <= limits::largest_value() {
        Ok(())
    } else {
        Err(PutError::Value { name: name.to_owned(), value })
    }
}

fn check_count(count: f64, name: &str) -> Result<(), PutError> {
    if count > 0.0 && count <= limits::COUNT {
        Ok(())
    } else {
        Err(distribution_error(name, "a count must be above 0 and at most 10^15"))
    }
}

fn distribution_error(name: &str, reason: &'static str) -> PutError {
    PutError::Distribution { name: name.to_owned(), reason }
}
