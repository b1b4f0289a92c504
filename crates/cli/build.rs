//! Puts the commit into the version.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=MILLSTREAM_COMMIT");
    let given = std::env::var("MILLSTREAM_COMMIT").ok();
    let commit = given.or_else(commit_of_checkout).unwrap_or_else(|| "unknown commit".to_owned());
    println!("cargo:rustc-env=MILLSTREAM_COMMIT={commit}");
}

/// The commit that is checked out; `None` outside a checkout.
fn commit_of_checkout() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // A commit changes the log of HEAD; a checkout of another branch changes HEAD itself.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}
