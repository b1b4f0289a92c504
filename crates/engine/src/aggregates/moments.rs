//! Count, mean and squared deviations, for variances.
//!
//! Values are added by Welford's recurrence; two sets are put together by the formula of Chan, Golub and LeVeque
//! ("Updating formulae and a pairwise algorithm for computing sample variances", 1979).

use millstream_sql::AggregateFunction;
use serde::{Deserialize, Serialize};

/// Moments of a set of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a number.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }

    /// The moments of both sets.
    pub(crate) fn merged(self, other: Moments) -> Moments {
        if self.count == 0 {
            return other;
        }
        if other.count == 0 {
            return self;
        }
        let (left, right) = (self.count as f64, other.count as f64);
        let total = left + right;
        let distance = other.mean - self.mean;
        Moments {
            count: self.count + other.count,
            mean: self.mean + distance * right / total,
            squares: self.squares + other.squares + distance * distance * left * right / total,
        }
    }

    /// The variance or deviation that `function` asks for; `None` where SQL gives NULL.
    pub(crate) fn result(self, function: AggregateFunction) -> Option<f64> {
        let is_sample = matches!(function, AggregateFunction::StddevSamp | AggregateFunction::VarSamp);
        let divisor = if is_sample { self.count.checked_sub(1)? } else { self.count };
        if divisor == 0 {
            return None;
        }
        let variance = (self.squares / divisor as f64).max(0.0);
        Some(match function {
            AggregateFunction::StddevPop | AggregateFunction::StddevSamp => variance.sqrt(),
            _ => variance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_match_the_documented_example() {
        let mut moments = Moments::default();
        [10.0, 12.0, 14.0].into_iter().for_each(|value| moments.add(value));
        assert!(
            (moments.result(AggregateFunction::StddevPop).unwrap() - 1.632_993_161_855_452).abs() < 1e-12
        );
        assert_eq!(moments.result(AggregateFunction::VarSamp), Some(4.0));
        let mut single = Moments::default();
        assert_eq!(single.result(AggregateFunction::VarPop), None);
        single.add(10.0);
        assert_eq!(single.result(AggregateFunction::VarPop), Some(0.0));
        assert_eq!(single.result(AggregateFunction::StddevSamp), None);
    }

    #[test]
    fn merging_is_adding() {
        let (mut all, mut left, mut right) = (Moments::default(), Moments::default(), Moments::default());
        for i in 0..100 {
            let value = f64::from(i * i % 37);
            all.add(value);
            if i < 40 { left.add(value) } else { right.add(value) }
        }
        let merged = left.merged(right);
        assert!((merged.squares - all.squares).abs() < 1e-9 && merged.count == 100);
        assert_eq!(all.merged(Moments::default()), all);
    }
}
