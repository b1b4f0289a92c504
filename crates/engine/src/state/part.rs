//! Parts of checkpoints: bytes by a name that follows from them.

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

/// Most bytes of a part.
pub const PART_BYTES: usize = 8 << 20;

/// The name of a part: 128 bits that follow from its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartId([u8; 16]);

/// A part as a manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRef {
    /// Follows from its bytes: it is the checksum, too.
    pub id: PartId,
    /// Its length.
    pub bytes: u64,
}

impl PartId {
    /// The name of a part with these bytes. Costs about a second for a gigabyte.
    pub fn of(bytes: &[u8]) -> PartId {
        let mut hasher = SipHasher13::new_with_keys(0x6d69_6c6c_7374_7265, 0x616d_2070_6172_7473);
        hasher.write(bytes);
        PartId(hasher.finish128().as_bytes())
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PartId({self})")
    }
}

/// A text that is not the name of a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the name of a part: 32 hexadecimal digits")]
pub struct PartIdError(String);

impl FromStr for PartId {
    type Err = PartIdError;

    fn from_str(text: &str) -> Result<PartId, PartIdError> {
        let wrong = || PartIdError(text.chars().take(64).collect());
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        for (index, byte) in id.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2).filter(|digits| !digits.starts_with('+'));
            *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?;
        }
        Ok(PartId(id))
    }
}

impl TryFrom<String> for PartId {
    type Error = PartIdError;

    fn try_from(text: String) -> Result<PartId, PartIdError> {
        text.parse()
    }
}

impl From<PartId> for String {
    fn from(id: PartId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_part_follows_from_its_bytes_for_ever() {
        let id = PartId::of(b"millstream");
        assert_eq!(id.to_string(), "ecd3d3ad273ef8a5cfd535a07c98721a");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, PartId::of(b"millstreaM"));
        for wrong in ["", "ecd3", "+cd3d3fbbd2e9c7d3d04ab8a7f1a0b4b", "zz"] {
            assert!(wrong.parse::<PartId>().is_err(), "{wrong}");
        }
    }
}
