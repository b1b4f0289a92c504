//! Every dependency has a licence that `deny.toml` allows.
//!
//! `cargo deny` checks the same and more (advisories, sources); this needs no network and nothing installed.

use anyhow::Context;
use cargo_metadata::MetadataCommand;

use crate::run::{root, say};

/// Checks the licence of every package that is built.
pub(crate) fn check() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root().join("deny.toml")).context("deny.toml")?;
    let deny: toml::Table = text.parse().context("deny.toml")?;
    let allowed: Vec<&str> = deny
        .get("licenses")
        .and_then(|licences| licences.get("allow")?.as_array())
        .context("deny.toml has no licenses.allow")?
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).exec().context("cargo metadata")?;
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| !is_allowed(package.license.as_deref().unwrap_or(""), &allowed))
        .map(|package| {
            format!(
                "{} {} ({})",
                package.name,
                package.version,
                package.license.as_deref().unwrap_or("no licence")
            )
        })
        .collect();
    anyhow::ensure!(refused.is_empty(), "licences that deny.toml does not allow: {}", refused.join(", "));
    say(&format!("licences: {} packages, all allowed", metadata.packages.len()));
    Ok(())
}

/// Whether an SPDX expression can be met with the allowed licences. `AND` binds closer than `OR`; the old form with
/// slashes means `OR`.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut place = 0;
    let met = any_of(&tokens, &mut place, allowed);
    met && place == tokens.len()
}

fn any_of(tokens: &[&str], place: &mut usize, allowed: &[&str]) -> bool {
    let mut met = all_of(tokens, place, allowed);
    while tokens.get(*place) == Some(&"OR") {
        *place += 1;
        met |= all_of(tokens, place, allowed);
    }
    met
}

fn all_of(tokens: &[&str], place: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(tokens, place, allowed);
    while tokens.get(*place) == Some(&"AND") {
        *place += 1;
        met &= one(tokens, place, allowed);
    }
    met
}

fn one(tokens: &[&str], place: &mut usize, allowed: &[&str]) -> bool {
    let Some(token) = tokens.get(*place) else { return false };
    *place += 1;
    if *token == "(" {
        let met = any_of(tokens, place, allowed);
        *place += 1;
        return met;
    }
    let mut licence = (*token).to_owned();
    if tokens.get(*place) == Some(&"WITH") {
        licence = format!("{licence} WITH {}", tokens.get(*place + 1).unwrap_or(&""));
        *place += 2;
    }
    allowed.contains(&licence.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
        for (expression, expected) in [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }
}
