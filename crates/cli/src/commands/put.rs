//! `millstream put`: lines become records of a stream.

use std::process::ExitCode;

use hyper::Method;
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};

use super::print;
use crate::arguments::PutArguments;
use crate::socket::{Client, PutAnswer, escaped};

/// The most of one request.
const BATCH_RECORDS: usize = 500;

pub(super) async fn run(arguments: PutArguments) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(&arguments.data.data_dir).await?;
    let mut source = match &arguments.input {
        Some(path) if path.as_os_str() != "-" => LineSource::file(path, arguments.header, false)?,
        _ => LineSource::standard_input(arguments.header),
    };
    let key = arguments.key.as_deref().map(|key| format!("?key={}", escaped(key))).unwrap_or_default();
    let path = format!("/v1/records/{}{key}", escaped(&arguments.stream));
    let (mut put, mut skipped) = (0_u64, 0_u64);
    let mut is_ended = false;
    let mut batch = SourceBatch::default();
    while !is_ended {
        batch.clear();
        // What somebody types goes as it comes.
        let state = source.read(&mut batch, BATCH_RECORDS);
        is_ended = !state.is_open();
        for reason in batch.unusable().iter().chain(state.failure()) {
            tracing::warn!("{reason}");
            skipped += 1;
        }
        // Also without a record the server is asked whether there is such a stream.
        if !batch.is_empty() || (is_ended && put == 0) {
            let answer: PutAnswer = client.call(Method::POST, &path, batch.bytes().to_vec()).await?;
            put += answer.records;
        }
    }
    match arguments.json {
        true => print(&serde_json::json!({ "records": put, "skipped": skipped }).to_string()),
        false => print(&format!("{put} {} put", if put == 1 { "record" } else { "records" })),
    };
    // Lines that cannot be records were named.
    Ok(if skipped > 0 { ExitCode::from(4) } else { ExitCode::SUCCESS })
}
