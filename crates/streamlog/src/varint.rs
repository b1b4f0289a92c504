//! Whole numbers in as few bytes as they need: seven bits a byte, the lowest first, the top bit says that more follow.

/// Appends `number`: 1 byte up to 127, at most 10.
pub(crate) fn put(mut number: u64, bytes: &mut Vec<u8>) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends a number that may be negative: small ones of either sign are short.
pub(crate) fn put_signed(number: i64, bytes: &mut Vec<u8>) {
    put(((number << 1) ^ (number >> 63)) as u64, bytes);
}

/// Takes a number off the front; `None` when it is cut or has more than 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes a number that may be negative off the front.
pub(crate) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = take(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put(number, &mut bytes);
            put_signed(number as i64, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!((take(&mut rest), take_signed(&mut rest)), (Some(number), Some(number as i64)));
            assert!(rest.is_empty());
        }
        assert_eq!(take(&mut &[0x80_u8; 4][..]), None);
        assert_eq!(take(&mut &[0xff_u8; 11][..]), None);
    }
}
