//! `millstream delete`: a resource with everything that is kept of it.

use std::process::ExitCode;

use hyper::Method;
use serde_json::Value;

use super::print;
use crate::arguments::DeleteArguments;
use crate::socket::{Client, escaped};

pub(super) async fn run(arguments: DeleteArguments) -> anyhow::Result<ExitCode> {
    let mut client = Client::connect(&arguments.data.data_dir).await?;
    let (kind, name) = (arguments.kind, &arguments.name);
    let path = format!("/v1/resources/{}/{}?force={}", kind.as_str(), escaped(name), arguments.force);
    let answer: Value = client.call(Method::DELETE, &path, "").await?;
    if arguments.json {
        print(&answer.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("deleted {kind} \"{name}\"; its name is free"))?;
    for detail in answer["details"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        print(&format!("    {detail}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
