//! Real keepalived as a peer: [`Keepalived`] and its configuration.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;

use crate::{Child, Host, LabError, Line, LogMark};

/// keepalived's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "keepalived has had three numbers from the start"
)]
pub struct Version {
    /// 2 in 2.2.7.
    pub major: u16,
    /// The second 2 in 2.2.7.
    pub minor: u16,
    /// 7 in 2.2.7.
    pub patch: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What keepalived says of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are keepalived's states")]
pub enum State {
    /// It waits for the master to go.
    Backup,
    /// It cannot take part.
    Fault,
    /// It has the addresses.
    Master,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Master => "MASTER",
        }
    }
}

/// One `vrrp_instance`. Made with [`Instance::new`] and the methods; VRRPv3, priority 100, an advertisement each
/// second, `state BACKUP` at first, preempting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    name: String,
    interface: String,
    vrid: u8,
    version: u8,
    priority: u8,
    interval: Duration,
    initial: State,
    addresses: Vec<IpNet>,
    nopreempt: bool,
    preempt_delay: Option<Duration>,
    /// Its type and its password.
    authentication: Option<(&'static str, String)>,
    unicast: Option<(IpAddr, Vec<IpAddr>)>,
    extra: Vec<String>,
}

impl Instance {
    /// An instance called `VI_` and its number.
    #[must_use]
    pub fn new(interface: &str, vrid: u8, addresses: &[IpNet]) -> Self {
        Self {
            name: format!("VI_{vrid}"),
            interface: interface.to_owned(),
            vrid,
            version: 3,
            priority: 100,
            interval: Duration::from_secs(1),
            initial: State::Backup,
            addresses: addresses.to_vec(),
            nopreempt: false,
            preempt_delay: None,
            authentication: None,
            unicast: None,
            extra: Vec::new(),
        }
    }

    /// VRRP version 2 or 3.
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    /// Its priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// How often it advertises; keepalived reads whole seconds for v2, centiseconds for v3.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// `state MASTER`: it takes over at once when it starts.
    #[must_use]
    pub fn starts_as_master(mut self) -> Self {
        self.initial = State::Master;
        self
    }

    /// `nopreempt`.
    #[must_use]
    pub fn nopreempt(mut self) -> Self {
        self.nopreempt = true;
        self
    }

    /// `preempt_delay`.
    #[must_use]
    pub fn preempt_delay(mut self, delay: Duration) -> Self {
        self.preempt_delay = Some(delay);
        self
    }

    /// `auth_type PASS`, for v2.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.authentication = Some(("PASS", password.to_owned()));
        self
    }

    /// `auth_type AH`, for v2: the IP Authentication Header with this key.
    #[must_use]
    pub fn header(mut self, key: &str) -> Self {
        self.authentication = Some(("AH", key.to_owned()));
        self
    }

    /// Unicast from `source` to `peers`.
    #[must_use]
    pub fn unicast(mut self, source: IpAddr, peers: &[IpAddr]) -> Self {
        self.unicast = Some((source, peers.to_vec()));
        self
    }

    /// One more line of configuration.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.extra.push(line.to_owned());
        self
    }

    fn render(&self) -> String {
        let mut lines = vec![
            format!("state {}", self.initial.word()),
            format!("interface {}", self.interface),
            format!("virtual_router_id {}", self.vrid),
            format!("version {}", self.version),
            format!("priority {}", self.priority),
            format!("advert_int {}", seconds(self.interval)),
        ];
        if self.nopreempt {
            lines.push("nopreempt".to_owned());
        }
        if let Some(delay) = self.preempt_delay {
            lines.push(format!("preempt_delay {}", seconds(delay)));
        }
        if let Some((kind, password)) = &self.authentication {
            lines.push(format!(
                "authentication {{\n auth_type {kind}\n auth_pass {password}\n}}"
            ));
        }
        if let Some((source, peers)) = &self.unicast {
            lines.push(format!("unicast_src_ip {source}"));
            lines.push(block("unicast_peer", peers));
        }
        lines.extend_from_slice(&self.extra);
        lines.push(block("virtual_ipaddress", &self.addresses));
        block(&format!("vrrp_instance {}", self.name), &lines)
    }
}

/// Seconds with as many digits as keepalived reads.
fn seconds(duration: Duration) -> String {
    format!(
        "{}.{:02}",
        duration.as_secs(),
        duration.subsec_millis() / 10
    )
}

fn block(head: &str, lines: &[impl fmt::Display]) -> String {
    let mut text = format!("{head} {{\n");
    for line in lines {
        // Writing to a String cannot fail.
        let _written = writeln!(text, " {line}");
    }
    text.push('}');
    text
}

/// A keepalived running in a [`Host`], with its configuration and pid files in a directory under the host's own `/run`,
/// so that it meets neither another one's nor a stale one.
#[derive(Debug)]
pub struct Keepalived {
    child: Child,
    directory: PathBuf,
    host: Host,
}

impl Keepalived {
    /// The installed version; `None` if there is none.
    #[must_use]
    pub fn installed() -> Option<Version> {
        let output = Command::new("keepalived").arg("--version").output().ok()?;
        parse_version(&String::from_utf8_lossy(&output.stderr))
    }

    /// The installed version.
    ///
    /// # Errors
    ///
    /// [`LabError::NotInstalled`], which says how to get it.
    pub fn require() -> Result<Version, LabError> {
        let missing = LabError::NotInstalled {
            program: "keepalived",
            package: "keepalived",
        };
        Self::installed().ok_or(missing)
    }

    /// Runs keepalived with these instances in `host`.
    ///
    /// # Errors
    ///
    /// [`LabError::NotInstalled`], or what the file system or the kernel answers.
    pub fn start(host: &Host, instances: &[Instance]) -> Result<Self, LabError> {
        Self::start_after(host, "", instances)
    }

    /// The same, with more configuration before the instances.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_after(
        host: &Host,
        before: &str,
        instances: &[Instance],
    ) -> Result<Self, LabError> {
        let texts: Vec<_> = instances.iter().map(Instance::render).collect();
        Self::start_with(host, &format!("{before}{}", texts.join("\n")))
    }

    /// Runs keepalived with this configuration in `host`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(host: &Host, configuration: &str) -> Result<Self, LabError> {
        Self::require()?;
        let directory = host.directory("keepalived")?;
        host.write(&directory.join("keepalived.conf"), configuration)?;
        let mut command = Command::new("keepalived");
        command.args([
            "--dont-fork",
            "--log-console",
            "--log-detail",
            "--no-syslog",
            "--vrrp",
        ]);
        for (option, name) in [
            ("--use-file", "keepalived.conf"),
            ("--pid", "parent.pid"),
            ("--vrrp_pid", "vrrp.pid"),
            ("--checkers_pid", "checkers.pid"),
            ("--bfd_pid", "bfd.pid"),
        ] {
            command.arg(option).arg(directory.join(name));
        }
        let child = host.spawn(command)?;
        Ok(Self {
            child,
            directory,
            host: host.clone(),
        })
    }

    /// Its parent process: signals, log and end.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Its directory, as the host sees it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process id of the child that speaks VRRP; `None` before it is there.
    #[must_use]
    pub fn vrrp_pid(&self) -> Option<u32> {
        let pid = self.host.read(&self.directory.join("vrrp.pid")).ok()?;
        pid.trim().parse().ok()
    }

    /// Waits for it to say that virtual router `vrid` enters `state`, from its start on.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with the end of its log.
    pub fn wait_state(&self, vrid: u8, state: State, bound: Duration) -> Result<Line, LabError> {
        self.wait_state_after(LogMark::START, vrid, state, bound)
    }

    /// The same, after a mark of its log.
    ///
    /// # Errors
    ///
    /// As [`wait_state`](Self::wait_state).
    pub fn wait_state_after(
        &self,
        mark: LogMark,
        vrid: u8,
        state: State,
        bound: Duration,
    ) -> Result<Line, LabError> {
        let needle = format!("(VI_{vrid}) Entering {} STATE", state.word());
        self.child.log().wait_after(mark, &needle, bound)
    }

    /// Asks it to end (SIGTERM) and waits; it takes about a second.
    ///
    /// # Errors
    ///
    /// As [`Child::terminate`].
    pub fn stop(&self, bound: Duration) -> Result<(), LabError> {
        self.child.terminate(bound).map(drop)
    }
}

fn parse_version(text: &str) -> Option<Version> {
    let rest = text.strip_prefix("Keepalived v")?;
    let mut numbers = rest
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().ok());
    Some(Version {
        major: numbers.next()??,
        minor: numbers.next()??,
        patch: numbers.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instance, Version, parse_version};

    #[test]
    fn reads_the_version() {
        let version = parse_version("Keepalived v2.2.7 (01/16,2022)\n");
        assert_eq!(
            version,
            Some(Version {
                major: 2,
                minor: 2,
                patch: 7
            })
        );
        assert_eq!(parse_version("keepalived: not found"), None);
    }

    #[test]
    fn writes_every_setting() {
        let instance = Instance::new("eth0", 51, &["10.77.0.10/24".parse().unwrap()])
            .version(2)
            .priority(150)
            .interval(Duration::from_millis(250))
            .starts_as_master()
            .nopreempt()
            .preempt_delay(Duration::from_secs(3))
            .password("secret")
            .unicast(
                "10.77.0.1".parse().unwrap(),
                &["10.77.0.2".parse().unwrap()],
            )
            .line("garp_master_delay 1");
        let expected = "vrrp_instance VI_51 {
 state MASTER
 interface eth0
 virtual_router_id 51
 version 2
 priority 150
 advert_int 0.25
 nopreempt
 preempt_delay 3.00
 authentication {
 auth_type PASS
 auth_pass secret
}
 unicast_src_ip 10.77.0.1
 unicast_peer {
 10.77.0.2
}
 garp_master_delay 1
 virtual_ipaddress {
 10.77.0.10/24
}
}";
        assert_eq!(instance.render(), expected);
    }
}
