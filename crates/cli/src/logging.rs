//! Structured logs on standard error.
//!
//! ```text
//!   MILLSTREAM_LOG not set   warning: the segment is damaged (path: log/segments/1.log)      for people; a server's with the time
//!   MILLSTREAM_LOG set       2024-01-01T00:00:00Z  WARN millstream_streamlog::log: …         with the part that it could name
//!   MILLSTREAM_LOG_FORMAT    json: an object a line
//! ```

use std::fmt;
use std::io::IsTerminal;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::messages::LogWriter;

/// Who logs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logging {
    /// It shows problems itself.
    pub(crate) has_live_display: bool,
    /// It runs for long: when something happened is of interest.
    pub(crate) is_server: bool,
}

/// Starts logging. `MILLSTREAM_LOG` sets what is logged (`info`, `millstream_delivery=debug`), `MILLSTREAM_LOG_FORMAT` how
/// (`text`, `json`). Beside a live display only errors are logged unless something else is asked for.
///
/// # Errors
/// A variable holds what is neither.
pub(crate) fn start(logging: Logging) -> Result<(), String> {
    let default = if logging.has_live_display { "error" } else { "warn" };
    let wanted = variable("MILLSTREAM_LOG")?;
    let filter = filter(wanted.as_deref().unwrap_or(default))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would say on standard error that nothing can be said on standard error, and panic when it cannot.
        .log_internal_errors(false)
        .with_writer(|| LogWriter)
        .with_ansi(std::io::stderr().is_terminal());
    match variable("MILLSTREAM_LOG_FORMAT")?.as_deref() {
        None | Some("text") if wanted.is_none() => {
            builder.event_format(ForPeople { has_time: logging.is_server }).init();
        }
        None | Some("text") => builder.init(),
        Some("json") => builder.json().init(),
        Some(other) => return Err(format!("MILLSTREAM_LOG_FORMAT={other}: there are text and json")),
    }
    Ok(())
}

/// `warning: what happened (where: here)`.
struct ForPeople {
    has_time: bool,
}

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.has_time {
            SystemTime.format_time(&mut writer)?;
            writer.write_char(' ')?;
        }
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error", 31),
            Level::WARN => ("warning", 33),
            Level::INFO => ("info", 32),
            Level::DEBUG => ("debug", 34),
            Level::TRACE => ("trace", 35),
        };
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[{colour}m{word}\x1b[0m: ")?;
        } else {
            write!(writer, "{word}: ")?;
        }
        let mut said = Said::default();
        event.record(&mut said);
        writeln!(writer, "{said}")
    }
}

/// What an event says: its message, and the fields beside it. Of a problem of the server the place stands before it.
#[derive(Default)]
struct Said {
    place: Option<String>,
    message: String,
    /// How many more there were of its kind.
    untold: Option<String>,
    fields: Vec<String>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "place" => self.place = Some(format!("{value:?}")),
            "untold" => self.untold = Some(format!("{value:?}")),
            // Where that is of interest, the message says it.
            "count" => {}
            name => self.fields.push(format!("{}: {value:?}", name.replace('_', " "))),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(untold) = &self.untold {
            write!(f, " (and {untold} more like it since the last such line)")?;
        }
        if self.fields.is_empty() { Ok(()) } else { write!(f, " ({})", self.fields.join(", ")) }
    }
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8 text")),
    }
}

/// What is logged. A word alone would be taken for a module, of which everything is logged and of all others nothing: a
/// level with a slip of the pen in it would hide even errors.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let directives: Vec<&str> =
        text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    for directive in &directives {
        let names_its_target = directive.contains(['=', '[']);
        if !names_its_target && directive.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "MILLSTREAM_LOG={text}: \"{directive}\" is not a level; there are off, error, warn, info, debug and trace, \
                 for all or for a part, as in warn,millstream_delivery=debug"
            ));
        }
    }
    EnvFilter::builder()
        .parse(directives.join(","))
        .map_err(|error| format!("MILLSTREAM_LOG={text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a warning looks like for people, without its time.
    fn said(has_time: bool, log: impl FnOnce()) -> String {
        let written = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let place = std::sync::Arc::clone(&written);
        struct Place(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Place {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Place(std::sync::Arc::clone(&place)))
            .event_format(ForPeople { has_time })
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let without_time = |line: &str| match has_time {
            true => line.split_once("Z ").expect("the time").1.to_owned(),
            false => line.to_owned(),
        };
        text.split_inclusive('\n').map(without_time).collect()
    }

    #[test]
    fn a_warning_for_people_names_no_module() {
        let path = std::path::Path::new("log/1.log");
        for has_time in [false, true] {
            let text = said(has_time, || {
                tracing::warn!(path = %path.display(), name = "a b", tried_again = 2, "the file is {}", "gone");
                tracing::error!("no more");
            });
            assert_eq!(
                text,
                "warning: the file is gone (path: log/1.log, name: a b, tried again: 2)\nerror: no more\n"
            );
        }
    }

    #[test]
    fn a_problem_for_people_begins_with_its_place() {
        let text = said(false, || {
            tracing::warn!(place = "app", count = 0, "a column is NULL");
            tracing::warn!(place = "app", count = 2, untold = 40, "2 rows failed");
        });
        assert_eq!(
            text,
            "warning: app: a column is NULL\nwarning: app: 2 rows failed (and 40 more like it since the last such line)\n"
        );
    }

    #[test]
    fn a_level_is_a_level() {
        for fine in
            ["info", "warn,millstream_delivery=debug", "OFF", "error, hyper=trace", "millstream[run]=info"]
        {
            assert!(filter(fine).is_ok(), "{fine}");
        }
        for (wrong, said) in
            [("debgu", "\"debgu\" is not a level"), ("info,millstream=lots", "expected one of")]
        {
            let error = filter(wrong).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
