//! "Did you mean …?": the nearest of the names that exist.

/// A hint for `wanted` among `known`, or `None` when nothing is near.
pub(crate) fn hint<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        if name.to_uppercase() == wanted.to_uppercase() {
            return Some(format!(
                "names are case-sensitive and unquoted names are folded to upper case: write \"{name}\""
            ));
        }
        let distance = edit_distance(&wanted.to_uppercase(), &name.to_uppercase());
        let length = wanted.chars().count();
        if distance < length && distance <= 1 + length / 4 && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| format!("did you mean \"{name}\"?"))
}

/// Insertions, deletions and replacements of characters that make one text the other (Levenshtein distance). Takes time
/// in the product of the lengths.
pub fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(hint("PRICEE", ["TICKER", "PRICE"]).unwrap(), "did you mean \"PRICE\"?");
        assert!(hint("TICKER", ["ticker"]).unwrap().contains("case-sensitive"));
        assert_eq!(hint("ZZZZ", ["TICKER"]), None);
        assert_eq!(hint("C", ["A", "B"]), None, "a name of one letter is near to nothing");
    }
}
