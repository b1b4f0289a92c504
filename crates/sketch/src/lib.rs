//! Sketches: small summaries of endless streams of numbers and bytes.
//!
//! ```text
//!   numbers ──▶ RandomCutForest ──▶ anomaly score, and which column it came from
//!   numbers ──▶ Hotspots        ──▶ where the latest points crowd
//!   bytes   ──▶ DistinctCounter ──▶ how many different items
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`random_cut_forest`] | the forest: settings, per-tree samples, trees, scores, attribution |
//! | [`distinct_counter`] | exact up to 10,000 distinct items, HyperLogLog beyond |
//! | [`hotspots`] | dense regions of the latest points |
//!
//! Invariants of the crate:
//!
//! - No I/O, no clock, no SQL, no global randomness: a seed comes in with the settings, and the same seed
//!   and the same input give the same output on every machine.
//! - Memory is bounded by the settings, whatever the stream.
//! - Every sketch goes through `serde` and back without a trace: the restored one continues identically.
//!   Bytes that do not describe a sound sketch are refused when read, never later.

pub mod distinct_counter;
mod generator;
pub mod hotspots;
pub mod random_cut_forest;

pub use distinct_counter::{DistinctCounter, DistinctCounterError};
pub use hotspots::{Hotspot, HotspotPointError, HotspotSettings, HotspotSettingsError, Hotspots};
pub use random_cut_forest::{
    ColumnAttribution, Explanation, ForestSettings, PointError, RandomCutForest, SettingsError,
};
