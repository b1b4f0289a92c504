//! `millstream reset`: resources start from scratch.

use std::process::ExitCode;
use std::sync::Arc;

use hyper::Method;
use millstream_control::definition::{Kind, Reference};
use millstream_control::{Server, ServerSettings};
use millstream_host::{Random, SystemClock};
use millstream_wording::agreeing;
use serde_json::Value;

use super::print;
use crate::arguments::ResetArguments;
use crate::socket::{Client, ResetAnswer, escaped};
use crate::version::VERSION;

pub(super) async fn run(arguments: ResetArguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.data.data_dir;
    anyhow::ensure!(directory.is_dir(), "{}: there is no such data directory", directory.display());
    let meant = match Client::try_connect(directory).await? {
        Some(mut client) => with_server(&mut client, &arguments).await?,
        None => without_server(&arguments).await?,
    };
    let reset = meant.iter().map(reference).collect::<anyhow::Result<Vec<_>>>()?;
    if arguments.json {
        let (key, list) = (if arguments.yes { "reset" } else { "would_reset" }, &reset);
        print(&serde_json::json!({ key: list }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (resource, reference) in meant.iter().zip(&reset) {
        match arguments.yes {
            true => print(&format!("{reference} starts from scratch"))?,
            false => {
                print(&format!("{reference} would start from scratch{}", consequences(resource, &reset)))?
            }
        }
    }
    if !arguments.yes {
        print("nothing was deleted: add --yes to do it")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn reference(resource: &Value) -> anyhow::Result<Reference> {
    let kind: Kind = resource["kind"].as_str().unwrap_or_default().parse().map_err(anyhow::Error::msg)?;
    Ok(Reference::new(kind, resource["name"].as_str().unwrap_or_default()))
}

/// Those of the resources that are meant.
///
/// # Errors
/// There is none: says what exists.
fn meant(resources: Vec<Value>, arguments: &ResetArguments) -> anyhow::Result<Vec<Value>> {
    let is_of_kind = |one: &Value| arguments.kind.is_none_or(|kind| one["kind"] == kind.as_str());
    let of_kind: Vec<Value> = resources.into_iter().filter(is_of_kind).collect();
    let noun = arguments.kind.map_or("resource", Kind::noun);
    anyhow::ensure!(!of_kind.is_empty() || arguments.name.is_some(), "there is no {noun}: nothing to reset");
    let Some(name) = &arguments.name else { return Ok(of_kind) };
    let names: Vec<&str> = of_kind.iter().filter_map(|one| one["name"].as_str()).collect();
    if !names.contains(&name.as_str()) {
        let known = match names.is_empty() {
            true => format!("there is no {noun} at all"),
            false => format!("there are: {}", names.join(", ")),
        };
        anyhow::bail!("{noun} \"{name}\" does not exist; {known}");
    }
    Ok(of_kind.into_iter().filter(|one| one["name"] == name.as_str()).collect())
}

/// What a start from scratch means for a resource when these start from scratch together.
fn consequences(resource: &Value, reset: &[Reference]) -> String {
    match resource["kind"].as_str() {
        Some("application") => {
            let definition = &resource["definition"];
            let source = definition["input"]["source"].as_object().and_then(|source| source.iter().next());
            let source =
                source.and_then(|(kind, name)| Some(Reference::new(kind.parse().ok()?, name.as_str()?)));
            let reads_again = match definition["input"]["starting_position"].as_str() {
                Some("now" | "last-stopped-point") => None,
                _ => source.filter(|source| !reset.contains(source)),
            };
            match reads_again {
                Some(source) => format!(
                    ": its state goes, it reads {source} again from its oldest record, and writes its rows once more"
                ),
                None => ": its state goes".to_owned(),
            }
        }
        Some("stream") => match resource["figures"]["records"].as_u64() {
            None | Some(0) => String::new(),
            Some(records) => format!(": its {}", agreeing(records, "record goes", "records go")),
        },
        Some("delivery-stream") => ": its buffer goes, objects stay".to_owned(),
        Some("feed") => {
            ": it reads its source again from the beginning, and puts its records once more".to_owned()
        }
        _ => String::new(),
    }
}

/// A server runs: it says what there is, and does it.
async fn with_server(client: &mut Client, arguments: &ResetArguments) -> anyhow::Result<Vec<Value>> {
    let mut query = Vec::new();
    query.extend(arguments.kind.map(|kind| format!("kind={}", kind.as_str())));
    let all: Vec<Value> = client.call(Method::GET, &format!("/v1/resources?{}", query.join("&")), "").await?;
    let meant = meant(all, arguments)?;
    if arguments.yes {
        query.extend(arguments.name.as_deref().map(|name| format!("name={}", escaped(name))));
        let path = format!("/v1/reset?{}", query.join("&"));
        let ResetAnswer { reset } = client.call(Method::POST, &path, "").await?;
        return reset.iter().map(|one| Ok(serde_json::to_value(one)?)).collect();
    }
    Ok(meant)
}

/// No server runs: the data directory is opened, and nothing in it started.
async fn without_server(arguments: &ResetArguments) -> anyhow::Result<Vec<Value>> {
    let settings = ServerSettings {
        data_directory: arguments.data.data_dir.clone(),
        version: VERSION.to_owned(),
        source: String::new(),
        is_synthetic: false,
        has_standard_input: false,
        repeats_ended_feeds: false,
    };
    let server: Arc<Server> = Server::open(settings, Arc::new(SystemClock), Random::from_entropy()).await?;
    let all = server.list_counted(arguments.kind).await;
    let all = all.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let meant = meant(all, arguments)?;
    if arguments.yes {
        server.reset(arguments.kind, arguments.name.as_deref()).await?;
    }
    Ok(meant)
}
