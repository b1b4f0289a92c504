//! Streams and delivery streams that bear one name, told apart.

use clap::{Args, ValueEnum};
use millstream_control::definition::Kind;

/// What holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlaceKind {
    /// A durable log.
    Stream,
    /// What waits in the buffer of a delivery stream.
    DeliveryStream,
}

impl PlaceKind {
    pub(crate) fn kind(self) -> Kind {
        match self {
            PlaceKind::Stream => Kind::Stream,
            PlaceKind::DeliveryStream => Kind::DeliveryStream,
        }
    }
}

/// Which of two with one name.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PlaceKindArguments {
    /// What the name is of, when both a stream and a delivery stream have it.
    #[arg(long, value_enum)]
    pub(crate) kind: Option<PlaceKind>,
}

impl PlaceKindArguments {
    /// As part of a query, if it is given.
    pub(crate) fn as_query(self) -> Option<String> {
        self.kind.map(|kind| format!("kind={}", kind.kind().as_str()))
    }
}
