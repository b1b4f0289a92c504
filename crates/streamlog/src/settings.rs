//! The sizes and limits of a log.

/// How large things may get, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A segment that has reached this size is sealed and the next one begun. Trimming works in whole segments.
    pub segment_bytes: u64,
    /// Appends waiting for the disk; beyond it [`AppendError::Busy`](crate::AppendError::Busy).
    pub queue_bytes: usize,
    /// What one write and `fdatasync` gathers at most (one append is never divided).
    pub group_bytes: usize,
    /// Data and partition key of one record.
    pub record_bytes: usize,
    /// All records of one append.
    pub append_bytes: usize,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            segment_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            group_bytes: 8 << 20,
            record_bytes: 1 << 20,
            append_bytes: 16 << 20,
        }
    }
}

/// Settings that contradict each other or the file format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log setting {setting} is {value} bytes, but {rule}")]
pub struct InvalidSettings {
    setting: &'static str,
    value: u64,
    rule: &'static str,
}

impl LogSettings {
    pub(crate) fn check(&self) -> Result<(), InvalidSettings> {
        let rules = [
            ("segment_bytes", self.segment_bytes, 4_096..=(1 << 30), "must be 4 KiB to 1 GiB"),
            ("record_bytes", self.record_bytes as u64, 1..=(10 << 20), "must be 1 byte to 10 MiB"),
            (
                "append_bytes",
                self.append_bytes as u64,
                self.record_bytes as u64..=(64 << 20),
                "must be record_bytes to 64 MiB",
            ),
            ("group_bytes", self.group_bytes as u64, 1..=(64 << 20), "must be 1 byte to 64 MiB"),
            ("queue_bytes", self.queue_bytes as u64, 1..=(4 << 30), "must be 1 byte to 4 GiB"),
        ];
        for (setting, value, allowed, rule) in rules {
            if !allowed.contains(&value) {
                return Err(InvalidSettings { setting, value, rule });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_holds_and_nonsense_does_not() {
        assert_eq!(LogSettings::default().check(), Ok(()));
        let wrong = LogSettings { record_bytes: 11 << 20, ..LogSettings::default() };
        assert_eq!(
            wrong.check().map_err(|error| error.to_string()),
            Err("log setting record_bytes is 11534336 bytes, but must be 1 byte to 10 MiB".to_owned())
        );
    }
}
