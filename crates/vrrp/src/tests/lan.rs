//! A link without a kernel, and nodes on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use locum_vip::LinkIndex;
use locum_vrrp_election::{Config, State};
use locum_vrrp_wire::{AdvertInterval, Priority, Vrid};
use testkit::FakeAddresses;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::config::{Family, RouterConfig};
use crate::engine::Engine;
use crate::link::LinkFacts;
use crate::node::{Node, Router};
use crate::rhythm::GATHERING;
use crate::status::RouterStatus;
use crate::timer::Timer;
use crate::transport::{Carrier, Datagram, LaneId, Transport};

pub(super) const VIP: &str = "192.0.2.10/24";

/// What was sent, by whom and when.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) node: usize,
    pub(super) at: Instant,
    pub(super) destination: IpAddr,
    pub(super) carrier: Carrier,
    pub(super) message: Vec<u8>,
}

impl Sent {
    pub(super) fn priority(&self) -> u8 {
        self.message[2]
    }
}

#[derive(Debug, Clone)]
struct Packet {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    carrier: Carrier,
    message: Vec<u8>,
    overflows: Option<u32>,
    waited: Duration,
}

#[derive(Debug, Default)]
struct Port {
    lanes: BTreeMap<LaneId, VecDeque<Packet>>,
    /// The lanes with a socket for authentication headers.
    headers: BTreeSet<LaneId>,
    address: Option<IpAddr>,
    cut: bool,
    waker: Option<Waker>,
    /// How many sockets have been opened, and how many of the next attempts fail.
    opened: usize,
    open_failures: usize,
    send_fails: bool,
    /// How long each time packets were let gather.
    gathered: Vec<Duration>,
    /// What comes in the next lull.
    later: Vec<Packet>,
}

/// One broadcast domain.
#[derive(Debug, Clone, Default)]
pub(super) struct Lan(Arc<Mutex<(Vec<Port>, Vec<Sent>)>>);

impl Lan {
    fn lock(&self) -> MutexGuard<'_, (Vec<Port>, Vec<Sent>)> {
        self.0.lock().expect("no test panicked with it")
    }

    fn port<R>(&self, node: usize, change: impl FnOnce(&mut Port) -> R) -> R {
        change(&mut self.lock().0[node])
    }

    /// A new node with the interface `eth0`, which is up and has `address`.
    pub(super) fn node(&self, address: &str) -> TestNode {
        let address: IpAddr = address.parse().expect("an address");
        let number = {
            let ports = &mut self.lock().0;
            ports.push(Port {
                address: Some(address),
                ..Port::default()
            });
            ports.len() - 1
        };
        let driver = FakeAddresses::default();
        let (commands, receiver) = mpsc::unbounded_channel();
        let transport = FakeTransport {
            lan: self.clone(),
            node: number,
            packet: None,
        };
        let engine = Engine::new(
            transport,
            Timer::tokio(),
            Arc::new(driver.clone()),
            Handle::current(),
            receiver,
        );
        let task = tokio::spawn(async move {
            for waiting in engine.run().await {
                let _ = waiting.send(());
            }
        });
        let node = Node {
            commands,
            #[cfg(feature = "netlink")]
            addresses: Handle::current(),
        };
        let test = TestNode {
            lan: self.clone(),
            number,
            address,
            driver,
            node,
            task,
        };
        test.link(true);
        test
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.lock().1.clone()
    }

    pub(super) fn sent_by(&self, node: &TestNode) -> Vec<Sent> {
        let mut sent = self.sent();
        sent.retain(|sent| sent.node == node.number);
        sent
    }
}

pub(super) struct TestNode {
    lan: Lan,
    pub(super) number: usize,
    pub(super) address: IpAddr,
    pub(super) driver: FakeAddresses,
    pub(super) node: Node,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl TestNode {
    pub(super) fn facts(&self, up: bool) -> LinkFacts {
        LinkFacts {
            index: index(),
            up,
            addresses: vec![self.address],
            sources: vec![self.address],
        }
    }

    pub(super) fn link(&self, up: bool) {
        self.node.set_link("eth0", Some(self.facts(up)));
    }

    /// Nothing goes in or out.
    pub(super) fn cut(&self, cut: bool) {
        self.lan.port(self.number, |port| port.cut = cut);
    }

    /// How long it has let packets gather since it was last asked, each time.
    pub(super) fn gathered(&self) -> Vec<Duration> {
        self.lan
            .port(self.number, |port| std::mem::take(&mut port.gathered))
    }

    pub(super) fn fail_sends(&self, fails: bool) {
        self.lan.port(self.number, |port| port.send_fails = fails);
    }

    pub(super) fn fail_opens(&self, times: usize) {
        self.lan
            .port(self.number, |port| port.open_failures = times);
    }

    pub(super) fn sockets_opened(&self) -> usize {
        self.lan.port(self.number, |port| port.opened)
    }

    /// Lets the node receive `message`.
    pub(super) fn inject(&self, source: &str, destination: &str, ttl: u8, message: Vec<u8>) {
        self.inject_with(source, destination, ttl, message, None);
    }

    pub(super) fn inject_with(
        &self,
        source: &str,
        destination: &str,
        ttl: u8,
        message: Vec<u8>,
        overflows: Option<u32>,
    ) {
        let packet = Packet {
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            ttl,
            carrier: Carrier::Plain,
            message,
            overflows,
            waited: Duration::ZERO,
        };
        self.lan.port(self.number, |port| port.deliver(&packet));
    }

    /// Lets the node receive `message`, which comes in its next lull and has waited so long.
    pub(super) fn inject_late(
        &self,
        source: &str,
        destination: &str,
        message: Vec<u8>,
        waited: Duration,
    ) {
        let packet = Packet {
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            ttl: 255,
            carrier: Carrier::Plain,
            message,
            overflows: None,
            waited,
        };
        self.lan.port(self.number, |port| port.later.push(packet));
    }

    /// Lets the node receive a packet with an authentication header.
    pub(super) fn inject_header(&self, source: &str, destination: &str, packet: Vec<u8>) {
        let packet = Packet {
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            ttl: 255,
            carrier: Carrier::Header,
            message: packet,
            overflows: None,
            waited: Duration::ZERO,
        };
        self.lan.port(self.number, |port| port.deliver(&packet));
    }

    /// Lets the node receive `messages` without being woken by them.
    pub(super) fn inject_unnoticed(&self, source: &str, destination: &str, messages: Vec<Vec<u8>>) {
        let waker = self.lan.port(self.number, |port| port.waker.take());
        for message in messages {
            self.inject(source, destination, 255, message);
        }
        self.lan.port(self.number, |port| port.waker = waker);
    }

    pub(super) async fn add(&self, config: RouterConfig) -> Router {
        let name = format!("router {}", config.vrid());
        self.node.add(&name, config).await.expect("it can be added")
    }

    pub(super) fn holds(&self, address: &str) -> bool {
        self.driver
            .has(index(), address.parse().expect("an address"))
    }
}

impl Port {
    fn deliver(&mut self, packet: &Packet) {
        for (lane, queue) in &mut self.lanes {
            if packet.carrier == Carrier::Plain || self.headers.contains(lane) {
                queue.push_back(packet.clone());
            }
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[derive(Debug)]
struct FakeTransport {
    lan: Lan,
    node: usize,
    packet: Option<Packet>,
}

impl Transport for FakeTransport {
    fn open(&mut self, lane: LaneId, _: &str, _: LinkIndex, _: Family) -> io::Result<()> {
        self.lan.port(self.node, |port| {
            if port.open_failures > 0 {
                port.open_failures -= 1;
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            port.opened += 1;
            port.lanes.insert(lane, VecDeque::new());
            Ok(())
        })
    }

    fn open_header(&mut self, lane: LaneId, _: &str, _: LinkIndex) -> io::Result<()> {
        self.lan.port(self.node, |port| {
            if port.open_failures > 0 {
                port.open_failures -= 1;
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            port.opened += 1;
            port.headers.insert(lane);
            Ok(())
        })
    }

    fn close(&mut self, lane: LaneId) {
        self.lan.port(self.node, |port| {
            port.headers.remove(&lane);
            port.lanes.remove(&lane)
        });
    }

    fn send(
        &mut self,
        _: LaneId,
        carrier: Carrier,
        source: IpAddr,
        destination: IpAddr,
        message: &[u8],
    ) -> io::Result<()> {
        let (ports, sent) = &mut *self.lan.lock();
        let port = &ports[self.node];
        if port.send_fails {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        if port.cut {
            return Ok(());
        }
        let message = message.to_vec();
        let at = testkit::epoch();
        sent.push(Sent {
            node: self.node,
            at,
            destination,
            carrier,
            message: message.clone(),
        });
        let packet = Packet {
            source,
            destination,
            ttl: 255,
            carrier,
            message,
            overflows: None,
            waited: Duration::ZERO,
        };
        for (number, port) in ports.iter_mut().enumerate() {
            let for_it = destination.is_multicast() || port.address == Some(destination);
            if number != self.node && !port.cut && for_it {
                port.deliver(&packet);
            }
        }
        Ok(())
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<LaneId> {
        self.lan.port(self.node, |port| {
            let ready = port.lanes.iter().find(|(_, queue)| !queue.is_empty());
            match ready {
                Some((lane, _)) => Poll::Ready(*lane),
                None => {
                    port.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    fn gather(&mut self, time: Duration) {
        self.lan.port(self.node, |port| {
            port.gathered.push(time);
            if time > GATHERING {
                for packet in std::mem::take(&mut port.later) {
                    port.deliver(&packet);
                }
            }
        });
    }

    fn receive(&mut self, lane: LaneId) -> io::Result<Option<Datagram<'_>>> {
        self.packet = self.lan.port(self.node, |port| {
            port.lanes.get_mut(&lane).and_then(VecDeque::pop_front)
        });
        Ok(self.packet.as_ref().map(|packet| Datagram {
            source: packet.source,
            destination: packet.destination,
            ttl: packet.ttl,
            carrier: packet.carrier,
            message: &packet.message,
            overflows: packet.overflows,
            is_another: false,
            waited: packet.waited,
        }))
    }
}

pub(super) fn index() -> LinkIndex {
    LinkIndex::new(7).expect("not zero")
}

/// Every second.
pub(super) fn election(priority: u8) -> Config {
    let interval = AdvertInterval::v3(100).expect("an interval");
    Config::new(interval, Priority::new(priority)).expect("a priority")
}

pub(super) fn router(vrid: u8, election: Config) -> RouterConfig {
    let vrid = Vrid::new(vrid).expect("a VRID");
    let address: IpNet = VIP.parse().expect("an address");
    RouterConfig::new("eth0", vrid, vec![address], election).expect("valid")
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets so much simulated time pass.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The status with its counters as of now.
pub(super) async fn counted(node: &TestNode, router: &Router) -> RouterStatus {
    node.node.publish().await.expect("the node lives");
    router.status()
}

pub(super) async fn until(router: &Router, state: State) {
    let mut status = router.watch();
    let reached = status.wait_for(|status| status.state == state);
    let reached = tokio::time::timeout(seconds(60), reached).await;
    reached.expect("within a minute").expect("the router lives");
}
