//! `millstream reset`: resources start from scratch.

use std::process::ExitCode;
use std::sync::Arc;

use hyper::Method;
use millstream_control::definition::{Kind, Reference};
use millstream_control::{ResetOutlook, Server, ServerSettings};
use millstream_host::{Random, SystemClock};

use super::print;
use crate::arguments::ResetArguments;
use crate::socket::{Client, ResetAnswer, WouldResetAnswer, escaped};
use crate::version::VERSION;

pub(super) async fn run(arguments: ResetArguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.data.data_dir;
    anyhow::ensure!(directory.is_dir(), "{}: there is no such data directory", directory.display());
    let mut place = match Client::try_connect(directory).await? {
        Some(client) => Place::Running(client),
        None => Place::Directory(open(&arguments).await?),
    };
    let meant = meant(place.would_reset(arguments.kind).await?, &arguments)?;
    if arguments.yes {
        let reset = place.reset(&arguments).await?;
        return say_reset(&reset, arguments.json);
    }
    if arguments.json {
        print(&serde_json::to_string(&WouldResetAnswer { would_reset: meant })?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for outlook in &meant {
        let what = match outlook.consequences.as_slice() {
            [] => String::new(),
            consequences => format!(": {}", consequences.join("; ")),
        };
        print(&format!("{} would start from scratch{what}", outlook.reference()))?;
    }
    print("nothing was deleted: add --yes to do it")?;
    Ok(ExitCode::SUCCESS)
}

fn say_reset(reset: &[Reference], is_json: bool) -> anyhow::Result<ExitCode> {
    if is_json {
        print(&serde_json::json!({ "reset": reset }).to_string())?;
    } else {
        for reference in reset {
            print(&format!("{reference} starts from scratch"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Those of the resources that are meant.
///
/// # Errors
/// There is none: says what exists.
fn meant(of_kind: Vec<ResetOutlook>, arguments: &ResetArguments) -> anyhow::Result<Vec<ResetOutlook>> {
    let noun = arguments.kind.map_or("resource", Kind::noun);
    anyhow::ensure!(!of_kind.is_empty() || arguments.name.is_some(), "there is no {noun}: nothing to reset");
    let Some(name) = &arguments.name else { return Ok(of_kind) };
    let names: Vec<&str> = of_kind.iter().map(|one| one.name.as_str()).collect();
    if !names.contains(&name.as_str()) {
        let known = match names.is_empty() {
            true => format!("there is no {noun} at all"),
            false => format!("there are: {}", names.join(", ")),
        };
        anyhow::bail!("{noun} \"{name}\" does not exist; {known}");
    }
    Ok(of_kind.into_iter().filter(|one| one.name == *name).collect())
}

/// Where resources are reset.
enum Place {
    /// A server runs: it says what there is, and does it.
    Running(Client),
    /// No server runs: the data directory is opened, and nothing in it started.
    Directory(Arc<Server>),
}

impl Place {
    async fn would_reset(&mut self, kind: Option<Kind>) -> anyhow::Result<Vec<ResetOutlook>> {
        match self {
            Place::Running(client) => {
                let path = format!("/v1/reset?{}", query(kind, None));
                let WouldResetAnswer { would_reset } = client.call(Method::GET, &path, "").await?;
                Ok(would_reset)
            }
            Place::Directory(server) => Ok(server.would_reset(kind, None).await),
        }
    }

    async fn reset(&mut self, arguments: &ResetArguments) -> anyhow::Result<Vec<Reference>> {
        let name = arguments.name.as_deref();
        match self {
            Place::Running(client) => {
                let path = format!("/v1/reset?{}", query(arguments.kind, name));
                let ResetAnswer { reset } = client.call(Method::POST, &path, "").await?;
                Ok(reset)
            }
            Place::Directory(server) => Ok(server.reset(arguments.kind, name).await?),
        }
    }
}

fn query(kind: Option<Kind>, name: Option<&str>) -> String {
    let kind = kind.map(|kind| format!("kind={}", kind.as_str()));
    let name = name.map(|name| format!("name={}", escaped(name)));
    kind.into_iter().chain(name).collect::<Vec<_>>().join("&")
}

async fn open(arguments: &ResetArguments) -> anyhow::Result<Arc<Server>> {
    let settings = ServerSettings {
        data_directory: arguments.data.data_dir.clone(),
        version: VERSION.to_owned(),
        source: String::new(),
        is_synthetic: false,
        has_standard_input: false,
        repeats_ended_feeds_of: None,
    };
    Ok(Server::open(settings, Arc::new(SystemClock), Random::from_entropy()).await?)
}
