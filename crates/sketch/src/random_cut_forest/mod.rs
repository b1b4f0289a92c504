//! Random cut forest: an anomaly score for every record of an endless stream.
//!
//! ```text
//!   record ──▶ shingle ──▶ point ──▶ every tree ──▶ mean score
//!                            │          ▲
//!                            └─ sample ─┘ one time-decayed reservoir a tree decides whether the point enters
//! ```
//!
//! After Guha, Mishra, Roy and Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on Streams"
//! (ICML 2016). Departures from the paper: the score is the expected inverse depth of the point (file
//! `score.rs`), not collusive displacement, and the reservoir forgets with time (file `sample.rs`).
//!
//! | file | holds |
//! |---|---|
//! | `settings.rs` | parameters, ranges, memory |
//! | `sample.rs` | which records a tree holds |
//! | `tree.rs` | insertion and deletion |
//! | `score.rs` | score and attribution |
//! | `state.rs` | reading a stored forest back, checked |

mod sample;
mod score;
mod settings;
mod state;
mod tree;

use millstream_wording::counted;
use serde::{Deserialize, Serialize};

use crate::generator::Generator;
use sample::{Entry, Sample};
use score::{AttributionRoom, ScoreTables};
pub use settings::{ForestSettings, MEMORY_LIMIT, SettingsError};
use tree::Tree;

/// The forest. Cloning, storing and restoring give forests that continue identically.
///
/// A record is scored against the forest as it is and then offered to every tree's sample. The score of the
/// first `sample_size` records is 0 (the learning phase), as is that of the records that fill the first
/// shingle. A usual record scores about 1 or less; the highest score is `log2(sample_size + 1)`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "state::StoredForest")]
pub struct RandomCutForest {
    settings: ForestSettings,
    /// Records met so far.
    records: u64,
    /// The last `shingle_size` records, oldest first.
    shingle: Vec<f32>,
    trees: Vec<SampledTree>,
    #[serde(skip)]
    scratch: Scratch,
}

/// A tree with its own sample and generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SampledTree {
    generator: Generator,
    sample: Sample,
    tree: Tree,
}

/// Room to work in, so that a record allocates nothing.
#[derive(Clone, Debug, Default)]
struct Scratch {
    /// The point `p` as `(p, -p)`: see `tree.rs`.
    signed_point: Vec<f32>,
    box_lanes: Vec<f32>,
    attribution: AttributionRoom,
    lane_totals: Vec<f64>,
    tables: ScoreTables,
}

impl Scratch {
    fn new(settings: &ForestSettings) -> Scratch {
        let lanes = 2 * settings.dimensions();
        Scratch {
            signed_point: vec![0.0; lanes],
            box_lanes: vec![0.0; lanes],
            attribution: AttributionRoom { parts: vec![0.0; lanes], box_lanes: vec![0.0; lanes] },
            lane_totals: vec![0.0; lanes],
            tables: ScoreTables::new(settings.sample_size as usize),
        }
    }
}

/// The part of a score that comes from one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnAttribution {
    /// For lying above what the samples hold.
    pub high: f64,
    /// For lying below.
    pub low: f64,
}

/// A score and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The score, as [`RandomCutForest::score_and_update`] returns it.
    pub score: f64,
    /// One entry a column, in order; all `high` and `low` add up to the score.
    pub attribution: Vec<ColumnAttribution>,
}

/// Why a record was refused. The forest is then as it was before.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PointError {
    /// The record has another number of values than the forest has columns.
    #[error(
        "a record of {} was given to a random cut forest of {}",
        counted(*found, "number"), counted(*expected, "column")
    )]
    WrongWidth {
        /// Columns of the forest.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// A value is not a number or not finite.
    #[error(
        "column {column} of the record is {value}; a random cut forest takes finite 32-bit numbers only: \
         filter such rows out before"
    )]
    NotFinite {
        /// Position of the column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
}

impl RandomCutForest {
    /// An empty forest; allocates [`ForestSettings::memory_bytes`].
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(settings: ForestSettings) -> Result<RandomCutForest, SettingsError> {
        settings.validate()?;
        let capacity = settings.sample_size as usize;
        let mut seeds = Generator::from_seed(settings.seed);
        let trees = (0..settings.number_of_trees)
            .map(|_| SampledTree {
                generator: Generator::from_seed(seeds.next_u64()),
                sample: Sample::new(capacity),
                tree: Tree::new(capacity, settings.dimensions()),
            })
            .collect();
        let shingle = vec![0.0; settings.dimensions()];
        let scratch = Scratch::new(&settings);
        Ok(RandomCutForest { settings, records: 0, shingle, trees, scratch })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ForestSettings {
        &self.settings
    }

    /// Records met so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Scores a record of `columns` numbers and then offers it to the samples. Costs about as much as
    /// `number_of_trees` walks from a root to a leaf.
    ///
    /// # Errors
    /// A wrong number of values, or one that is not finite; the forest does not change.
    pub fn score_and_update(&mut self, point: &[f32]) -> Result<f64, PointError> {
        self.take_in(point)?;
        let score = if self.is_scoring() { self.score() } else { 0.0 };
        self.update();
        Ok(score)
    }

    /// As [`Self::score_and_update`], and says which columns the score comes from. Costs two to four times as
    /// much. With a shingle a column's part is the sum over its positions.
    ///
    /// # Errors
    /// A wrong number of values, or one that is not finite; the forest does not change.
    pub fn explain_and_update(&mut self, point: &[f32]) -> Result<Explanation, PointError> {
        self.take_in(point)?;
        let columns = self.settings.columns as usize;
        let mut explanation =
            Explanation { score: 0.0, attribution: vec![ColumnAttribution::default(); columns] };
        if self.is_scoring() {
            explanation.score = self.score();
            self.explain(&mut explanation.attribution);
        }
        self.update();
        Ok(explanation)
    }

    /// Checks a record and puts it at the end of the shingle.
    fn take_in(&mut self, record: &[f32]) -> Result<(), PointError> {
        let columns = self.settings.columns as usize;
        if record.len() != columns {
            return Err(PointError::WrongWidth { expected: columns, found: record.len() });
        }
        if let Some(column) = record.iter().position(|value| !value.is_finite()) {
            return Err(PointError::NotFinite { column, value: record[column] });
        }
        self.shingle.copy_within(columns.., 0);
        let newest = self.shingle.len() - columns;
        for (slot, value) in self.shingle[newest..].iter_mut().zip(record) {
            // Adding zero turns -0.0 into 0.0 and changes nothing else.
            *slot = value + 0.0;
        }
        let (lower, upper) = self.scratch.signed_point.split_at_mut(self.shingle.len());
        lower.copy_from_slice(&self.shingle);
        for (lane, value) in upper.iter_mut().zip(&self.shingle) {
            *lane = -value;
        }
        self.records += 1;
        Ok(())
    }

    fn shingle_is_full(&self) -> bool {
        self.records >= u64::from(self.settings.shingle_size)
    }

    /// Whether the newest record gets a score: past the learning phase, and something to compare with.
    fn is_scoring(&self) -> bool {
        self.records > u64::from(self.settings.sample_size) && self.shingle_is_full() && self.tree_mass() > 0
    }

    /// Points in every tree, duplicates counted: all samples fill alike.
    fn tree_mass(&self) -> usize {
        self.trees.first().map_or(0, |tree| tree.sample.heap.len())
    }

    fn score(&self) -> f64 {
        let (point, tables) = (self.scratch.signed_point.as_slice(), &self.scratch.tables);
        let mass = self.tree_mass();
        let sum: f64 = match self.settings.dimensions() {
            1 => self.trees.iter().map(|sampled| sampled.tree.score(point, 1, mass, tables)).sum(),
            2 => self.trees.iter().map(|sampled| sampled.tree.score(point, 2, mass, tables)).sum(),
            dimensions => {
                self.trees.iter().map(|sampled| sampled.tree.score(point, dimensions, mass, tables)).sum()
            }
        };
        sum * tables.logarithm[mass] / self.trees.len() as f64
    }

    fn explain(&mut self, attribution: &mut [ColumnAttribution]) {
        let mass = self.tree_mass();
        let Scratch { signed_point, attribution: room, lane_totals, tables, .. } = &mut self.scratch;
        lane_totals.fill(0.0);
        for sampled in &self.trees {
            sampled.tree.attribute(signed_point, mass, tables, room, lane_totals);
        }
        let scale = tables.logarithm[mass] / self.trees.len() as f64;
        let (lows, highs) = lane_totals.split_at(lane_totals.len() / 2);
        for (position, (low, high)) in lows.iter().zip(highs).enumerate() {
            let column = &mut attribution[position % self.settings.columns as usize];
            column.low += low * scale;
            column.high += high * scale;
        }
    }

    /// Offers the newest point to every sample.
    fn update(&mut self) {
        if !self.shingle_is_full() {
            return;
        }
        let sequence = self.records;
        let capacity = self.settings.sample_size as usize;
        let decay_rate = 1.0 / f64::from(self.settings.time_decay);
        let Scratch { signed_point, box_lanes, .. } = &mut self.scratch;
        for SampledTree { generator, sample, tree } in &mut self.trees {
            let Some(weight) = sample.draw(sequence, decay_rate, capacity, generator) else { continue };
            if sample.heap.len() == capacity
                && let Some(evicted) = sample.evict()
            {
                tree.remove(evicted.leaf, box_lanes);
            }
            let leaf = tree.insert(signed_point, generator, box_lanes);
            sample.add(Entry { weight, leaf });
        }
    }
}

/// Two forests are equal if they continue alike: room to work in is not compared.
impl PartialEq for RandomCutForest {
    fn eq(&self, other: &RandomCutForest) -> bool {
        self.settings == other.settings
            && self.records == other.records
            && self.shingle == other.shingle
            && self.trees == other.trees
    }
}
