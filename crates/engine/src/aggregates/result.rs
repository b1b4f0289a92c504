//! Results of exact aggregates: ranges and rounding.

use millstream_columns::RowError;

/// A sum as BIGINT.
pub(crate) fn integer_in_range(sum: i128) -> Result<i64, RowError> {
    i64::try_from(sum).map_err(|_| RowError::overflow(format!("SUM is {sum}, outside the range of BIGINT")))
}

/// A DECIMAL of at most 18 digits.
pub(crate) fn decimal_in_range(unscaled: i128) -> Result<i128, RowError> {
    if unscaled.unsigned_abs() < 10_u128.pow(18) {
        Ok(unscaled)
    } else {
        Err(RowError::overflow(format!("the result has more than the 18 digits of DECIMAL: {unscaled}")))
    }
}

/// AVG of integers, truncated toward zero. It lies between the values, so it fits their type.
pub(crate) fn average_of_integers(sum: i128, count: u64) -> i64 {
    i64::try_from(sum / i128::from(count.max(1))).unwrap_or(i64::MAX)
}

/// AVG of DECIMALs of `scale`, rounded half up at `result_scale >= scale`.
pub(crate) fn average_of_decimals(
    sum: i128,
    count: u64,
    scale: u8,
    result_scale: u8,
) -> Result<i128, RowError> {
    let factor = 10_i128.pow(u32::from(result_scale.saturating_sub(scale)));
    let scaled = sum
        .checked_mul(factor)
        .ok_or_else(|| RowError::overflow("the sum behind AVG has more digits than DECIMAL holds"))?;
    let count = i128::from(count.max(1));
    let (quotient, rest) = (scaled / count, scaled % count);
    let rounded = if rest.abs() * 2 >= count { quotient + scaled.signum() } else { quotient };
    decimal_in_range(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_round_as_documented() {
        assert_eq!(average_of_integers(61, 2), 30);
        assert_eq!(average_of_integers(-61, 2), -30);
        assert_eq!(average_of_decimals(100, 3, 2, 6), Ok(333_333));
        assert_eq!(average_of_decimals(200, 3, 2, 6), Ok(666_667));
        assert_eq!(average_of_decimals(-200, 3, 2, 6), Ok(-666_667));
        assert!(integer_in_range(i128::from(i64::MAX) + 1).is_err());
        assert!(decimal_in_range(10_i128.pow(18)).is_err());
    }
}
