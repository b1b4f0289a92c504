//! Which fault comes when. All of it follows from the seed.

use std::time::Duration;

use clap::ValueEnum;
use millstream_host::Random;

/// What ends or disturbs a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultKind {
    /// SIGKILL.
    Kill,
    /// SIGTERM; it must end by itself.
    Terminate,
    /// SIGKILL, and half a write at the end of the log and of the catalog's journal, as a power cut leaves it.
    Torn,
    /// SIGKILL, and the newest checkpoint of an application is damaged: it goes on from the one before.
    Checkpoint,
    /// Another version of every application is applied, and SIGKILL comes before, in the middle, or soon after.
    Update,
    /// Another process holds the catalog for a while: it cannot be written.
    Catalog,
    /// The disk is full for a while. Needs a disk of its own.
    Disk,
}

/// One life of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) fault: FaultKind,
    /// How long it lives before it is ended, or before the disturbance begins.
    pub(crate) life: Duration,
    /// How long the catalog or the disk stays unusable, or an update is under way.
    pub(crate) disturbance: Duration,
    /// It is ended by a signal that it can hear.
    pub(crate) terminates: bool,
    /// It is ended while the disturbance lasts.
    pub(crate) ends_disturbed: bool,
    /// `serve` instead of `run`.
    pub(crate) serves: bool,
    /// Random bits for whatever else the fault needs.
    pub(crate) random: u64,
}

/// A life at the end of all input: asked to end with its windows closed, and killed on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// How long it lives before it is asked.
    pub(crate) life: Duration,
    /// How long it may close windows and deliver.
    pub(crate) drain: Duration,
}

/// All lives.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) rounds: Vec<Round>,
    pub(crate) ends: Vec<End>,
}

impl Schedule {
    /// The rounds of a seed; each takes one of `faults`.
    pub(crate) fn new(seed: u64, rounds: u64, faults: &[FaultKind]) -> Schedule {
        let mut random = Random::from_seed(seed);
        let rounds = (0..rounds).map(|_| {
            let fault = faults[random.below(faults.len() as u64) as usize];
            let life = Duration::from_millis(50 + random.below(1_450));
            let disturbance = Duration::from_millis(match fault {
                FaultKind::Kill | FaultKind::Terminate | FaultKind::Torn | FaultKind::Checkpoint => 0,
                // SQLite waits 5 s for a lock.
                FaultKind::Catalog => 200 + random.below(7_000),
                FaultKind::Disk => 200 + random.below(2_000),
                FaultKind::Update => random.below(1_500),
            });
            let is_disturbed = matches!(fault, FaultKind::Catalog | FaultKind::Disk);
            Round {
                fault,
                life,
                disturbance,
                terminates: fault == FaultKind::Terminate || (is_disturbed && random.below(3) == 0),
                ends_disturbed: is_disturbed && random.below(2) == 0,
                serves: random.below(2) == 0,
                random: random.next_u64(),
            }
        });
        let rounds: Vec<Round> = rounds.collect();
        let ends = (0..2 + rounds.len() / 25).map(|_| End {
            life: Duration::from_millis(100 + random.below(2_000)),
            drain: Duration::from_millis(random.below(2_000)),
        });
        Schedule { ends: ends.collect(), rounds }
    }

    /// The longest that the process can be up in all rounds.
    pub(crate) fn uptime(&self) -> Duration {
        self.rounds.iter().map(Round::uptime).sum()
    }
}

impl Round {
    /// The longest that the process can be up: with what it goes on for after a disturbance.
    fn uptime(&self) -> Duration {
        let after = if self.disturbance.is_zero() { Duration::from_millis(100) } else { Round::AFTER * 2 };
        self.life + self.disturbance + after
    }

    /// It may not be able to write, or to start.
    pub(crate) fn is_disturbed(&self) -> bool {
        matches!(self.fault, FaultKind::Catalog | FaultKind::Disk)
    }

    /// How long it goes on when the disturbance is over.
    pub(crate) const AFTER: Duration = Duration::from_millis(500);
}
