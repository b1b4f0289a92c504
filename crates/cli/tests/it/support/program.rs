//! The real binary as a child process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{PATIENCE, now, wait_for};

/// A program that runs. Dropping it kills it.
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    stderr: Option<JoinHandle<String>>,
}

/// What a program has left when it ended.
#[derive(Debug)]
pub struct Finished {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// The lines of standard output, with those that were read before.
    pub lines: Vec<String>,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output.
    pub fn stdout(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The last line as JSON: the summary of a run.
    pub fn summary(&self) -> Value {
        let last = self.lines.last().unwrap_or_else(|| panic!("it wrote nothing: {self:?}"));
        let summary: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
        assert_eq!(summary["phase"], "summary", "{summary}");
        summary
    }

    /// The same, after a run that ended well.
    #[track_caller]
    pub fn summary_of_success(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.summary()
    }

    /// The same after a stop by a signal: all that came in was delivered and stored (0), or some is left for the next run (3),
    /// as on a busy machine.
    #[track_caller]
    pub fn summary_of_stop(&self) -> Value {
        assert!(matches!(self.code, Some(0 | 3)), "{self:#?}");
        let summary = self.summary();
        let is_whole = summary["is_stored"] == true && summary["is_delivered"] == true;
        assert_eq!(is_whole, self.code == Some(0), "{summary}");
        summary
    }

    /// Asserts the exit code and that standard error says all of this.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "standard error does not say {word:?}:\n{}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl Program {
    /// Starts it in the directory of the tests.
    pub fn start(arguments: &[impl AsRef<OsStr>]) -> Program {
        Program::start_in(Path::new("."), arguments)
    }

    /// Starts it in a directory.
    pub fn start_in(directory: &Path, arguments: &[impl AsRef<OsStr>]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(arguments).current_dir(directory);
        Program::start_command(command)
    }

    /// Starts a command that starts it.
    pub fn start_command(mut command: Command) -> Program {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MILLSTREAM_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let mut errors = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = errors.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let stdin = child.stdin.take();
        Program { child, stdin, lines, seen: Vec::new(), stderr: Some(stderr) }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("standard input is open").write_all(bytes).unwrap();
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line of standard output; `None` at its end.
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {PATIENCE:?}; so far: {:#?}", self.seen),
        }
    }

    /// The next line of standard output, if one comes within this time.
    pub fn try_next_line(&mut self, time: std::time::Duration) -> Option<String> {
        let line = self.lines.recv_timeout(time).ok()?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// The next line of standard output as JSON.
    #[track_caller]
    pub fn next_json(&mut self) -> Value {
        match self.next_line() {
            Some(line) => serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")),
            None => panic!("it has ended: {:#?}", self.collect()),
        }
    }

    /// Reads lines of JSON until one is as wanted.
    #[track_caller]
    pub fn json_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = now();
        loop {
            let line = self.next_json();
            if wanted(&line) {
                return line;
            }
            assert!(started.elapsed() < PATIENCE, "no such line within {PATIENCE:?}: {:#?}", self.seen);
        }
    }

    /// Sends a signal, such as SIGTERM.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).expect("the process is there");
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The number of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended. Its standard input ends now.
    pub fn finish(mut self) -> Finished {
        self.close_stdin();
        self.collect()
    }

    fn collect(&mut self) -> Finished {
        while self.next_line().is_some() {}
        let child = &mut self.child;
        let status = wait_for("the program has ended", || child.try_wait().unwrap());
        let stderr = self.stderr.take().map(|reader| reader.join().unwrap()).unwrap_or_default();
        Finished { code: status.code(), lines: std::mem::take(&mut self.seen), stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end.
pub fn run(arguments: &[impl AsRef<OsStr>]) -> Finished {
    Program::start(arguments).finish()
}

/// Runs the program to its end in a directory.
pub fn run_in(directory: &Path, arguments: &[impl AsRef<OsStr>]) -> Finished {
    Program::start_in(directory, arguments).finish()
}
