//! Figures of what the monitor keeps: the state of an alarm, the newest value of a metric, the mails of a topic.

use millstream_monitor::Monitor;
use serde_json::{Map, Value, json};

use crate::catalog::ResourceRow;
use crate::definition::Definition;
use crate::resources::notification::metric_key;

/// By name; none of other kinds, and where nothing is known yet. Reads the database.
pub(super) fn monitor_figures(monitor: &Monitor, row: &ResourceRow) -> Map<String, Value> {
    let figures = match &row.definition {
        Definition::Alarm(_) => alarm_figures(monitor, &row.name),
        Definition::Metric(metric) => metric_key(&row.name, metric).ok().and_then(|key| {
            let newest = monitor.newest_value(&key).ok()??;
            Some(json!({ "newest_value": newest.value, "newest_value_at": newest.at.millis() }))
        }),
        Definition::Topic(_) => topic_figures(monitor, &row.name),
        _ => None,
    };
    match figures {
        Some(Value::Object(figures)) => figures,
        _ => Map::new(),
    }
}

fn alarm_figures(monitor: &Monitor, name: &str) -> Option<Value> {
    let alarm = monitor.alarms().ok()?.into_iter().find(|alarm| alarm.definition.name == name)?;
    Some(json!({
        "alarm_state": alarm.state.to_string(),
        "alarm_since": alarm.changed_at.millis(),
        "alarm_reason": alarm.reason,
    }))
}

fn topic_figures(monitor: &Monitor, name: &str) -> Option<Value> {
    let mails = monitor.topic_mails(name).ok()?;
    let mut figures = json!({ "mails": mails.kept });
    if let Some((subject, at)) = mails.newest {
        figures["newest_subject"] = subject.into();
        figures["newest_mail_at"] = at.millis().into();
    }
    Some(figures)
}
