//! Labels that are star ratings.

/// The stars that a label stands for: `4`, `4 stars`, `1 star`, or `LABEL_3` of a model that names no labels.
pub(crate) fn stars_of(label: &str) -> Option<u8> {
    let label = label.trim();
    if let Some(index) = label.strip_prefix("LABEL_") {
        return index.parse::<u8>().ok().filter(|index| *index < 5).map(|index| index + 1);
    }
    let number = label.split_once(' ').map_or(label, |(number, unit)| {
        if matches!(unit.to_lowercase().as_str(), "star" | "stars") { number } else { "" }
    });
    number.parse().ok().filter(|stars| (1..=5).contains(stars))
}

/// Whether labels are the star ratings from 1 to 5, each once, in any order.
///
/// # Errors
/// They are not; says which there are, and what to use instead.
pub fn check_star_labels(labels: &[String]) -> Result<(), String> {
    let mut stars: Vec<Option<u8>> = labels.iter().map(|label| stars_of(label)).collect();
    stars.sort_unstable();
    if stars == (1..=5).map(Some).collect::<Vec<_>>() {
        return Ok(());
    }
    const SHOWN: usize = 10;
    let mut shown: Vec<String> =
        labels.iter().take(SHOWN).map(|label| label.chars().take(40).collect()).collect();
    if labels.len() > SHOWN {
        shown.push("…".to_owned());
    }
    Err(format!(
        "its labels are not 1 to 5 stars but {}; use builtin = \"classify\", which answers any labels",
        shown.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn star_ratings_are_recognized_by_what_they_say() {
        for (label, stars) in [
            ("1 star", Some(1)),
            ("5 stars", Some(5)),
            ("3", Some(3)),
            ("LABEL_0", Some(1)),
            ("LABEL_5", None),
            ("6 stars", None),
            ("0", None),
            ("2 apples", None),
            ("neutral", None),
            ("", None),
        ] {
            assert_eq!(stars_of(label), stars, "{label}");
        }
    }

    #[test]
    fn silent_7_other_labels_are_no_stars() {
        assert_eq!(
            check_star_labels(&labels(&["1 star", "2 stars", "3 stars", "4 stars", "5 stars"])),
            Ok(())
        );
        assert_eq!(check_star_labels(&labels(&["5", "4", "3", "2", "1"])), Ok(()), "in any order");
        for wrong in [
            &["anger", "fear", "joy", "love", "neutral"][..],
            &["1", "2", "3", "4"],
            &["1", "2", "3", "4", "4"],
            &["LABEL_0", "LABEL_1"],
            &[],
        ] {
            let reason = check_star_labels(&labels(wrong)).unwrap_err();
            assert!(reason.contains("classify"), "{reason}");
        }
        let many: Vec<String> = (0..1_000).map(|number| format!("topic {number}")).collect();
        assert!(check_star_labels(&many).unwrap_err().len() < 300);
    }
}
