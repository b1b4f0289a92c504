//! The keys of objects.
//!
//! `<prefix><stream>-<version>-<yyyy>-<MM>-<dd>-<HH>-<mm>-<ss>-<uuid><extension>`, where every time in a key is the
//! arrival of the oldest record in the object. `prefix.rs` has the expressions of a prefix, `time_pattern.rs` the
//! Java-style patterns in them.

mod prefix;
mod time_pattern;

use jiff::tz::TimeZone;
use millstream_host::{Random, Timestamp};

pub use prefix::InvalidPrefix;
use serde::{Deserialize, Serialize};

use prefix::{Prefix, PrefixKind};
use time_pattern::TimePattern;

use crate::error::{InvalidDelivery, Setting};

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// As they are.
    #[default]
    Uncompressed,
    /// One gzip member; adds `.gz` to the key.
    Gzip,
}

impl Compression {
    fn extension(self) -> &'static str {
        match self {
            Compression::Uncompressed => "",
            Compression::Gzip => ".gz",
        }
    }
}

/// What processing failed, as it shows in a key.
pub(crate) const PROCESSING_FAILED: &str = "processing-failed";
const DEFAULT_TIME: &str = "yyyy/MM/dd/HH/";
const LONGEST_EXTENSION: usize = 128;
/// The longest name of a folder or file, in bytes, wherever buckets are folders.
const LONGEST_PART: usize = 255;
/// A Wednesday in September (2026-09-30 10:10:10 UTC): of all days one with the longest names.
const SAMPLE_ARRIVAL: Timestamp = Timestamp(1_790_763_010_000);

/// How the objects of one destination are called and compressed. Checked when made: naming an object cannot fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectNaming {
    stream: String,
    version: u64,
    prefix: Prefix,
    error_prefix: Prefix,
    extension: Option<String>,
    /// The compression of main and backup objects. Objects with failed records use it too.
    pub compression: Compression,
    time_zone: TimeZone,
}

impl ObjectNaming {
    /// Names for the delivery stream `stream` in its first version, uncompressed, in UTC.
    ///
    /// An empty `prefix` gives `yyyy/MM/dd/HH/`. A prefix without a `!{timestamp:…}` expression has that appended, with
    /// no slash between. A prefix with any expression needs an `error_prefix`; without one, failed records go to
    /// `<prefix>processing-failed/yyyy/MM/dd/HH/`.
    ///
    /// # Errors
    /// [`InvalidDelivery::Prefix`] says which rule is broken.
    pub fn new(
        stream: &str,
        prefix: &str,
        error_prefix: Option<&str>,
    ) -> Result<ObjectNaming, InvalidDelivery> {
        let main = Prefix::parse(prefix, PrefixKind::Main)
            .map_err(|error| InvalidDelivery::Prefix { setting: Setting::Prefix, error })?;
        let wrong = |error| InvalidDelivery::Prefix { setting: Setting::ErrorPrefix, error };
        let error_prefix = match error_prefix.filter(|text| !text.is_empty()) {
            Some(text) => Prefix::parse(text, PrefixKind::Error).map_err(wrong)?,
            None if main.has_expressions() => return Err(wrong(InvalidPrefix::ErrorPrefixNeeded)),
            None => Prefix::parse(prefix, PrefixKind::Error).map_err(wrong)?,
        };
        let naming = ObjectNaming {
            stream: stream.to_owned(),
            version: 1,
            prefix: main.with_default_time(),
            error_prefix: error_prefix.with_error_type().with_default_time(),
            extension: None,
            compression: Compression::default(),
            time_zone: TimeZone::UTC,
        };
        naming.check_parts(&naming.prefix, Setting::Prefix)?;
        naming.check_parts(&naming.error_prefix, Setting::ErrorPrefix)?;
        Ok(naming)
    }

    /// Each part of a key between slashes names a folder or a file, compressed or not.
    fn check_parts(&self, prefix: &Prefix, setting: Setting) -> Result<(), InvalidDelivery> {
        let compressed = self.clone().with_compression(Compression::Gzip);
        let key = compressed.key_below(prefix, SAMPLE_ARRIVAL, &mut Random::from_seed(0));
        match key.split('/').map(str::len).max().filter(|length| *length > LONGEST_PART) {
            Some(length) => {
                Err(InvalidDelivery::Prefix { setting, error: InvalidPrefix::PartTooLong(length) })
            }
            None => Ok(()),
        }
    }

    /// Of the delivery stream's configuration; shows in the key.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> ObjectNaming {
        self.version = version;
        self
    }

    /// Compresses the objects.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> ObjectNaming {
        self.compression = compression;
        self
    }

    /// Ends keys with `extension` in place of the compression's own; an empty one changes nothing.
    ///
    /// # Errors
    /// [`InvalidPrefix::Extension`] unless it is a dot and then `0-9 a-z ! - _ . * ' ( )`, 128 characters at most.
    pub fn with_extension(mut self, extension: &str) -> Result<ObjectNaming, InvalidDelivery> {
        let rest = extension.strip_prefix('.');
        let is_allowed =
            |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b"!-_.*'()".contains(&byte);
        let fits = extension.len() <= LONGEST_EXTENSION
            && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_allowed));
        if !extension.is_empty() && !fits {
            let error = InvalidPrefix::Extension(extension.to_owned());
            return Err(InvalidDelivery::Prefix { setting: Setting::Extension, error });
        }
        self.extension = Some(extension.to_owned()).filter(|extension| !extension.is_empty());
        Ok(self)
    }

    /// Writes the times in keys in this zone (an IANA name) instead of UTC.
    ///
    /// # Errors
    /// [`InvalidPrefix::TimeZone`] when this machine knows no such zone.
    pub fn with_time_zone(mut self, name: &str) -> Result<ObjectNaming, InvalidDelivery> {
        self.time_zone = TimeZone::get(name).map_err(|_| InvalidDelivery::Prefix {
            setting: Setting::TimeZone,
            error: InvalidPrefix::TimeZone(name.to_owned()),
        })?;
        Ok(self)
    }

    /// The key of an object of records whose oldest arrived at `oldest_arrival`.
    pub(crate) fn key(&self, oldest_arrival: Timestamp, random: &mut Random) -> String {
        self.key_below(&self.prefix, oldest_arrival, random)
    }

    /// The key of an object of failed records.
    pub(crate) fn failed_key(&self, oldest_arrival: Timestamp, random: &mut Random) -> String {
        self.key_below(&self.error_prefix, oldest_arrival, random)
    }

    fn key_below(&self, prefix: &Prefix, oldest_arrival: Timestamp, random: &mut Random) -> String {
        // Outside the years -9999 to 9999 there is no calendar: the epoch stands in.
        let instant = jiff::Timestamp::from_millisecond(oldest_arrival.millis()).unwrap_or_default();
        let time = instant.to_zoned(self.time_zone.clone());
        let mut key = prefix.evaluate(&time, PROCESSING_FAILED, random);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&random.next_u64().to_be_bytes());
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let stamp = time.strftime("%Y-%m-%d-%H-%M-%S");
        let extension = self.extension.as_deref().unwrap_or_else(|| self.compression.extension());
        key.push_str(&format!("{}-{}-{stamp}-{uuid}{extension}", self.stream, self.version));
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2018-08-27 10:30:00 UTC.
    const ARRIVAL: Timestamp = Timestamp(1_535_365_800_000);

    fn key(prefix: &str, error_prefix: Option<&str>) -> String {
        let naming = ObjectNaming::new("reviews", prefix, error_prefix).unwrap();
        naming.key(ARRIVAL, &mut Random::from_seed(1))
    }

    /// The key without its last part.
    fn folder(key: &str) -> &str {
        key.split_at(key.find("reviews-").unwrap()).0
    }

    #[test]
    fn keys_follow_the_table() {
        for (prefix, error_prefix, expected) in [
            ("", None, "2018/08/27/10/"),
            ("legacy", None, "legacy2018/08/27/10/"),
            ("legacy/", None, "legacy/2018/08/27/10/"),
            ("kinesis-data-firehose/", None, "kinesis-data-firehose/2018/08/27/10/"),
            ("a/!{timestamp:yyyy}/b/", Some("e/!{firehose:error-output-type}/"), "a/2018/b/"),
            ("!{timestamp:'year='yyyy}/", Some("e"), "year=2018/"),
            ("!{timestamp:'month='MM'/day='dd}/", Some("e"), "month=08/day=27/"),
            ("d=!{timestamp:yyyy-MM-dd}/h=!{timestamp:HH}/", Some("e"), "d=2018-08-27/h=10/"),
        ] {
            let key = key(prefix, error_prefix);
            assert_eq!(folder(&key), expected, "{prefix}");
            let suffix = &key[expected.len()..];
            assert!(suffix.starts_with("reviews-1-2018-08-27-10-30-00-"), "{suffix}");
            assert_eq!(suffix.len(), "reviews-1-2018-08-27-10-30-00-".len() + 36);
        }
    }

    #[test]
    fn random_strings_have_eleven_characters_and_differ() {
        let key = key("p/!{firehose:random-string}/!{firehose:random-string}/", Some("e/"));
        let parts: Vec<&str> = folder(&key).split('/').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("p", 11, 11));
        assert_ne!(parts[1], parts[2]);
        assert_eq!(parts[3..], ["2018", "08", "27", "10", ""]);
    }

    #[test]
    fn failed_records_have_their_own_place() {
        for (prefix, error_prefix, expected) in [
            ("", None, "processing-failed/2018/08/27/10/"),
            ("legacy/", None, "legacy/processing-failed/2018/08/27/10/"),
            ("p/", Some("e/!{firehose:error-output-type}/!{timestamp:yyyy}/"), "e/processing-failed/2018/"),
            ("p/", Some("errors/"), "errors/processing-failed/2018/08/27/10/"),
        ] {
            let naming = ObjectNaming::new("reviews", prefix, error_prefix).unwrap();
            let key = naming.failed_key(ARRIVAL, &mut Random::from_seed(1));
            assert_eq!(folder(&key), expected);
        }
    }

    #[test]
    fn low_wrong_prefixes_are_refused_with_the_reason() {
        for (prefix, error_prefix, expected) in [
            (
                "!{timestamp:yyyy}/",
                None,
                "error output prefix: a prefix with expressions needs an error output prefix",
            ),
            (
                "!{firehose:error-output-type}/",
                Some("e/"),
                "prefix: error-output-type may stand only in the error",
            ),
            ("!{timestamp:yyyy", None, "prefix: an expression that starts with \"!{\" has no closing brace"),
            ("!{nonsense:x}", Some("e"), "prefix: \"nonsense:x\" is not an expression"),
            ("!{timestamp:yyyyGG}", Some("e"), "prefix: pattern letter 'G' is not supported"),
            ("!{timestamp:'open}", Some("e"), "prefix: a quote in a time pattern is not closed"),
            (
                "!{partitionKeyFromQuery:c}/",
                Some("e"),
                "prefix: \"partitionKeyFromQuery:c\" needs dynamic part",
            ),
            (
                "p/",
                Some("!{timestamp:yyyy}"),
                "error output prefix: an error output prefix with expressions must",
            ),
            ("a\0b/", None, "prefix: the character U+0000 cannot be in a key: leave control characters out"),
            ("a\r\nb/", None, "prefix: the character U+000D cannot be in a key"),
            ("p/", Some("e\n/"), "error output prefix: the character U+000A cannot be in a key"),
            (
                &format!("!{{timestamp:{}}}/", "d".repeat(65_536)),
                Some("e"),
                "prefix: it gives a key prefix of 65550 characters: at most 512",
            ),
            (
                &format!("!{{timestamp:{}}}/", "d".repeat(20)),
                Some("e"),
                "prefix: pattern letter 'd' stands 20 times in a row: at most 19",
            ),
            (&"x".repeat(600), None, "prefix: it gives a key prefix of 614 characters: at most 512"),
            (
                &format!("{}/", "x".repeat(256)),
                None,
                "prefix: a part of the keys between slashes has 256 bytes: the name of a folder or file has at most 255",
            ),
            // The year is behind it.
            (&"é".repeat(126), None, "prefix: a part of the keys between slashes has 256 bytes"),
            // The name of the object is behind it.
            (
                &format!("!{{timestamp:yyyy}}/{}", "x".repeat(200)),
                Some("e"),
                "prefix: a part of the keys between slashes has 263 bytes",
            ),
            (
                "p/",
                Some(&format!("{}/", "e".repeat(300))),
                "error output prefix: a part of the keys between slashes has 300 bytes",
            ),
        ] {
            let error = ObjectNaming::new("s", prefix, error_prefix).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn parts_of_keys_are_as_long_as_a_file_system_takes_them() {
        for (prefix, error_prefix) in [
            (format!("{0}/{0}/", "x".repeat(240)), None),
            ("x".repeat(251), Some("e")),
            // That of failed records goes on with its kind and the year.
            ("x".repeat(238), None),
            (format!("!{{timestamp:yyyy}}/{}", "x".repeat(192)), Some("e/!{firehose:error-output-type}/")),
        ] {
            ObjectNaming::new("s", &prefix, error_prefix).unwrap();
        }
    }

    #[test]
    fn extension_compression_version_and_zone_show_in_the_key() {
        let naming = ObjectNaming::new("reviews", "", None).unwrap();
        let key = |naming: &ObjectNaming| naming.key(ARRIVAL, &mut Random::from_seed(1));
        assert!(key(&naming.clone().with_compression(Compression::Gzip)).ends_with(".gz"));
        let jsonl = naming.clone().with_compression(Compression::Gzip).with_extension(".jsonl").unwrap();
        assert!(key(&jsonl).ends_with(".jsonl"));
        assert!(key(&naming.clone().with_version(7)).contains("reviews-7-2018"));
        assert!(naming.clone().with_extension("jsonl").is_err());
        assert!(naming.clone().with_extension(".JSON").is_err());
        assert!(naming.clone().with_time_zone("Nowhere/Atlantis").is_err());
        let tokyo = naming.with_time_zone("Asia/Tokyo").unwrap();
        // 2026-01-01 20:00 UTC.
        let key = tokyo.key(Timestamp(1_767_297_600_000), &mut Random::from_seed(1));
        assert!(key.starts_with("2026/01/02/05/reviews-1-2026-01-02-05-00-00-"), "{key}");
    }
}
