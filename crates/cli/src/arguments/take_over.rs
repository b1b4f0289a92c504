//! Whether a file takes over what another one declares.

use clap::Args;

/// To whom the resources of a file belong.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct TakeOverArguments {
    /// What the file declares becomes its own even when it belongs to another file that is still there. When the other
    /// file is gone, as after a move, this happens by itself.
    #[arg(long)]
    pub(crate) take_over: bool,
}
