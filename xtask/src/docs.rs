//! The commands that the documents name, run as they stand there.
//!
//! Every line of a code block marked `sh` is run by a shell in the root of the checkout, with the release build first in
//! the path and a data directory below the target folder (the demo goes on in its own, `millstream-demo`). A block that cannot
//! be run here is marked `sh no-run`. `MILLSTREAM_DURATION` makes what runs for ever end.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::run::{cargo, root, run as run_program, say, target};

/// What would run until Ctrl-C runs so long.
const DURATION: &str = "6s";

/// A command of a document.
#[derive(Debug, PartialEq, Eq)]
struct DocCommand {
    line: usize,
    text: String,
}

pub(crate) fn run() -> anyhow::Result<()> {
    run_program(&mut cargo(&["build", "--release", "--quiet"]))?;
    let data = target().join("docs-data");
    if data.exists() {
        std::fs::remove_dir_all(&data).context("the data directory of the last run")?;
    }
    check_translation("README.zh.md")?;
    let mut count = 0;
    for document in documents()? {
        let text = std::fs::read_to_string(&document)?;
        let name = document.strip_prefix(root()).unwrap_or(&document).display().to_string();
        let folder = document.parent().unwrap_or(root());
        for (line, target) in links(&text) {
            anyhow::ensure!(folder.join(&target).exists(), "{name}:{line}: the link {target} leads nowhere");
        }
        for command in commands(&text) {
            // The test command itself runs this.
            if command.text.starts_with("cargo xtask test") {
                continue;
            }
            say(&format!("\n{name}:{}: {}", command.line, command.text));
            let status = shell(&data, &command.text).status().context("bash")?;
            anyhow::ensure!(status.success(), "{name}:{}: {}: {status}", command.line, command.text);
            count += 1;
        }
    }
    say(&format!("\ndocs: {count} commands ran"));
    Ok(())
}

fn shell(data: &Path, text: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", target().join("release").display());
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", text])
        .current_dir(root())
        .env("PATH", path)
        .env("MILLSTREAM_DATA_DIR", data)
        .env("CARGO_TARGET_DIR", target())
        .env("MILLSTREAM_DURATION", DURATION)
        .env("MILLSTREAM_LISTEN", "127.0.0.1:0")
        .stdin(std::process::Stdio::null());
    shell
}

/// The files that a document links to, with the line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for part in line.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else { continue };
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                links.push((index + 1, target.to_owned()));
            }
        }
    }
    links
}

/// The commands of a README in another language are those of README.md, which are run.
fn check_translation(name: &str) -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).with_context(|| name.to_owned());
    let texts = |text: &str| commands(text).into_iter().map(|command| command.text).collect::<Vec<_>>();
    let (original, translation) = (read("README.md")?, read(name)?);
    anyhow::ensure!(
        texts(&original) == texts(&translation),
        "{name} does not have the commands of README.md: bring them into line"
    );
    for (line, target) in links(&translation) {
        anyhow::ensure!(root().join(&target).exists(), "{name}:{line}: the link {target} leads nowhere");
    }
    Ok(())
}

/// README and everything below `docs/`.
fn documents() -> anyhow::Result<Vec<PathBuf>> {
    let mut documents = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .to_vec();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents.sort();
    Ok(documents)
}

/// The commands of a document; a line that ends with a backslash goes on in the next one.
fn commands(text: &str) -> Vec<DocCommand> {
    let mut commands: Vec<DocCommand> = Vec::new();
    let (mut is_inside, mut goes_on) = (false, false);
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            is_inside = !is_inside && info == "sh";
            continue;
        }
        let line = line.trim();
        if !is_inside || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let part = line.trim_end_matches('\\').trim_end();
        match commands.last_mut() {
            Some(last) if goes_on => {
                last.text.push(' ');
                last.text.push_str(part);
            }
            _ => commands.push(DocCommand { line: index + 1, text: part.to_owned() }),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chinese_readme_has_the_commands_and_links_of_the_english_one() {
        check_translation("README.zh.md").unwrap();
    }

    #[test]
    fn links_to_files_are_found() {
        let text = "a [b](docs/x.md) c [d](https://example.com/y)\n[e](#here) ![f](z.png) [g](w.md#there)";
        let expected = [(1, "docs/x.md"), (2, "z.png"), (2, "w.md")];
        assert_eq!(links(text), expected.map(|(line, target)| (line, target.to_owned())));
    }

    #[test]
    fn commands_are_found() {
        let text =
            "```sh\n# a remark\na b \\\n  c\nd\n```\n```sh no-run\ne\n```\n```\nf\n```\n```sh\ng\n```\n";
        let found: Vec<(usize, String)> =
            commands(text).into_iter().map(|command| (command.line, command.text)).collect();
        assert_eq!(found, [(3, "a b c".to_owned()), (5, "d".to_owned()), (14, "g".to_owned())]);
    }
}
