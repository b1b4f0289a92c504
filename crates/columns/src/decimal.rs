//! Numbers as digits and a scale, in 128 bits: rounding, scaling, and how many digits fit.

/// Ten to the power of `exponent`; `None` above 38.
pub fn power_of_ten(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

/// `numerator / denominator`, rounded half away from zero. The denominator is not zero.
pub fn divide_half_up(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator % denominator;
    let twice = remainder.unsigned_abs().checked_mul(2)?;
    if twice < denominator.unsigned_abs() {
        return Some(quotient);
    }
    if (numerator < 0) == (denominator < 0) { quotient.checked_add(1) } else { quotient.checked_sub(1) }
}

/// Moves scaled digits to another scale, rounding half away from zero.
pub fn rescale(digits: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        digits.checked_mul(power_of_ten(u32::from(to - from))?)
    } else {
        divide_half_up(digits, power_of_ten(u32::from(from - to))?)
    }
}

/// Whether scaled digits have at most `precision` digits.
pub fn fits_precision(digits: i128, precision: u8) -> bool {
    power_of_ten(u32::from(precision)).is_none_or(|limit| digits.unsigned_abs() < limit.unsigned_abs())
}
