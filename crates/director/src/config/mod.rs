//! The configuration file: TOML text to valid settings, or to everything that is wrong with it.
//!
//! A section of the file is one module with one function that reads a `Section` key by key and notes each
//! mistake; what concerns several sections is checked in `crosscheck` when all are read.

mod check;
mod check_dns;
mod check_exec;
mod check_http;
mod check_kinds;
mod check_socket;
mod check_target;
mod check_tcp;
mod check_timing;
mod check_tls;
mod crosscheck;
mod diagnostic;
mod director;
mod document;
mod draft;
mod endpoint;
mod forward;
mod ipvs;
mod mail;
mod memory;
mod notification;
mod notify;
mod pieces;
mod pool;
mod router_addresses;
mod router_election;
mod router_hmac;
mod router_peers;
mod router_security;
mod scheduling;
mod secret;
mod section;
mod server;
mod service;
mod service_address;
mod source;
mod suggest;
mod sync_group;
mod track;
mod tracker;
mod value;
mod virtual_router;
mod webhook;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use locum_vrrp::RouterConfig;

use crate::notify::Notification;
use crate::site::Site;

use self::secret::SecretFile;

pub(crate) use self::draft::Draft;
pub(crate) use self::memory::Memory;
pub(crate) use self::source::Part;
pub(crate) use self::suggest::closest;

pub use crate::track::{Health, Subject, TrackFile, TrackProcess, TrackScript, Tracked, Tracking};

pub use self::diagnostic::{Diagnostic, Diagnostics, Style};
pub use self::source::{ReadError, Source};

/// A whole configuration, valid.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The program itself.
    pub director: Director,
    /// What it takes part in, in the order of the file; none only if there are virtual services.
    pub virtual_routers: Vec<VirtualRouter>,
    /// Which of them are master together or not at all.
    pub sync_groups: Vec<SyncGroup>,
    /// What can be watched for them.
    pub tracking: Tracking,
    /// The virtual services.
    pub site: Arc<Site>,
    /// Who is told of what happens.
    pub notification: Notification,
    /// What is not wrong, but not well either: to be told, and no reason not to start.
    pub warnings: Diagnostics,
    /// The files that passwords and keys were read from.
    secrets: Vec<SecretFile>,
    /// What the next text need not be read again for.
    pub(crate) memory: Memory,
    /// The text without the virtual services, if they could be told from it: lines stay where they are.
    pub(crate) rest: Option<Arc<String>>,
}

/// The section `[director]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Director {
    /// What this machine is called in logs and status; `None` means its host name.
    pub name: Option<String>,
    /// Where `director status` finds the running program.
    pub control_socket: PathBuf,
    /// Each process is asked this often whether it lives.
    pub hello_interval: Duration,
    /// After so many hellos in a row that it did not answer, a process is killed and started again.
    pub hello_missed: u32,
    /// Give the virtual routers real-time priority and memory that is never paged out.
    pub realtime: bool,
}

impl Director {
    /// Where the control socket is if nothing is configured.
    pub const CONTROL_SOCKET: &'static str = "/run/director/control.sock";

    /// What this machine is called.
    #[must_use]
    pub fn name(&self) -> String {
        let host = || {
            let uname = rustix::system::uname();
            uname.nodename().to_string_lossy().into_owned()
        };
        self.name.clone().unwrap_or_else(host)
    }

    /// Where what must survive a crash is kept: beside the control socket.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        self.control_socket.with_extension("state")
    }
}

impl Default for Director {
    fn default() -> Self {
        Self {
            name: None,
            control_socket: PathBuf::from(Self::CONTROL_SOCKET),
            hello_interval: Duration::from_secs(5),
            hello_missed: 3,
            realtime: false,
        }
    }
}

/// A section `[[virtual_router]]`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VirtualRouter {
    /// What it is called in logs and status; unique.
    pub name: String,
    /// Everything else.
    pub router: RouterConfig,
    /// What is watched for it, beside what its sync group tracks.
    pub track: Vec<Tracked>,
}

/// A section `[[sync_group]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncGroup {
    /// What it is called in logs and status; unique.
    pub name: String,
    /// The names of its virtual routers, two at least, each in no other group.
    pub members: Vec<String>,
    /// What is watched for each of its members.
    pub track: Vec<Tracked>,
}

/// Reads the configuration `text`; `name` is what the file is called in messages, and `read` gives the content of
/// a file it refers to, relative to wherever `read` takes names from. Certificates, programs and users of checks and
/// notifications are looked up on this machine: they must be there.
///
/// # Errors
///
/// Everything that is wrong, at once.
///
/// ```
/// let text = r#"
/// [[virtual_router]]
/// name = "web"
/// interface = "eth0"
/// vrid = 51
/// addresses = ["192.0.2.10/24"]
/// "#;
/// let config = locum_director::config::load("web.toml", text, |path| std::fs::read_to_string(path)).unwrap();
/// assert_eq!(config.virtual_routers[0].router.vrid().get(), 51);
/// ```
pub fn load(
    name: &str,
    text: &str,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Config, Diagnostics> {
    let named = document::Named {
        name,
        text: &Arc::new(text.to_owned()),
        part: Part::Whole,
    };
    document::read(named, &read, &Memory::default())
        .map_err(|list| Diagnostics::new(name, text, list))
}
