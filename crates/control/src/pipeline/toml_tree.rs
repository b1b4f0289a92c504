//! Finding a place in a TOML tree, and changing the tree there.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

/// `[stream]` as the only `[[stream]]`.
pub(super) fn make_several(value: &mut Spanned<DeValue<'_>>) {
    let span = value.span();
    if let DeValue::Table(table) = value.get_mut() {
        let mut items = DeArray::new();
        items.push(Spanned::new(span, DeValue::Table(std::mem::take(table))));
        *value.get_mut() = DeValue::Array(items);
    }
}

/// The first `[[smtp]]` as `[smtp]`.
pub(super) fn make_single(value: &mut Spanned<DeValue<'_>>) {
    if let DeValue::Array(items) = value.get_ref()
        && let Some(first) = items.iter().find(|item| item.get_ref().is_table())
    {
        *value = first.clone();
    }
}

/// The table at a place.
pub(super) fn table_at<'t, 'text>(
    table: &'t mut DeTable<'text>,
    span: &Range<usize>,
) -> Option<&'t mut DeTable<'text>> {
    table.iter_mut().find_map(|(_, value)| table_within(value, span))
}

fn table_within<'t, 'text>(
    value: &'t mut Spanned<DeValue<'text>>,
    span: &Range<usize>,
) -> Option<&'t mut DeTable<'text>> {
    let is_here = value.span() == *span;
    match value.get_mut() {
        DeValue::Table(table) => {
            if is_here {
                return Some(table);
            }
            table_at(table, span)
        }
        DeValue::Array(items) => items.iter_mut().find_map(|item| table_within(item, span)),
        _ => None,
    }
}

/// The value at a place.
pub(super) fn value_at<'t, 'text>(
    table: &'t DeTable<'text>,
    span: &Range<usize>,
) -> Option<&'t DeValue<'text>> {
    table.iter().find_map(|(_, value)| value_within(value, span))
}

fn value_within<'t, 'text>(
    value: &'t Spanned<DeValue<'text>>,
    span: &Range<usize>,
) -> Option<&'t DeValue<'text>> {
    if value.span() == *span {
        return Some(value.get_ref());
    }
    match value.get_ref() {
        DeValue::Table(table) => value_at(table, span),
        DeValue::Array(items) => items.iter().find_map(|item| value_within(item, span)),
        _ => None,
    }
}

/// The keys that lead to a key or value at a place.
pub(super) fn find(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Vec<String>> {
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
pub(super) fn remove(table: &mut DeTable<'_>, span: &Range<usize>) {
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

/// The innermost section around a place: `a [[stream]]`.
pub(super) fn section_of(table: &DeTable<'_>, span: &Range<usize>) -> String {
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
                        return one_of_several(&format!("{section}.{part_name}"));
                    }
                    DeValue::Table(_) if part.span() == *span => return format!("[{section}.{part_name}]"),
                    _ => {}
                }
            }
            if item.span() == *span {
                return one_of_several(section);
            }
        }
    }
    "the section".to_owned()
}

/// A section that may be there several times: `a [[stream]]`, `an [[alarm]]`.
fn one_of_several(section: &str) -> String {
    let article = if section.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} [[{section}]]")
}
