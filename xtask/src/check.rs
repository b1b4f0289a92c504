//! What needs no test run: formatting, layers, licences, lints, documentation.

use crate::run::{cargo, run as run_program};
use crate::{layers, licences};

/// All of it.
pub(crate) fn run() -> anyhow::Result<()> {
    run_program(&mut cargo(&["fmt", "--all", "--check"]))?;
    layers::check()?;
    licences::check()?;
    run_program(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run_program(cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"))
}
