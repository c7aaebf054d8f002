//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object for each line.
    Json,
}

/// Which messages are written: `filter` if it is given, or else what `RUST_LOG` says, or else all of the level that
/// `verbose` asks for: information, debugging (1), everything (2).
pub(crate) fn filter(
    filter: Option<&str>,
    environment: Option<&str>,
    verbose: u8,
) -> Result<EnvFilter, ParseError> {
    let level = match verbose {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    EnvFilter::builder().parse(
        filter
            .or_else(|| environment.filter(|_| verbose == 0))
            .unwrap_or(level),
    )
}

/// Starts the log. If there is one already, as in tests and embedding programs, that goes on.
pub(crate) fn start(format: LogFormat, filter: EnvFilter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // An error means that there is one.
    let _ = match format {
        LogFormat::Text => log.with_ansi(colours).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_asked_for_explicitly_wins() {
        let text = |filter, environment, verbose| {
            super::filter(filter, environment, verbose).map(|f| f.to_string())
        };
        assert_eq!(text(None, None, 0).unwrap(), "info");
        assert_eq!(text(None, None, 1).unwrap(), "debug");
        assert_eq!(text(None, Some("warn"), 0).unwrap(), "warn");
        assert_eq!(text(None, Some("warn"), 2).unwrap(), "trace");
        assert_eq!(text(Some("error"), Some("warn"), 1).unwrap(), "error");
        assert!(text(Some("=nonsense="), None, 0).is_err());
    }
}
