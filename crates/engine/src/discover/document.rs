//! JSON documents with their members in order.

use std::fmt;

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

/// All documents of all records, when every record holds some objects or arrays and nothing else.
pub(super) fn parse_all(records: &[&str]) -> Option<Vec<Document>> {
    let mut documents = Vec::new();
    for record in records {
        if !record.trim_start().starts_with(['{', '[']) {
            return None;
        }
        for document in serde_json::Deserializer::from_str(record).into_iter::<Box<RawValue>>() {
            documents.push(Document::parse(document.ok()?.get())?);
        }
    }
    Some(documents)
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
