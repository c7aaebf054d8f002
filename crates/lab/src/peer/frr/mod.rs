//! FRR's vrrpd as a peer: [`Frr`] and its configuration.

mod programs;
mod report;
mod router;

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, mount, mount_bind};

pub use self::programs::Programs;
pub use self::report::{Report, State};
pub use self::router::{Family, Router};
use crate::{Child, Host, LabError, Signal, wait_until};

/// How long zebra may take until others can talk to it.
const ZEBRA_BOUND: Duration = Duration::from_secs(20);
/// How long a killed program may take to go.
const KILL_BOUND: Duration = Duration::from_secs(5);
/// How long vrrpd may take to answer a question.
const ANSWER_BOUND: Duration = Duration::from_secs(5);

/// FRR's vrrpd running in a [`Host`], with the zebra it needs and with the interfaces of its virtual routers. Dropping it is
/// a reboot of the router: the programs are killed and the interfaces are gone.
#[derive(Debug)]
pub struct Frr {
    vrrpd: Child,
    zebra: Child,
    directory: PathBuf,
    interfaces: Interfaces,
    host: Host,
}

impl Frr {
    /// Runs vrrpd with these routers in `host`. As FRR wants it, each has a macvlan interface `vrrp4-VRID` or `vrrp6-VRID` with
    /// the virtual router's MAC address and its addresses, which are there for good: as backup, the interface is down.
    ///
    /// # Errors
    ///
    /// What the file system or the kernel answers, or [`LabError::Timeout`] with zebra's log.
    pub fn start(host: &Host, programs: &Programs, routers: &[Router]) -> Result<Self, LabError> {
        let directory = host.directory("frr")?;
        furnish(host, &directory)?;
        let interfaces = Interfaces::make(host, routers)?;
        let configuration: String = routers.iter().map(Router::render).collect();
        host.write(&directory.join("zebra.conf"), "")?;
        host.write(&directory.join("vrrpd.conf"), &configuration)?;
        let zebra = host.spawn(programs.command("zebra", &directory))?;
        let socket = directory.join(programs::ZEBRA_SOCKET);
        let ready = wait_until("zebra to listen", ZEBRA_BOUND, || {
            let socket = socket.clone();
            !zebra.is_running() || host.run(move || UnixStream::connect(socket).is_ok())
        });
        if ready.is_err() || !zebra.is_running() {
            return Err(LabError::Timeout {
                awaited: format!("zebra to listen; its log:\n{}", zebra.log().text()),
                bound: ZEBRA_BOUND,
            });
        }
        let vrrpd = host.spawn(programs.command("vrrpd", &directory))?;
        Ok(Self {
            vrrpd,
            zebra,
            directory,
            interfaces,
            host: host.clone(),
        })
    }

    /// The process that speaks VRRP: signals, log and end.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.vrrpd
    }

    /// What it says of the addresses of one family of a virtual router.
    ///
    /// # Errors
    ///
    /// What its socket answers, or [`LabError::Unexpected`] if it knows no such router.
    pub fn report(&self, vrid: u8, family: Family) -> Result<Report, LabError> {
        const COMMAND: &str = "show vrrp json";
        let socket = self.directory.join("vrrpd.vty");
        let answer = self.host.run(move || ask(&socket, COMMAND));
        let answer = answer.map_err(LabError::io("ask vrrpd"))?;
        report::find(&answer, vrid, family).map_err(|source| LabError::Unexpected {
            command: COMMAND.to_owned(),
            source,
        })
    }

    /// Waits until a virtual router is in `state`.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with its log, if that does not happen, or it has ended.
    pub fn wait_state(
        &self,
        vrid: u8,
        family: Family,
        state: State,
        bound: Duration,
    ) -> Result<(), LabError> {
        self.wait_report(
            vrid,
            family,
            &format!("vrrpd to be {state:?}"),
            bound,
            |report| report.state == state,
        )
    }

    /// Waits until what it says of a virtual router `matches`.
    ///
    /// # Errors
    ///
    /// As [`wait_state`](Self::wait_state).
    pub fn wait_report(
        &self,
        vrid: u8,
        family: Family,
        awaited: &str,
        bound: Duration,
        matches: impl Fn(&Report) -> bool,
    ) -> Result<(), LabError> {
        let mut found = false;
        let mut last = None;
        let _in_time = wait_until(awaited, bound, || {
            let report = self.report(vrid, family);
            found = report.as_ref().is_ok_and(&matches);
            last = Some(report);
            found || !self.vrrpd.is_running()
        });
        if found {
            return Ok(());
        }
        let log = self.vrrpd.log().text();
        let awaited = format!("{awaited}; it said {last:?}; its log:\n{log}");
        Err(LabError::Timeout { awaited, bound })
    }

    /// Asks it to end (SIGTERM) and waits, then the same with its zebra.
    ///
    /// # Errors
    ///
    /// As [`Child::terminate`].
    pub fn stop(&self, bound: Duration) -> Result<(), LabError> {
        self.vrrpd.terminate(bound)?;
        self.zebra.terminate(bound).map(drop)
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        // vrrpd first: it must not hear that its interfaces go.
        for child in [&self.vrrpd, &self.zebra] {
            let _killed = child.signal(Signal::Kill);
            let _ended = child.wait(KILL_BOUND);
        }
        self.interfaces.remove();
    }
}

/// The macvlan interfaces of the virtual routers, gone when dropped.
#[derive(Debug)]
struct Interfaces {
    names: Vec<String>,
    host: Host,
}

impl Interfaces {
    fn make(host: &Host, routers: &[Router]) -> Result<Self, LabError> {
        let mut made = Self {
            names: Vec::new(),
            host: host.clone(),
        };
        for router in routers {
            // Else the parent speaks for the addresses: it answers ARP for those of an interface that is down, the backup's,
            // and asks in their name from its own MAC address.
            for (key, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
                host.sysctl(
                    &format!("net/ipv4/conf/{}/{key}", router.interface()),
                    value,
                )?;
            }
            for family in router.families() {
                made.names.push(router.macvlan(family));
                for arguments in router.ip_commands(family) {
                    host.ip(&arguments)?;
                }
            }
        }
        Ok(made)
    }

    fn remove(&mut self) {
        for name in self.names.drain(..) {
            // In vain only if it could not be made, or the whole host is going.
            let _gone = self.host.ip(&format!("link delete {name}"));
        }
    }
}

impl Drop for Interfaces {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Debian's FRR insists on a group `frrvty` that its user is in, and keeps crash logs below `/var/tmp`. The host gets
/// both, and the machine sees nothing of it: a host has mounts of its own.
fn furnish(host: &Host, directory: &Path) -> Result<(), LabError> {
    const GROUP: &str = "frrvty:x:0:root";
    let ours = directory.join("group");
    let furnished = host.run(move || -> io::Result<()> {
        let groups = fs::read_to_string("/etc/group")?;
        if groups.lines().any(|line| line == GROUP) {
            return Ok(());
        }
        let others = groups.lines().filter(|line| !line.starts_with("frrvty:"));
        let lines: Vec<_> = others.chain([GROUP, ""]).collect();
        fs::write(&ours, lines.join("\n"))?;
        mount_bind(&ours, "/etc/group")?;
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        Ok(mount("locum-lab", "/var/tmp", "tmpfs", flags, None)?)
    });
    furnished.map_err(LabError::io("prepare a host for FRR"))
}

/// One command and what is answered, as vtysh talks: both end with a zero byte, and the answer's has two more before it and
/// the command's result behind it.
fn ask(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_BOUND))?;
    stream.set_write_timeout(Some(ANSWER_BOUND))?;
    stream.write_all(command.as_bytes())?;
    stream.write_all(&[0])?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let [text @ .., 0, 0, 0, _result] = answer.as_slice() {
            return Ok(String::from_utf8_lossy(text).into_owned());
        }
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
}
