//! Short keys as one 128-bit number: compared and hashed in registers.

/// Longest key that fits.
pub(crate) const LONGEST_PACKED_KEY: usize = 15;

/// A key of at most 15 bytes: the bytes from the lowest up, the length in the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedKey(u128);

impl PackedKey {
    /// Packs `data[start..end]`; `None` when it is longer than 15 bytes. Reads 16 bytes at once where they are there.
    pub(crate) fn of(data: &[u8], start: usize, end: usize) -> Option<PackedKey> {
        let length = end - start;
        if length > LONGEST_PACKED_KEY {
            return None;
        }
        let bytes = match data.get(start..start + 16) {
            Some(sixteen) => {
                let sixteen: [u8; 16] = sixteen.try_into().expect("the slice has 16 bytes");
                u128::from_le_bytes(sixteen) & ((1_u128 << (8 * length)) - 1)
            }
            None => {
                let mut sixteen = [0; 16];
                sixteen[..length].copy_from_slice(&data[start..end]);
                u128::from_le_bytes(sixteen)
            }
        };
        Some(PackedKey(bytes | (length as u128) << 120))
    }

    /// The key of a number of eight bytes.
    pub(crate) fn of_number(number: u64) -> PackedKey {
        PackedKey(u128::from(number) | 8 << 120)
    }

    /// The bytes from the lowest up, the length in the highest.
    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// The bytes, the rest being 0, and how many there are.
    pub(crate) fn bytes(self) -> ([u8; 15], u8) {
        let sixteen = self.0.to_le_bytes();
        let mut bytes = [0; 15];
        bytes.copy_from_slice(&sixteen[..15]);
        (bytes, sixteen[15])
    }

    /// Well-mixed bits: both halves multiplied and folded.
    pub(crate) fn hash(self) -> u64 {
        let low = (self.0 as u64) ^ 0x9e37_79b9_7f4a_7c15;
        let high = ((self.0 >> 64) as u64) ^ 0xc2b2_ae3d_27d4_eb4f;
        let product = u128::from(low) * u128::from(high);
        let folded = (product as u64) ^ ((product >> 64) as u64);
        folded.wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_bytes_and_length() {
        let data = b"abcdefghijklmnopqrstuvwxyz";
        for start in 0..data.len() {
            for end in start..data.len().min(start + 16) {
                let packed = PackedKey::of(data, start, end);
                assert_eq!(packed.is_some(), end - start <= LONGEST_PACKED_KEY);
                if let Some(PackedKey(packed)) = packed {
                    let length = (packed >> 120) as usize;
                    assert_eq!(&packed.to_le_bytes()[..length], &data[start..end]);
                }
            }
        }
        assert_ne!(PackedKey::of(b"a\0", 0, 1), PackedKey::of(b"a\0", 0, 2));
        assert_eq!(PackedKey::of(&7_u64.to_le_bytes(), 0, 8), Some(PackedKey::of_number(7)));
    }
}
