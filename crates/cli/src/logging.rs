//! Structured logs on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging. `MILLSTREAM_LOG` sets what is logged (`info`, `millstream_delivery=debug`), `MILLSTREAM_LOG_FORMAT` how
/// (`text`, `json`). A live display shows problems itself: then only errors are logged unless something else is asked for.
///
/// # Errors
/// A variable holds what is neither.
pub(crate) fn start(has_live_display: bool) -> Result<(), String> {
    let default = if has_live_display { "error" } else { "warn" };
    let wanted = variable("MILLSTREAM_LOG")?;
    let filter = filter(wanted.as_deref().unwrap_or(default))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would say on standard error that nothing can be said on standard error, and panic when it cannot.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match variable("MILLSTREAM_LOG_FORMAT")?.as_deref() {
        None | Some("text") => builder.init(),
        Some("json") => builder.json().init(),
        Some(other) => return Err(format!("MILLSTREAM_LOG_FORMAT={other}: there are text and json")),
    }
    Ok(())
}

/// A variable that is set and not empty.
fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{name} is no text")),
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
                "MILLSTREAM_LOG={text}: \"{directive}\" is no level; there are off, error, warn, info, debug and trace, \
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

    #[test]
    fn a_level_is_a_level() {
        for fine in
            ["info", "warn,millstream_delivery=debug", "OFF", "error, hyper=trace", "millstream[run]=info"]
        {
            assert!(filter(fine).is_ok(), "{fine}");
        }
        for (wrong, said) in [("debgu", "\"debgu\" is no level"), ("info,millstream=lots", "expected one of")]
        {
            let error = filter(wrong).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
