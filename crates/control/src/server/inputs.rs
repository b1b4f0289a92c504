//! What feeds the pipeline: the inputs of its file, and producers that somebody else brings.

use std::path::Path;
use std::sync::Arc;

use super::Server;
use super::streams::{buffer_key, data_key};
use crate::error::StartError;
use crate::pipeline::InputDeclaration;
use crate::producers::{
    Feed, FeedTarget, LineSource, Producer, ProducerServices, RecordSource, Resumed, StreamRecords,
};

impl Server {
    /// Starts the inputs that the file declares. A file goes on where the last run on this data directory ended.
    ///
    /// # Errors
    /// [`StartError::Input`]: a file cannot be opened.
    pub fn start_inputs(&self) -> Result<(), StartError> {
        let declarations = self.pipeline.declarations.inputs.clone();
        for declared in &declarations {
            let name = declared.name.get_ref().clone();
            let failed = |reason: String| StartError::Input { name: name.clone(), reason };
            let target = match (&declared.delivery_stream, &declared.into_stream) {
                (Some(delivery), _) => FeedTarget::DeliveryStream(delivery.get_ref().clone()),
                (None, Some(stream)) => FeedTarget::Stream(stream.get_ref().clone()),
                (None, None) => unreachable!("the pipeline was checked"),
            };
            let (source, keeps_position) = self.source(declared).map_err(failed)?;
            let rate = declared.rate.map(|rate| rate * declared.speed.unwrap_or(1.0));
            self.feed(Feed { name: name.clone(), target, rate, keeps_position }, source)?;
        }
        Ok(())
    }

    /// Starts a producer. With [`Feed::keeps_position`] the records that earlier runs have put are left out.
    ///
    /// # Errors
    /// The catalog cannot be read, or the system gives no thread.
    pub fn feed(&self, feed: Feed, source: Box<dyn RecordSource>) -> Result<(), StartError> {
        let key = match &feed.target {
            FeedTarget::DeliveryStream(name) => buffer_key(name),
            FeedTarget::Stream(name) => data_key(name),
        };
        let source: Box<dyn RecordSource> = if feed.keeps_position {
            Box::new(Resumed::after(self.catalog.producer_position(&feed.name)?, source))
        } else {
            source
        };
        let services = ProducerServices {
            log: Arc::clone(&self.log),
            key,
            clock: Arc::clone(&self.clock),
            catalog: self.catalog.clone(),
            live: Arc::clone(&self.live),
            identifiers: self.identifiers.clone(),
            runtime: self.runtime.clone(),
        };
        let name = feed.name.clone();
        let producer = Producer::start(feed, source, services).map_err(StartError::Thread)?;
        self.producers.lock().push((name, producer));
        Ok(())
    }

    /// The source, and whether its position is kept.
    fn source(&self, declared: &InputDeclaration) -> Result<(Box<dyn RecordSource>, bool), String> {
        match (&declared.path, &declared.stream) {
            (Some(path), _) if path.get_ref() == "-" => {
                Ok((Box::new(LineSource::standard_input(declared.header)), false))
            }
            (Some(path), _) => {
                let lines = LineSource::file(Path::new(path.get_ref()), declared.header, declared.repeat);
                Ok((Box::new(lines.map_err(|error| error.to_string())?), true))
            }
            (None, Some(stream)) => {
                let records = StreamRecords::new(Arc::clone(&self.log), data_key(stream.get_ref()));
                Ok((Box::new(records.map_err(|error| error.to_string())?), false))
            }
            (None, None) => unreachable!("the pipeline was checked"),
        }
    }
}
