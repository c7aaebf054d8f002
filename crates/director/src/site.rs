//! What the configuration says about virtual services: validated, and independent of how it was written.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use locum_health::{Timing, dns, exec, http, icmp, tcp};
use locum_ipvs::{Forward, Service, SyncDaemon, Thresholds, TimeoutChange, Weight};

/// Everything about virtual services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Site {
    /// How the kernel's table is kept.
    pub ipvs: IpvsSettings,
    /// The virtual services, in the order of the file.
    pub services: Vec<Arc<VirtualService>>,
}

/// How the kernel's table is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpvsSettings {
    /// How often the kernel's table is read back and compared.
    pub reconcile_interval: Duration,
    /// What a stop does to the table.
    pub on_stop: OnStop,
    /// What becomes of services in the kernel that the configuration has not got.
    pub foreign: Foreign,
    /// How long the kernel remembers connections; what is `None` in it is left as it is.
    pub timeouts: TimeoutChange,
    /// The synchronisation daemons.
    pub sync: Option<SyncSettings>,
    /// When many servers fail together, what is taken for a fault of our own network.
    pub mass_failure: Option<MassFailure>,
    /// How long the start waits for the first round of checks before a virtual router may become master.
    pub start_bound: Duration,
}

impl Default for IpvsSettings {
    fn default() -> Self {
        Self {
            reconcile_interval: Duration::from_secs(10),
            on_stop: OnStop::Remove,
            foreign: Foreign::Keep,
            timeouts: TimeoutChange::default(),
            sync: None,
            mass_failure: Some(MassFailure::default()),
            start_bound: Duration::from_secs(10),
        }
    }
}

/// What a stop does to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum OnStop {
    /// It stays, and balances without checks until the next start.
    Leave,
    /// The director's services are removed.
    Remove,
}

/// What becomes of services that somebody else put in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Foreign {
    /// They stay.
    Keep,
    /// They are removed: the table is the director's.
    Remove,
}

/// Connections are copied to the other director.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncSettings {
    /// Whose mastership decides the roles, names of virtual routers. While one of them is master, the master daemon runs;
    /// while one of them is not, the backup daemon: both at once in a dual-master pair.
    pub routers: Vec<String>,
    /// The daemon that sends.
    pub master: SyncDaemon,
    /// The daemon that receives.
    pub backup: SyncDaemon,
}

/// When failures are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MassFailure {
    /// So many percent of all servers that were up fail…
    pub percent: u8,
    /// …within this time…
    pub within: Duration,
    /// …then for this long no server is taken out because of it.
    pub hold: Duration,
    /// Of fewer servers than this, any number may fail.
    pub at_least: u32,
}

impl Default for MassFailure {
    fn default() -> Self {
        Self {
            percent: 80,
            within: Duration::from_secs(5),
            hold: Duration::from_secs(30),
            at_least: 10,
        }
    }
}

/// A virtual service: one name, one pool of servers, one or many services of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VirtualService {
    /// Its name.
    pub name: String,
    /// A service of the kernel for each address (or mark), all with the same settings and servers. Never empty.
    pub kernel: Box<[Service]>,
    /// The servers, in the order of the file, with unique addresses.
    pub servers: Box<[RealServer]>,
    /// Who serves when the quorum is lost.
    pub sorry: Option<Sorry>,
    /// What is believed of a server before its first check.
    pub initial: Initial,
    /// What becomes of a server that fails.
    pub on_failure: OnFailure,
    /// Of how much weight of servers that are up the service is in good order.
    pub quorum: Quorum,
    /// How long a server that was taken out of the configuration, or drained, may finish its connections.
    pub drain_timeout: Duration,
    /// What is run when something happens.
    pub notify: Notify,
}

/// One real server in a pool. A large site has tens of thousands: it is kept small.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RealServer {
    /// Its name: what the file says, or its address.
    pub name: Arc<str>,
    /// Where it is.
    pub ip: IpAddr,
    /// Its port there; 0 where the client's is kept (a service of every port, or of a firewall mark).
    pub port: u16,
    /// How packets get there.
    pub forward: Forward,
    /// Its share.
    pub weight: Weight,
    /// Limits on its connections.
    pub thresholds: Option<Thresholds>,
    /// Whether it is to serve.
    pub admin: Admin,
    /// What must pass: all of them. None: it is always up.
    pub checks: Box<[Check]>,
    /// What is run when it goes up or down.
    pub notify: Option<Box<Notify>>,
}

impl RealServer {
    /// Where it is, with its port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// Whether a server is to serve, whatever its checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a pool must know all of them")]
pub enum Admin {
    /// It finishes what it has and gets nothing new; when its connections have ended, or after the service's
    /// `drain_timeout`, it is taken out.
    Drain,
    /// It serves when its checks pass.
    #[default]
    Ready,
}

/// A check of one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Check {
    /// Whom it probes: the server, unless the file says otherwise.
    pub target: SocketAddr,
    /// How.
    pub kind: Arc<CheckKind>,
    /// How often.
    pub timing: Arc<Timing>,
}

/// How a server is checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckKind {
    /// A query of DNS.
    Dns(dns::DnsConfig),
    /// A program.
    Exec(exec::ExecConfig),
    /// HTTP or HTTPS.
    Http(http::HttpConfig),
    /// An echo request.
    Icmp(icmp::IcmpConfig),
    /// A connection, with or without TLS.
    Tcp(tcp::TcpConfig),
}

/// Who serves when nobody else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sorry {
    /// Where it is.
    pub address: SocketAddr,
    /// How packets get there.
    pub forward: Forward,
}

/// What is believed of a server before its first check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a pool must know all three")]
pub enum Initial {
    /// Nothing: it is not in the table until it passes; but what the kernel's table had of an earlier run stays.
    #[default]
    Checking,
    /// That it is down.
    Down,
    /// That it is up.
    Up,
}

/// What becomes of a server that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum OnFailure {
    /// It stays with weight 0, and its connections go on.
    Quiesce,
    /// It is taken out.
    #[default]
    Remove,
}

/// When a service has servers enough, in units of weight. Lost below `weight - hysteresis`, gained from
/// `weight + hysteresis` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quorum {
    /// So much.
    pub weight: NonZeroU32,
    /// With so much of play either way.
    pub hysteresis: u32,
}

impl Default for Quorum {
    fn default() -> Self {
        Self {
            weight: NonZeroU32::MIN,
            hysteresis: 0,
        }
    }
}

/// Programs that are run when something happens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Notify {
    /// The server is up; the quorum is gained.
    pub up: Option<Arc<Script>>,
    /// The server is down; the quorum is lost.
    pub down: Option<Arc<Script>>,
}

/// A program with its arguments. What happened is added behind them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Script {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whom it runs as.
    pub user: Option<exec::User>,
    /// After what time it is killed.
    pub timeout: Duration,
}
