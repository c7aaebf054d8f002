//! The real servers and the machine that checks them, and what both sides are told of each other.

use std::error::Error;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use locum_ipvs::ServiceKey;
use locum_lab::{Host, LabError};

use super::Outcome;

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const FIRST_PORT: u16 = 10_000;
const PORT: u16 = 80;
/// The first address of the servers' network, which has 65,536.
const SERVERS: Ipv4Addr = Ipv4Addr::new(10, 128, 0, 0);
/// Servers of one service.
pub(crate) const OF_A_SERVICE: u16 = 10;

/// How often connections are taken off the listener's queue: each wake-up would cost the only CPU more than a packet.
const ACCEPT_EVERY: Duration = Duration::from_millis(50);
/// More connections than come in between.
const BACKLOG: i32 = 60_000;

/// So many servers in services of ten, checked so often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub(crate) servers: u16,
    pub(crate) interval: Duration,
    /// Of the last server. That of all others is 1.
    pub(crate) last_weight: u32,
}

impl Task {
    /// Services and servers together.
    pub(crate) fn entries(self) -> usize {
        usize::from(self.servers) + self.services().count()
    }

    /// The service that comes last.
    pub(crate) fn last_service(self) -> ServiceKey {
        let port = FIRST_PORT.saturating_add(self.services().last().unwrap_or(0));
        ServiceKey::tcp(SocketAddr::from((VIRTUAL, port)))
    }

    /// The server that comes last.
    pub(crate) fn last_server(self) -> SocketAddr {
        server(self.servers.saturating_sub(1))
    }

    fn weight(self, server: SocketAddr) -> u32 {
        if server == self.last_server() {
            self.last_weight
        } else {
            1
        }
    }

    fn services(self) -> impl Iterator<Item = u16> {
        0..self.servers.div_ceil(OF_A_SERVICE)
    }

    /// The servers of a service.
    fn of(self, service: u16) -> impl Iterator<Item = SocketAddr> {
        let first = service.saturating_mul(OF_A_SERVICE);
        let end = first.saturating_add(OF_A_SERVICE).min(self.servers);
        (first..end).map(server)
    }

    /// For director; without its section `[director]`.
    pub(crate) fn director(self) -> String {
        let mut text = String::new();
        let interval = self.interval.as_millis();
        for service in self.services() {
            let port = FIRST_PORT.saturating_add(service);
            let _ = writeln!(
                text,
                "[[virtual_service]]\nname = \"s{service}\"\naddress = \"{VIRTUAL}:{port}\"\nprotocol = \"tcp\"\n\
                 scheduler = \"rr\"\nforward = \"nat\"\ncheck = {{ type = \"tcp\", interval = \"{interval}ms\" }}\nserver = ["
            );
            for server in self.of(service) {
                let _ = writeln!(
                    text,
                    "  {{ name = \"{}\", address = \"{server}\", weight = {} }},",
                    server.ip(),
                    self.weight(server)
                );
            }
            text.push_str("]\n\n");
        }
        text
    }

    /// For keepalived.
    pub(crate) fn keepalived(self) -> String {
        let mut text = String::from("global_defs {\n  router_id lab\n}\n");
        let (seconds, millis) = (self.interval.as_secs(), self.interval.subsec_millis());
        for service in self.services() {
            let port = FIRST_PORT.saturating_add(service);
            let _ = writeln!(
                text,
                "virtual_server {VIRTUAL} {port} {{\n  delay_loop {seconds}.{millis:03}\n  lvs_sched rr\n  lvs_method NAT\n  protocol TCP"
            );
            for server in self.of(service) {
                let (ip, port, weight) = (server.ip(), server.port(), self.weight(server));
                let _ = writeln!(
                    text,
                    "  real_server {ip} {port} {{\n    weight {weight}\n    TCP_CHECK {{\n    }}\n  }}"
                );
            }
            text.push_str("}\n");
        }
        text
    }
}

fn server(number: u16) -> SocketAddr {
    let address = SERVERS.to_bits().saturating_add(u32::from(number) + 1);
    SocketAddr::from((Ipv4Addr::from_bits(address), PORT))
}

/// A host with all the servers: every address of their network is its own, and one program listens on all of them.
pub(crate) struct Farm {
    pub(crate) host: Host,
    end: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Farm {
    pub(crate) fn new() -> Outcome<Self> {
        let host = Host::new("servers")?;
        host.ip(&format!("route add local {SERVERS}/16 dev lo"))?;
        host.sysctl("net/core/somaxconn", &BACKLOG.to_string())?;
        host.sysctl("net/ipv4/tcp_max_syn_backlog", &BACKLOG.to_string())?;
        let end = Arc::new(AtomicBool::new(false));
        let (ours, its) = (Arc::clone(&end), host.clone());
        let bound = its.run(|| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
            // Anew, for the longer queue.
            rustix::net::listen(&listener, BACKLOG)?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(listener)
        })?;
        let listener = host.thread("listener", move || {
            while !ours.load(Ordering::Relaxed) {
                while bound.accept().is_ok() {}
                thread::sleep(ACCEPT_EVERY);
            }
        })?;
        Ok(Self {
            host,
            end,
            listener: Some(listener),
        })
    }

    /// A new machine that reaches the servers.
    pub(crate) fn checker(&self) -> Result<Host, LabError> {
        let checker = Host::new("checker")?;
        let thread = self
            .host
            .run(|| rustix::thread::gettid().as_raw_nonzero().get());
        checker.ip(&format!(
            "link add eth0 type veth peer name eth0 netns {thread}"
        ))?;
        for (host, address) in [(&checker, "10.99.0.1/24"), (&self.host, "10.99.0.2/24")] {
            host.ip(&format!("address add {address} dev eth0"))?;
            host.ip("link set eth0 up")?;
        }
        checker.ip(&format!("route add {SERVERS}/16 via 10.99.0.2"))?;
        Ok(checker)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // It does not panic.
            let _ended = listener.join();
        }
    }
}

/// How many attempts to connect `host` has answered, whether they came to a connection or were ended by a reset before:
/// whoever probes, and in whatever way, the servers count alike.
pub(crate) fn connections(host: &Host) -> Outcome<u64> {
    // `/proc/net` is that of the process, not of the thread.
    let text = host.read("/proc/thread-self/net/snmp".as_ref())?;
    answered(&text).ok_or_else(|| Box::<dyn Error>::from("the kernel counts no connections"))
}

fn answered(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let counter = |wanted: &str| -> Option<u64> {
        let mut all = names.split_whitespace().zip(values.split_whitespace());
        all.find(|(name, _)| *name == wanted)?.1.parse().ok()
    };
    Some(counter("PassiveOpens")? + counter("AttemptFails")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_what_was_opened_and_what_was_given_up() {
        let snmp = "Ip: Forwarding\nIp: 1\nTcp: MaxConn ActiveOpens PassiveOpens AttemptFails\nTcp: -1 7 20 3\n";
        assert_eq!(answered(snmp), Some(23));
        assert_eq!(answered("Tcp: PassiveOpens\nTcp: 20\n"), None);
    }

    #[test]
    fn a_last_service_may_have_fewer_servers() {
        let interval = Duration::from_millis(1500);
        let task = Task {
            servers: 12,
            interval,
            last_weight: 7,
        };
        assert_eq!(task.entries(), 14);
        let (director, keepalived) = (task.director(), task.keepalived());
        let last = "[[virtual_service]]\nname = \"s1\"\naddress = \"192.0.2.10:10001\"\nprotocol = \"tcp\"\n\
                    scheduler = \"rr\"\nforward = \"nat\"\ncheck = { type = \"tcp\", interval = \"1500ms\" }\nserver = [\n  \
                    { name = \"10.128.0.11\", address = \"10.128.0.11:80\", weight = 1 },\n  \
                    { name = \"10.128.0.12\", address = \"10.128.0.12:80\", weight = 7 },\n]\n\n";
        assert!(director.ends_with(last), "{director}");
        let last = "virtual_server 192.0.2.10 10001 {\n  delay_loop 1.500\n  lvs_sched rr\n  lvs_method NAT\n  protocol TCP\n";
        assert!(keepalived.contains(last), "{keepalived}");
        assert_eq!(keepalived.matches("TCP_CHECK").count(), 12);
        let weights = ["weight 1\n", "weight 7\n"].map(|weight| keepalived.matches(weight).count());
        assert_eq!(weights, [11, 1]);
    }
}
