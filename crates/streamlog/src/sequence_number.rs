//! The number that names a record and orders it in its shard.
//!
//! Layout (hex digits, most significant first), 188 bits, always 56 decimal digits:
//!
//! | digits | 1 | 9 | 1 | 16 | 2 | 9 | 8 | 1 |
//! |---|---|---|---|---|---|---|---|---|
//! | field | `2` | shard create time, s | low nibble of shard | index | `00` | record time, s | shard | `2` |
//! | lowest bit | 184 | 148 | 144 | 80 | 72 | 36 | 4 | 0 |

use std::fmt;
use std::str::FromStr;

use crate::shard::ShardNumber;

/// The largest second that fits the 36-bit time fields.
const MAX_SECONDS: u64 = (1 << 36) - 1;
/// The largest index; it ends a closed shard and is never given to a record.
const LAST_INDEX: u64 = (1 << 63) - 1;
const DECIMAL_DIGITS: usize = 56;

/// A sequence number: strictly increasing within a shard, unique within a stream.
///
/// ```
/// use millstream_streamlog::{SequenceNumber, ShardNumber};
/// let number = SequenceNumber::new(1_700_000_000, 5, 1_700_000_100, ShardNumber(1));
/// assert_eq!(number.to_string(), "49646437577130777162115407028973509772956158055602454546");
/// assert_eq!(number.to_string().parse(), Ok(number));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceNumber {
    shard_created_at: u64,
    index: u64,
    recorded_at: u64,
    shard: ShardNumber,
}

/// The text is not a sequence number of this layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a sequence number: {reason}")]
pub struct InvalidSequenceNumber {
    text: String,
    reason: &'static str,
}

impl SequenceNumber {
    /// Puts a number together. Times are whole seconds since the epoch and are capped at 36 bits, the index at 63.
    pub fn new(shard_created_at: u64, index: u64, recorded_at: u64, shard: ShardNumber) -> SequenceNumber {
        SequenceNumber {
            shard_created_at: shard_created_at.min(MAX_SECONDS),
            index: index.min(LAST_INDEX),
            recorded_at: recorded_at.min(MAX_SECONDS),
            shard,
        }
    }

    /// The number that a shard's range starts with; no record bears it.
    pub fn starting(shard_created_at: u64, shard: ShardNumber) -> SequenceNumber {
        SequenceNumber::new(shard_created_at, 0, shard_created_at, shard)
    }

    /// The number that ends the range of a shard closed at `closed_at` (seconds); no record bears it.
    pub fn ending(shard_created_at: u64, closed_at: u64, shard: ShardNumber) -> SequenceNumber {
        SequenceNumber::new(shard_created_at, LAST_INDEX, closed_at, shard)
    }

    /// The count within the shard; the first record has 1.
    pub fn index(self) -> u64 {
        self.index
    }

    /// The shard the record is in.
    pub fn shard(self) -> ShardNumber {
        self.shard
    }

    /// When the shard was created, in seconds since the epoch.
    pub fn shard_created_at(self) -> u64 {
        self.shard_created_at
    }

    /// When the record came in, in seconds since the epoch.
    pub fn recorded_at(self) -> u64 {
        self.recorded_at
    }

    /// The bits above and below bit 128.
    fn halves(self) -> (u64, u128) {
        let nibble = u64::from(self.shard.0 & 0xf);
        let high = (2 << 56) | (self.shard_created_at << 20) | (nibble << 16) | (self.index >> 48);
        let low = (u128::from(self.index & 0xffff_ffff_ffff) << 80)
            | (u128::from(self.recorded_at) << 36)
            | (u128::from(self.shard.0) << 4)
            | 2;
        (high, low)
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &SequenceNumber) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &SequenceNumber) -> std::cmp::Ordering {
        self.halves().cmp(&other.halves())
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = self.halves();
        let mut limbs = [
            (high >> 32) as u32,
            high as u32,
            (low >> 96) as u32,
            (low >> 64) as u32,
            (low >> 32) as u32,
            low as u32,
        ];
        // Long division by 10^9: each round yields nine decimal digits, the lowest first.
        let mut digits = [0_u8; 63];
        for group in digits.rchunks_mut(9) {
            let mut remainder = 0_u64;
            for limb in &mut limbs {
                let dividend = (remainder << 32) | u64::from(*limb);
                *limb = (dividend / 1_000_000_000) as u32;
                remainder = dividend % 1_000_000_000;
            }
            for digit in group.iter_mut().rev() {
                *digit = b'0' + (remainder % 10) as u8;
                remainder /= 10;
            }
        }
        let text = std::str::from_utf8(&digits[digits.len() - DECIMAL_DIGITS..]).map_err(|_| fmt::Error)?;
        f.pad(text)
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequenceNumber({} index {} at {} s)", self.shard, self.index, self.recorded_at)
    }
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<SequenceNumber, InvalidSequenceNumber> {
        let invalid = |reason| InvalidSequenceNumber { text: text.chars().take(80).collect(), reason };
        if text.len() != DECIMAL_DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid("it must have exactly 56 decimal digits"));
        }
        let mut limbs = [0_u32; 6];
        for byte in text.bytes() {
            let mut carry = u64::from(byte - b'0');
            for limb in limbs.iter_mut().rev() {
                let product = u64::from(*limb) * 10 + carry;
                *limb = product as u32;
                carry = product >> 32;
            }
        }
        let high = (u64::from(limbs[0]) << 32) | u64::from(limbs[1]);
        let low = limbs[2..].iter().fold(0_u128, |value, limb| (value << 32) | u128::from(*limb));
        if high >> 56 != 2 || low & 0xf != 2 {
            return Err(invalid("its version is not 2"));
        }
        let index = ((high & 0xffff) << 48) | (low >> 80) as u64;
        if index > LAST_INDEX {
            return Err(invalid("its index is out of range"));
        }
        let number = SequenceNumber {
            shard_created_at: (high >> 20) & MAX_SECONDS,
            index,
            recorded_at: (low >> 36) as u64 & MAX_SECONDS,
            shard: ShardNumber((low >> 4) as u32),
        };
        if number.halves() != (high, low) {
            return Err(invalid("its fields contradict each other"));
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_numbers_are_reproduced() {
        let created = 1_700_000_000;
        for (number, expected) in [
            (
                SequenceNumber::new(created, 5, created + 100, ShardNumber(1)),
                "49646437577130777162115407028973509772956158055602454546",
            ),
            (
                SequenceNumber::starting(created, ShardNumber(0)),
                "49646437577108476416916876405825929425585429676275269634",
            ),
            (
                SequenceNumber::starting(created, ShardNumber(1)),
                "49646437577130777162115407028967465143858078037781250066",
            ),
            (
                SequenceNumber::ending(created, created + 100, ShardNumber(0)),
                "49646437577119626789516141717395488358902146099801227266",
            ),
        ] {
            assert_eq!(number.to_string(), expected);
            assert_eq!(expected.parse(), Ok(number));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let good = SequenceNumber::starting(1_700_000_000, ShardNumber(0)).to_string();
        for bad in ["", "1", "0", &good[1..], &format!("0{good}"), &"9".repeat(56), &good.replace('4', "x")] {
            assert!(bad.parse::<SequenceNumber>().is_err(), "{bad}");
        }
        assert!(format!("{}3", &good[..55]).parse::<SequenceNumber>().is_err());
    }

    proptest! {
        #[test]
        fn text_round_trips_and_keeps_the_order(
            created in 0_u64..1 << 36, left in 0_u64..1 << 63, right in 0_u64..1 << 63,
            time in 0_u64..1 << 36, shard in any::<u32>(),
        ) {
            let left = SequenceNumber::new(created, left, time, ShardNumber(shard));
            let right = SequenceNumber::new(created, right, time, ShardNumber(shard));
            prop_assert_eq!(left.to_string().parse(), Ok(left));
            prop_assert_eq!(left.to_string().len(), 56);
            prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
            prop_assert_eq!(left.cmp(&right), left.index().cmp(&right.index()));
        }
    }
}
