//! Compatibility switches of an application: those of the engine, and those of its inputs and outputs.

use millstream_engine::Switches;

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplicationSwitches {
    /// Those of the SQL.
    pub engine: Switches,
    /// A newline after each JSON object of an output; without it objects follow each other at once, as in the service.
    pub json_newline: bool,
    /// Which time a row bears.
    pub rowtime: RowtimeSource,
    /// How `approximateArrivalTimestamp` counts in events of the preprocessing function.
    pub preprocessor_time_unit: PreprocessorTimeUnit,
}

/// Which time the rows of an input bear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowtimeSource {
    /// When the record arrived in the log: a second reading gives the same rows.
    #[default]
    Arrival,
    /// When the application read it, as the service did.
    Processing,
}

/// Seconds or milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PreprocessorTimeUnit {
    /// As the documented sample has it.
    #[default]
    Seconds,
    /// As client libraries read it.
    Milliseconds,
}

impl Default for ApplicationSwitches {
    fn default() -> ApplicationSwitches {
        ApplicationSwitches {
            engine: Switches::default(),
            json_newline: true,
            rowtime: RowtimeSource::default(),
            preprocessor_time_unit: PreprocessorTimeUnit::default(),
        }
    }
}

impl ApplicationSwitches {
    /// The switches of inputs and outputs: name, default, other value, meaning.
    pub const OWN: [(&'static str, &'static str, &'static str, &'static str); 3] = [
        ("json_newline", "true", "false", "whether a newline follows each JSON object of an output"),
        (
            "rowtime",
            "arrival",
            "processing",
            "which time a row bears: its record's arrival, or when it was read",
        ),
        (
            "preprocessor_time_unit",
            "seconds",
            "milliseconds",
            "how times count in events of the preprocessing function",
        ),
    ];

    /// Whether the engine's clock is the ROWTIME of its rows: then a second reading gives the same, also where the SQL asks
    /// for the time.
    pub(crate) fn has_virtual_clock(&self) -> bool {
        self.rowtime == RowtimeSource::Arrival
    }

    /// Sets a switch by name.
    ///
    /// # Errors
    /// In words: there is no such switch or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = |expected: &str| format!("switch {name} must be {expected}, not \"{value}\"");
        match name {
            "json_newline" => {
                self.json_newline = value.parse().map_err(|_| wrong("true or false"))?;
            }
            "rowtime" => {
                self.rowtime = match value {
                    "arrival" => RowtimeSource::Arrival,
                    "processing" => RowtimeSource::Processing,
                    _ => return Err(wrong("arrival or processing")),
                };
            }
            "preprocessor_time_unit" => {
                self.preprocessor_time_unit = match value {
                    "seconds" => PreprocessorTimeUnit::Seconds,
                    "milliseconds" => PreprocessorTimeUnit::Milliseconds,
                    _ => return Err(wrong("seconds or milliseconds")),
                };
            }
            _ => self.engine.set(name, value).map_err(|error| match error {
                millstream_engine::SwitchError::Unknown(_) => {
                    let own = Self::OWN.map(|(name, ..)| name).join(" and ");
                    format!("{error}; for inputs and outputs {own}")
                }
                error => error.to_string(),
            })?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_set_by_name() {
        let mut switches = ApplicationSwitches::default();
        assert!(switches.json_newline, "on unless switched off");
        switches.set("json_newline", "false").unwrap();
        assert!(!switches.json_newline);
        switches.set("json_newline", "true").unwrap();
        switches.set("preprocessor_time_unit", "milliseconds").unwrap();
        switches.set("range_lower_bound", "exclusive").unwrap();
        assert!(switches.json_newline && switches.engine.range_lower_bound_exclusive);
        assert_eq!(switches.preprocessor_time_unit, PreprocessorTimeUnit::Milliseconds);
        assert!(switches.set("json_newline", "1").unwrap_err().contains("true or false"));
        assert!(switches.set("no_such", "1").unwrap_err().contains("json_newline"));
    }
}
