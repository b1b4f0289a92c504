//! Numbers as text and back: integers, DECIMAL, and floats in the style of Java.

use crate::decimal::{divide_half_up, power_of_ten};

/// Writes an integer's digits to the end of `out`.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes `value` with at least `width` digits.
pub fn write_padded(out: &mut Vec<u8>, value: i64, width: usize) {
    if value < 0 {
        out.push(b'-');
    }
    let start = out.len();
    write_integer(out, value.unsigned_abs().min(i64::MAX as u64) as i64);
    let written = out.len() - start;
    if written < width {
        out.resize(out.len() + width - written, b'0');
        out[start..].rotate_right(width - written);
    }
}

/// Writes a DECIMAL with all digits of its scale, e.g. `-0.50`.
pub fn write_decimal(out: &mut Vec<u8>, digits: i128, scale: u8) {
    if let (Ok(small), 0) = (i64::try_from(digits), scale) {
        return write_integer(out, small);
    }
    if digits < 0 {
        out.push(b'-');
    }
    let text = digits.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        out.extend_from_slice(text.as_bytes());
    } else if text.len() > scale {
        out.extend_from_slice(&text.as_bytes()[..text.len() - scale]);
        out.push(b'.');
        out.extend_from_slice(&text.as_bytes()[text.len() - scale..]);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - text.len(), b'0');
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes a DOUBLE as `Double.toString` does: plain from 10^-3 up to 10^7, else like `1.0E7`.
pub fn write_java_double(out: &mut Vec<u8>, value: f64) {
    if write_not_finite(out, value) {
        return;
    }
    write_java_digits(out, ryu::Buffer::new().format_finite(value));
}

/// Writes a REAL as `Float.toString` does.
pub fn write_java_float(out: &mut Vec<u8>, value: f32) {
    if write_not_finite(out, f64::from(value)) {
        return;
    }
    write_java_digits(out, ryu::Buffer::new().format_finite(value));
}

fn write_not_finite(out: &mut Vec<u8>, value: f64) -> bool {
    if value.is_finite() {
        return false;
    }
    let text: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    };
    out.extend_from_slice(text);
    true
}

/// The shortest digits of a float, taken from ryu's text: `digits` without leading or trailing zeros, and the exponent
/// of the first digit (0 for 1.5). Zero has the digit 0.
struct FloatDigits {
    negative: bool,
    digits: [u8; 24],
    length: usize,
    exponent: i32,
}

fn float_digits(shortest: &str) -> FloatDigits {
    let (negative, unsigned) = match shortest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, shortest),
    };
    let (mantissa, exponent) = match unsigned.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or(0)),
        None => (unsigned, 0),
    };
    let mut result = FloatDigits { negative, digits: [b'0'; 24], length: 0, exponent: 0 };
    let mut point: i32 = 0;
    let mut seen_point = false;
    let mut leading_zeros: i32 = 0;
    for byte in mantissa.bytes() {
        if byte == b'.' {
            seen_point = true;
            continue;
        }
        if !seen_point {
            point += 1;
        }
        if result.length == 0 && byte == b'0' {
            leading_zeros += 1;
            continue;
        }
        if result.length < result.digits.len() {
            result.digits[result.length] = byte;
            result.length += 1;
        }
    }
    while result.length > 1 && result.digits[result.length - 1] == b'0' {
        result.length -= 1;
    }
    if result.length == 0 {
        result.length = 1;
        return result;
    }
    result.exponent = exponent + point - leading_zeros - 1;
    result
}

fn write_java_digits(out: &mut Vec<u8>, shortest: &str) {
    let float = float_digits(shortest);
    let digits = &float.digits[..float.length];
    if float.negative {
        out.push(b'-');
    }
    if (-3..7).contains(&float.exponent) {
        write_plain(out, digits, float.exponent, true);
        return;
    }
    out.push(digits[0]);
    out.push(b'.');
    out.extend_from_slice(if digits.len() > 1 { &digits[1..] } else { b"0" });
    out.push(b'E');
    write_integer(out, i64::from(float.exponent));
}

fn write_plain(out: &mut Vec<u8>, digits: &[u8], exponent: i32, always_fraction: bool) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.extend_from_slice(digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.resize(out.len() + whole - digits.len(), b'0');
        if always_fraction {
            out.extend_from_slice(b".0");
        }
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

/// A finite decimal number as digits and a power of ten: `value = digits × 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecimalText {
    /// The digits, with the sign.
    pub digits: i128,
    /// The power of ten.
    pub exponent: i32,
}

impl DecimalText {
    /// Parses `[+|-] digits [. digits] [e [+|-] digits]`; at least one digit, nothing around. Digits beyond the 38th
    /// significant one are dropped (they cannot change a value rounded to 38 digits by more than one unit).
    pub fn parse(text: &[u8]) -> Option<DecimalText> {
        let (negative, mut rest) = match text.first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let mut digits: i128 = 0;
        let mut exponent: i32 = 0;
        let mut any = false;
        let mut fraction = false;
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    if digits < 10i128.pow(37) {
                        digits = digits * 10 + i128::from(byte - b'0');
                        exponent = exponent.checked_sub(i32::from(fraction))?;
                    } else {
                        exponent = exponent.checked_add(i32::from(!fraction))?;
                    }
                }
                b'.' if !fraction => fraction = true,
                b'e' | b'E' => break,
                _ => return None,
            }
            rest = after;
        }
        if !any {
            return None;
        }
        if let Some((_, power)) = rest.split_first() {
            let (sign, power) = match power.first()? {
                b'-' => (-1, &power[1..]),
                b'+' => (1, &power[1..]),
                _ => (1, power),
            };
            if power.is_empty() || !power.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let power = power.iter().fold(0i32, |value, byte| {
                (value.saturating_mul(10)).saturating_add(i32::from(byte - b'0')).min(1_000_000)
            });
            exponent = exponent.saturating_add(sign * power);
        }
        Some(DecimalText { digits: if negative { -digits } else { digits }, exponent })
    }

    /// The shortest decimal that reads back as this float; `None` for NaN and infinities.
    pub fn from_double(value: f64) -> Option<DecimalText> {
        if !value.is_finite() {
            return None;
        }
        DecimalText::parse(ryu::Buffer::new().format_finite(value).as_bytes())
    }

    /// The shortest decimal that reads back as this float; `None` for NaN and infinities.
    pub fn from_float(value: f32) -> Option<DecimalText> {
        if !value.is_finite() {
            return None;
        }
        DecimalText::parse(ryu::Buffer::new().format_finite(value).as_bytes())
    }

    /// The digits at `scale`, rounded half away from zero; `None` when they do not fit 128 bits.
    pub fn to_scale(self, scale: u8) -> Option<i128> {
        let shift = self.exponent + i32::from(scale);
        if self.digits == 0 {
            return Some(0);
        }
        if shift >= 0 {
            self.digits.checked_mul(power_of_ten(shift as u32)?)
        } else {
            match power_of_ten(shift.unsigned_abs()) {
                Some(unit) => divide_half_up(self.digits, unit),
                None => Some(0),
            }
        }
    }

    /// Whether the number has digits after the point.
    pub fn has_fraction(self) -> bool {
        if self.exponent >= 0 || self.digits == 0 {
            return false;
        }
        power_of_ten(self.exponent.unsigned_abs()).is_none_or(|unit| self.digits % unit != 0)
    }
}

/// A float from text with blanks around it: digits, or Java's `NaN`, `Infinity`, `-Infinity`.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" | b"+Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => {
            let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
            if !unsigned.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') {
                return None;
            }
            fast_float2::parse(text).ok()
        }
    }
}

/// An integer from digits with an optional sign; `None` for anything else, also for one that does not fit 64 bits.
#[inline]
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        if digits.len() < 40 && !digits.is_empty() {
            let parsed = DecimalText::parse(text)?;
            if digits.iter().all(u8::is_ascii_digit) && parsed.exponent == 0 {
                return i64::try_from(parsed.digits).ok();
            }
        }
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Text without the blanks around it.
pub fn trim_blanks(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java(value: f64) -> String {
        let mut out = Vec::new();
        write_java_double(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_print_as_in_java() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (1e7, "1.0E7"),
            (1_000_000.0, "1000000.0"),
            (9_999_999.5, "9999999.5"),
            (1e-3, "0.001"),
            (9.99e-4, "9.99E-4"),
            (1e-5, "1.0E-5"),
            (123_456_789.0, "1.23456789E8"),
            (1e300, "1.0E300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(java(value), text);
        }
    }

    #[test]
    fn decimals_print_with_their_scale() {
        let cases = [(5, 1, "0.5"), (-5, 2, "-0.05"), (12345, 2, "123.45"), (7, 0, "7"), (0, 3, "0.000")];
        for (digits, scale, text) in cases {
            let mut out = Vec::new();
            write_decimal(&mut out, digits, scale);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        let mut out = Vec::new();
        write_padded(&mut out, -7, 4);
        assert_eq!(out, b"-0007");
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_integer(b"9223372036854775808"), None);
        assert_eq!(parse_integer(b"1.5"), None);
        assert_eq!(parse_integer(b""), None);
        assert_eq!(DecimalText::parse(b"1.25e1").unwrap().to_scale(0), Some(13));
        assert_eq!(DecimalText::parse(b"-0.005").unwrap().to_scale(2), Some(-1));
        assert_eq!(DecimalText::parse(b"1e-400").unwrap().to_scale(2), Some(0));
        assert_eq!(DecimalText::parse(b"."), None);
        assert_eq!(DecimalText::parse(b"1e"), None);
        assert_eq!(parse_double(b"nan"), None);
        assert_eq!(parse_double(b"-1.5"), Some(-1.5));
        assert_eq!(trim_blanks(b"  a b "), b"a b");
    }
}
