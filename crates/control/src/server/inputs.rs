//! What feeds the pipeline: the inputs of its file, and producers that somebody else brings.

use std::path::Path;
use std::sync::Arc;

use super::Server;
use super::streams::{buffer_key, data_key};
use crate::error::StartError;
use crate::pipeline::InputDeclaration;
use crate::producers::{Feed, FeedTarget, LineSource, Producer, ProducerServices, RecordSource, Resumed};

impl Server {
    /// Starts the inputs that the file declares. A file or the copy of a stream goes on where the last run on this data
    /// directory ended.
    ///
    /// # Errors
    /// [`StartError::Input`]: a file cannot be opened.
    pub fn start_inputs(&self) -> Result<(), StartError> {
        let declarations = self.pipeline().declarations.inputs.clone();
        for declared in &declarations {
            let name = declared.name.get_ref().clone();
            let failed = |reason: String| StartError::Input { name: name.clone(), reason };
            let target = match (&declared.delivery_stream, &declared.into_stream) {
                (Some(delivery), _) => FeedTarget::DeliveryStream(delivery.get_ref().clone()),
                (None, Some(stream)) => FeedTarget::Stream(stream.get_ref().clone()),
                (None, None) => unreachable!("the pipeline was checked"),
            };
            let rate = declared.rate.map(|rate| rate * declared.speed.unwrap_or(1.0));
            let mut feed = Feed { name: name.clone(), target, rate, keeps_position: true };
            if let Some(stream) = &declared.stream {
                let services = self.producer_services(&feed.target);
                let producer = Producer::copy(feed, data_key(stream.get_ref()), services)?;
                self.producers.lock().push((name, producer));
                continue;
            }
            let (source, keeps_position) = self.source(declared).map_err(failed)?;
            feed.keeps_position = keeps_position;
            self.feed(feed, source)?;
        }
        Ok(())
    }

    /// Starts a producer. With [`Feed::keeps_position`] the records that earlier runs have put are left out.
    ///
    /// # Errors
    /// The catalog cannot be read, or the system gives no thread.
    pub fn feed(&self, feed: Feed, source: Box<dyn RecordSource>) -> Result<(), StartError> {
        let source: Box<dyn RecordSource> = if feed.keeps_position {
            Box::new(Resumed::after(self.catalog.producer_position(&feed.name)?, source))
        } else {
            source
        };
        let services = self.producer_services(&feed.target);
        let name = feed.name.clone();
        let producer = Producer::start(feed, source, services).map_err(StartError::Thread)?;
        self.producers.lock().push((name, producer));
        Ok(())
    }

    fn producer_services(&self, target: &FeedTarget) -> ProducerServices {
        let key = match target {
            FeedTarget::DeliveryStream(name) => buffer_key(name),
            FeedTarget::Stream(name) => data_key(name),
        };
        ProducerServices {
            log: Arc::clone(&self.log),
            key,
            clock: Arc::clone(&self.clock),
            catalog: self.catalog.clone(),
            live: Arc::clone(&self.live),
            identifiers: self.identifiers.clone(),
            runtime: self.runtime.clone(),
        }
    }

    /// The lines of a file or of standard input, and whether their position is kept.
    fn source(&self, declared: &InputDeclaration) -> Result<(Box<dyn RecordSource>, bool), String> {
        match &declared.path {
            Some(path) if path.get_ref() == "-" => {
                Ok((Box::new(LineSource::standard_input(declared.header)), false))
            }
            Some(path) => {
                let lines = LineSource::file(Path::new(path.get_ref()), declared.header, declared.repeat);
                Ok((Box::new(lines.map_err(|error| error.to_string())?), true))
            }
            None => unreachable!("the pipeline was checked"),
        }
    }
}
