//! What a forest is made of, and the ranges that are accepted.

use serde::{Deserialize, Serialize};

/// The most memory a forest may take, in bytes: a larger one is refused before anything is allocated.
pub const MEMORY_LIMIT: u64 = 512 << 20;

/// The settings of a forest. `Default` holds the service's defaults with one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForestSettings {
    /// How many trees there are; the score is their mean. 1 to 1000.
    pub number_of_trees: u32,
    /// How many records each tree holds at most. 10 to 1000, and less than `time_decay`.
    pub sample_size: u32,
    /// The age, in records, over which the odds of staying in a sample fall by the factor e. 1 to 2^31 - 1.
    pub time_decay: u32,
    /// How many successive records make one point. 1 to 30.
    pub shingle_size: u32,
    /// How many numbers a record has. 1 to 1000.
    pub columns: u32,
    /// Where the trees' generators start: the same seed and records give the same scores.
    pub seed: u64,
}

impl Default for ForestSettings {
    fn default() -> ForestSettings {
        ForestSettings {
            number_of_trees: 100,
            sample_size: 256,
            time_decay: 100_000,
            shingle_size: 1,
            columns: 1,
            seed: 0,
        }
    }
}

impl ForestSettings {
    /// Numbers in a point: `columns` times `shingle_size`.
    pub fn dimensions(&self) -> usize {
        self.columns as usize * self.shingle_size as usize
    }

    /// Memory of the whole forest in bytes: boxes and points, nodes, sample entries.
    pub fn memory_bytes(&self) -> u64 {
        let numbers = 3 * 4 * u64::from(self.columns) * u64::from(self.shingle_size);
        u64::from(self.number_of_trees) * u64::from(self.sample_size) * (numbers + 40)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first setting out of its range, by name, with the range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        in_range("numberOfTrees", self.number_of_trees, 1, 1_000)?;
        in_range("subSampleSize", self.sample_size, 10, 1_000)?;
        in_range("timeDecay", self.time_decay, 1, i32::MAX as u32)?;
        in_range("shingleSize", self.shingle_size, 1, 30)?;
        in_range("the number of numeric columns", self.columns, 1, 1_000)?;
        if self.sample_size >= self.time_decay {
            return Err(SettingsError::SampleNotBelowDecay {
                sample_size: self.sample_size,
                time_decay: self.time_decay,
            });
        }
        let bytes = self.memory_bytes();
        if bytes > MEMORY_LIMIT {
            return Err(SettingsError::TooLarge { mebibytes: bytes >> 20, limit: MEMORY_LIMIT >> 20 });
        }
        Ok(())
    }
}

fn in_range(parameter: &'static str, value: u32, least: u32, most: u32) -> Result<(), SettingsError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(SettingsError::OutOfRange { parameter, value, least, most })
    }
}

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// One value is outside its range.
    #[error("RANDOM_CUT_FOREST: {parameter} is {value}; it must be from {least} to {most}")]
    OutOfRange {
        /// The parameter as SQL names it.
        parameter: &'static str,
        /// What was given.
        value: u32,
        /// The least accepted value.
        least: u32,
        /// The greatest accepted value.
        most: u32,
    },
    /// A sample would be forgotten faster than it fills.
    #[error(
        "RANDOM_CUT_FOREST: subSampleSize is {sample_size} and timeDecay is {time_decay}; subSampleSize must \
         be less than timeDecay, or the trees forget records before their samples are full"
    )]
    SampleNotBelowDecay {
        /// The given sample size.
        sample_size: u32,
        /// The given time decay.
        time_decay: u32,
    },
    /// The forest would take too much memory.
    #[error(
        "RANDOM_CUT_FOREST: this forest would take {mebibytes} MiB and the limit is {limit} MiB; lower \
         numberOfTrees, subSampleSize or shingleSize, or select fewer columns"
    )]
    TooLarge {
        /// What it would take.
        mebibytes: u64,
        /// What is allowed.
        limit: u64,
    },
}
