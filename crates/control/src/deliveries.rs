//! Delivery streams: from their declarations to running workers.

use std::sync::Arc;
use std::time::Duration;

use millstream_delivery::{
    BackupSettings, BufferingHints, Compression, DeliverySettings, InvalidDelivery, ObjectNaming,
    TransformSettings,
};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::data_directory::DataDirectory;
use crate::error::StartError;
use crate::pipeline::{CompressionChoice, DeliveryStreamDeclaration, Period};
use crate::resource_name::{delivery_stream_arn, function_arn};

/// How the objects of a delivery stream are called.
pub(crate) fn naming(declared: &DeliveryStreamDeclaration) -> Result<ObjectNaming, InvalidDelivery> {
    let prefix = declared.prefix.as_ref().map_or("", |prefix| prefix.get_ref());
    let error_prefix = declared.error_prefix.as_ref().map(|prefix| prefix.get_ref().as_str());
    let naming = ObjectNaming::new(declared.name.get_ref(), prefix, error_prefix)?;
    Ok(naming.with_compression(compression(declared.compression)))
}

fn compression(choice: CompressionChoice) -> Compression {
    match choice {
        CompressionChoice::None => Compression::Uncompressed,
        CompressionChoice::Gzip => Compression::Gzip,
    }
}

/// What a delivery worker is told.
pub(crate) fn settings(declared: &DeliveryStreamDeclaration) -> Result<DeliverySettings, InvalidDelivery> {
    let name = declared.name.get_ref();
    let mut settings = DeliverySettings::new(delivery_stream_arn(name), naming(declared)?);
    settings.buffering =
        hints(BufferingHints::default(), declared.buffer_interval, declared.buffer_size.map(|size| size.0));
    if let Some(transform) = &declared.transform {
        let defaults = TransformSettings::default();
        settings.transform = Some(TransformSettings {
            buffering: hints(
                defaults.buffering,
                transform.buffer_interval,
                transform.buffer_size.map(|size| size.0),
            ),
            number_of_retries: transform.retries.unwrap_or(defaults.number_of_retries),
            function_arn: function_arn(transform.function.get_ref()),
            ..defaults
        });
    }
    if let Some(backup) = &declared.backup {
        let naming = ObjectNaming::new(name, backup.prefix.get_ref(), None)?;
        settings.backup = Some(BackupSettings {
            buffering: hints(
                settings.buffering,
                backup.buffer_interval,
                backup.buffer_size.map(|size| size.0),
            ),
            naming: naming.with_compression(compression(backup.compression)),
        });
    }
    Ok(settings)
}

fn hints(defaults: BufferingHints, interval: Option<Period>, size: Option<u64>) -> BufferingHints {
    let size_bytes = size.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    BufferingHints {
        size_bytes: size_bytes.unwrap_or(defaults.size_bytes),
        interval: interval.map_or(defaults.interval, |period: Period| -> Duration { period.0 }),
    }
}

/// The directory of a bucket as an object store; an object that was written survives a power cut.
pub(crate) fn bucket(directory: &DataDirectory, name: &str) -> Result<Arc<dyn ObjectStore>, StartError> {
    let path = directory.bucket(name)?;
    let store = LocalFileSystem::new_with_prefix(&path)
        .map_err(|error| StartError::Bucket { name: name.to_owned(), reason: error.to_string() })?;
    Ok(Arc::new(store.with_fsync(true)))
}
