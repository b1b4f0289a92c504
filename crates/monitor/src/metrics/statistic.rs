//! The statistics that can be asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is computed over the points of a period. Written `SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum`, `p99.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statistic {
    /// How many points.
    SampleCount,
    /// Their sum.
    Sum,
    /// Sum divided by count.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// The value at or below which so many hundredths of a per cent of the points lie, within 1 %.
    Percentile {
        /// 0 to 10,000: 9,990 is `p99.9`.
        hundredths: u16,
    },
}

impl Statistic {
    /// In a sentence: `average`, `95th percentile`.
    pub(crate) fn words(&self) -> String {
        match self {
            Statistic::SampleCount => "count".to_owned(),
            Statistic::Sum => "sum".to_owned(),
            Statistic::Average => "average".to_owned(),
            Statistic::Minimum => "minimum".to_owned(),
            Statistic::Maximum => "maximum".to_owned(),
            Statistic::Percentile { .. } => self.to_string(),
        }
    }

    /// Whether single values are needed and not only count, sum and extremes.
    pub(crate) fn needs_distribution(&self) -> bool {
        matches!(self, Statistic::Percentile { .. })
    }
}

/// A text that names no statistic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "statistic \"{0}\" is not known; use SampleCount, Sum, Average, Minimum, Maximum or a percentile such as p50 or p99.9"
)]
pub struct InvalidStatistic(pub String);

impl FromStr for Statistic {
    type Err = InvalidStatistic;

    fn from_str(text: &str) -> Result<Statistic, InvalidStatistic> {
        let invalid = || InvalidStatistic(text.chars().take(40).collect());
        match text {
            "SampleCount" => Ok(Statistic::SampleCount),
            "Sum" => Ok(Statistic::Sum),
            "Average" => Ok(Statistic::Average),
            "Minimum" => Ok(Statistic::Minimum),
            "Maximum" => Ok(Statistic::Maximum),
            _ => {
                let digits = text.strip_prefix('p').ok_or_else(invalid)?;
                let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
                let is_number = |part: &str, longest: usize| {
                    (1..=longest).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
                };
                if !is_number(whole, 3) || !is_number(fraction, 2) {
                    return Err(invalid());
                }
                let whole: u16 = whole.parse().map_err(|_| invalid())?;
                let fraction: u16 = format!("{fraction:0<2}").parse().map_err(|_| invalid())?;
                // At most 99,999: three digits and two.
                let hundredths = u32::from(whole) * 100 + u32::from(fraction);
                match u16::try_from(hundredths) {
                    Ok(hundredths) if hundredths <= 10_000 => Ok(Statistic::Percentile { hundredths }),
                    _ => Err(invalid()),
                }
            }
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::SampleCount => f.write_str("SampleCount"),
            Statistic::Sum => f.write_str("Sum"),
            Statistic::Average => f.write_str("Average"),
            Statistic::Minimum => f.write_str("Minimum"),
            Statistic::Maximum => f.write_str("Maximum"),
            Statistic::Percentile { hundredths } => write!(f, "p{}", f64::from(*hundredths) / 100.0),
        }
    }
}

impl TryFrom<String> for Statistic {
    type Error = InvalidStatistic;

    fn try_from(text: String) -> Result<Statistic, InvalidStatistic> {
        text.parse()
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> String {
        statistic.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for name in
            ["SampleCount", "Sum", "Average", "Minimum", "Maximum", "p0", "p50", "p99.9", "p99.99", "p100"]
        {
            assert_eq!(name.parse::<Statistic>().unwrap().to_string(), name);
        }
        assert_eq!("p99.5".parse(), Ok(Statistic::Percentile { hundredths: 9_950 }));
        for name in ["", "p", "p101", "p100.01", "p-1", "p1e1", "p99.999", "average", "p999"] {
            assert!(name.parse::<Statistic>().is_err(), "{name}");
        }
    }
}
