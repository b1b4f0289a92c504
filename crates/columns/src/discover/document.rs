//! JSON documents with their members in order.

use std::fmt;

use crate::formats::not_json;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON value of a sample. Numbers and what lies deep stay as they are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Document {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Document>),
    /// Members in the order of the source.
    Object(Vec<(String, Document)>),
}

/// The documents of a sample.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) all: Vec<Document>,
    /// They stand over several records, as a file that was written for people has them.
    pub(super) spans_records: bool,
}

/// The documents of records of which most hold some objects or arrays and nothing else; or of which all together do.
pub(super) fn parse_all(records: &[&str]) -> Option<Documents> {
    let mut all = Vec::new();
    let mut unreadable = 0;
    for record in records {
        match parse_record(record) {
            Some(mut documents) => all.append(&mut documents),
            None => unreadable += 1,
        }
    }
    // A line of a document that spans lines may be a document itself: `[]`, `{"a": 1}` at the end of an array.
    let first_is_open = records.first().is_some_and(|record| parse_record(record).is_none());
    if first_is_open
        && unreadable > 1
        && let Some(all) = parse_run(records)
    {
        return Some(Documents { all, spans_records: true });
    }
    // One bad record among many spoils none of the others.
    let is_json = !all.is_empty() && unreadable * 2 < records.len();
    is_json.then_some(Documents { all, spans_records: false })
}

/// Why the first record is no JSON, when it begins as JSON does: an object, or an array alone on its line or of objects.
pub(super) fn broken_json(records: &[&str]) -> Option<String> {
    let first = records.first()?.trim();
    let begins = |open: char, next: &[char]| {
        let inner = first.strip_prefix(open).map(str::trim_start);
        inner.is_some_and(|inner| inner.is_empty() || inner.starts_with(next))
    };
    let error = serde_json::from_str::<serde::de::IgnoredAny>(first).err()?;
    let reason = not_json(first).unwrap_or_else(|| error.to_string());
    (begins('{', &['"', '}']) || begins('[', &['{', '['])).then_some(reason)
}

/// The documents of one record, one behind the other.
fn parse_record(record: &str) -> Option<Vec<Document>> {
    if !record.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let documents = serde_json::Deserializer::from_str(record).into_iter::<Box<RawValue>>();
    documents.map(|document| Document::parse(document.ok()?.get())).collect()
}

/// The documents of records that are pieces of a text: objects one behind the other, or the elements of one array. What the
/// sample has cut off at its end does not count.
fn parse_run(records: &[&str]) -> Option<Vec<Document>> {
    let text = records.join("\n");
    let trimmed = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let (mut rest, in_array) = match trimmed.strip_prefix('[') {
        Some(elements) => (elements, true),
        None => (trimmed, false),
    };
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start();
        if in_array {
            rest = rest.trim_start_matches(',').trim_start();
        }
        if rest.is_empty() || in_array && rest.starts_with(']') {
            break;
        }
        if !rest.starts_with('{') {
            return None;
        }
        let mut documents = serde_json::Deserializer::from_str(rest).into_iter::<Box<RawValue>>();
        match documents.next() {
            Some(Ok(document)) => all.push(Document::parse(document.get())?),
            Some(Err(error)) if error.is_eof() => break,
            _ => return None,
        }
        rest = &rest[documents.byte_offset()..];
    }
    match (all.is_empty(), in_array) {
        (true, _) => None,
        (false, true) => Some(vec![Document::Array(all)]),
        (false, false) => Some(all),
    }
}

impl Document {
    fn parse(text: &str) -> Option<Document> {
        serde_json::from_str(text).ok()
    }

    /// As text, the way a column of text holds it.
    pub(super) fn text(&self) -> String {
        match self {
            Document::Null => String::new(),
            Document::Boolean(value) => value.to_string(),
            Document::Number(text) | Document::Text(text) => text.clone(),
            Document::Array(_) | Document::Object(_) => self.source(),
        }
    }

    /// Compact JSON.
    pub(super) fn source(&self) -> String {
        match self {
            Document::Null => "null".to_owned(),
            Document::Boolean(value) => value.to_string(),
            Document::Number(text) => text.clone(),
            Document::Text(text) => quoted(text),
            Document::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(Document::source).collect();
                format!("[{}]", elements.join(","))
            }
            Document::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("{}:{}", quoted(name), value.source()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Number(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Document, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Document::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Document, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Document::Object(object))
    }
}
