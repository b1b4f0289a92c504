//! "Did you mean …?": the nearest of the names that exist.

use millstream_sql::edit_distance;

/// The name among `known` that `wanted` probably means; `None` when nothing is near.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let farthest = 1 + wanted.chars().count() / 3;
    known
        .into_iter()
        .map(|name| (edit_distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("reveiws", ["orders", "reviews"]), Some("reviews"));
        assert_eq!(nearest("Threshhold", ["threshold"]), Some("threshold"));
        assert_eq!(nearest("x", ["reviews"]), None);
        assert_eq!(nearest("reviews", []), None);
    }
}
