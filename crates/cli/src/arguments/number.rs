//! Numbers with a least value.

use std::ops::RangeInclusive;

/// A number without a fraction, of a range.
pub(super) fn whole_number(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        let (least, most) = (range.start(), range.end());
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ if is_number && *most < u64::MAX => Err(format!("must be from {least} to {most}")),
            Err(_) if is_number => Err(format!("must be at most {most}")),
            Ok(_) => Err(format!("must be at least {least}")),
            Err(_) => Err(format!("\"{text}\" is not a whole number: write digits, such as 42")),
        }
    }
}

pub(super) fn above_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("\"{text}\" is not a number"))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be above 0".to_owned()) }
}

/// A part of a whole.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| format!("\"{text}\" is not a share: write a number from 0 to 1, such as 0.05"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_refused_in_words() {
        let read = |range, text: &str| whole_number(range)(text);
        assert_eq!(read(0..=u64::MAX, "7"), Ok(7));
        assert_eq!(read(0..=u64::MAX, "+7"), Ok(7));
        for (range, text, reason) in [
            (0..=u64::MAX, "x", "\"x\" is not a whole number: write digits, such as 42"),
            (0..=u64::MAX, "", "\"\" is not a whole number: write digits, such as 42"),
            (0..=u64::MAX, "-1", "\"-1\" is not a whole number: write digits, such as 42"),
            (1..=9, "1.5", "\"1.5\" is not a whole number: write digits, such as 42"),
            (0..=u64::MAX, "99999999999999999999", "must be at most 18446744073709551615"),
            (1..=u64::MAX, "0", "must be at least 1"),
            (1..=9, "0", "must be from 1 to 9"),
            (1..=9, "99999999999999999999", "must be from 1 to 9"),
        ] {
            assert_eq!(read(range, text), Err(reason.to_owned()), "{text}");
        }
    }
}
