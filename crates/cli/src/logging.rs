//! Structured logs on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `MILLSTREAM_LOG` sets what is logged (`info`, `millstream_delivery=debug`), `MILLSTREAM_LOG_FORMAT=json`
/// how. A live display shows problems itself: then only errors are logged unless something else is asked for.
pub(crate) fn start(has_live_display: bool) {
    let default = if has_live_display { "error" } else { "warn" };
    let filter = EnvFilter::builder()
        .with_default_directive(default.parse().expect("a level is a directive"))
        .with_env_var("MILLSTREAM_LOG")
        .from_env_lossy();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if std::env::var("MILLSTREAM_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().init();
    } else {
        builder.init();
    }
}
