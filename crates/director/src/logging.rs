//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object for each line.
    Json,
    /// Entries of the systemd journal, with the fields of each message as fields of the entry.
    Journald,
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

/// Starts the log. If there is one already, as in tests and embedding programs, that goes on. Without a journal, its
/// messages go to standard error as text.
pub(crate) fn start(format: LogFormat, filter: EnvFilter) {
    match format {
        LogFormat::Text | LogFormat::Json => start_on_standard_error(format, filter),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journal) => {
                let journal = journal.with_syslog_identifier("director".to_owned());
                let log = tracing_subscriber::registry().with(filter).with(journal);
                // An error means that there is one.
                let _ = log.try_init();
            }
            Err(error) => {
                start_on_standard_error(LogFormat::Text, filter);
                warn!(%error, "no journal to log to: the log goes to standard error");
            }
        },
    }
}

fn start_on_standard_error(format: LogFormat, filter: EnvFilter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // An error means that there is one.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text | LogFormat::Journald => log.with_ansi(colours).try_init(),
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
