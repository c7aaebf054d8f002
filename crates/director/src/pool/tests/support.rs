//! A site in the mind: pools, a kernel made of maps, and time that only goes on when it is told to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_health::{CheckError, Health, Timing, tcp};
use locum_ipvs::fake::Kernel;
use locum_ipvs::{
    Client, Destination, DestinationKey, Forward, Op, Scheduler, Service, ServiceKey, Snapshot,
    Table, Weight, plan, plan_with,
};

use super::super::{Checks, DrainEnd, Event, Input, Pools, ServerState, Slot};
use crate::overrides::{ServerOverride, ServerWish};
use crate::site::{
    Admin, Check, CheckKind, Initial, IpvsSettings, Notify, OnFailure, Quorum, RealServer, Site,
    Sorry, VirtualService,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
/// The sorry server's last byte.
pub(super) const SORRY: u8 = 250;

pub(super) fn address(last: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), 80)
}

pub(super) fn check(target: SocketAddr) -> Check {
    Check {
        target,
        kind: Arc::new(CheckKind::Tcp(tcp::TcpConfig::default())),
        timing: Arc::new(Timing::new(2 * SECOND, SECOND).unwrap()),
    }
}

/// `s1` at 10.0.0.1:80 with weight 1, masqueraded, with one check.
pub(super) fn server(last: u8) -> RealServer {
    RealServer {
        name: format!("s{last}").into(),
        ip: address(last).ip(),
        port: address(last).port(),
        forward: Forward::Masquerade,
        weight: Weight::ONE,
        thresholds: None,
        admin: Admin::Ready,
        checks: [check(address(last))].into(),
        notify: None,
    }
}

pub(super) fn weighing(last: u8, weight: u16) -> RealServer {
    RealServer {
        weight: weight.into(),
        ..server(last)
    }
}

pub(super) fn draining(last: u8) -> RealServer {
    RealServer {
        admin: Admin::Drain,
        ..server(last)
    }
}

/// The service of 192.0.2.`last`:80.
pub(super) fn key(last: u8) -> ServiceKey {
    let address: IpAddr = Ipv4Addr::new(192, 0, 2, last).into();
    ServiceKey::tcp(SocketAddr::new(address, 80))
}

pub(super) fn service(
    name: &str,
    vip: u8,
    servers: impl IntoIterator<Item = RealServer>,
) -> VirtualService {
    VirtualService {
        name: name.to_owned(),
        kernel: [Service::new(key(vip), Scheduler::WLC)].into(),
        servers: servers.into_iter().collect(),
        sorry: None,
        initial: Initial::Checking,
        on_failure: OnFailure::Remove,
        quorum: Quorum::default(),
        drain_timeout: Duration::ZERO,
        notify: Notify::default(),
    }
}

/// One service, `web`, of 192.0.2.1:80.
pub(super) fn web(servers: impl IntoIterator<Item = RealServer>) -> VirtualService {
    service("web", 1, servers)
}

pub(super) fn sorry() -> Sorry {
    Sorry {
        address: address(SORRY),
        forward: Forward::Masquerade,
    }
}

pub(super) fn quorum(weight: u32, hysteresis: u32) -> Quorum {
    Quorum {
        weight: NonZeroU32::new(weight).unwrap(),
        hysteresis,
    }
}

pub(super) fn site(services: impl IntoIterator<Item = VirtualService>) -> Site {
    Site {
        ipvs: IpvsSettings {
            mass_failure: None,
            ..IpvsSettings::default()
        },
        services: services.into_iter().map(Arc::new).collect(),
    }
}

pub(super) struct Scene {
    pub(super) now: Instant,
    pub(super) pools: Pools,
    kernel: Client<Kernel>,
}

impl Scene {
    /// With nothing in the kernel.
    pub(super) fn new(site: &Site) -> Self {
        Self::after(site, &[])
    }

    /// With these destinations, and their weights, left in 192.0.2.1:80.
    pub(super) fn after(site: &Site, left: &[(u8, u16)]) -> Self {
        let mut kernel = Client::new(Kernel::new());
        if !left.is_empty() {
            let destinations = left.iter().map(|(last, weight)| {
                Destination::masquerade(address(*last)).weight((*weight).into())
            });
            let mut table = Table::new();
            table
                .insert(Service::new(key(1), Scheduler::WLC), destinations)
                .unwrap();
            apply(&mut kernel, &plan(&table, &Snapshot::default()));
        }
        let now = crate::clock::now();
        let inherited = kernel.snapshot().unwrap();
        Self {
            now,
            pools: Pools::new(now, &Arc::new(site.clone()), &inherited),
            kernel,
        }
    }

    pub(super) fn replace(&mut self, site: &Site) -> Checks {
        self.pools.replace(self.now, &Arc::new(site.clone()))
    }

    /// This is all that the operator wants of servers of `web`.
    pub(super) fn wish(&mut self, wishes: impl IntoIterator<Item = (u8, ServerWish)>) {
        let wishes = wishes.into_iter().map(|(last, wish)| ServerOverride {
            service: "web".to_owned(),
            server: format!("s{last}"),
            wish,
        });
        let wishes: Vec<_> = wishes.collect();
        self.pools.override_servers(self.now, &wishes);
    }

    /// Slots of a server, found by its address, in all pools.
    pub(super) fn slots(&self, last: u8) -> Vec<Slot> {
        let pools = self.pools.each();
        let servers = pools.flat_map(|(config, pool)| pool.servers(config));
        let servers = servers.filter(|(config, _)| config.address() == address(last));
        servers
            .flat_map(|(_, server)| &server.probes)
            .map(|probe| probe.slot)
            .collect()
    }

    pub(super) fn report(&mut self, slot: Slot, health: Health, weight: Option<u32>) {
        let error = match health {
            Health::Down => Some(Arc::new(CheckError::Refused)),
            Health::Unknown | Health::Up => None,
        };
        let report = Input::Report {
            slot,
            health,
            weight,
            error,
        };
        self.pools.handle(self.now, report);
    }

    /// All checks of these servers pass.
    pub(super) fn up(&mut self, servers: impl IntoIterator<Item = u8>) {
        self.all(servers, Health::Up);
    }

    /// All checks of these servers fail.
    pub(super) fn down(&mut self, servers: impl IntoIterator<Item = u8>) {
        self.all(servers, Health::Down);
    }

    fn all(&mut self, servers: impl IntoIterator<Item = u8>, health: Health) {
        for server in servers {
            for slot in self.slots(server) {
                self.report(slot, health, None);
            }
        }
    }

    /// Time passes, with every timeout at its time.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100 {
            match self.pools.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.pools.handle(self.now, Input::Timeout);
                }
                Some(_) | None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("timeouts without end");
    }

    /// Brings the kernel to what it should be, and reads it back.
    pub(super) fn sync(&mut self) {
        let mut actual = self.kernel.snapshot().unwrap();
        actual.retain(|service| self.pools.is_ours(&service.service.key));
        let removal = |key: &ServiceKey, entry: &locum_ipvs::DestinationEntry| {
            self.pools.removal(key, &entry.key)
        };
        let ops = plan_with(self.pools.desired(), &actual, removal);
        apply(&mut self.kernel, &ops);
        self.read();
    }

    /// Tells the pools what the kernel has.
    pub(super) fn read(&mut self) {
        let snapshot = self.kernel.snapshot().unwrap();
        self.pools.handle(self.now, Input::Kernel(&snapshot));
    }

    /// From now on a server has so many connections, active and inactive, in 192.0.2.`vip`:80.
    pub(super) fn connect(&mut self, vip: u8, last: u8, active: u32, inactive: u32) {
        self.connect_to(&key(vip), last, active, inactive);
    }

    pub(super) fn connect_to(&mut self, key: &ServiceKey, last: u8, active: u32, inactive: u32) {
        let entry = DestinationKey {
            address: address(last).ip(),
            port: 80,
        };
        let kernel = self.kernel.transport();
        kernel.connect(key, &entry, active, inactive);
    }

    /// What happened since it was last asked.
    pub(super) fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.pools.poll_event())
            .map(|event| brief(&event))
            .collect()
    }

    /// What should be in the kernel: a text for each service, `server=weight`, servers by the last byte.
    pub(super) fn tables(&self) -> Vec<String> {
        texts(self.pools.desired())
    }

    /// The same, of the only service.
    pub(super) fn table(&self) -> String {
        let [table] = self.tables().try_into().expect("one service");
        table
    }

    /// The same, of what is in the kernel.
    pub(super) fn kernel(&mut self) -> Vec<String> {
        let snapshot = self.kernel.snapshot().unwrap();
        let services = snapshot.iter().map(|service| {
            let entries = service.destinations.values();
            let entries = entries.map(|e| entry(e.key.address, e.settings.weight));
            entries.collect::<Vec<_>>().join(" ")
        });
        services.collect()
    }

    pub(super) fn state(&self, last: u8) -> ServerState {
        let reports = self.pools.report(self.now);
        let mut servers = reports.iter().flat_map(|pool| &pool.servers);
        let server = servers.find(|server| server.address == address(last));
        server.expect("a server").state
    }
}

fn apply(kernel: &mut Client<Kernel>, ops: &[Op]) {
    for result in kernel.apply(ops) {
        result.expect("the kernel takes it");
    }
}

pub(super) fn texts(table: &Table) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for op in plan(table, &Snapshot::default()) {
        if let Op::AddDestination(_, one) = op {
            let text = texts.last_mut().expect("a service first");
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&entry(one.address(), one.settings().weight));
        } else {
            assert!(matches!(op, Op::AddService(_)), "{op:?} from nothing");
            texts.push(String::new());
        }
    }
    texts
}

fn entry(address: IpAddr, weight: u32) -> String {
    let last = match address {
        IpAddr::V4(v4) => v4.octets()[3].to_string(),
        IpAddr::V6(v6) => format!("v6-{}", v6.octets()[15]),
    };
    format!("{last}={weight}")
}

fn brief(event: &Event) -> String {
    let flag = |on: &bool, word: &'static str| if *on { word } else { "" };
    match event {
        Event::Drained {
            service,
            server,
            end,
            ..
        } => {
            let how = match end {
                DrainEnd::Empty => "empty",
                DrainEnd::TimedOut => "timed out",
            };
            format!("{service}/{server} drained: {how}")
        }
        Event::HoldBegan { servers, .. } => format!("hold of {servers}"),
        Event::HoldEnded { taken } => format!("hold ended, {taken} taken out"),
        Event::QuorumGained {
            service,
            weight,
            first,
        } => format!("{service} gained at {weight}{}", flag(first, ", first")),
        Event::QuorumLost {
            service,
            weight,
            first,
        } => format!("{service} lost at {weight}{}", flag(first, ", first")),
        Event::ServerDown {
            service,
            server,
            first,
            held,
            ..
        } => {
            let (first, held) = (flag(first, ", first"), flag(held, ", held"));
            format!("{service}/{server} down{first}{held}")
        }
        Event::ServerUp {
            service,
            server,
            first,
            ..
        } => format!("{service}/{server} up{}", flag(first, ", first")),
        Event::WeightChanged {
            service,
            server,
            from,
            to,
            ..
        } => format!("{service}/{server} {}->{}", from.get(), to.get()),
    }
}
