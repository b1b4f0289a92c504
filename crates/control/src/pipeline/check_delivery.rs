//! Checks a delivery stream: its prefixes, and the numbers of its buffers.

use std::ops::Range;

use millstream_delivery::{InvalidDelivery, ObjectNaming, Setting};
use toml::Spanned;

use super::check::Check;
use super::declarations::DeliveryStreamDeclaration;
use super::lower::delivery_stream;
use crate::resources::delivery_stream::settings;

impl Check<'_> {
    /// Prefixes that cannot be, and numbers that a delivery cannot work with: each at its key.
    pub(super) fn delivery(&mut self, declared: &DeliveryStreamDeclaration) {
        let name = declared.name.get_ref();
        // Of the settings the prefix of the backup is one like the other.
        if let Some(backup) = &declared.backup
            && let Err(error) = ObjectNaming::new(name, backup.prefix.get_ref(), None)
        {
            self.wrong(backup.prefix.span(), error.to_string(), None);
            return;
        }
        let Err(error) = settings(name, &delivery_stream(declared)) else { return };
        let setting = match &error {
            InvalidDelivery::Prefix { setting, .. } | InvalidDelivery::Number { setting, .. } => {
                Some(*setting)
            }
            InvalidDelivery::Missing { .. } => None,
        };
        match setting.and_then(|setting| place_of(declared, setting)) {
            Some(place) => self.wrong(place, error.to_string(), None),
            None => self.wrong_section(&declared.name, error.to_string()),
        }
    }
}

/// Where a setting is written, if it is.
fn place_of(declared: &DeliveryStreamDeclaration, setting: Setting) -> Option<Range<usize>> {
    fn place<T>(given: &Option<Spanned<T>>) -> Option<Range<usize>> {
        given.as_ref().map(Spanned::span)
    }
    let transform = declared.transform.as_ref();
    match setting {
        Setting::Prefix => place(&declared.prefix),
        // Without one of its own it is made of the other.
        Setting::ErrorPrefix => place(&declared.error_prefix).or_else(|| place(&declared.prefix)),
        Setting::BufferingSize => place(&declared.buffer_size),
        Setting::BackupBufferingSize => {
            let of_backup = declared.backup.as_ref().and_then(|backup| place(&backup.buffer_size));
            of_backup.or_else(|| place(&declared.buffer_size))
        }
        Setting::TransformBufferingSize => transform.and_then(|transform| place(&transform.buffer_size)),
        Setting::TransformRetries => transform.and_then(|transform| place(&transform.retries)),
        Setting::Extension
        | Setting::TimeZone
        | Setting::HeldBytes
        | Setting::TransformRecords
        | Setting::TransformConcurrency => None,
    }
}
