//! The crash test of the whole program: a process under load is killed again and again, at random moments, and started
//! again at once. In the end every record has arrived once, and the output is that of a run without kills.
//!
//! `crash --program FILE [--rounds N] [--seed S] [--faults kill,terminate,torn] [--rate N]` says what it found on standard
//! error, and exits with 1 when something is wrong; then the data directory stays and is named.
//!
//! | file | holds |
//! |---|---|
//! | `pipeline.rs` | what runs under load, and the files that feed it |
//! | `schedule.rs` | which fault comes when: all of it follows from the seed |
//! | `rounds.rs` | starting, disturbing and ending the process |
//! | `faults.rs` | torn tails, damaged checkpoints, a full disk, a catalog that somebody holds |
//! | `puts.rs` | a producer that puts batches while the process comes and goes |
//! | `records.rs` | reading streams and objects when the process has ended |
//! | `once.rs` | counting: each id once |
//! | `checks.rs` | what must be true in the end |
//! | `replayed.rs` | the same applications over the same records with the same arrivals, without kills |

#![allow(clippy::print_stderr, reason = "the output of the program")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod checks;
mod faults;
mod once;
mod pipeline;
mod puts;
mod records;
mod replayed;
mod rounds;
mod schedule;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use schedule::{FaultKind, Schedule};

/// What to run.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// The program.
    #[arg(long)]
    program: PathBuf,
    /// How often it is ended.
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// Where the random moments begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What happens in the rounds, each as often as it is named.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "kill,kill,kill,kill,kill,kill,terminate,torn,torn,checkpoint,update,update"
    )]
    faults: Vec<FaultKind>,
    /// Records a second.
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Where to work: a folder without anything in it. A temporary one when it is not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Keep the folder in any case.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash test with --seed {} failed: {error:#}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

/// Runs the same on a small disk of its own, which this process and its children alone see; a copy of it stays when the test
/// fails.
fn run_on_a_small_disk() -> anyhow::Result<()> {
    const SCRIPT: &str = "mount -t tmpfs -o size=512m tmpfs \"$1\" || exit 9
folder=$1; kept=$2; shift 2
\"$0\" \"$@\" --folder \"$folder\"; code=$?
[ $code = 0 ] || { rm -f \"$folder/ballast\"; cp -r \"$folder\" \"$kept\"; echo \"a copy of it: $kept\" >&2; }
exit $code";
    let temporary = tempfile::Builder::new().prefix("millstream-crash-").tempdir()?.keep();
    let disk = temporary.join("disk");
    std::fs::create_dir(&disk)?;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT]).arg(std::env::current_exe()?);
    command.arg(&disk).arg(temporary.join("kept")).args(std::env::args_os().skip(1));
    let status = command.status()?;
    anyhow::ensure!(
        status.code() != Some(9),
        "a full disk needs a disk of its own, and none can be mounted here (unshare --map-root-user --mount)"
    );
    anyhow::ensure!(status.success(), "see above");
    Ok(std::fs::remove_dir_all(&temporary)?)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.faults.contains(&FaultKind::Disk) && arguments.folder.is_none() {
        return run_on_a_small_disk();
    }
    let (folder, temporary) = match &arguments.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            (folder.clone(), None)
        }
        None => {
            let temporary = tempfile::Builder::new().prefix("millstream-crash-").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let schedule = Schedule::new(arguments.seed, arguments.rounds, &arguments.faults);
    let tested = rounds::run(&arguments.program, &folder, &schedule, arguments.rate)
        .and_then(|done| checks::run(&folder, &done).map(|()| done));
    if let Some(temporary) = temporary
        && (tested.is_err() || arguments.keep)
    {
        let _ = temporary.keep();
    }
    if tested.is_err() || arguments.keep {
        eprintln!("what is left: {}", folder.display());
    }
    let done = tested?;
    eprintln!("{done}");
    Ok(())
}
