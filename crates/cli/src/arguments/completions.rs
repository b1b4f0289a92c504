//! The arguments of `millstream completions`.

use clap::Args;
use clap_complete::Shell;

/// The arguments of `completions`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  millstream completions bash > \\
      ~/.local/share/bash-completion/completions/millstream")]
pub(crate) struct CompletionsArguments {
    /// For which shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
