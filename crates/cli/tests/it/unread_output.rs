//! Output that nobody reads: what is done goes on, and signals are heard.

use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::server::PRICES;
use crate::support::{has_started, wait_for};

/// A pipe that takes nothing more until somebody reads it.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for length in [4_096, 1] {
        let error = std::iter::repeat_with(|| writer.write_all(&vec![b'x'; length])).find_map(Result::err);
        assert_eq!(error.unwrap().kind(), ErrorKind::WouldBlock);
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// A process that is killed when a test gives it up.
struct Killed(Child);

impl Killed {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        wait_for("it has ended", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Killed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments).args(["--no-console", "--data-dir", "data"]).current_dir(folder);
    Killed(command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap())
}

#[test]
fn a_stop_is_heard_though_nobody_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), PRICES).unwrap();
    let data = folder.path().join("data");
    let started = || wait_for("the server has started", || has_started(&data).then_some(()));
    let errors = folder.path().join("errors");
    let kept = || fs::File::create(&errors).unwrap();
    for arguments in [["run", "p.toml", "--json"].as_slice(), &["run", "p.toml"]] {
        let (_unread, writer) = full_pipe();
        let mut run = start(folder.path(), arguments, writer.into(), kept().into());
        started();
        run.signal(Signal::TERM);
        assert_eq!(run.code(), Some(1), "{arguments:?}: its results are lost");
        let said = fs::read_to_string(&errors).unwrap();
        assert!(said.contains("nobody reads standard output"), "{arguments:?}: {said}");
    }
    for signal in [Signal::TERM, Signal::INT] {
        let (_unread, writer) = full_pipe();
        let mut serve = start(folder.path(), &["serve", "--apply", "p.toml"], Stdio::null(), writer.into());
        started();
        serve.signal(signal);
        assert_eq!(serve.code(), Some(0), "all is done, whether somebody reads that or not");
    }
}

#[test]
fn a_stop_ends_a_command_whose_output_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.toml"), PRICES).unwrap();
    let mut serve = start(folder.path(), &["serve", "--apply", "p.toml"], Stdio::null(), Stdio::null());
    let data = folder.path().join("data");
    wait_for("the server has started", || has_started(&data).then_some(()));
    for arguments in [["put", "prices"].as_slice(), &["tail", "prices"]] {
        let (_unread, writer) = full_pipe();
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(arguments).args(["--data-dir", "data"]).current_dir(folder.path());
        let (input, record) = std::io::pipe().unwrap();
        let child = command.stdin(input).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        let mut child = Killed(child);
        if arguments[0] == "put" {
            (&record).write_all(b"{}\n").unwrap();
        }
        drop(record);
        // A put that has begun to say how far it has come hears the second.
        wait_for("it ends", || {
            child.signal(Signal::TERM);
            child.0.try_wait().unwrap()
        });
    }
    serve.signal(Signal::TERM);
    assert_eq!(serve.code(), Some(0));
}
