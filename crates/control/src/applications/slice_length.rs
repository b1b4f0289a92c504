//! How many records go into the engine at once: few while much comes out of them, many while little does.

/// Bytes that pumps may make of one slice: then what has come out is taken, and the next is shorter.
pub(crate) const MOST_MADE: usize = 64 << 20;

/// Records of a slice. Begins with one.
pub(crate) struct SliceLength {
    records: usize,
    most: usize,
}

impl SliceLength {
    /// At most so many.
    pub(crate) fn new(most: usize) -> SliceLength {
        SliceLength { records: 1, most }
    }

    /// Of the next slice.
    pub(crate) fn get(&self) -> usize {
        self.records
    }

    /// So many bytes came out of so many records.
    pub(crate) fn made(&mut self, records: usize, bytes: usize) {
        if bytes > MOST_MADE {
            let fitting = records as u128 * MOST_MADE as u128 / 2 / bytes as u128;
            self.records = usize::try_from(fitting).unwrap_or(self.most).clamp(1, self.most);
        } else if bytes <= MOST_MADE / 2 && records >= self.records {
            self.records = (2 * self.records).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_grow_while_little_comes_out_and_shrink_when_much_does() {
        let mut length = SliceLength::new(1_000);
        for expected in [2, 4, 8] {
            length.made(length.get(), 1_000);
            assert_eq!(length.get(), expected);
        }
        length.made(3, 1_000);
        assert_eq!(length.get(), 8, "a short slice says nothing of longer ones");
        length.made(8, MOST_MADE * 2 / 3);
        assert_eq!(length.get(), 8);
        length.made(8, MOST_MADE * 2);
        assert_eq!(length.get(), 2);
        length.made(2, usize::MAX);
        assert_eq!(length.get(), 1);
        (0..20).for_each(|_| length.made(length.get(), 0));
        assert_eq!(length.get(), 1_000);
    }
}
