//! The alarms and their states.

use askama::Template;
use millstream_control::view::Overview;

use crate::show::{Moment, excerpt};

/// The most alarms on the page.
const MOST_ALARMS: usize = 20;

/// The fragment `alarms`.
#[derive(Template)]
#[template(path = "alarms.html")]
pub(crate) struct Alarms {
    is_synthetic: bool,
    left_out: usize,
    alarms: Vec<AlarmShown>,
}

struct AlarmShown {
    name: String,
    state: String,
    class: &'static str,
    reason: String,
    since: Moment,
}

impl Alarms {
    pub(crate) fn new(overview: &Overview) -> Alarms {
        let shown = overview.alarms.iter().take(MOST_ALARMS);
        Alarms {
            is_synthetic: overview.is_synthetic,
            left_out: overview.alarms.len().saturating_sub(MOST_ALARMS),
            alarms: shown
                .map(|alarm| AlarmShown {
                    name: excerpt(&alarm.name, 100),
                    state: excerpt(&alarm.state, 40).replace('_', " "),
                    class: match alarm.state.as_str() {
                        "OK" => "calm",
                        "ALARM" => "alarming",
                        _ => "",
                    },
                    reason: excerpt(&alarm.reason, 400),
                    since: Moment::at(alarm.since),
                })
                .collect(),
        }
    }
}
