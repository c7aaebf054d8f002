//! The log, on standard error or in the journal.

mod limit;
mod limited;

use std::io::{self, IsTerminal};

use tracing::warn;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use self::limited::Limited;
#[cfg(test)]
pub(crate) use self::tests::captured;

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
    let limited = Limited::new();
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (written, problem) = match format {
        LogFormat::Text => (lines(io::stderr, colours), None),
        LogFormat::Json => (objects(io::stderr), None),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journal) => {
                let journal = journal.with_syslog_identifier("director".to_owned());
                (journal.boxed(), None)
            }
            Err(error) => (lines(io::stderr, colours), Some(error)),
        },
    };
    let log = tracing_subscriber::registry().with(written);
    // An error means that there is one.
    let _ = log.with(filter).with(limited).try_init();
    if let Some(error) = problem {
        warn!(%error, "no journal to log to: the log goes to standard error");
    }
}

type Written = Box<dyn Layer<Registry> + Send + Sync>;

fn lines<W>(writer: W, colours: bool) -> Written
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_target(false).with_writer(writer);
    lines.with_ansi(colours).boxed()
}

fn objects<W>(writer: W) -> Written
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let objects = fmt::layer().with_target(false).with_writer(writer);
    objects.json().flatten_event(true).boxed()
}
#[cfg(test)]
mod tests;
