//! What is written of a record that could not be processed: one JSON document a line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millstream_host::Timestamp;
use serde::Serialize;

use crate::source::SourceRecord;

/// A record that could not be processed.
#[derive(Clone, Copy, Debug)]
pub struct FailedRecord<'record> {
    /// As it came in.
    pub record: &'record SourceRecord,
    /// Calls of the function, the first included.
    pub attempts: u32,
    /// Such as `Lambda.FunctionError`.
    pub code: &'record str,
    /// In words.
    pub message: &'record str,
    /// When the last call ended.
    pub ended_at: Timestamp,
    /// The function.
    pub function_arn: &'record str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'line> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: &'line str,
    error_message: &'line str,
    attempt_ending_timestamp: i64,
    raw_data: String,
    lambda_arn: &'line str,
}

impl FailedRecord<'_> {
    /// The line, with its newline. The original data is in it, in base64.
    pub fn line(&self) -> Bytes {
        let line = Line {
            attempts_made: self.attempts,
            arrival_timestamp: self.record.arrival.millis(),
            error_code: self.code,
            error_message: self.message,
            attempt_ending_timestamp: self.ended_at.millis(),
            raw_data: STANDARD.encode(&self.record.data),
            lambda_arn: self.function_arn,
        };
        let mut json = serde_json::to_vec(&line).expect("a line has only text keys and whole numbers");
        json.push(b'\n');
        json.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::SourcePosition;

    #[test]
    fn a_line_has_the_documented_fields() {
        let record = SourceRecord {
            position: SourcePosition(1),
            arrival: Timestamp(1_510_772_160_000),
            data: Bytes::from_static(b"raw\n"),
            metadata: None,
        };
        let failed = FailedRecord {
            record: &record,
            attempts: 4,
            code: "Lambda.FunctionError",
            message: "it \"broke\"",
            ended_at: Timestamp(1_510_772_170_000),
            function_arn: "arn:f",
        };
        assert_eq!(
            failed.line(),
            "{\"attemptsMade\":4,\"arrivalTimestamp\":1510772160000,\"errorCode\":\"Lambda.FunctionError\",\
             \"errorMessage\":\"it \\\"broke\\\"\",\"attemptEndingTimestamp\":1510772170000,\"rawData\":\"cmF3Cg==\",\
             \"lambdaArn\":\"arn:f\"}\n"
        );
    }
}
