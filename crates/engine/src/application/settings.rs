//! Settings of a run: seed, clock, and the compatibility switches.

/// How an application runs.
#[derive(Clone, Debug)]
pub struct ApplicationSettings {
    /// Where the generators of RANDOM_CUT_FOREST and its kin start: the same seed and rows give the same scores.
    pub seed: u64,
    /// When the queries started, in milliseconds since the epoch: CURRENT_TIMESTAMP.
    pub query_started: i64,
    /// Time is that of the rows: replay and tests.
    pub virtual_clock: bool,
    /// Where the documentation leaves a choice.
    pub switches: Switches,
    /// How many pumps may run at a time, each on a thread of its own; 1, which is the default, for one after the other
    /// on the thread of the caller. Changes no output.
    pub threads: usize,
    /// How much work, in estimated nanoseconds of a core, a batch must have for another thread before that thread is
    /// started. By default 100 000, some times what its start and end cost.
    pub nanoseconds_worth_a_thread: u64,
    /// How many bytes the operators of all pumps may hold together of rows and groups; 0 for as many as they come to.
    /// 1 GiB by default. It is shared out evenly among the operators that hold any. A row that needs more than its
    /// operator has left goes to the error stream as `MEMORY_LIMIT`; rows that need nothing more go on.
    pub memory_limit: u64,
    /// The state of a window or a join that comes to no more bytes is written whole into each checkpoint that finds it
    /// changed; a larger one in parts. 64 KiB by default. Changes no output.
    pub whole_state_bytes: u64,
}

impl Default for ApplicationSettings {
    fn default() -> ApplicationSettings {
        ApplicationSettings {
            seed: 0,
            query_started: 0,
            virtual_clock: false,
            switches: Switches::default(),
            threads: 1,
            nanoseconds_worth_a_thread: 100_000,
            memory_limit: 1 << 30,
            whole_state_bytes: 64 << 10,
        }
    }
}

/// The compatibility switches (section 7.1 of the language specification).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `range_lower_bound exclusive`: RANGE windows leave out the rows exactly at their lower end.
    pub range_lower_bound_exclusive: bool,
    /// `pump_stopped_autostart true`: pumps declared STOPPED start, too.
    pub pump_stopped_autostart: bool,
    /// `log_parse_no_match no_row`: a text that a log parser does not match gives no row; otherwise its fields are NULL.
    pub unmatched_logs_dropped: bool,
    /// `outer_join_reemit true`: a row of an outer join that has met another comes out without a match, too, when it
    /// leaves its window.
    pub outer_join_reemit: bool,
    /// `tsdiff end-minus-start`: TSDIFF(s, e) is e - s, negative when s is the later one; otherwise how far they lie apart.
    pub tsdiff_end_minus_start: bool,
}

/// A switch as a user sets it. The first value is the default.
#[derive(Debug)]
pub struct Switch {
    /// What `set` calls it.
    pub name: &'static str,
    /// What it says when left alone, and what it says when set.
    pub values: [&'static str; 2],
    /// What it is about.
    pub about: &'static str,
    place: fn(&mut Switches) -> &mut bool,
}

/// All switches.
pub const SWITCHES: &[Switch] = &[
    Switch {
        name: "range_lower_bound",
        values: ["inclusive", "exclusive"],
        about: "whether a RANGE window holds the rows exactly at its lower end",
        place: |switches| &mut switches.range_lower_bound_exclusive,
    },
    Switch {
        name: "pump_stopped_autostart",
        values: ["false", "true"],
        about: "whether pumps declared STOPPED start with the application",
        place: |switches| &mut switches.pump_stopped_autostart,
    },
    Switch {
        name: "log_parse_no_match",
        values: ["null", "no_row"],
        about: "whether a text that a log parser does not match gives a row of NULLs or no row",
        place: |switches| &mut switches.unmatched_logs_dropped,
    },
    Switch {
        name: "outer_join_reemit",
        values: ["false", "true"],
        about: "whether a row of an outer join that has met another comes out without a match, too, when it leaves its \
                window",
        place: |switches| &mut switches.outer_join_reemit,
    },
    Switch {
        name: "tsdiff",
        values: ["magnitude", "end-minus-start"],
        about: "whether TSDIFF(s, e) is how far two times lie apart, or e - s, which is negative when s is the later one",
        place: |switches| &mut switches.tsdiff_end_minus_start,
    },
];

/// A switch that does not exist, or has no such value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// No such switch.
    #[error("there is no switch \"{0}\"; there are {known}", known = names())]
    Unknown(String),
    /// No such value.
    #[error("switch {switch} is {first} or {second}, not \"{found}\"")]
    Value {
        /// The switch.
        switch: &'static str,
        /// What it takes: the default.
        first: &'static str,
        /// What it takes besides.
        second: &'static str,
        /// What was given.
        found: String,
    },
}

fn names() -> String {
    let names: Vec<&str> = SWITCHES.iter().map(|switch| switch.name).collect();
    names.join(", ")
}

impl Switches {
    /// Sets a switch by name.
    ///
    /// # Errors
    /// When there is no such switch or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SwitchError> {
        let Some(switch) = SWITCHES.iter().find(|switch| switch.name == name) else {
            return Err(SwitchError::Unknown(name.to_owned()));
        };
        match switch.values.iter().position(|known| *known == value) {
            Some(chosen) => {
                *(switch.place)(self) = chosen == 1;
                Ok(())
            }
            None => Err(SwitchError::Value {
                switch: switch.name,
                first: switch.values[0],
                second: switch.values[1],
                found: value.to_owned(),
            }),
        }
    }
}
