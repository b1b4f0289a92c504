//! `millstream put`: lines become records of a stream.

use std::process::ExitCode;

use hyper::Method;
use millstream_control::feeds::{LineSource, RecordSource, SourceBatch};
use millstream_host::Spawn;
use millstream_wording::{agreeing, counted};

use super::print;
use crate::arguments::PutArguments;
use crate::failure::say;
use crate::signals::{STOPPED_EARLY, Signals};
use crate::socket::{Client, PutAnswer, escaped};

/// The most of one request.
const BATCH_RECORDS: usize = 500;

pub(super) async fn run(arguments: PutArguments) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut putting = Putting { put: 0, skipped: 0, under_way: 0 };
    let done = tokio::select! {
        done = putting.run(&arguments) => Some(done),
        () = signals.stop() => None,
    };
    // From here on a signal ends it at once.
    drop(signals);
    let is_stopped = done.is_none();
    done.transpose().map_err(|error| putting.explained(error))?;
    let Putting { put, skipped, under_way } = putting;
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
                let answer: PutAnswer = client.call(Method::POST, &path, batch.bytes().to_vec()).await?;
                self.put += answer.records;
                self.under_way = 0;
            }
        }
        Ok(())
    }
}
