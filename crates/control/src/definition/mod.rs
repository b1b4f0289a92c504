//! What a resource *is*: plain, checked data, as the catalog keeps it.
//!
//! ```text
//!   pipeline file ─▶ lower ─┐
//!   another author          ├─▶ Definition (JSON in the catalog, versioned by the catalog's migrations)
//!                           ┘
//! ```
//!
//! One file for each noun. Definitions hold no places of a text and no defaults that change with the program: what was
//! left to a default is filled in when they are made. They refer to each other by kind and name.

mod application;
mod delivery_stream;
mod endpoint;
mod feed;
mod function;
mod identity;
mod mail_server;
mod metric;
mod name;
mod parts;
mod stream;
mod topic;

pub use application::{
    ApplicationDefinition, ApplicationOutput, ApplicationSource, ColumnDefinition, InputDefinition,
    OutputFormat, OutputTarget, RecordFormatDefinition, ReferenceDefinition, ReferencePlace,
    SchemaDefinition, Shown, StartingPosition,
};
pub use delivery_stream::{
    BackupDefinition, BufferingDefinition, Compression, DeliveryStreamDefinition, TransformDefinition,
};
pub use endpoint::{EndpointDefinition, Model};
pub use feed::{FeedDefinition, FeedSource, FeedTarget};
pub use function::{FunctionBody, FunctionDefinition, RowFormat, TextPlace};
pub use identity::{Generation, Owner, ResourceId};
pub use mail_server::{MailServerDefinition, SmtpSecurity};
pub use metric::{AlarmDefinition, Comparison, MetricDefinition, Statistic};
pub use name::{InvalidName, check_name};
pub use stream::StreamDefinition;
pub use topic::{SubscriptionDefinition, TopicDefinition};

use std::fmt;

use serde::{Deserialize, Serialize};

/// The nouns that can be created, changed and deleted, in the order in which they start: a kind comes after those that
/// it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `mail-server`
    MailServer,
    /// `topic`
    Topic,
    /// `subscription`
    Subscription,
    /// `metric`
    Metric,
    /// `alarm`
    Alarm,
    /// `stream`
    Stream,
    /// `endpoint`
    Endpoint,
    /// `function`
    Function,
    /// `delivery-stream`
    DeliveryStream,
    /// `application`
    Application,
    /// `feed`
    Feed,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Kind; 11] = [
        Kind::MailServer,
        Kind::Topic,
        Kind::Subscription,
        Kind::Metric,
        Kind::Alarm,
        Kind::Stream,
        Kind::Endpoint,
        Kind::Function,
        Kind::DeliveryStream,
        Kind::Application,
        Kind::Feed,
    ];

    /// As commands and the catalog write it: `delivery-stream`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::MailServer => "mail-server",
            Kind::Topic => "topic",
            Kind::Subscription => "subscription",
            Kind::Metric => "metric",
            Kind::Alarm => "alarm",
            Kind::Stream => "stream",
            Kind::Endpoint => "endpoint",
            Kind::Function => "function",
            Kind::DeliveryStream => "delivery-stream",
            Kind::Application => "application",
            Kind::Feed => "feed",
        }
    }

    /// In a sentence: `delivery stream`.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::MailServer => "mail server",
            Kind::DeliveryStream => "delivery stream",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    /// Takes `delivery-stream`, `delivery_stream`, `delivery stream`, their plurals, and the names of pipeline files.
    fn from_str(text: &str) -> Result<Kind, String> {
        let wanted = text.to_lowercase().replace(['_', ' '], "-");
        let is_meant = |kind: &&Kind| {
            let in_files = match kind {
                Kind::Feed => "input",
                Kind::MailServer => "smtp",
                other => other.as_str(),
            };
            [kind.as_str(), in_files]
                .iter()
                .any(|name| wanted == *name || wanted.strip_suffix('s') == Some(name))
        };
        Kind::ALL.iter().find(is_meant).copied().ok_or_else(|| {
            let known = Kind::ALL.map(Kind::as_str).join(", ");
            format!("there is no kind \"{text}\"; there are: {known}")
        })
    }
}

/// A definition of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Definition {
    /// A server that takes mails.
    MailServer(MailServerDefinition),
    /// A topic.
    Topic(TopicDefinition),
    /// Who gets the messages of a topic.
    Subscription(SubscriptionDefinition),
    /// Numbers over time.
    Metric(MetricDefinition),
    /// A watch on a metric.
    Alarm(AlarmDefinition),
    /// A durable, sharded log of records.
    Stream(StreamDefinition),
    /// A loaded model.
    Endpoint(EndpointDefinition),
    /// A function.
    Function(FunctionDefinition),
    /// Buffer, transform, objects.
    DeliveryStream(DeliveryStreamDefinition),
    /// SQL that runs continuously.
    Application(Box<ApplicationDefinition>),
    /// What brings records from outside.
    Feed(FeedDefinition),
}

impl Definition {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Definition::MailServer(_) => Kind::MailServer,
            Definition::Topic(_) => Kind::Topic,
            Definition::Subscription(_) => Kind::Subscription,
            Definition::Metric(_) => Kind::Metric,
            Definition::Alarm(_) => Kind::Alarm,
            Definition::Stream(_) => Kind::Stream,
            Definition::Endpoint(_) => Kind::Endpoint,
            Definition::Function(_) => Kind::Function,
            Definition::DeliveryStream(_) => Kind::DeliveryStream,
            Definition::Application(_) => Kind::Application,
            Definition::Feed(_) => Kind::Feed,
        }
    }

    /// The resources that it names, each once.
    pub fn references(&self) -> Vec<Reference> {
        let mut references = match self {
            Definition::MailServer(_)
            | Definition::Topic(_)
            | Definition::Metric(_)
            | Definition::Stream(_)
            | Definition::Endpoint(_) => Vec::new(),
            Definition::Subscription(subscription) => vec![Reference::new(Kind::Topic, &subscription.topic)],
            Definition::Alarm(alarm) => alarm.references(),
            Definition::Function(function) => function.references(),
            Definition::DeliveryStream(delivery) => delivery.references(),
            Definition::Application(application) => application.references(),
            Definition::Feed(feed) => feed.references(),
        };
        references.sort();
        references.dedup();
        references
    }
}

/// A resource under its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
}

impl Reference {
    /// By kind and name.
    pub fn new(kind: Kind, name: &str) -> Reference {
        Reference { kind, name: name.to_owned() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind, self.name)
    }
}

/// A resource as somebody wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its name.
    pub name: String,
    /// What it is.
    pub definition: Definition,
}

impl Desired {
    /// Kind and name.
    pub fn reference(&self) -> Reference {
        Reference::new(self.definition.kind(), &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_people_write_them() {
        for text in ["delivery-stream", "delivery_stream", "Delivery Stream", "delivery-streams"] {
            assert_eq!(text.parse(), Ok(Kind::DeliveryStream), "{text}");
        }
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(kind.noun().parse(), Ok(kind));
        }
        assert!("strem".parse::<Kind>().unwrap_err().contains("there are: mail-server"));
    }
}
