//! What a function answered, record by record.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::{Outcome, record_id};
use crate::source::SourceRecord;

const JSON_PROCESSING: &str = "Lambda.JsonProcessingException";

/// Of the reason that a function gives for a failed record.
const MOST_REASON_CHARS: usize = 1_024;

/// What each record of a batch came to, in the order of the batch, whatever the order of the response.
///
/// | response | outcome |
/// |---|---|
/// | not JSON, or without a list `records` | all fail with `Lambda.JsonProcessingException` |
/// | `Ok` with base64 data | that data, also if empty |
/// | `Dropped` | dropped |
/// | `ProcessingFailed` | fails with `Lambda.ProcessingFailedStatus`, and the text of its `errorMessage` if it has one |
/// | no or another `result`, `Ok` without base64 data | fails with `Lambda.JsonProcessingException` |
/// | a record's id is not there | it fails with `Lambda.MissingRecordId` |
/// | a record's id is there twice | it fails with `Lambda.DuplicatedRecordId` |
/// | an id that was not asked for | skipped; the record it should have been is missing |
pub fn decode_response(records: &[SourceRecord], response: &[u8]) -> Vec<Outcome> {
    let all_fail = |message: String| {
        let failed = Outcome::Failed { code: JSON_PROCESSING, message };
        vec![failed; records.len()]
    };
    let answered = match serde_json::from_slice::<Value>(response) {
        Ok(Value::Object(mut object)) => match object.remove("records") {
            Some(Value::Array(answered)) => answered,
            _ => return all_fail("the response has no list named \"records\"".to_owned()),
        },
        Ok(_) => return all_fail("the response is not a JSON object".to_owned()),
        Err(error) => return all_fail(format!("the response is not JSON: {error}")),
    };
    let mut by_id: HashMap<&str, (usize, &Value)> = HashMap::with_capacity(answered.len());
    for answer in &answered {
        if let Some(id) = answer.get("recordId").and_then(Value::as_str) {
            by_id.entry(id).or_insert((0, answer)).0 += 1;
        }
    }
    let outcome_of = |record: &SourceRecord| match by_id.get(record_id(record).as_str()) {
        None => Outcome::Failed {
            code: "Lambda.MissingRecordId",
            message: "the response has no record with this recordId".to_owned(),
        },
        Some((1, answer)) => outcome(answer),
        Some((count, _)) => Outcome::Failed {
            code: "Lambda.DuplicatedRecordId",
            message: format!("the response has {count} records with this recordId"),
        },
    };
    records.iter().map(outcome_of).collect()
}

fn outcome(answer: &Value) -> Outcome {
    let malformed = |message: String| Outcome::Failed { code: JSON_PROCESSING, message };
    match answer.get("result").and_then(Value::as_str) {
        Some("Ok") => {
            let Some(data) = answer.get("data").and_then(Value::as_str) else {
                return malformed("the record has result \"Ok\" and no text named \"data\"".to_owned());
            };
            match STANDARD.decode(data) {
                Ok(data) => Outcome::Ok(Bytes::from(data)),
                Err(error) => malformed(format!("the record's data is not base64: {error}")),
            }
        }
        Some("Dropped") => Outcome::Dropped,
        Some("ProcessingFailed") => Outcome::Failed {
            code: "Lambda.ProcessingFailedStatus",
            message: match answer.get("errorMessage").and_then(Value::as_str) {
                Some(reason) if !reason.is_empty() => reason.chars().take(MOST_REASON_CHARS).collect(),
                _ => "ProcessingFailed status set for record; the function gave no errorMessage".to_owned(),
            },
        },
        Some(other) => malformed(format!(
            "the record has result \"{}\": it must be Ok, Dropped or ProcessingFailed",
            other.chars().take(40).collect::<String>()
        )),
        None => malformed("the record has no result".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::Timestamp;

    use super::*;
    use crate::position::SourcePosition;

    fn batch(count: u64) -> Vec<SourceRecord> {
        (0..count)
            .map(|position| SourceRecord {
                position: SourcePosition(position),
                arrival: Timestamp(0),
                data: Bytes::from_static(b"in"),
                metadata: None,
            })
            .collect()
    }

    /// `N:RESULT:DATA` for each answered record; a part of `-` is omitted.
    fn answers(answers: &[&str]) -> String {
        let records: Vec<String> = answers
            .iter()
            .map(|answer| {
                let parts: Vec<&str> = answer.split(':').collect();
                let mut fields = vec![format!("\"recordId\":\"{:0>20}\"", parts[0])];
                if parts[1] != "-" {
                    fields.push(format!("\"result\":\"{}\"", parts[1]));
                }
                if parts[2] != "-" {
                    fields.push(format!("\"data\":\"{}\"", parts[2]));
                }
                format!("{{{}}}", fields.join(","))
            })
            .collect();
        format!("{{\"records\":[{}]}}", records.join(","))
    }

    /// Outcomes in short: data, `dropped`, or the code of the failure.
    fn check(count: u64, response: &str, expected: &[&str]) {
        let outcomes = decode_response(&batch(count), response.as_bytes());
        let short: Vec<String> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                Outcome::Dropped => "dropped".to_owned(),
                Outcome::Failed { code, .. } => code.to_owned(),
            })
            .collect();
        assert_eq!(short, expected, "{response}");
    }

    #[test]
    fn every_row_of_the_contract() {
        let json = JSON_PROCESSING;
        check(1, &answers(&["0:Ok:T1VU"]), &["OUT"]);
        check(1, &answers(&["0:Ok:"]), &[""]);
        check(2, &answers(&["0:Dropped:-", "1:Dropped:T1VU"]), &["dropped", "dropped"]);
        check(1, &answers(&["0:ProcessingFailed:T1VU"]), &["Lambda.ProcessingFailedStatus"]);
        check(2, &answers(&["0:Ok:T1VU"]), &["OUT", "Lambda.MissingRecordId"]);
        check(2, &answers(&["0:Ok:QQ==", "1:Ok:Qg==", "0:Ok:Qw=="]), &["Lambda.DuplicatedRecordId", "B"]);
        check(1, &answers(&["9:Ok:T1VU", "0:Ok:QQ=="]), &["A"]);
        check(1, &answers(&["9:Ok:T1VU"]), &["Lambda.MissingRecordId"]);
        check(3, &answers(&["2:Ok:Qw==", "0:Ok:QQ==", "1:Ok:Qg=="]), &["A", "B", "C"]);
        check(3, &answers(&["0:-:QQ==", "1:ok:QQ==", "2:Ok:Qw=="]), &[json, json, "C"]);
        check(3, &answers(&["0:Ok:-", "1:Ok:?", "2:Ok:Qw=="]), &[json, json, "C"]);
        check(2, "nonsense", &[json, json]);
        check(2, "{\"records\":7}", &[json, json]);
        check(2, "[]", &[json, json]);
        check(2, "{}", &[json, json]);
        check(1, "{\"records\":[7,null,{}]}", &["Lambda.MissingRecordId"]);
        check(0, "{\"records\":[]}", &[]);
    }

    #[test]
    fn a_function_says_why_a_record_failed() {
        for (answer, expected) in [
            ("\"errorMessage\":\"no column named price\"", "no column named price"),
            (
                "\"errorMessage\":7",
                "ProcessingFailed status set for record; the function gave no errorMessage",
            ),
            (
                "\"errorMessage\":\"\"",
                "ProcessingFailed status set for record; the function gave no errorMessage",
            ),
        ] {
            let id = "0".repeat(20);
            let response = format!(
                "{{\"records\":[{{\"recordId\":\"{id}\",\"result\":\"ProcessingFailed\",{answer}}}]}}"
            );
            let outcomes = decode_response(&batch(1), response.as_bytes());
            let Outcome::Failed { message, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
            assert_eq!(message, expected);
        }
    }
}
