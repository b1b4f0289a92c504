//! `millstream put`: lines become records of a stream.

use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_host::real_time::{self, Deadline};
use millstream_host::{Backoff, Spawn};
use millstream_wording::{agreeing, counted};

use super::print;
use crate::arguments::PutArguments;
use crate::failure::say;
use crate::signals::{STOPPED_EARLY, Signals};
use crate::socket::{Busy, Client, PutAnswer, escaped};

/// The most of one request.
const BATCH_RECORDS: usize = 500;
/// Waits before a server that is busy is asked again.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long it is asked.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(arguments: PutArguments) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut putting = Putting { put: 0, skipped: 0, under_way: 0, patience: PATIENCE };
    let done = tokio::select! {
        done = putting.run(&arguments) => Some(done),
        () = signals.stop() => None,
    };
    // From here on a signal ends it at once.
    drop(signals);
    let is_stopped = done.is_none();
    done.transpose().map_err(|error| putting.explained(error))?;
    let Putting { put, skipped, under_way, .. } = putting;
    if arguments.json {
        let mut answer = serde_json::json!({ "records": put, "skipped": skipped });
        if is_stopped {
            answer["stopped"] = true.into();
            answer["under_way"] = under_way.into();
        }
        print(&answer.to_string())?;
    } else {
        print(&putting.counted())?;
    }
    if is_stopped {
        say(format_args!("stopped before the end of the input{}", putting.doubtful()));
        return Ok(ExitCode::from(STOPPED_EARLY));
    }
    // Lines that cannot be records were named.
    Ok(if skipped > 0 { ExitCode::from(4) } else { ExitCode::SUCCESS })
}

/// How far it has come.
struct Putting {
    /// Records that are durable.
    put: u64,
    /// Lines that are no records.
    skipped: u64,
    /// Records that were sent and not answered.
    under_way: u64,
    /// How long a server that is busy is asked again.
    patience: Duration,
}

impl Putting {
    fn counted(&self) -> String {
        format!("{} put", counted(self.put, "record"))
    }

    /// What may have been put, too.
    fn doubtful(&self) -> String {
        match self.under_way {
            0 => String::new(),
            more => {
                let more = agreeing(more, "more was", "more were");
                format!("; up to {more} under way and may have been put as well")
            }
        }
    }

    /// An error with what was put before it.
    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        match self.put {
            0 => error,
            stored if error.is::<Busy>() => {
                let records = agreeing(stored, "record of the input is", "records of the input are");
                let text =
                    format!("the first {records} stored; put those after them when the server is less busy");
                error.context(text)
            }
            _ => error.context(format!("{}{}, then it failed", self.counted(), self.doubtful())),
        }
    }

    async fn run(&mut self, arguments: &PutArguments) -> anyhow::Result<()> {
        let mut client = Client::connect(&arguments.data.data_dir).await?;
        let mut source = match &arguments.input {
            Some(path) if path.as_os_str() != "-" => LineSource::file(path, arguments.header, false)?,
            _ => LineSource::standard_input(arguments.header),
        };
        let key = arguments.key.as_deref().map(|key| format!("key={}", escaped(key)));
        let query: Vec<String> = arguments.kind.as_query().into_iter().chain(key).collect();
        let path = format!("/v1/records/{}?{}", escaped(&arguments.stream), query.join("&"));
        let mut batch = SourceBatch::default();
        let mut is_ended = false;
        while !is_ended {
            batch.clear();
            // What somebody types goes as it comes; meanwhile signals are heard.
            let read = move || {
                let state = source.read(&mut batch, BATCH_RECORDS);
                (source, batch, state)
            };
            let state;
            (source, batch, state) = Spawn::current().awaited_blocking(read).await?;
            is_ended = !state.is_open();
            for reason in batch.unusable().iter().chain(state.failure()) {
                tracing::warn!("{reason}");
                self.skipped += 1;
            }
            // Also without a record the server is asked whether there is such a stream.
            if !batch.is_empty() || (is_ended && self.put == 0) {
                self.under_way = batch.len() as u64;
                self.put += self.stored(&mut client, &path, batch.bytes()).await?;
                self.under_way = 0;
            }
        }
        Ok(())
    }

    /// Puts lines, as often as the server is too busy for them; gives how many records are durable.
    async fn stored(&mut self, client: &mut Client, path: &str, lines: &[u8]) -> anyhow::Result<u64> {
        let lines = Bytes::copy_from_slice(lines);
        let mut waits = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let deadline = Deadline::after(self.patience);
        loop {
            let answer: anyhow::Result<PutAnswer> = client.call(Method::POST, path, lines.clone()).await;
            match answer {
                Ok(answer) => return Ok(answer.records),
                Err(error) if error.is::<Busy>() && !deadline.left().is_zero() => {
                    tracing::debug!("asked again: {error}");
                    real_time::sleep(waits.wait()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use axum::{Json, Router};
    use clap::Parser;
    use millstream_host::files;
    use serde_json::json;

    use super::*;
    use crate::arguments::{Arguments, Command};
    use crate::socket::path_of;

    /// How many records a put stores on a server that is busy for these requests, and what it fails with.
    async fn put(records: usize, patience: Duration, is_busy: fn(usize) -> bool) -> (u64, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input");
        files::write(&input, "{}\n".repeat(records).as_bytes()).unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let answer = move |body: String| async move {
            match is_busy(requests.fetch_add(1, Ordering::SeqCst)) {
                true => {
                    let error = Json(json!({ "error": "too much waits" }));
                    (StatusCode::SERVICE_UNAVAILABLE, error).into_response()
                }
                false => Json(json!({ "records": body.lines().count() })).into_response(),
            }
        };
        let router = Router::new().route("/v1/records/s", post(answer));
        let listener = tokio::net::UnixListener::bind(path_of(folder.path())).unwrap();
        let serving = Spawn::current().awaited(async move { axum::serve(listener, router).await });
        let directory = folder.path().to_str().unwrap();
        let arguments =
            ["millstream", "put", "s", "--input", input.to_str().unwrap(), "--data-dir", directory];
        let Command::Put(arguments) = Arguments::try_parse_from(arguments).unwrap().command else {
            unreachable!("it is a put")
        };
        let mut putting = Putting { put: 0, skipped: 0, under_way: 0, patience };
        let failed =
            putting.run(&arguments).await.err().map(|error| format!("{:#}", putting.explained(error)));
        serving.abort();
        (putting.put, failed)
    }

    #[tokio::test]
    async fn a_server_that_is_busy_is_asked_again() {
        let stored = put(3 * BATCH_RECORDS, PATIENCE, |request| request % 2 == 0).await;
        assert_eq!(stored, (3 * BATCH_RECORDS as u64, None));
    }

    #[tokio::test]
    async fn whoever_gives_up_says_how_to_go_on() {
        let (stored, failed) = put(3 * BATCH_RECORDS, Duration::ZERO, |request| request > 0).await;
        assert_eq!(stored, BATCH_RECORDS as u64);
        let failed = failed.unwrap();
        let expected = "the first 500 records of the input are stored; put those after them when the server is less busy: \
                        too much waits";
        assert_eq!(failed, expected);
    }
}
