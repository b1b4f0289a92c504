//! Topics and who gets their messages.

use serde::{Deserialize, Serialize};

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicDefinition {}

/// A subscription. Its name is `TOPIC ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionDefinition {
    /// The topic.
    pub topic: String,
    /// The address that gets a mail for each message.
    pub email: String,
}

impl SubscriptionDefinition {
    /// The name under which it is kept.
    pub fn name(&self) -> String {
        format!("{} {}", self.topic, self.email)
    }
}
