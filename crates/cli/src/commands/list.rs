//! `millstream list`: the resources of a running server.

use std::process::ExitCode;

use hyper::Method;
use serde_json::Value;

use super::print;
use crate::arguments::ListArguments;
use crate::retrying::{self, is_time, time};
use crate::socket::Client;

pub(super) async fn run(arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(&arguments.data.data_dir).await?;
    let path = match arguments.kind {
        Some(kind) => format!("/v1/resources?kind={}", kind.as_str()),
        None => "/v1/resources".to_owned(),
    };
    let found: Vec<Value> = client.call(Method::GET, &path, "").await?;
    if arguments.json {
        for resource in &found {
            print(&resource.to_string())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.kind {
        Some(kind) if found.is_empty() => print(&format!("there is no {}", kind.noun()))?,
        None if found.is_empty() => {
            print("nothing exists yet: millstream apply FILE creates what a pipeline file declares")?;
        }
        _ => {}
    }
    let text = |resource: &Value, key: &str| resource[key].as_str().unwrap_or_default().to_owned();
    let width = found.iter().map(|one| text(one, "name").chars().count()).max().unwrap_or(0).min(48);
    for resource in &found {
        let figures = match (figures(&resource["figures"]), time(&resource["figures_since"])) {
            (figures, since) if figures.is_empty() || since.is_empty() => figures,
            (figures, since) => format!("{figures} (since {since})"),
        };
        let reason = resource["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default();
        let retrying = retrying::texts(&resource["retrying"]);
        let retrying: String = retrying.iter().map(|text| format!("  retrying {text}")).collect();
        let line = format!(
            "{:<16} {:<width$}  {:<9} {figures}{reason}{retrying}",
            text(resource, "kind"),
            text(resource, "name"),
            text(resource, "state"),
        );
        print(line.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The state of an alarm; else the figures that are numbers above zero, in one line.
fn figures(figures: &Value) -> String {
    if let Some(state) = figures["alarm_state"].as_str() {
        return format!("{state} since {}", time(&figures["alarm_since"]));
    }
    let Some(figures) = figures.as_object() else { return String::new() };
    let shown = figures.iter().filter_map(|(name, value)| match value {
        Value::Number(millis) if name == "checkpoint_age_ms" => {
            Some(format!("checkpoint {:.1} s ago", millis.as_f64().unwrap_or_default() / 1_000.0))
        }
        Value::Number(_) if is_time(name) => Some(format!("{} {}", name.replace('_', " "), time(value))),
        Value::Number(number) if number.as_u64() != Some(0) => {
            Some(format!("{} {number}", name.replace('_', " ")))
        }
        Value::Bool(true) => Some(name.replace('_', " ")),
        _ => None,
    });
    shown.collect::<Vec<_>>().join(", ")
}
