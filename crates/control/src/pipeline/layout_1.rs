//! Resources as the first layout of the catalog kept them: each as the JSON of its declaration.

use serde_json::Value;

use super::Pipeline;
use crate::definition::Desired;

/// The definitions of these resources, each with kind, name and JSON. What cannot be read any more is skipped: the file
/// that declared it does so again.
pub(crate) fn definitions_of_layout_1(resources: &[(&str, &str, &str)]) -> Vec<Desired> {
    let no_files = |_: &str| Err("it was not kept".to_owned());
    let parse = |resources: &[(&str, &str, &str)]| {
        let text = file_of(resources);
        Pipeline::parse("catalog", &text, &no_files).map(|pipeline| pipeline.desired)
    };
    if let Ok(desired) = parse(resources) {
        return desired;
    }
    // Without the applications, whose SQL this version may refuse or whose file may be gone.
    let others: Vec<_> = resources.iter().copied().filter(|(kind, ..)| *kind != "application").collect();
    let mut desired = parse(&others).unwrap_or_default();
    for application in resources.iter().filter(|(kind, ..)| *kind == "application") {
        let with_it: Vec<_> = others.iter().chain([application]).copied().collect();
        let parsed = parse(&with_it).unwrap_or_default();
        desired
            .extend(parsed.into_iter().filter(|one| one.name == application.1 && !desired_has(&others, one)));
    }
    desired
}

fn desired_has(resources: &[(&str, &str, &str)], one: &Desired) -> bool {
    resources.iter().any(|(kind, name, _)| *kind == one.definition.kind().noun() && *name == one.name)
}

/// A pipeline file that declares them.
fn file_of(resources: &[(&str, &str, &str)]) -> String {
    let mut file = toml::Table::new();
    for (kind, _, text) in resources {
        let Ok(json) = serde_json::from_str::<Value>(text) else { continue };
        let Some(declaration) = toml_of(json) else { continue };
        let section = file.entry(kind.replace(' ', "_")).or_insert_with(|| toml::Value::Array(Vec::new()));
        if let toml::Value::Array(section) = section {
            section.push(declaration);
        }
    }
    toml::to_string(&file).unwrap_or_default()
}

/// JSON as TOML, which has no null: absent means the same.
fn toml_of(json: Value) -> Option<toml::Value> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(value) => toml::Value::Boolean(value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => toml::Value::Integer(value),
            None => toml::Value::Float(number.as_f64()?),
        },
        Value::String(text) => toml::Value::String(text),
        Value::Array(items) => toml::Value::Array(items.into_iter().filter_map(toml_of).collect()),
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, value)| Some((name, toml_of(value)?)));
            toml::Value::Table(members.collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Kind;

    const STREAM: &str = r#"{"name":"trades","shards":2,"retention_hours":24}"#;
    const APPLICATION: &str = r#"{"name":"prices","sql":"CREATE STREAM S (A INTEGER);","sql_file":null,
        "input":{"delivery_stream":null,"stream":"trades","preprocessor":null,"name_prefix":"IN","parallelism":null,
        "starting_position":null,"format":"csv","columns":"A INTEGER"},"reference":[],"output":[],"seed":7,
        "memory_limit":null,"threads":null,"switches":{}}"#;

    fn kinds(resources: &[(&str, &str, &str)]) -> Vec<(Kind, String)> {
        let desired = definitions_of_layout_1(resources).into_iter();
        desired.map(|one| (one.definition.kind(), one.name)).collect()
    }

    #[test]
    fn declarations_are_read_and_what_cannot_be_is_skipped() {
        let stream = ("stream", "trades", STREAM);
        let application = ("application", "prices", APPLICATION);
        let expected = [(Kind::Stream, "trades".to_owned()), (Kind::Application, "prices".to_owned())];
        assert_eq!(kinds(&[stream, application]), expected);
        let gone = APPLICATION
            .replace("\"sql\":\"CREATE STREAM S (A INTEGER);\",\"sql_file\":null", "\"sql_file\":\"a.sql\"");
        assert_eq!(kinds(&[stream, ("application", "prices", &gone)]), expected[..1]);
        assert_eq!(kinds(&[stream, application, ("application", "gone", "{}")]), expected);
    }
}
