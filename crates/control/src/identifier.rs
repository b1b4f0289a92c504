//! Random identifiers.

use std::sync::Arc;

use millstream_host::Random;
use parking_lot::Mutex;

/// Makes identifiers that differ from run to run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Identifiers {
    /// Guards the generator; held for a few instructions.
    random: Arc<Mutex<Random>>,
}

impl Identifiers {
    pub(crate) fn new(random: Random) -> Identifiers {
        Identifiers { random: Arc::new(Mutex::new(random)) }
    }

    /// A partition key that spreads records evenly.
    pub(crate) fn partition_key(&self) -> String {
        format!("{:016x}", self.random.lock().next_u64())
    }

    /// A generator of its own for somebody else.
    pub(crate) fn random(&self) -> Random {
        Random::from_seed(self.random.lock().next_u64())
    }
}

/// A hash that is the same in every run and build: FNV-1a of 64 bits, mixed so that near texts give far numbers.
pub(crate) fn stable_hash(text: &str) -> u64 {
    stable_hash_of(text.as_bytes())
}

/// The same of bytes.
pub(crate) fn stable_hash_of(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mixed(hash)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A UUID that follows from a text.
pub(crate) fn repeatable_uuid(text: &str) -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&stable_hash(text).to_be_bytes());
    bytes[8..].copy_from_slice(&stable_hash(&format!("{text} again")).to_be_bytes());
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// A partition key that follows from the number of a row, and spreads rows evenly: 16 hexadecimal digits.
pub(crate) struct RepeatableKey([u8; 16]);

impl RepeatableKey {
    pub(crate) fn new(producer: u64, number: u64) -> RepeatableKey {
        let mut mixed = mixed(producer.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(mixed & 15) as usize];
            mixed >>= 4;
        }
        RepeatableKey(digits)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_text_is_the_same_in_every_build() {
        assert_eq!(stable_hash("a"), stable_hash("a"));
        assert_ne!(stable_hash("a"), stable_hash("b"));
        assert_eq!(RepeatableKey::new(1, 2).as_str(), RepeatableKey::new(1, 2).as_str());
        assert_ne!(RepeatableKey::new(1, 2).as_str(), RepeatableKey::new(1, 3).as_str());
        let padded = (0..64).map(|number| RepeatableKey::new(7, number).as_str().to_owned());
        let formatted = (0..64_u64).map(|number| {
            format!("{:016x}", mixed(7_u64.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
        });
        assert!(padded.eq(formatted), "as hexadecimal numbers with leading zeros");
        assert_eq!(stable_hash(""), 0xf52a_15e9_a9b5_e89b);
        let uuid = repeatable_uuid("x");
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"), "version 8: made by ourselves");
    }
}
