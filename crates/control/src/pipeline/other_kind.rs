//! A file that is no pipeline file at all: records, SQL, or JSON. What is wrong with each of its lines helps nobody.

use super::mistake::Mistake;
use super::source_text::SourceText;

/// Whether a text has a section, of whatever name: then it is meant as a pipeline file.
pub fn has_section(text: &str) -> bool {
    text.lines().any(is_section)
}

/// A line such as `[[stream]]`, also one of whose brackets some are missing.
fn is_section(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    let name = line.trim_start_matches('[').trim_end_matches(']').trim();
    let is_of_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    line.starts_with('[') && line.ends_with(']') && !name.is_empty() && name.chars().all(is_of_name)
}

/// The mistake of giving a file of another kind where a pipeline file is expected, and by what that is known.
pub fn other_kind(source_name: &str, text: &str, reason: &str) -> Mistake {
    let hint = format!(
        "for records, millstream discover {source_name} finds their columns; SQL stands in an [[application]], or in a file \
         of its own whose name ends in .sql"
    );
    Mistake::at(source_name, text, 0..0, reason, Some(hint))
}

/// The mistake of giving JSON; `None` for what does not begin as an object of JSON does.
pub(super) fn json(source: &SourceText<'_>) -> Option<Mistake> {
    if !source.text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return None;
    }
    let (message, hint) = if source.text.contains("ApplicationDetail") {
        (
            "this is a describe-application answer in JSON; a pipeline file is TOML",
            "answers cannot be imported yet: put its ApplicationCode into sql of an [[application]], its InputSchema \
             into [application.input], and a [[application.output]] for each of its outputs",
        )
    } else {
        (
            "this is JSON; a pipeline file is TOML",
            "write sections such as [[application]]; examples/reviews.toml is a whole file",
        )
    };
    Some(Mistake::within(source, 0..0, message, Some(hint.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_told_from_records_in_brackets() {
        for text in ["[[stream]]", "a = 1\n [smtp] # mail", "[[stream]", "[application.input]"] {
            assert!(has_section(text), "{text}");
        }
        for text in [
            "",
            "id,price\n1,2",
            "[1, 2]",
            "[INFO] started [main]",
            "[2024-01-01 10:00:00] GET /",
            "[]",
            "a[0]",
        ] {
            assert!(!has_section(text), "{text}");
        }
    }
}
