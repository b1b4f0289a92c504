//! `millstream describe`: one resource.

use std::process::ExitCode;

use hyper::Method;
use serde_json::Value;

use super::print;
use crate::arguments::DescribeArguments;
use crate::retrying::{self, is_time, time};
use crate::socket::{Client, escaped};

pub(super) async fn run(arguments: DescribeArguments) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(&arguments.data.data_dir).await?;
    let path = format!("/v1/resources/{}/{}", arguments.kind.as_str(), escaped(&arguments.name));
    let found: Value = client.call(Method::GET, &path, "").await?;
    if arguments.json {
        print(&found.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    print(&format!("{} {}", text("kind"), text("name")))?;
    print(&format!("  state       {}", text("state")))?;
    if let Some(reason) = found["reason"].as_str() {
        print(&format!("  because     {reason}"))?;
    }
    for text in retrying::texts(&found["retrying"]) {
        print(&format!("  retrying    {text}"))?;
    }
    print(&format!("  owner       {}", text("owner")))?;
    print(&format!("  id          {} (generation {})", found["id"], found["generation"]))?;
    print(&format!("  created     {}", time(&found["created_at"])))?;
    print(&format!("  changed     {}", time(&found["changed_at"])))?;
    let since = match time(&found["figures_since"]).as_str() {
        "" => "figures".to_owned(),
        since => format!("figures since {since}"),
    };
    section(&since, &found["figures"])?;
    section("definition", &found["definition"])?;
    Ok(ExitCode::SUCCESS)
}

fn section(title: &str, members: &Value) -> std::io::Result<()> {
    let Some(members) = members.as_object().filter(|members| !members.is_empty()) else { return Ok(()) };
    print(&format!("{title}:"))?;
    for (name, value) in members {
        let indented = |text: &str| {
            print(&format!("  {name}:"))?;
            text.lines().try_for_each(|line| print(&format!("    {line}")))
        };
        match value {
            Value::Null => {}
            Value::Object(members) if members.is_empty() => {}
            Value::Array(values) if values.is_empty() => {}
            Value::String(text) if text.contains('\n') => indented(text.trim_end())?,
            Value::String(text) => print(&format!("  {name}: {text}"))?,
            Value::Object(_) | Value::Array(_) => {
                indented(&serde_json::to_string_pretty(value).unwrap_or_default())?;
            }
            Value::Number(_) if is_time(name) => print(&format!("  {name}: {}", time(value)))?,
            other => print(&format!("  {name}: {other}"))?,
        }
    }
    Ok(())
}
