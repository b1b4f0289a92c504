//! Settings of a run: seed, clock, and the compatibility switches.

/// How an application runs.
#[derive(Clone, Debug, Default)]
pub struct ApplicationSettings {
    /// Where the generators of RANDOM_CUT_FOREST and its kin start: the same seed and rows give the same scores.
    pub seed: u64,
    /// When the queries started, in milliseconds since the epoch: CURRENT_TIMESTAMP.
    pub query_started: i64,
    /// Time is that of the rows: replay and tests.
    pub virtual_clock: bool,
    /// Where the documentation leaves a choice.
    pub switches: Switches,
}

/// The compatibility switches (section 7.1 of the language specification).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `range_lower_bound exclusive`: RANGE windows leave out the rows exactly at their lower end.
    pub range_lower_bound_exclusive: bool,
    /// `pump_stopped_autostart true`: pumps declared STOPPED start, too.
    pub pump_stopped_autostart: bool,
}

/// A switch that does not exist, or has no such value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// No such switch.
    #[error("there is no switch \"{0}\"; there are range_lower_bound and pump_stopped_autostart")]
    Unknown(String),
    /// No such value.
    #[error("switch {switch} is {expected}, not \"{found}\"")]
    Value {
        /// The switch.
        switch: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

impl Switches {
    /// Sets a switch by name.
    ///
    /// # Errors
    /// When there is no such switch or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SwitchError> {
        match name {
            "range_lower_bound" => {
                self.range_lower_bound_exclusive = match value {
                    "inclusive" => false,
                    "exclusive" => true,
                    found => {
                        let (switch, expected) = ("range_lower_bound", "inclusive or exclusive");
                        return Err(SwitchError::Value { switch, expected, found: found.to_owned() });
                    }
                };
            }
            "pump_stopped_autostart" => {
                self.pump_stopped_autostart = match value {
                    "false" => false,
                    "true" => true,
                    found => {
                        let (switch, expected) = ("pump_stopped_autostart", "true or false");
                        return Err(SwitchError::Value { switch, expected, found: found.to_owned() });
                    }
                };
            }
            other => return Err(SwitchError::Unknown(other.to_owned())),
        }
        Ok(())
    }
}
