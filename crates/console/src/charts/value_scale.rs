//! Values to pixels from the top, with ticks at round numbers.

use super::LARGEST;

/// A range of values over a height. `low < high`, both finite; ticks ascend and lie inside.
pub(crate) struct ValueScale {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    decimals: usize,
}

impl ValueScale {
    /// A fixed range with a tick at every whole number, for ratings.
    pub(crate) fn whole_numbers(low: i32, high: i32) -> ValueScale {
        let ticks = (low..=high).map(f64::from).collect();
        ValueScale { low: f64::from(low), high: f64::from(high.max(low + 1)), ticks, decimals: 0 }
    }

    /// A range from zero (or below, if a value is) that holds all of `values`, widened to round numbers, with three to
    /// six ticks. Values that are not finite do not count.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> ValueScale {
        let finite =
            values.into_iter().filter(|value| value.is_finite()).map(|value| value.clamp(-LARGEST, LARGEST));
        let (low, high) =
            finite.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / 4.0);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let ticks: Vec<f64> =
            (0..=(last - first).min(10.0) as i64).map(|index| (first + index as f64) * step).collect();
        let decimals = if step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
        ValueScale { low: first * step, high: last * step, ticks, decimals }
    }

    /// Where the ticks are.
    pub(crate) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// How many decimals tell two ticks apart.
    pub(crate) fn decimals(&self) -> usize {
        self.decimals
    }

    /// Pixels from the top for `value` on a plot of `height` pixels. Values outside lie on the edge.
    pub(crate) fn pixels_from_top(&self, value: f64, height: f64) -> f64 {
        let part = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        (1.0 - part) * height
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= rough * 0.999_999).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_values() {
        for (values, ticks) in [
            (vec![], vec![0.0, 0.5, 1.0]),
            (vec![0.0, 0.0], vec![0.0, 0.5, 1.0]),
            (vec![2.7], vec![0.0, 1.0, 2.0, 3.0]),
            (vec![7.0, 7.0, 7.0], vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (vec![160.0, 20.0], vec![0.0, 50.0, 100.0, 150.0, 200.0]),
            (vec![-3.0, 5.0], vec![-4.0, -2.0, 0.0, 2.0, 4.0, 6.0]),
            (vec![f64::NAN, f64::INFINITY, 3.0], vec![0.0, 1.0, 2.0, 3.0]),
        ] {
            let scale = ValueScale::from_zero(values.clone());
            if values.iter().all(|value| *value == 0.0) {
                assert_eq!((scale.low, scale.high), (0.0, 1.0), "{values:?}");
            } else {
                assert_eq!(scale.ticks(), ticks, "{values:?}");
            }
        }
    }

    #[test]
    fn every_range_gives_a_bounded_number_of_finite_ticks() {
        for exponent in -12..=12 {
            for factor in [1.0, 1.01, 3.3, 9.99] {
                let value = factor * 10_f64.powi(exponent);
                let scale = ValueScale::from_zero([value, -value / 3.0]);
                assert!((2..=11).contains(&scale.ticks().len()), "{value}: {:?}", scale.ticks());
                assert!(scale.ticks().iter().all(|tick| tick.is_finite()));
                for shown in [value, -value / 3.0] {
                    let pixels = scale.pixels_from_top(shown, 160.0);
                    assert!((0.0..=160.0).contains(&pixels), "{value} at {pixels}");
                }
            }
        }
    }

    #[test]
    fn up_is_more() {
        let scale = ValueScale::whole_numbers(1, 5);
        assert_eq!(scale.pixels_from_top(1.0, 160.0), 160.0);
        assert_eq!(scale.pixels_from_top(3.0, 160.0), 80.0);
        assert_eq!(scale.pixels_from_top(5.0, 160.0), 0.0);
        assert_eq!(scale.pixels_from_top(100.0, 160.0), 0.0);
        assert_eq!(scale.decimals(), 0);
        assert_eq!(ValueScale::from_zero([0.3]).decimals(), 1);
    }
}
