//! What the server answers when it does not do what it is asked: `{"error": "…"}` with a status, always.

use axum::Json;
use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_control::registry::DeleteError;
use millstream_control::{ApplyError, PutError, TailError};
use millstream_streamlog::{AppendError, ReadError};

use super::protocol::ErrorAnswer;

/// The most of a text that is repeated.
const MOST_TEXT: usize = 64 << 10;

/// An error with its status.
pub(super) fn refused(status: StatusCode, error: impl std::fmt::Display) -> Response {
    (status, Json(ErrorAnswer { error: error.to_string() })).into_response()
}

/// Makes JSON of what the framework refuses by itself, in plain text or without any: queries, bodies and methods.
pub(super) async fn in_json(response: Response) -> Response {
    let is_json = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes)
        == Some(b"application/json".as_slice());
    if !(response.status().is_client_error() || response.status().is_server_error()) || is_json {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, MOST_TEXT).await.unwrap_or_default();
    let text = match String::from_utf8_lossy(&text).trim() {
        "" => parts.status.canonical_reason().unwrap_or("refused").to_lowercase(),
        text => text.to_owned(),
    };
    let mut answer = refused(parts.status, text);
    // Such as the methods that are allowed.
    let others = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    let others = others.filter(|(name, _)| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH);
    answer.headers_mut().extend(others);
    answer
}

pub(super) fn status_of_put(error: &PutError) -> StatusCode {
    match error {
        PutError::NotFound { .. } => StatusCode::NOT_FOUND,
        PutError::Ambiguous(_) => StatusCode::CONFLICT,
        PutError::PartitionKey { .. } => StatusCode::BAD_REQUEST,
        PutError::RecordTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PutError::Append(error) => match error {
            AppendError::StreamNotFound(_) => StatusCode::NOT_FOUND,
            AppendError::PartitionKey { .. } => StatusCode::BAD_REQUEST,
            AppendError::RecordTooLarge { .. } | AppendError::TooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            AppendError::ProducerOverlap { .. } => StatusCode::CONFLICT,
            AppendError::Busy { .. } | AppendError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            AppendError::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            AppendError::Disk(_) | AppendError::DirectoryLost { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

pub(super) fn status_of_tail(error: &TailError) -> StatusCode {
    match error {
        TailError::NotFound(_) | TailError::Stream(_) => StatusCode::NOT_FOUND,
        TailError::Ambiguous(_) => StatusCode::CONFLICT,
        TailError::Condition(_) | TailError::From(_) => StatusCode::BAD_REQUEST,
        TailError::Read(error) => match error {
            ReadError::StreamNotFound(_) | ReadError::ShardNotFound { .. } => StatusCode::NOT_FOUND,
            ReadError::OtherShard { .. } | ReadError::BeyondEnd { .. } => StatusCode::BAD_REQUEST,
            ReadError::File(_) | ReadError::Damaged(_) => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

pub(super) fn status_of_delete(error: &DeleteError) -> StatusCode {
    match error {
        DeleteError::NotFound(_) => StatusCode::NOT_FOUND,
        DeleteError::InUse { .. } => StatusCode::CONFLICT,
        DeleteError::Catalog(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Of a file that cannot be read, or of what it declares.
pub(super) fn status_of_apply(error: &anyhow::Error) -> StatusCode {
    match error.downcast_ref::<ApplyError>() {
        Some(ApplyError::Catalog(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        None => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use bytes::Bytes;
    use millstream_host::{Random, SimulatedDisk, SystemClock};
    use millstream_streamlog::{Log, LogSettings, NewRecord, Retention, StreamKey};

    #[test]
    fn what_the_log_refuses_is_the_fault_of_the_caller_or_of_the_machine() {
        for (error, status) in [
            (AppendError::PartitionKey { record: 0, chars: 300 }, 400),
            (AppendError::RecordTooLarge { record: 0, bytes: 9, most: 8 }, 413),
            (AppendError::TooLarge { bytes: 9, most: 8 }, 413),
            (AppendError::Busy { waiting: 9, most: 8 }, 503),
            (AppendError::Closed, 503),
            (AppendError::DirectoryLost { reason: "it was moved".to_owned() }, 500),
        ] {
            let error = PutError::from(error);
            assert_eq!(status_of_put(&error), status, "{error}");
            assert!(!error.to_string().contains("record 0"), "people count from 1: {error}");
        }
        assert_eq!(status_of_put(&PutError::Ambiguous("x".to_owned())), 409);
    }

    #[tokio::test]
    async fn a_full_disk_is_not_the_fault_of_the_caller() {
        let disk = SimulatedDisk::new();
        let (clock, random) = (Arc::new(SystemClock), Random::from_seed(1));
        let on = Arc::new(disk.clone());
        let (log, _) = Log::open_on(Path::new("/log"), LogSettings::default(), clock, random, on).unwrap();
        let key = StreamKey::data("s".parse().unwrap());
        log.stream_create(&key, 1, Retention::default()).unwrap();
        disk.set_room(Some(0));
        let refused = log.append(&key, vec![NewRecord::new("key", Bytes::from("data"))]).await;
        let error = PutError::Append(refused.unwrap_err());
        assert_eq!(status_of_put(&error), 507, "{error}");
    }

    #[tokio::test]
    async fn every_error_is_json_and_keeps_its_headers() {
        let text = |answer: Response| async {
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
            let body = to_bytes(answer.into_body(), MOST_TEXT).await.unwrap();
            serde_json::from_slice::<ErrorAnswer>(&body).unwrap().error
        };
        let plain = (StatusCode::BAD_REQUEST, "a query is wrong").into_response();
        assert_eq!(text(in_json(plain).await).await, "a query is wrong");
        let none = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response();
        let answer = in_json(none).await;
        assert_eq!(answer.headers()[header::ALLOW], "GET");
        assert_eq!(text(answer).await, "method not allowed");
        let own = refused(StatusCode::NOT_FOUND, "there is none");
        assert_eq!(text(in_json(own).await).await, "there is none");
        assert_eq!(in_json("fine".into_response()).await.status(), StatusCode::OK);
    }
}
