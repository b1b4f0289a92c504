//! The hash of a partition key, and how shards divide the hash space.

use md5::{Digest, Md5};

/// The hash of a partition key: the MD5 digest of its UTF-8 bytes, read as a big-endian unsigned number.
pub fn partition_key_hash(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// The hashes a shard takes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    /// The smallest hash.
    pub starting: u128,
    /// The largest hash.
    pub ending: u128,
}

impl HashRange {
    /// Whether `hash` falls into this range.
    pub fn contains(&self, hash: u128) -> bool {
        (self.starting..=self.ending).contains(&hash)
    }

    /// Divides the whole hash space among `count` shards: each takes floor(2^128 / count), the last one the rest.
    pub(crate) fn divide(count: u32) -> Vec<HashRange> {
        if count <= 1 {
            return vec![HashRange { starting: 0, ending: u128::MAX }];
        }
        let count = u128::from(count);
        // floor(2^128 / count) without leaving 128 bits: 2^128 = u128::MAX + 1.
        let width = u128::MAX / count + u128::from(u128::MAX % count == count - 1);
        (0..count)
            .map(|shard| HashRange {
                starting: shard * width,
                ending: if shard == count - 1 { u128::MAX } else { (shard + 1) * width - 1 },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_hashes_and_shards() {
        for (key, hash, shards, shard) in [
            ("a", 16955237001963240173058271559858726497, 4, 0),
            ("user-42", 157107139746365290205026809710278036035, 4, 1),
            ("user-42", 157107139746365290205026809710278036035, 3, 1),
            ("user-42", 157107139746365290205026809710278036035, 2, 0),
            ("é", 136732923097551493579404309126273812335, 4, 1),
        ] {
            assert_eq!(partition_key_hash(key), hash);
            let taken = HashRange::divide(shards).iter().position(|range| range.contains(hash));
            assert_eq!(taken, Some(shard), "{key} of {shards}");
        }
    }

    #[test]
    fn published_ranges() {
        let text = |count| {
            HashRange::divide(count)
                .iter()
                .map(|range| (range.starting.to_string(), range.ending.to_string()))
                .collect::<Vec<_>>()
        };
        let range = |starting: &str, ending: &str| (starting.to_owned(), ending.to_owned());
        assert_eq!(
            text(3),
            [
                range("0", "113427455640312821154458202477256070484"),
                range("113427455640312821154458202477256070485", "226854911280625642308916404954512140969"),
                range("226854911280625642308916404954512140970", "340282366920938463463374607431768211455"),
            ]
        );
        assert_eq!(
            text(2),
            [
                range("0", "170141183460469231731687303715884105727"),
                range("170141183460469231731687303715884105728", "340282366920938463463374607431768211455"),
            ]
        );
    }

    #[test]
    fn every_division_covers_the_space_without_overlap() {
        for count in [1, 2, 3, 4, 5, 7, 16, 100, 255, 1_000] {
            let ranges = HashRange::divide(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!(ranges[0].starting, 0);
            assert_eq!(ranges[ranges.len() - 1].ending, u128::MAX);
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].ending + 1, pair[1].starting);
            }
        }
    }
}
