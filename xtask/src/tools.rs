//! What some tests need besides Rust and the checkout: a browser for the page, a mail server process for mails, data beside
//! the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{root, run, say, succeeds, target};

/// The mail server of the tests, from the Python package index.
const MAIL_SERVER: &str = "aiosmtpd==1.4.6";

/// Something that some tests need.
pub(crate) struct Tool {
    /// What those tests are called.
    pub(crate) name: &'static str,
    /// The variable that tells tests where it is, unless it is always in one place.
    pub(crate) variable: Option<&'static str>,
    /// Where it is, or what would bring it.
    pub(crate) found: Result<PathBuf, String>,
}

/// Finds the tools, and gets what can be got without asking.
pub(crate) fn find() -> [Tool; 4] {
    let beside = |name, path| Tool { name, variable: None, found: beside_the_checkout(path) };
    [
        Tool { name: "browser", variable: Some("MILLSTREAM_TEST_CHROMIUM"), found: chromium() },
        Tool { name: "mail", variable: Some("MILLSTREAM_TEST_PYTHON"), found: python_with_mail_server() },
        beside("conformance", "../shared/golden"),
        beside("reviews", "../shared/data"),
    ]
}

/// What is no part of this repository, and cannot be got from a public place.
fn beside_the_checkout(path: &str) -> Result<PathBuf, String> {
    let found = root().join(path);
    if found.is_dir() { Ok(found) } else { Err(format!("the folder {path}, beside the checkout")) }
}

fn chromium() -> Result<PathBuf, String> {
    let given = std::env::var_os("MILLSTREAM_TEST_CHROMIUM").map(PathBuf::from);
    let candidates = ["chromium", "chromium-browser", "google-chrome"].map(PathBuf::from);
    given
        .into_iter()
        .chain(candidates)
        .find(|program| succeeds(Command::new(program).arg("--version")))
        .ok_or_else(|| "apt-get install chromium".to_owned())
}

/// A Python with the mail server, in an environment of its own below the target folder.
fn python_with_mail_server() -> Result<PathBuf, String> {
    let has_server = |python: &Path| succeeds(Command::new(python).args(["-c", "import aiosmtpd"]));
    if let Some(given) = std::env::var_os("MILLSTREAM_TEST_PYTHON").map(PathBuf::from) {
        return if has_server(&given) { Ok(given) } else { Err(format!("pip install {MAIL_SERVER}")) };
    }
    let folder = target().join("test-tools").join("python");
    let python = folder.join("bin").join("python");
    if !has_server(&python) {
        say("test-tools: a Python environment with a mail server");
        let made = run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).and_then(|()| {
            run(Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg(MAIL_SERVER))
        });
        if let Err(error) = made {
            return Err(format!("apt-get install python3-venv, then again ({error:#})"));
        }
    }
    Ok(python)
}
