//! Runs case after case.

use crate::random::Random;
use crate::{Settings, programs, records, texts};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Stack of the threads that cases run on: less than threads of servers have, where frames are as small as theirs.
const STACK: usize = if cfg!(debug_assertions) { 2 << 20 } else { 1 << 20 };

/// Cases that share a thread.
const CASES_A_THREAD: u64 = 64;

/// One thing to try.
pub(crate) enum Case {
    Text(String),
    Records(records::Records),
    Program(Box<programs::Program>),
}

impl Case {
    fn new(seed: u64, number: u64, golden: &[String]) -> Case {
        let mut random = Random::of_case(seed, number);
        match number % 4 {
            0 | 1 => Case::Text(texts::text(&mut random, golden)),
            2 => Case::Records(records::records(&mut random)),
            _ => Case::Program(Box::new(programs::program(&mut random))),
        }
    }

    fn shown(&self) -> String {
        match self {
            Case::Text(text) => text.clone(),
            Case::Records(records) => records.shown(),
            Case::Program(program) => program.shown(),
        }
    }

    fn run(&self) {
        match self {
            Case::Text(text) => texts::run(text),
            Case::Records(records) => records.run(),
            Case::Program(program) => program.run(),
        }
    }

    fn panics(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.run())).is_err()
    }
}

#[expect(clippy::print_stderr, reason = "the output of the program")]
#[expect(clippy::disallowed_methods, reason = "how long the program runs is no part of what it finds")]
pub(crate) fn run(settings: &Settings) -> ExitCode {
    let Some(journal) = settings.journal.clone() else { return ExitCode::from(2) };
    let golden = texts::golden_files();
    let began = Instant::now();
    let (mut next, seed) = (settings.case.unwrap_or(0), settings.seed);
    let limit = Duration::from_secs(settings.seconds);
    while began.elapsed() < limit {
        let count = if settings.case.is_some() { 1 } else { CASES_A_THREAD };
        let (journal, texts) = (&journal, &golden);
        let failed = std::thread::scope(|scope| {
            let work = move || {
                let still = |_: &u64| began.elapsed() < limit || count == 1;
                (next..next + count).take_while(still).find(|number| !passes(seed, *number, texts, journal))
            };
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            thread.map(|thread| thread.join().unwrap_or(Some(next)))
        });
        match failed {
            Ok(None) => next += count,
            Ok(Some(_)) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("no thread can be started: {error}");
                return ExitCode::FAILURE;
            }
        }
        if settings.case.is_some() {
            break;
        }
    }
    let seconds = began.elapsed().as_secs();
    eprintln!(
        "fuzz: {} cases in {seconds} seconds, seed {seed}, nothing found",
        next - settings.case.unwrap_or(0)
    );
    ExitCode::SUCCESS
}

/// Runs a case; tells of it when it fails.
#[expect(clippy::print_stderr, reason = "the output of the program")]
fn passes(seed: u64, number: u64, golden: &[String], journal: &Path) -> bool {
    let case = Case::new(seed, number, golden);
    // Without the journal the watcher would take the runner for hung.
    let written = std::fs::write(journal, format!("{number}\n{}\n", case.shown()));
    if let Err(error) = written {
        eprintln!("{} cannot be written: {error}", journal.display());
        return false;
    }
    if !case.panics() {
        return true;
    }
    eprintln!("FAILED: case {number}; again: --seed {seed} --case {number}");
    let shorter = match case {
        Case::Text(text) => Case::Text(shortened(text)),
        other => other,
    };
    eprintln!("{}", shorter.shown());
    false
}

/// Removes parts of a failing text as long as it fails.
fn shortened(mut text: String) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut part = text.chars().count() / 2;
    while part > 0 {
        let characters: Vec<char> = text.chars().collect();
        let shorter = (0..characters.len()).step_by(part).find_map(|start| {
            let end = (start + part).min(characters.len());
            let less: String = characters[..start].iter().chain(&characters[end..]).collect();
            Case::Text(less.clone()).panics().then_some(less)
        });
        match shorter {
            Some(shorter) => text = shorter,
            None => part /= 2,
        }
    }
    std::panic::set_hook(hook);
    text
}
