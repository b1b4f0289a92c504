//! Checks of what a definition says, for those who want to know before anything is opened.

use crate::alarms::AlarmDefinition;
use crate::error::{AlarmError, OpenError, PutError, TopicError};
use crate::mail::SmtpServer;
use crate::metrics::check_unit;
use crate::settings::SmtpSettings;
use crate::topics;

impl SmtpSettings {
    /// Whether mails could be sent with these settings. Connects nowhere.
    ///
    /// # Errors
    /// They cannot work, such as a sender that is no address.
    pub fn check(&self) -> Result<(), OpenError> {
        SmtpServer::new(self).map(drop)
    }
}

/// Whether an alarm could be put.
///
/// # Errors
/// Its definition cannot work.
pub fn check_alarm(definition: &AlarmDefinition) -> Result<(), AlarmError> {
    definition.check()
}

/// Whether an address can be subscribed: plain ASCII `name@domain`.
///
/// # Errors
/// It cannot, and why.
pub fn check_email(address: &str) -> Result<(), TopicError> {
    topics::check_address(address)
}

/// Whether a topic can have this name.
///
/// # Errors
/// It cannot.
pub fn check_topic_name(name: &str) -> Result<(), TopicError> {
    topics::check_name(name)
}

/// Whether a metric can have this unit.
///
/// # Errors
/// It cannot.
pub fn check_metric_unit(unit: &str) -> Result<(), PutError> {
    check_unit(unit)
}
