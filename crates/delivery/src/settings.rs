//! How much to buffer and for how long, what to transform, how to retry.

use std::time::Duration;

use crate::error::{InvalidDelivery, Setting};
use crate::naming::ObjectNaming;

const MIB: usize = 1 << 20;

/// When a buffer is delivered: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferingHints {
    /// Bytes in the buffer, before compression.
    pub size_bytes: usize,
    /// Time since the first record was buffered; zero delivers at once.
    pub interval: Duration,
}

impl Default for BufferingHints {
    /// 5 MiB or 300 seconds.
    fn default() -> BufferingHints {
        BufferingHints { size_bytes: 5 * MIB, interval: Duration::from_secs(300) }
    }
}

/// How records go through the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformSettings {
    /// When a batch goes to the function.
    pub buffering: BufferingHints,
    /// The most records in a batch.
    pub max_records: usize,
    /// How often a failed call is repeated before its records fail.
    pub number_of_retries: u32,
    /// Calls under way at the same time. Their answers are taken in order all the same.
    pub concurrency: usize,
    /// Named in events and in failed records.
    pub function_arn: String,
}

impl Default for TransformSettings {
    /// 1 MiB or 60 seconds, 3 retries, 5 calls at a time.
    fn default() -> TransformSettings {
        TransformSettings {
            buffering: BufferingHints { size_bytes: MIB, interval: Duration::from_secs(60) },
            max_records: 10_000,
            number_of_retries: 3,
            concurrency: 5,
            function_arn: String::new(),
        }
    }
}

/// The untransformed copy of every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// When a backup object is written.
    pub buffering: BufferingHints,
    /// What it is called, and its compression.
    pub naming: ObjectNaming,
}

/// How long to wait before something is tried again: doubling from the first to the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// After the first failure.
    pub first_wait: Duration,
    /// Never longer than this.
    pub longest_wait: Duration,
}

impl Default for RetrySettings {
    /// 0.1 to 30 seconds.
    fn default() -> RetrySettings {
        RetrySettings { first_wait: Duration::from_millis(100), longest_wait: Duration::from_secs(30) }
    }
}

/// A delivery stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Named in events.
    pub delivery_stream_arn: String,
    /// Named in events.
    pub region: String,
    /// Named in events when the source is a stream that users see.
    pub source_stream_arn: Option<String>,
    /// When an object is written.
    pub buffering: BufferingHints,
    /// What it is called, and its compression.
    pub naming: ObjectNaming,
    /// Through which function the records go; `None` delivers them as they are.
    pub transform: Option<TransformSettings>,
    /// The untransformed copy; `None` keeps none.
    pub backup: Option<BackupSettings>,
    /// For the destination, the positions and the source.
    pub retry: RetrySettings,
    /// Reading stops while this many bytes of records are held in memory.
    pub most_held_bytes: usize,
}

impl DeliverySettings {
    /// A delivery of records as they are, without backup, with the default hints.
    pub fn new(delivery_stream_arn: impl Into<String>, naming: ObjectNaming) -> DeliverySettings {
        DeliverySettings {
            delivery_stream_arn: delivery_stream_arn.into(),
            region: "us-east-1".to_owned(),
            source_stream_arn: None,
            buffering: BufferingHints::default(),
            naming,
            transform: None,
            backup: None,
            retry: RetrySettings::default(),
            most_held_bytes: 128 * MIB,
        }
    }

    /// Checks what could stop the delivery from working.
    ///
    /// # Errors
    /// A number that is out of its range.
    pub fn check(&self) -> Result<(), InvalidDelivery> {
        let number = |setting, value: usize, allowed: std::ops::RangeInclusive<usize>, rule| {
            if allowed.contains(&value) {
                Ok(())
            } else {
                Err(InvalidDelivery::Number { setting, value: value.to_string(), rule })
            }
        };
        let size = "1 byte to 1 GiB";
        number(Setting::BufferingSize, self.buffering.size_bytes, 1..=1_024 * MIB, size)?;
        number(Setting::HeldBytes, self.most_held_bytes, 1..=usize::MAX, "at least 1")?;
        if let Some(backup) = &self.backup {
            number(Setting::BackupBufferingSize, backup.buffering.size_bytes, 1..=1_024 * MIB, size)?;
        }
        if let Some(transform) = &self.transform {
            let rule = "1 byte to 3 MiB, so that the event stays below 6 MiB";
            number(Setting::TransformBufferingSize, transform.buffering.size_bytes, 1..=3 * MIB, rule)?;
            number(Setting::TransformRecords, transform.max_records, 1..=10_000, "1 to 10000")?;
            number(Setting::TransformRetries, transform.number_of_retries as usize, 0..=300, "0 to 300")?;
            number(Setting::TransformConcurrency, transform.concurrency, 1..=1_000, "1 to 1000")?;
        }
        Ok(())
    }
}
