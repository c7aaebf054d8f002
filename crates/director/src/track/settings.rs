//! What the configuration says about what is watched.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use locum_health::exec::User;

/// What can be watched, beside interfaces and virtual services: by name, unique among those of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tracking {
    /// The sections `[[track_script]]`.
    pub scripts: Vec<Arc<TrackScript>>,
    /// The sections `[[track_process]]`.
    pub processes: Vec<TrackProcess>,
    /// The sections `[[track_file]]`.
    pub files: Vec<TrackFile>,
}

/// A program that is run again and again: exit code 0 is up, all else is down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackScript {
    /// What it is called.
    pub name: String,
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whom it runs as; `None`: as this program.
    pub user: Option<User>,
    /// How often. It never runs twice at once: what would be too early is left out.
    pub interval: Duration,
    /// After what time it is killed, and has failed.
    pub timeout: Duration,
    /// How many successes in a row bring it up.
    pub rise: NonZeroU32,
    /// How many failures in a row bring it down.
    pub fall: NonZeroU32,
    /// What is believed before its first result; `None`: nothing, and the first result decides.
    pub init: Option<Health>,
}

/// Processes that must run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackProcess {
    /// What it is called.
    pub name: String,
    /// The name of the program, or its whole path.
    pub process: String,
    /// How many must run for it to be up.
    pub quorum: NonZeroU32,
}

/// A file with a number in it. Without the file, or with an empty one, the number is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackFile {
    /// What it is called.
    pub name: String,
    /// Where it is, an absolute path.
    pub path: PathBuf,
}

/// Whether something that is watched is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Health {
    /// It is not.
    Down,
    /// It is.
    Up,
}

/// One element of `track`: what a virtual router makes of something that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tracked {
    /// What is watched.
    pub subject: Subject,
    /// 0: it is a fault while it is down. Above: added to the priority while it is up. Below: added while it is down.
    /// Of a file: multiplied by its number, and added; 0: any number but 0 is a fault.
    pub weight: i16,
    /// Up and down change places; of a file with a weight: added and subtracted.
    pub reverse: bool,
}

/// Something that is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever watches must know all of them"
)]
pub enum Subject {
    /// The number in a file.
    File(String),
    /// A network interface.
    Interface(String),
    /// How many of its processes run.
    Process(String),
    /// The last results of a script.
    Script(String),
    /// Whether a virtual service has its quorum.
    Service(String),
}

impl Subject {
    /// The key of `track` that it has.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Interface(_) => "interface",
            Self::Process(_) => "process",
            Self::Script(_) => "script",
            Self::Service(_) => "service",
        }
    }

    /// What it is called among its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::File(name)
            | Self::Interface(name)
            | Self::Process(name)
            | Self::Script(name)
            | Self::Service(name) => name,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}
