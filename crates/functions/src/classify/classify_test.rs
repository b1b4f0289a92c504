//! Tests of `classify` with a model that labels by the length of a text.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::classifier::{ClassifierError, Prediction};
use crate::events::transform::{TransformAnswer, TransformEvent, TransformRecord, TransformResult};

struct Lengths;

#[async_trait]
impl Classifier for Lengths {
    fn labels(&self) -> Option<Vec<String>> {
        Some(vec!["short".to_owned(), "long\ttext".to_owned()])
    }

    async fn classify(&self, texts: Vec<String>) -> Result<Vec<Prediction>, ClassifierError> {
        let predict = |text: &String| {
            let label_index = usize::from(text.len() > 10);
            let label = self.labels().unwrap_or_default()[label_index].clone();
            Prediction { label, label_index, probability: 0.765_432_1, truncated: false }
        };
        Ok(texts.iter().map(predict).collect())
    }
}

fn delimited(columns: &[&str], text: &str) -> TextInput {
    let columns = columns.iter().map(|&column| column.to_owned()).collect();
    TextInput::Delimited { columns, delimiter: '\t', text: text.to_owned() }
}

fn json_at(path: &str) -> TextInput {
    TextInput::Json { text: JsonPath::parse(path).unwrap() }
}

fn output(columns: &[&str]) -> LabelOutput {
    let columns = columns.iter().map(|&column| column.to_owned()).collect();
    LabelOutput::Delimited { columns, delimiter: ',' }
}

fn settings(input: TextInput, output: LabelOutput) -> ClassifySettings {
    ClassifySettings { input, output, max_text_bytes: 100, ..ClassifySettings::default() }
}

/// Data, or the reason of the failure.
async fn answers(settings: ClassifySettings, records: &[&[u8]]) -> Vec<Result<String, String>> {
    let function = Classify::new(settings, Arc::new(Lengths)).unwrap();
    let records = records.iter().enumerate().map(|(index, data)| TransformRecord {
        record_id: index.to_string(),
        data: Bytes::copy_from_slice(data),
        ..TransformRecord::default()
    });
    let event = TransformEvent { records: records.collect(), ..TransformEvent::default() };
    let answer = function.invoke(event.encode()).await.unwrap();
    let answer = TransformAnswer::decode_for(&event, &answer).unwrap().records.into_iter();
    answer
        .map(|record| match record.result {
            TransformResult::Ok => Ok(String::from_utf8(record.data.unwrap().to_vec()).unwrap()),
            _ => Err(record.error_message.unwrap()),
        })
        .collect()
}

#[tokio::test]
async fn columns_become_json_with_the_label() {
    let settings = settings(delimited(&["id", "body", "note"], "body"), LabelOutput::Json);
    let found =
        answers(settings, &[b"1\thello\tsay \"x\"\r\n", b"2\ta longer text\t", b"3\tx", b"4\tx\ty\tz"]).await;
    let expected = "{\"id\":\"1\",\"body\":\"hello\",\"note\":\"say \\\"x\\\"\",\"label\":\"short\",\"label_index\":0,\
                    \"probability\":0.765432}\n";
    assert_eq!(found[0].as_deref(), Ok(expected));
    let second: Value = serde_json::from_str(found[1].as_ref().unwrap()).unwrap();
    assert_eq!((&second["label"], &second["label_index"]), (&json!("long\ttext"), &json!(1)));
    assert_eq!(found[2], Err("the record has 2 columns and 3 are declared".to_owned()));
    assert_eq!(found[3], Err("the record has 4 columns and 3 are declared".to_owned()));
}

#[tokio::test]
async fn a_text_in_the_last_column_takes_the_rest_of_the_line() {
    let settings =
        settings(delimited(&["id", "body"], "body"), output(&["id", "label", "probability", "body"]));
    let found = answers(settings, &[b"1\ta\tb,c\n", b"2\ta much longer text\n"]).await;
    assert_eq!(
        found[0].as_deref(),
        Ok("1,short,0.765432,a\tb c\n"),
        "the delimiter of the output becomes a blank"
    );
    assert_eq!(found[1].as_deref(), Ok("2,long\ttext,0.765432,a much longer text\n"));
}

#[tokio::test]
async fn json_keeps_its_members_as_they_came() {
    let found = answers(
        settings(json_at("$.review.body"), LabelOutput::Json),
        &[
            b"{\"price\": 1.10, \"review\": {\"body\": \"hi\"}}\n",
            b"{\r\n \"review\": {\"body\": \"a longer text\"},\n \"label\": \"old\"\n}",
            b"{\"review\": {\"body\": 5}}",
            b"{\"review\": {\"body\": null}}",
            b"{\"review\": {\"body\": \" \\t\"}}",
            b"{\"review\": {}}",
            b"[1]",
            b"{",
            b"nope",
            b"\xff",
        ],
    )
    .await;
    assert_eq!(
        found[0].as_deref(),
        Ok(
            "{\"price\": 1.10, \"review\": {\"body\": \"hi\"},\"label\":\"short\",\"label_index\":0,\"probability\":0.765432}\n"
        )
    );
    let second = found[1].as_ref().unwrap();
    assert_eq!(second.matches('\n').count(), 1, "one line: {second}");
    let second: Value = serde_json::from_str(second).unwrap();
    assert_eq!(second["label"], "long\ttext", "what the record called by that name is replaced");
    for (answer, reason) in found[2..].iter().zip([
        "a number at $.review.body is no text",
        "null at $.review.body is no text",
        "there is nothing to classify",
        "nothing at $.review.body",
        "nothing at $.review.body",
        "not JSON: a name in quotes is expected at byte 1",
        "not JSON: a value is expected at byte 0",
        "not UTF-8",
    ]) {
        assert!(answer.as_ref().unwrap_err().contains(reason), "{answer:?}");
    }
}

#[tokio::test]
async fn json_becomes_columns_and_a_line_is_a_text() {
    let columns = output(&["id", "none", "label_index", "tags"]);
    let found =
        answers(settings(json_at("$.body"), columns), &[br#"{"id":7,"body":"x","tags":["a","b"]}"#]).await;
    assert_eq!(found[0].as_deref(), Ok("7,,0,[\"a\" \"b\"]\n"));
    let long = "x".repeat(101);
    let found =
        answers(settings(TextInput::Line, LabelOutput::Json), &[b"hi\r\n", b"", long.as_bytes()]).await;
    assert_eq!(
        found[0].as_deref(),
        Ok("{\"text\":\"hi\",\"label\":\"short\",\"label_index\":0,\"probability\":0.765432}\n")
    );
    assert_eq!(found[1], Err("the record has no text: there is nothing to classify".to_owned()));
    assert_eq!(found[2], Err("the text has 101 bytes and the limit is 100".to_owned()));
}

#[test]
fn settings_must_fit_together() {
    for (input, output, reason) in [
        (delimited(&["id", "id", "body"], "body"), LabelOutput::Json, "\"id\" more than once"),
        (delimited(&["id", "label"], "id"), LabelOutput::Json, "\"label\" is what the function adds"),
        (delimited(&["id"], "body"), LabelOutput::Json, "none of the columns id"),
        (delimited(&["id"], "id"), output(&["idd"]), "there are: id, label, label_index, probability"),
        (TextInput::Line, output(&[]), "names no column"),
        (TextInput::Line, output(&["id"]), "there are: text, label"),
    ] {
        let error = settings(input, output).check().unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

proptest! {
    #[test]
    fn no_record_panics_and_every_json_answer_is_json(record: Vec<u8>, text in ".{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let object = json!({"body": text, "a": text}).to_string();
            let line = format!("{text}\t{text}");
            for input in [TextInput::Line, delimited(&["a", "body"], "body"), json_at("$.body")] {
                let records: [&[u8]; 3] = [&record, object.as_bytes(), line.as_bytes()];
                for answer in answers(settings(input.clone(), LabelOutput::Json), &records).await.into_iter().flatten() {
                    assert!(answer.ends_with("}\n") && answer.matches('\n').count() == 1, "{answer}");
                    assert!(serde_json::from_str::<Value>(&answer).unwrap()["label"].is_string());
                }
            }
        });
    }
}
