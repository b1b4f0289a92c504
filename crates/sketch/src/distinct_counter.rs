//! Counting distinct items: exact while there are few, HyperLogLog when there are many.
//!
//! Items are byte strings. Each becomes a key of 128 bits: an item of at most 15 bytes is its own key (its
//! bytes and its length), a longer one is its keyed SipHash-1-3, 120 bits of it. Keys of short items never
//! collide; two of 10,000 long items collide with a probability below 10^-28. So counts up to
//! [`EXACT_LIMIT`] are exact. One more distinct item turns the counter into a HyperLogLog sketch of 2^14
//! registers with a relative standard error of about 0.65 %, or 0.81 % after a merge.

use std::hash::Hasher as _;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use foldhash::quality::FixedState;
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// Up to here counts are exact.
pub const EXACT_LIMIT: usize = 10_000;

/// 2^14 registers of one byte.
const REGISTERS_LOG2: u8 = 14;

/// Items longer than this are hashed.
const LONGEST_PLAIN_ITEM: usize = 15;

/// Counts distinct byte strings in at most about 400 KB.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredCounter", into = "StoredCounter")]
pub struct DistinctCounter {
    seed: u64,
    items: Items,
}

#[derive(Clone)]
enum Items {
    /// At most [`EXACT_LIMIT`] keys.
    Exact(HashSet<u128, FixedState>),
    /// More than [`EXACT_LIMIT`] items.
    Sketch(HllSketch),
}

impl DistinctCounter {
    /// An empty counter. `seed` keys the hash of long items, so that nobody who does not know it can choose
    /// items that collide. Counters that are to be merged need the same seed.
    pub fn new(seed: u64) -> DistinctCounter {
        DistinctCounter { seed, items: Items::Exact(empty_set(seed)) }
    }

    /// Counts an item in.
    pub fn insert(&mut self, item: &[u8]) {
        let key = key(item, self.seed);
        self.insert_key(key);
    }

    /// Counts in an item of at most 15 bytes that is already one number: its bytes from the lowest up, its length in the
    /// highest. The same as [`Self::insert`] with its bytes.
    pub fn insert_short(&mut self, item: u128) {
        debug_assert!(item >> 120 <= LONGEST_PLAIN_ITEM as u128, "{item:x} has the length of a short item");
        self.insert_key(item);
    }

    /// How many distinct items were inserted since the beginning or the last [`Self::clear`]: exact up to
    /// [`EXACT_LIMIT`], an estimate above.
    pub fn count(&self) -> u64 {
        match &self.items {
            Items::Exact(keys) => keys.len() as u64,
            // What is known for certain is that the limit was passed.
            Items::Sketch(sketch) => (sketch.estimate().round() as u64).max(EXACT_LIMIT as u64 + 1),
        }
    }

    /// Whether [`Self::count`] is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self.items, Items::Exact(_))
    }

    /// Forgets every item; memory that was taken for few items is kept for the next ones.
    pub fn clear(&mut self) {
        match &mut self.items {
            Items::Exact(keys) => keys.clear(),
            Items::Sketch(_) => self.items = Items::Exact(empty_set(self.seed)),
        }
    }

    /// Counts in every item of `other`: exact as long as both together are.
    ///
    /// # Errors
    /// The counters have different seeds, so the same item may have different keys.
    pub fn merge(&mut self, other: &DistinctCounter) -> Result<(), DistinctCounterError> {
        if self.seed != other.seed {
            return Err(DistinctCounterError::DifferentSeeds);
        }
        match (&mut self.items, &other.items) {
            (_, Items::Exact(keys)) => {
                for key in sorted(keys) {
                    self.insert_key(key);
                }
            }
            (items, Items::Sketch(sketch)) => {
                let mut union = HllUnion::new(REGISTERS_LOG2).expect("the number of registers is accepted");
                union.update(sketch);
                match items {
                    Items::Sketch(own) => union.update(own),
                    Items::Exact(keys) => {
                        for key in sorted(keys) {
                            union.update_value(key);
                        }
                    }
                }
                *items = Items::Sketch(union.to_sketch(HllType::Hll8));
            }
        }
        Ok(())
    }

    fn insert_key(&mut self, key: u128) {
        match &mut self.items {
            Items::Sketch(sketch) => sketch.update(key),
            Items::Exact(keys) => {
                keys.insert(key);
                if keys.len() > EXACT_LIMIT {
                    let mut sketch = empty_sketch();
                    // In one fixed order, so that equal sets give equal sketches.
                    for key in sorted(keys) {
                        sketch.update(key);
                    }
                    self.items = Items::Sketch(sketch);
                }
            }
        }
    }
}

impl std::fmt::Debug for DistinctCounter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, exact) = (self.count(), self.is_exact());
        formatter.debug_struct("DistinctCounter").field("count", &count).field("exact", &exact).finish()
    }
}

fn empty_set(seed: u64) -> HashSet<u128, FixedState> {
    HashSet::with_hasher(FixedState::with_seed(seed))
}

fn empty_sketch() -> HllSketch {
    HllSketch::new(REGISTERS_LOG2, HllType::Hll8).expect("the number of registers is accepted")
}

fn sorted(keys: &HashSet<u128, FixedState>) -> Vec<u128> {
    let mut keys: Vec<u128> = keys.iter().copied().collect();
    keys.sort_unstable();
    keys
}

/// The key of an item: top byte the length and below it the bytes, or top byte 255 and below it a hash.
fn key(item: &[u8], seed: u64) -> u128 {
    if item.len() <= LONGEST_PLAIN_ITEM {
        let mut bytes = [0; 16];
        bytes[..item.len()].copy_from_slice(item);
        bytes[15] = item.len() as u8;
        u128::from_le_bytes(bytes)
    } else {
        let mut hasher = SipHasher13::new_with_keys(seed, !seed);
        hasher.write(item);
        hasher.finish128().as_u128() | 0xFF << 120
    }
}

/// What went wrong with a counter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistinctCounterError {
    /// Only counters of one seed agree on keys.
    #[error("distinct counters with different seeds cannot be merged; make both with the same seed")]
    DifferentSeeds,
    /// Stored bytes are not a counter.
    #[error("the stored distinct counter is damaged: {0}")]
    Damaged(String),
}

/// A counter as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredCounter {
    seed: u64,
    items: StoredItems,
}

#[derive(Serialize, Deserialize)]
enum StoredItems {
    Exact(Vec<u128>),
    /// In the format of the Apache DataSketches library.
    Sketch(Vec<u8>),
}

impl From<DistinctCounter> for StoredCounter {
    fn from(counter: DistinctCounter) -> StoredCounter {
        let items = match &counter.items {
            Items::Exact(keys) => StoredItems::Exact(sorted(keys)),
            Items::Sketch(sketch) => StoredItems::Sketch(sketch.serialize()),
        };
        StoredCounter { seed: counter.seed, items }
    }
}

impl TryFrom<StoredCounter> for DistinctCounter {
    type Error = DistinctCounterError;

    fn try_from(stored: StoredCounter) -> Result<DistinctCounter, DistinctCounterError> {
        let seed = stored.seed;
        let items = match stored.items {
            StoredItems::Exact(keys) if keys.len() > EXACT_LIMIT => {
                return Err(DistinctCounterError::Damaged(format!("it names {} exact items", keys.len())));
            }
            StoredItems::Exact(keys) => {
                let mut set = empty_set(seed);
                set.extend(keys);
                Items::Exact(set)
            }
            StoredItems::Sketch(bytes) => {
                let sketch = HllSketch::deserialize(&bytes)
                    .map_err(|error| DistinctCounterError::Damaged(error.to_string()))?;
                if sketch.lg_config_k() != REGISTERS_LOG2 {
                    return Err(DistinctCounterError::Damaged("it has another number of registers".into()));
                }
                Items::Sketch(sketch)
            }
        };
        Ok(DistinctCounter { seed, items })
    }
}
