//! How the program starts, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::desk::{Desk, QUEUE, Waiting};
use super::sides::{self, Sides};
use super::systemd::Watchdog;
use super::{Hub, Stage};
use crate::capability::{self, CapabilityError};
use crate::checker::First;
use crate::config::{Config, Source};
use crate::control::{self, Control, ControlError, ControlSocket};
use crate::events::Stream;
use crate::notify::Notifications;
use crate::overrides::Overrides;
use crate::process::Nursery;
use crate::signals::{Held, Signals};
use crate::{checker, clock, routers, track};

/// Programs and others who are told of the end have so long for that.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why the director could not start, or could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The process may not do what it has to.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// There is no control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The side of the virtual routers cannot work.
    #[error("{0}")]
    Routers(String),
    /// The configuration was refused by the side that is to carry it out.
    #[error("the configuration cannot be carried out: {0}")]
    Refused(String),
    /// The threads of the routers ended, which they never should.
    #[error("the virtual routers have ended by themselves")]
    Died,
    /// There is no event loop, or it cannot receive signals.
    #[error("the event loop cannot be started")]
    EventLoop(#[source] io::Error),
}

/// How the director ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Ended {
    /// Every router handed over and released its addresses.
    Gracefully,
    /// A second signal came: what was not released by then ends with its lease, if it has one.
    AtOnce,
}

/// What one director has at a time, and what it may do.
#[derive(Debug)]
pub struct Claim {
    socket: ControlSocket,
    held: Held,
}

impl Claim {
    /// Makes the control socket, before anything is begun: whoever answers there may be holding the same addresses. From now
    /// on, signals to this thread wait for [`run`].
    ///
    /// # Errors
    ///
    /// [`RunError::Capability`], [`RunError::Control`] and [`RunError::EventLoop`].
    pub fn of(config: &Config) -> Result<Self, RunError> {
        capability::check()?;
        let held = Held::now().map_err(RunError::EventLoop)?;
        let socket = ControlSocket::bind(&config.director.control_socket)?;
        Ok(Self { socket, held })
    }

    /// For a process that was forked: what it has of it goes, and nothing else. Its own signals still wait.
    pub(crate) fn leave_to_parent(self) -> Held {
        self.socket.leave_to_parent();
        self.held
    }
}

/// What the director runs with.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain settings, built by callers"
)]
pub struct Options {
    /// Processes that were made for it already. Where they are not needed, they end while the claim holds.
    pub nursery: Nursery,
    /// That of the first configuration.
    pub claim: Claim,
    /// The first configuration.
    pub config: Config,
    /// The text it was read from.
    pub source: Source,
    /// Where the next one is read from.
    pub path: PathBuf,
    /// To the end of which file what happens to the virtual routers is written as a transcript.
    pub record: Option<PathBuf>,
    /// What runs where.
    pub mode: Mode,
}

/// What runs where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Virtual routers, checks and programs have a process each, which is started again when it dies or hangs. It is the
    /// same executable, with the command `child` of [`crate::cli::Command`].
    Processes {
        /// How each process logs, as options on its command line.
        log: Vec<String>,
    },
    /// All of it is one process.
    SingleProcess,
}

/// Runs the virtual routers and services of a configuration until SIGTERM or SIGINT, in the foreground, and hands over
/// then. SIGHUP has it read the file again.
///
/// # Errors
///
/// [`RunError`]; whatever it had begun is undone.
pub fn run(options: Options) -> Result<Ended, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::EventLoop)?;
    let ended = runtime.block_on(serve(options));
    // Whoever still asks for the status must not delay the end.
    runtime.shutdown_background();
    ended
}

async fn serve(options: Options) -> Result<Ended, RunError> {
    let Options {
        claim: Claim { held, socket },
        config,
        source,
        path,
        record,
        mode,
        nursery,
    } = options;
    let mut signals = Signals::new().map_err(RunError::EventLoop)?;
    drop(held);
    let name = config.director.name();
    let watchdog = Watchdog::start(clock::now());
    let sides = Sides::start(sides::Plan {
        mode: &mode,
        nursery,
        first: First {
            config: config.clone(),
            source: source.clone(),
            opening: None,
        },
        director: &config.director,
        checker: checker::Options::of(&config.director),
        routers: routers::Options {
            state_directory: config.director.state_directory(),
            record,
            beats: None,
        },
        watchdog: watchdog.every(),
    })
    .map_err(RunError::EventLoop)?;
    let stream = Stream::start();
    let (asks, mut asked) = mpsc::channel(QUEUE);
    let desk = Arc::new(Desk {
        name: name.clone(),
        started: clock::now(),
        asks,
    });
    let events = control::events::routes(stream.clone());
    let answering = tokio::spawn(socket.serve(desk as Arc<dyn Control>, events));
    let notification = config.notification.clone();
    let programs = sides.programs();
    let notifications = Notifications::start(&name, notification, programs.clone(), &stream);
    let trackers = track::Driver::start(track::Plan::of(&config), programs);
    let mut hub = hub(name, path, sides, stream, notifications, trackers, watchdog);
    hub.start(source, &config);
    drop(config);
    let ended = hub.live(&mut signals, &mut asked).await;
    if matches!(ended, Ok(Ended::AtOnce)) {
        hub.sides.kill().await;
    }
    match ended {
        Ok(Ended::Gracefully) => info!("stopped"),
        Ok(Ended::AtOnce) => warn!(
            "stopped at once: addresses that are still on an interface stay there until their lease ends, \
             or for ever with lease = \"off\"; virtual services stay in the kernel's table"
        ),
        Err(_) => {}
    }
    // What the end itself is to be told of, too.
    hub.notifications.finish(LAST_WORDS).await;
    answering.abort();
    // Its end removes the file of the socket; an error is that it was aborted.
    if let Ok(Err(error)) = answering.await {
        error!(%error, "the control socket failed");
    }
    ended
}

fn hub(
    name: String,
    path: PathBuf,
    sides: Sides,
    stream: Stream,
    notifications: Notifications,
    trackers: track::Driver,
    watchdog: Watchdog,
) -> Hub {
    Hub {
        name,
        path,
        sides,
        stage: Stage::Starting,
        stream,
        notifications,
        trackers,
        overrides: Overrides::default(),
        verdicts: BTreeMap::new(),
        told: BTreeMap::new(),
        kept: None,
        checker_has: None,
        states: BTreeMap::new(),
        first: None,
        attempt: None,
        fresh: BTreeSet::new(),
        generation: 0,
        next: None,
        routers_asked: Waiting::default(),
        site_asked: Waiting::default(),
        watchdog,
        number: 0,
        failure: None,
    }
}
