//! Watches the runner from outside: a stack that overflows or a loop without end takes the runner with it.

use crate::Settings;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

/// How long a case may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// How often the watcher looks.
const LOOK: Duration = Duration::from_millis(100);

#[expect(clippy::print_stderr, reason = "the output of the program")]
pub(crate) fn run(settings: &Settings) -> ExitCode {
    eprintln!("fuzz: seed {}, {} seconds", settings.seed, settings.seconds);
    let journal = std::env::temp_dir().join(format!("millstream-fuzz-{}", std::process::id()));
    let outcome = watch(settings, &journal);
    let result = match outcome {
        Ok(Ended::Exit(status)) if status.success() => ExitCode::SUCCESS,
        Ok(ended) => {
            match ended {
                Ended::Exit(status) => eprintln!("FAILED: the runner ended with {status}"),
                Ended::Hung => eprintln!("FAILED: a case took longer than {} seconds", DEADLINE.as_secs()),
            }
            let case = std::fs::read_to_string(&journal).unwrap_or_default();
            eprintln!("seed {}, last case: {case}", settings.seed);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("FAILED: the runner cannot be started: {error}");
            ExitCode::FAILURE
        }
    };
    // The file may not be there; it is not worth a word.
    let _ = std::fs::remove_file(&journal);
    result
}

enum Ended {
    Exit(ExitStatus),
    Hung,
}

fn watch(settings: &Settings, journal: &Path) -> std::io::Result<Ended> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seconds", &settings.seconds.to_string(), "--seed", &settings.seed.to_string()]);
    if let Some(case) = settings.case {
        command.args(["--case", &case.to_string()]);
    }
    let mut runner: Child = command.arg("--journal").arg(journal).spawn()?;
    let (mut last, mut unchanged) = (None, Duration::ZERO);
    loop {
        if let Some(status) = runner.try_wait()? {
            return Ok(Ended::Exit(status));
        }
        std::thread::sleep(LOOK);
        let written = std::fs::metadata(journal).and_then(|file| file.modified()).ok();
        if written == last {
            unchanged += LOOK;
        } else {
            (last, unchanged) = (written, Duration::ZERO);
        }
        if unchanged > DEADLINE {
            runner.kill()?;
            runner.wait()?;
            return Ok(Ended::Hung);
        }
    }
}
