//! Numbers as people read them.

/// What stands for a value that is absent or not a number.
const ABSENT: &str = "–";

/// A count with its thousands apart: `12,345`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A count with its noun, which takes an `s` unless there is exactly one: `1 window`, `2 windows`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", grouped(count), millstream_wording::noun(count, noun))
}

/// A count with a noun that stands in the plural: `1 record` for `records`, `1 row in` for `rows in`.
pub(crate) fn named(count: u64, plural: &str) -> String {
    let way = [" in", " out"].into_iter().find(|way| plural.ends_with(way)).unwrap_or_default();
    let plural = plural.strip_suffix(way).unwrap_or(plural);
    let noun = match plural.strip_suffix('s') {
        Some(singular) if count == 1 && !singular.ends_with('s') => singular,
        _ => plural,
    };
    format!("{} {noun}{way}", grouped(count))
}

/// A number with `decimals` places; very large ones in powers of ten. A dash when it is not finite.
pub(crate) fn rounded(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    if value.abs() >= 1e9 {
        return format!("{value:.2e}");
    }
    let shown = format!("{value:.decimals$}");
    match shown.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| byte == b'0' || byte == b'.') => digits.to_owned(),
        _ => shown,
    }
}

/// `part` of `whole` in percent without decimals; a dash when there is no whole. Never rounds to 0 or 100 unless it is so.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return ABSENT.to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    match percent.round() as u64 {
        0 if part > 0 => "< 1 %".to_owned(),
        100 if part < whole => "> 99 %".to_owned(),
        rounded => format!("{rounded} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (count, shown) in [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(count), shown);
        }
        assert_eq!(counted(1, "window"), "1 window");
        assert_eq!(counted(1_200, "window"), "1,200 windows");
        assert_eq!(named(1, "records"), "1 record");
        assert_eq!(named(2, "records"), "2 records");
        assert_eq!((named(1, "rows in"), named(2, "rows out")), ("1 row in".into(), "2 rows out".into()));
        assert_eq!(named(1, "progress"), "1 progress");
    }

    #[test]
    fn numbers_that_are_none_show_as_a_dash() {
        assert_eq!(rounded(f64::NAN, 2), "–");
        assert_eq!(rounded(f64::NEG_INFINITY, 2), "–");
        assert_eq!(rounded(3.456, 2), "3.46");
        assert_eq!(rounded(-0.001, 2), "0.00");
        assert_eq!(rounded(1e300, 2), "1.00e300");
    }

    #[test]
    fn shares_do_not_round_something_away() {
        assert_eq!(share(0, 0), "–");
        assert_eq!(share(0, 5), "0 %");
        assert_eq!(share(1, 1_000), "< 1 %");
        assert_eq!(share(999, 1_000), "> 99 %");
        assert_eq!(share(1, 3), "33 %");
        assert_eq!(share(5, 5), "100 %");
    }
}
