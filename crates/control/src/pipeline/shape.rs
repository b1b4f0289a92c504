//! The shape of a file: which sections and keys there are, and what kind of value each has. Every mistake is found, not
//! only the first.

use std::collections::HashSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::declarations::Declarations;
use super::mistake::Mistake;
use super::similar_name::nearest;
use super::source_text::SourceText;

/// Sections of which there may be several.
const SECTIONS: [&str; 10] = [
    "stream",
    "delivery_stream",
    "endpoint",
    "function",
    "application",
    "topic",
    "subscription",
    "metric",
    "alarm",
    "input",
];
/// Sections within others: of which there may be several, and of which there is one.
const PARTS: [(&str, &str); 2] = [("application", "output"), ("application", "reference")];
const SINGLE_PARTS: [(&str, &str); 3] =
    [("application", "input"), ("delivery_stream", "transform"), ("delivery_stream", "backup")];
/// Mistakes of one file that are looked for; each takes a look at the whole file.
const MOST_MISTAKES: usize = 50;

/// Reads the declarations of a file.
///
/// # Errors
/// Every mistake of its shape.
pub(super) fn read(source: &SourceText<'_>) -> Result<Declarations, Vec<Mistake>> {
    if source.text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return Err(vec![json(source)]);
    }
    match toml::from_str(source.text) {
        Ok(declarations) => Ok(declarations),
        Err(error) => Err(match DeTable::parse(source.text) {
            Ok(table) => mistakes_of(source, table),
            Err(_) => vec![not_toml(source, &error)],
        }),
    }
}

/// JSON where a pipeline file is expected.
fn json(source: &SourceText<'_>) -> Mistake {
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
    Mistake::within(source, 0..0, message, Some(hint.to_owned()))
}

/// What cannot be read at all.
fn not_toml(source: &SourceText<'_>, error: &toml::de::Error) -> Mistake {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().lines().next().unwrap_or("not valid TOML");
    // `[stream]` a second time is a duplicate key.
    let (_, start) = source.line_of(span.start.min(source.text.len()));
    let line = source.text[start..].lines().next().unwrap_or_default().trim();
    if let Some(section) = line.strip_prefix('[').and_then(|line| line.split(']').next())
        && is_repeatable(section)
        && message.contains("duplicate")
    {
        return Mistake::within(source, span, several(section), None);
    }
    Mistake::within(source, span, message, None)
}

fn is_repeatable(section: &str) -> bool {
    let parts = section.split_once('.');
    SECTIONS.contains(&section) || parts.is_some_and(|part| PARTS.contains(&part))
}

fn several(section: &str) -> String {
    format!("write [[{section}]]: there may be several")
}

/// The mistakes of a file that is TOML.
fn mistakes_of(source: &SourceText<'_>, mut table: Spanned<DeTable<'_>>) -> Vec<Mistake> {
    let mut mistakes = section_mistakes(source, table.get_ref());
    if !mistakes.is_empty() {
        return mistakes;
    }
    let mut removed: HashSet<String> = HashSet::new();
    while mistakes.len() < MOST_MISTAKES {
        let Err(error) = Declarations::deserialize(toml::Deserializer::from(table.clone())) else { break };
        let span = error.span().unwrap_or(0..0);
        let message = error.message().lines().next().unwrap_or("not valid").to_owned();
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        if missing.is_some_and(|key| removed.contains(key)) {
            // It is missing because it was wrong: on with the other sections.
            if !remove_section(table.get_mut(), &span) {
                break;
            }
            continue;
        }
        let found = find(table.get_ref(), &span, &mut Vec::new());
        let (text, place) = match (missing, &found) {
            (Some(key), _) => {
                let section = section_of(table.get_ref(), &span);
                (format!("{key} is missing: {section} needs it"), span.start..span.start + 1)
            }
            (None, Some(path)) => (reworded(&message, path.last().map_or("", String::as_str)), span.clone()),
            (None, None) => (message.clone(), span.clone()),
        };
        mistakes.push(Mistake::within(source, place, text, hint_for(&message)));
        // Without what is wrong, what else is?
        let Some(path) = found else { break };
        removed.extend(path.last().cloned());
        remove(table.get_mut(), &span);
    }
    mistakes
}

/// Sections that are written once and may be several, or the other way round; applications without an input.
fn section_mistakes(source: &SourceText<'_>, table: &DeTable<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong = |span: Range<usize>, message: String| {
        mistakes.push(Mistake::within(source, span, message, None));
    };
    for (key, value) in table.iter() {
        let section: &str = key.get_ref();
        if SECTIONS.contains(&section) && value.get_ref().is_table() {
            wrong(key.span(), several(section));
        }
        if section == "smtp" && value.get_ref().is_array() {
            wrong(key.span(), "write [smtp]: there is one mail server".to_owned());
        }
        for item in value.get_ref().as_array().into_iter().flat_map(|items| items.iter()) {
            let Some(item_table) = item.get_ref().as_table() else { continue };
            for (part_key, part) in item_table.iter() {
                let path: (&str, &str) = (section, part_key.get_ref());
                if PARTS.contains(&path) && part.get_ref().is_table() {
                    wrong(part_key.span(), several(&format!("{}.{}", path.0, path.1)));
                }
                if SINGLE_PARTS.contains(&path) && part.get_ref().is_array() {
                    let noun = section.replace('_', " ");
                    wrong(
                        part_key.span(),
                        format!("write [{}.{}]: there is one for each {noun}", path.0, path.1),
                    );
                }
            }
            if section == "application" && !item_table.contains_key("input") {
                let name = item_table.get("name");
                let called = name.and_then(|name| name.get_ref().as_str()).unwrap_or_default();
                let span = name.map_or(item.span(), Spanned::span);
                wrong(
                    span,
                    format!(
                        "application \"{called}\" needs [application.input] with stream or delivery_stream"
                    ),
                );
            }
        }
    }
    mistakes
}

/// The keys that lead to a key or value at a place.
fn find(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Vec<String>> {
    for (key, value) in table.iter() {
        path.push(key.get_ref().clone().into_owned());
        if key.span() == *span || value.span() == *span {
            return Some(path.clone());
        }
        if let Some(found) = find_in(value, span, path) {
            return Some(found);
        }
        path.pop();
    }
    None
}

fn find_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Vec<String>> {
    match value.get_ref() {
        DeValue::Table(table) => find(table, span, path),
        DeValue::Array(items) => items.iter().find_map(|item| {
            if item.span() == *span && !item.get_ref().is_table() {
                return Some(path.clone());
            }
            find_in(item, span, path)
        }),
        _ => None,
    }
}

/// Takes the key with a key or value at a place out.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) {
    let holds = |value: &DeValue<'_>| match value {
        DeValue::Array(items) => items.iter().any(|item| item.span() == *span && !item.get_ref().is_table()),
        _ => false,
    };
    let is_wrong = |(key, value): &(&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        key.span() == *span || value.span() == *span || holds(value.get_ref())
    };
    let wrong = table.iter().find(is_wrong).map(|(key, _)| key.get_ref().clone().into_owned());
    if let Some(wrong) = wrong {
        table.remove(wrong.as_str());
        return;
    }
    for (_, value) in table.iter_mut() {
        match value.get_mut() {
            DeValue::Table(table) => remove(table, span),
            DeValue::Array(items) => {
                for item in items.iter_mut() {
                    if let DeValue::Table(table) = item.get_mut() {
                        remove(table, span);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Takes the section at a place out. False when there is none.
fn remove_section(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    for (_, value) in table.iter_mut() {
        let is_removed = match value.get_mut() {
            DeValue::Array(items) => match items.iter().position(|item| item.span() == *span) {
                Some(_) => {
                    let mut others = DeArray::new();
                    items
                        .iter()
                        .filter(|item| item.span() != *span)
                        .for_each(|item| others.push(item.clone()));
                    *items = others;
                    true
                }
                None => items.iter_mut().any(|item| match item.get_mut() {
                    DeValue::Table(table) => remove_section(table, span),
                    _ => false,
                }),
            },
            DeValue::Table(table) => remove_section(table, span),
            _ => false,
        };
        if is_removed {
            return true;
        }
    }
    false
}

/// The innermost section around a place: `a [[stream]]`.
fn section_of(table: &DeTable<'_>, span: &Range<usize>) -> String {
    let holds = |place: &Range<usize>| place.start <= span.start && span.end <= place.end;
    for (key, value) in table.iter() {
        let section = key.get_ref();
        let Some(items) = value.get_ref().as_array() else {
            if holds(&value.span()) {
                return format!("[{section}]");
            }
            continue;
        };
        for item in items.iter() {
            let parts = item.get_ref().as_table().into_iter().flat_map(|table| table.iter());
            for (part_key, part) in parts {
                let part_name = part_key.get_ref();
                match part.get_ref() {
                    DeValue::Array(parts) if parts.iter().any(|part| part.span() == *span) => {
                        return format!("a [[{section}.{part_name}]]");
                    }
                    DeValue::Table(_) if part.span() == *span => return format!("[{section}.{part_name}]"),
                    _ => {}
                }
            }
            if item.span() == *span {
                return format!("a [[{section}]]");
            }
        }
    }
    "the section".to_owned()
}

/// A mistake in words: what a key needs, and what it has.
fn reworded(message: &str, key: &str) -> String {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((found, expected)) = rest.and_then(|rest| rest.split_once(", expected ")) else {
        return message.to_owned();
    };
    let expected = match expected {
        "f64" | "f32" => "a number, such as 3.0",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, such as 3",
        "a nonzero usize" => "a whole number above 0",
        "i64" | "i32" => "a whole number, such as 3 or -3",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        "a map" => "a section or table",
        other if other.starts_with("struct ") => "a section or table",
        other => other,
    };
    let found = match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').to_owned(),
        Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ if found == "map" => "a table".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    };
    format!("{key} needs {expected}, not {found}")
}

/// "unknown field `x`, expected one of `a`, `b`" names all that would be right: offer the nearest.
fn hint_for(message: &str) -> Option<String> {
    let (unknown, expected) = message.split_once(", expected ")?;
    if !unknown.starts_with("unknown ") {
        return None;
    }
    let wrong = unknown.split('`').nth(1)?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match nearest(wrong, known.iter().copied()) {
        Some(name) => Some(format!("did you mean \"{name}\"?")),
        None if known.is_empty() => None,
        None => Some(format!("there are: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LINE:COLUMN message` of each mistake.
    fn mistakes(text: &str) -> Vec<String> {
        let mistakes = read(&SourceText::new("f.toml", text)).err().unwrap_or_default();
        mistakes.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect()
    }

    #[test]
    fn sections_are_written_as_often_as_they_may_be() {
        for (text, expected) in [
            ("[stream]\nname = \"a\"", "1:2 write [[stream]]: there may be several"),
            ("[stream]\nname = \"a\"\n[stream]\nname = \"b\"", "3:2 write [[stream]]: there may be several"),
            ("[[smtp]]\nhost = \"a\"", "1:3 write [smtp]: there is one mail server"),
            (
                "[[application]]\nname = \"x\"\n[application.input]\n[application.output]\nfrom = \"a\"",
                "4:14 write [[application.output]]: there may be several",
            ),
            (
                "[[delivery_stream]]\nname = \"x\"\n[[delivery_stream.backup]]\nprefix = \"a\"",
                "3:19 write [delivery_stream.backup]: there is one for each delivery stream",
            ),
            (
                "[[application]]\nname = \"x\"\nsql = \"\"\n",
                "2:8 application \"x\" needs [application.input] with stream or delivery_stream",
            ),
        ] {
            assert_eq!(mistakes(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_unknown_keys_and_wrong_values_are_found() {
        let text = "[[stream]]\nname = \"a\"\nshard = 1\nretention = 3\n[[alarm]]\nname = \"b\"\nmetric = \"m\"\n\
                    comparison = \"less-than\"\nthreshold = \"low\"\nperiod = true\nbogus = 1\n\n[[alrm]]\nname = \"c\"\n";
        let found = mistakes(text);
        assert!(found.iter().any(|one| one.starts_with("3:1 unknown field `shard`")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("4:1 unknown field `retention`")), "{found:?}");
        assert!(
            found.contains(&"9:13 threshold needs a number, such as 3.0, not the text \"low\"".to_owned()),
            "{found:?}"
        );
        assert!(found.iter().any(|one| one.starts_with("10:10 period needs a period such as")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("11:1 unknown field `bogus`")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("13:3 unknown field `alrm`")), "{found:?}");
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn missing_keys_name_their_section() {
        let found = mistakes("[[stream]]\nshards = 2\n");
        assert_eq!(found, ["1:1 name is missing: a [[stream]] needs it"]);
        let found = mistakes("[[topic]]\nname = 5\n");
        assert_eq!(found, ["2:8 name needs a text in quotes, not 5"]);
    }

    #[test]
    fn json_is_named() {
        let found = mistakes("\n{\"ApplicationDetail\": {}}");
        assert!(found[0].contains("a describe-application answer"), "{found:?}");
        assert!(mistakes("{}")[0].contains("this is JSON"), "{found:?}");
    }
}
