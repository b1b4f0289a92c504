//! Names that SQL can take.

use millstream_sql::is_reserved_word;

/// The longest name.
const LONGEST: usize = 100;

/// The name of column number `position`: as it is in the source if it can be, else `COL_` and what remains of it.
pub(super) fn column_name(source: &str, position: usize) -> String {
    let kept: String =
        source.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '_').collect();
    let is_changed = kept.len() != source.len()
        || kept.starts_with(|character: char| character.is_ascii_digit())
        || kept.len() > LONGEST
        || is_reserved_word(&kept.to_ascii_uppercase());
    match kept.as_str() {
        "" => format!("COL_{position}"),
        _ if is_changed => format!("COL_{}", kept.chars().take(LONGEST - 4).collect::<String>()),
        _ => kept,
    }
}

/// Makes a name differ from those before it.
pub(super) fn unused(name: String, before: &[String]) -> String {
    if !before.contains(&name) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    numbered.into_iter().find(|name| !before.contains(name)).expect("numbers do not end")
}
