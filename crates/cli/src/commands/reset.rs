//! `millstream reset`: resources start from scratch.

use std::process::ExitCode;
use std::sync::Arc;

use hyper::Method;
use millstream_control::definition::Reference;
use millstream_control::{Server, ServerSettings};
use millstream_host::{Random, SystemClock};

use super::print;
use crate::arguments::ResetArguments;
use crate::socket::{Client, ResetAnswer, escaped};
use crate::version::VERSION;

pub(super) async fn run(arguments: ResetArguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.data.data_dir;
    anyhow::ensure!(directory.is_dir(), "{}: there is no such data directory", directory.display());
    let reset = match Client::try_connect(directory).await? {
        Some(mut client) => {
            let mut query = Vec::new();
            query.extend(arguments.kind.map(|kind| format!("kind={}", kind.as_str())));
            query.extend(arguments.name.as_deref().map(|name| format!("name={}", escaped(name))));
            let query = query.join("&");
            if arguments.yes {
                let answer: ResetAnswer =
                    client.call(Method::POST, &format!("/v1/reset?{query}"), "").await?;
                answer.reset
            } else {
                let all: Vec<serde_json::Value> =
                    client.call(Method::GET, &format!("/v1/resources?{query}"), "").await?;
                let named = |one: &serde_json::Value| {
                    arguments.name.as_deref().is_none_or(|name| one["name"] == name)
                };
                let references = all.iter().filter(|one| named(one)).filter_map(|one| {
                    Some(Reference::new(one["kind"].as_str()?.parse().ok()?, one["name"].as_str()?))
                });
                references.collect()
            }
        }
        None => without_server(&arguments).await?,
    };
    if reset.is_empty() {
        anyhow::bail!("there is nothing of that kind and name");
    }
    if arguments.json {
        let (key, list) = (if arguments.yes { "reset" } else { "would_reset" }, &reset);
        print(&serde_json::json!({ key: list }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for reference in &reset {
        let verb = if arguments.yes { "starts from scratch" } else { "would start from scratch" };
        print(&format!("{reference} {verb}"))?;
    }
    if !arguments.yes {
        print("nothing was deleted: add --yes to do it")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// No server runs: the data directory is opened, and nothing in it started.
async fn without_server(arguments: &ResetArguments) -> anyhow::Result<Vec<Reference>> {
    let settings = ServerSettings {
        data_directory: arguments.data.data_dir.clone(),
        version: VERSION.to_owned(),
        source: String::new(),
        is_synthetic: false,
        has_standard_input: false,
        repeats_ended_feeds: false,
    };
    let server: Arc<Server> = Server::open(settings, Arc::new(SystemClock), Random::from_entropy()).await?;
    if arguments.yes {
        return Ok(server.reset(arguments.kind, arguments.name.as_deref()).await?);
    }
    let all = server.list(arguments.kind).into_iter();
    let named = all.filter(|one| arguments.name.as_deref().is_none_or(|name| one.name == name));
    Ok(named.map(|one| Reference::new(one.kind, &one.name)).collect())
}
