//! Makes it happen, and watches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::summary::PRIORITY_B;
use super::{
    Event, Family, Implementation, Measurement, NodeView, Outcome, Phase, Progress, Scenario, View,
};
use crate::random::Random;
use crate::{
    Child, Director, Host, Keepalived, LabError, Lan, Mac, ProbeConfig, Prober, clock, keepalived,
};

const VRID: u8 = 51;
const PRIORITY_A: u8 = 150;
const INTERFACE: &str = "eth0";
/// How often the caller sees a picture.
const TICK: Duration = Duration::from_millis(50);
/// More than any event takes, besides four intervals: start and stop of a program on a busy machine.
const BOUND: Duration = Duration::from_secs(15);
/// So long before an event its measurement begins, to have an answered probe before it.
const MARGIN: Duration = Duration::from_millis(50);
/// Probes for two minutes, which no event takes.
const PROBES: u32 = 240_000;

/// Measures `scenario` and tells `progress` about it. Each event is measured again while the machine stalls, up to
/// twice as often as asked and three times more.
///
/// # Errors
///
/// [`LabError::Privilege`], [`LabError::NotInstalled`]; [`LabError::Ended`] if a router's program ends by itself;
/// [`LabError::Timeout`] if the address does not move.
pub fn run(
    scenario: &Scenario,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Outcome, LabError> {
    let mut bench = Bench::new(scenario, &mut progress)?;
    let mut measurements = Vec::new();
    for _ in 0..scenario.runs.saturating_mul(2).saturating_add(3) {
        for event in [
            Event::HostDeath,
            Event::Preemption,
            Event::PlannedStop,
            Event::Preemption,
        ] {
            let measurement = bench.measure(event)?;
            (bench.progress)(Progress::Measured(&measurement));
            measurements.push(measurement);
        }
        let calm = |event| {
            let each = measurements.iter().filter(|each| each.event == event);
            each.filter(|each| each.stall.is_zero()).count()
        };
        let least = [Event::HostDeath, Event::PlannedStop, Event::Preemption].map(calm);
        if least
            .iter()
            .all(|&count| count >= usize::from(scenario.runs))
        {
            break;
        }
    }
    Ok(Outcome {
        scenario: scenario.clone(),
        measurements,
    })
}

/// A router's program.
#[derive(Debug)]
enum Peer {
    Director(Director),
    Keepalived(Keepalived),
}

impl Peer {
    fn child(&self) -> &Child {
        match self {
            Self::Director(director) => director.child(),
            Self::Keepalived(keepalived) => keepalived.child(),
        }
    }
}

/// One of the two routers.
#[derive(Debug)]
struct Node {
    peer: Option<Peer>,
    mac: Mac,
    priority: u8,
    host: Host,
}

/// The topology and what runs in it.
struct Bench<'a> {
    scenario: &'a Scenario,
    progress: &'a mut dyn FnMut(Progress<'_>),
    vips: Vec<IpNet>,
    phase: (Phase, Instant),
    ticked: Instant,
    random: Random,
    // Before the hosts: what runs in them ends first.
    probers: Vec<Prober>,
    a: Node,
    b: Node,
    client: Host,
    lan: Lan,
}

impl<'a> Bench<'a> {
    fn new(
        scenario: &'a Scenario,
        progress: &'a mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, LabError> {
        let lan = Lan::bridge()?;
        let host = |name, number| {
            let host = Host::new(name)?;
            lan.attach(&host, INTERFACE, &[own_address(scenario.family, number)])?;
            Ok::<Host, LabError>(host)
        };
        let node = |name, number, priority| {
            let host = host(name, number)?;
            let mac = host.mac(INTERFACE).ok_or_else(|| LabError::NotAttached {
                host: host.name().to_owned(),
            })?;
            Ok::<Node, LabError>(Node {
                peer: None,
                mac,
                priority,
                host,
            })
        };
        let now = clock::now();
        let mut bench = Self {
            scenario,
            progress,
            vips: virtual_addresses(scenario),
            phase: (Phase::Settling, now),
            ticked: now,
            random: Random::new(clock::monotonic_nanos()),
            probers: Vec::new(),
            a: node("a", 1, PRIORITY_A)?,
            b: node("b", 2, PRIORITY_B)?,
            client: host("client", 3)?,
            lan,
        };
        bench.start_a()?;
        bench.start_probers()?;
        let a = bench.a.mac;
        bench.wait_moved(a, BOUND + 8 * scenario.interval)?;
        bench.b.peer = Some(bench.start(&bench.b)?);
        bench.rest(Duration::from_secs(1) + scenario.interval)?;
        Ok(bench)
    }

    fn start(&self, node: &Node) -> Result<Peer, LabError> {
        let (scenario, vips) = (self.scenario, &self.vips);
        match &scenario.implementation {
            Implementation::Director(program) => {
                let toml = director_toml(scenario, node.priority, vips);
                Director::start(&node.host, program, &toml).map(Peer::Director)
            }
            Implementation::Keepalived => {
                let instance = keepalived::Instance::new(INTERFACE, VRID, vips)
                    .version(scenario.version)
                    .priority(node.priority)
                    .interval(scenario.interval);
                Keepalived::start(&node.host, &[instance]).map(Peer::Keepalived)
            }
        }
    }

    fn start_a(&mut self) -> Result<(), LabError> {
        self.a.peer = Some(self.start(&self.a)?);
        Ok(())
    }

    fn start_probers(&mut self) -> Result<(), LabError> {
        self.probers.clear();
        let routed = self
            .vips
            .iter()
            .map(IpNet::addr)
            .filter(|address| !is_link_local(*address));
        let routed: Vec<IpAddr> = routed.collect();
        let first = routed.first().copied();
        let last = routed.last().copied().filter(|last| Some(*last) != first);
        for target in first.into_iter().chain(last) {
            let config = ProbeConfig::default().limit(PROBES);
            self.probers
                .push(Prober::start(&self.client, target, config)?);
        }
        Ok(())
    }

    /// Lets `event` happen at a random moment between two advertisements.
    fn measure(&mut self, event: Event) -> Result<Measurement, LabError> {
        self.phase = (Phase::Settling, clock::now());
        self.start_probers()?;
        let holder = match event {
            Event::HostDeath | Event::PlannedStop => self.a.mac,
            Event::Preemption => self.b.mac,
        };
        self.wait_moved(holder, BOUND)?;
        let interval = u64::try_from(self.scenario.interval.as_nanos()).unwrap_or(u64::MAX);
        let phase = Duration::from_nanos(self.random.below(interval));
        self.rest(Duration::from_millis(200) + phase)?;
        let marks: Vec<Duration> = self.probers.iter().map(Prober::elapsed).collect();
        self.phase = (Phase::Event(event), clock::now());
        let successor = match event {
            Event::HostDeath => {
                self.lan.cut(&self.a.host)?;
                self.a.host.kill_all()?;
                self.a.peer = None;
                self.b.mac
            }
            Event::PlannedStop => {
                if let Some(peer) = &self.a.peer {
                    peer.child().signal(crate::Signal::Term)?;
                }
                self.b.mac
            }
            Event::Preemption => {
                self.start_a()?;
                self.a.mac
            }
        };
        let bound = BOUND + 8 * self.scenario.interval;
        self.wait_moved(successor, bound)?;
        self.rest(Duration::from_millis(500).max(2 * self.scenario.interval))?;
        let mut measurement = Measurement {
            event,
            outage: Duration::ZERO,
            lost: 0,
            moved_after: Duration::ZERO,
            stall: Duration::ZERO,
        };
        for (prober, mark) in self.probers.iter().zip(marks) {
            let report = prober.report_since(mark.saturating_sub(MARGIN));
            let mut after = report.responders.iter().filter(|each| each.from >= mark);
            let moved_at = after
                .find(|each| each.mac == successor)
                .map_or(mark, |each| each.from);
            let outages_end = report.outages.last().map(|last| last.start + last.length);
            // A stall when all was over has changed nothing.
            let over = outages_end.map_or(moved_at, |end| end.max(moved_at)) + MARGIN;
            let stalls = report.stalls.iter().filter(|stall| stall.at <= over);
            let stall = stalls.map(|stall| stall.length).max();
            let stall = stall.filter(|stall| *stall >= self.scenario.interval / 50);
            let moved_after = moved_at.saturating_sub(mark);
            measurement.outage = measurement.outage.max(report.longest_outage());
            measurement.lost += report.lost_in_outages();
            measurement.moved_after = measurement.moved_after.max(moved_after);
            measurement.stall = measurement.stall.max(stall.unwrap_or_default());
        }
        self.tidy(event)?;
        Ok(measurement)
    }

    /// Leaves A as a machine is after it has started again, if it is not running.
    fn tidy(&mut self, event: Event) -> Result<(), LabError> {
        if event == Event::Preemption {
            return Ok(());
        }
        self.phase = (Phase::Settling, clock::now());
        if let Some(peer) = self.a.peer.take() {
            peer.child().wait(BOUND)?;
        }
        let ours: Vec<_> = self.vips.iter().map(|vip| vip.addr()).collect();
        self.a.host.remove_addresses(&ours)?;
        self.lan.heal(&self.a.host)
    }

    /// Waits until every probed address is answered by `mac`.
    fn wait_moved(&mut self, mac: Mac, bound: Duration) -> Result<(), LabError> {
        let start = clock::now();
        loop {
            let moved = |prober: &Prober| prober.latest().is_some_and(|latest| latest.mac == mac);
            if self.probers.iter().all(moved) {
                return Ok(());
            }
            self.tick()?;
            if clock::now().duration_since(start) >= bound {
                let log = |node: &Node| {
                    node.peer
                        .as_ref()
                        .map_or_else(String::new, |p| p.child().log().text())
                };
                let awaited = format!(
                    "{mac} to answer the client ({:?}); A said:\n{}B said:\n{}",
                    self.phase.0,
                    log(&self.a),
                    log(&self.b)
                );
                return Err(LabError::Timeout { awaited, bound });
            }
        }
    }

    fn rest(&mut self, duration: Duration) -> Result<(), LabError> {
        let start = clock::now();
        loop {
            let left = duration.saturating_sub(clock::now().duration_since(start));
            if left.is_zero() {
                return Ok(());
            }
            if left <= Duration::from_millis(5) {
                thread::sleep(left);
            } else {
                self.tick()?;
            }
        }
    }

    /// Sleeps a little, shows a picture now and then, and notices a program that has ended by itself.
    fn tick(&mut self) -> Result<(), LabError> {
        thread::sleep(Duration::from_millis(5));
        let now = clock::now();
        if now.duration_since(self.ticked) < TICK {
            return Ok(());
        }
        self.ticked = now;
        let stopping = self.phase.0 == Phase::Event(Event::PlannedStop);
        for (node, may_end) in [(&self.a, stopping), (&self.b, false)] {
            if let Some(peer) = &node.peer
                && !may_end
                && !peer.child().is_running()
            {
                return Err(LabError::Ended {
                    program: self.scenario.implementation.to_string(),
                    log: peer.child().log().text(),
                });
            }
        }
        let answers = self
            .probers
            .last()
            .and_then(Prober::latest)
            .map(|latest| latest.mac);
        let view = View {
            phase: self.phase.0,
            elapsed: now.duration_since(self.phase.1),
            a: self.view_of(&self.a, answers),
            b: self.view_of(&self.b, answers),
            client: self
                .probers
                .last()
                .map(|p| p.snapshot(Duration::from_secs(1))),
        };
        (self.progress)(Progress::Tick(&view));
        Ok(())
    }

    fn view_of<'n>(&self, node: &'n Node, answers: Option<Mac>) -> NodeView<'n> {
        NodeView {
            host: &node.host,
            running: node
                .peer
                .as_ref()
                .is_some_and(|peer| peer.child().is_running()),
            owner: self
                .vips
                .last()
                .is_some_and(|vip| node.host.has_address(vip.addr())),
            answers: answers == Some(node.mac),
        }
    }
}

fn own_address(family: Family, number: u8) -> IpNet {
    match family {
        Family::Ipv4 => net(Ipv4Addr::new(10, 77, 0, number).into(), 16),
        Family::Ipv6 => net(
            Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, number.into()).into(),
            64,
        ),
    }
}

fn virtual_addresses(scenario: &Scenario) -> Vec<IpNet> {
    let numbers = 1..=scenario.addresses;
    match scenario.family {
        Family::Ipv4 => numbers
            .map(|n| net(Ipv4Addr::new(10, 77, 1, n).into(), 16))
            .collect(),
        Family::Ipv6 => {
            // RFC 9568 §5.2.9: the first address is link-local.
            let first = net(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x77, 1).into(), 64);
            let others =
                numbers.map(|n| net(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 1, n.into()).into(), 64));
            std::iter::once(first).chain(others).collect()
        }
    }
}

fn net(address: IpAddr, prefix: u8) -> IpNet {
    IpNet::new(address, prefix).unwrap_or_else(|_| address.into())
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn director_toml(scenario: &Scenario, priority: u8, vips: &[IpNet]) -> String {
    let vips: Vec<_> = vips.iter().map(|vip| format!("\"{vip}\"")).collect();
    format!(
        "[[virtual_router]]\nname = \"lab\"\ninterface = \"{INTERFACE}\"\nvrid = {VRID}\n\
         version = {}\npriority = {priority}\nadvert_interval = \"{}ms\"\naddresses = [{}]\n",
        scenario.version,
        scenario.interval.as_millis(),
        vips.join(", ")
    )
}
