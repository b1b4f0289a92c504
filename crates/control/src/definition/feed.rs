//! Feeds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Kind, Reference};

/// A feed: what brings records from outside, or copies them from a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedDefinition {
    /// Where records come from.
    pub source: FeedSource,
    /// Where they go.
    pub target: FeedTarget,
    /// Records a second; `None` for as fast as they are taken.
    pub rate: Option<f64>,
    /// A command line brought it, not its file: when a start without it deletes it, the next one of its name goes on where it
    /// stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_command_line: bool,
}

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedSource {
    /// The lines of a file, plain or gzip.
    File {
        /// The file.
        path: PathBuf,
        /// The first line is a header, not a record.
        header: bool,
        /// Begin again at the end of the file.
        repeat: bool,
        /// A file of reviews with these columns, tabs between: records are `review_id`, `product_category` and `review_body`;
        /// a `star_rating` is only compared with what the model says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        review_columns: Option<Vec<String>>,
    },
    /// The lines of standard input. It belongs to one process: after a restart the feed has ended.
    StandardInput {
        /// The first line is a header, not a record.
        header: bool,
    },
    /// The records of a stream.
    Stream {
        /// Its name.
        stream: String,
    },
    /// Made-up reviews.
    SyntheticReviews {
        /// Which ones.
        seed: u64,
        /// Reviews a second of the time within them.
        rate: f64,
    },
}

impl FeedSource {
    /// Tells sources of different records apart: how far one was read says nothing of another.
    pub fn identity(&self) -> String {
        let mut source = self.clone();
        match &mut source {
            // Another pass begins where the one before ends.
            FeedSource::File { repeat, .. } => *repeat = false,
            // The same reviews at another pace.
            FeedSource::SyntheticReviews { rate, .. } => *rate = 0.0,
            FeedSource::StandardInput { .. } | FeedSource::Stream { .. } => {}
        }
        serde_json::to_string(&source).expect("sources are plain data")
    }
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedTarget {
    /// To this delivery stream.
    DeliveryStream(String),
    /// To this stream.
    Stream(String),
}

impl FeedTarget {
    /// Kind and name.
    pub fn reference(&self) -> Reference {
        match self {
            FeedTarget::DeliveryStream(name) => Reference::new(Kind::DeliveryStream, name),
            FeedTarget::Stream(name) => Reference::new(Kind::Stream, name),
        }
    }
}

impl FeedDefinition {
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut references = vec![self.target.reference()];
        if let FeedSource::Stream { stream } = &self.source {
            references.push(Reference::new(Kind::Stream, stream));
        }
        references
    }
}
