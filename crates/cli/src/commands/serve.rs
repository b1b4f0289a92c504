//! `millstream serve`: everything that a data directory holds, until it is stopped.

use std::process::ExitCode;

use crate::arguments::ServeArguments;
use crate::session::{Session, Starting, What};

pub(super) fn run(arguments: ServeArguments, starting: Starting) -> anyhow::Result<ExitCode> {
    let source = match arguments.files.as_slice() {
        [] => arguments.data.data_dir.display().to_string(),
        files => files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    let session = Session {
        what: What::Serve { files: arguments.files },
        source,
        is_synthetic: false,
        until_end: false,
        fail_on_errors: None,
        takes_over: arguments.take_over.take_over,
        data_directory: arguments.data.data_dir,
    };
    session.run(&arguments.session, starting)
}
