//! Dependencies point down only.

use anyhow::Context;
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::run::{root, say};

/// The layers, top to bottom. A crate may depend on rows below its own.
const ROWS: [&[&str]; 8] = [
    &["millstream"],
    &["millstream-console"],
    &["millstream-control"],
    &["millstream-golden", "millstream-bench"],
    &[
        "millstream-engine",
        "millstream-streamlog",
        "millstream-delivery",
        "millstream-inference",
        "millstream-functions",
        "millstream-monitor",
    ],
    &["millstream-columns"],
    &["millstream-sql", "millstream-sketch", "millstream-host"],
    &["millstream-wording"],
];
/// Beside the layers.
const TOOLS: [&str; 1] = ["xtask"];

/// Checks every dependency between our crates.
pub(crate) fn check() -> anyhow::Result<()> {
    let manifest = root().join("Cargo.toml");
    let metadata =
        MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("cargo metadata")?;
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if TOOLS.contains(&name) {
            continue;
        }
        let Some(row) = row(name) else {
            wrong.push(format!("{name} has no row: give it one in xtask/src/layers.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let is_upward = self::row(&dependency.name).is_some_and(|below| below <= row);
            if is_upward && dependency.kind != DependencyKind::Development {
                wrong.push(format!("{name} depends on {}, which is not below it", dependency.name));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "layers: {}", wrong.join("; "));
    say(&format!("layers: {} crates, every dependency points down", metadata.packages.len()));
    Ok(())
}

/// The row of one of our crates, from the top; `None` for others.
fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}
