//! Checks that only connect, as the runner makes them: by raw sockets, to hosts in network namespaces of their own.
//! Needs root and `ip`.

#![cfg(feature = "tcp")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod link;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use locum_health::tcp::{TcpCheck, TcpConfig};
use locum_health::{
    CheckError, Health, Probe, Report, Runner, RunnerLimits, SocketOptions, Subscriber,
    Subscription, Timing, Totals,
};
use locum_lab::{Host, Lan};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc::UnboundedReceiver;

use self::link::block_on;

/// Far more than any answer takes.
const LONG: Duration = Duration::from_secs(20);

/// One that checks, and one that has servers: all of 10.128/16 and fd01::/64, and its addresses on the link.
struct World {
    checker: Host,
    servers: Host,
    _lan: Lan,
}

impl World {
    fn new() -> Self {
        let ([checker, servers], lan) = link::two(["checker", "servers"]);
        for command in [
            "route add local 10.128.0.0/16 dev lo",
            "-6 route add local fd01::/64 dev lo",
        ] {
            servers.ip(command).unwrap();
        }
        for command in [
            "route add 10.128.0.0/16 via 192.0.2.2",
            "route add fd01::/64 via fd00::2",
            // Nobody is there.
            "neighbour add 192.0.2.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
            "neighbour add fd00::99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        ] {
            checker.ip(command).unwrap();
        }
        Self {
            checker,
            servers,
            _lan: lan,
        }
    }
}

/// Listens on both families, and never accepts.
fn listen(host: &Host) -> (TcpListener, u16) {
    host.run(|| {
        let listener = TcpListener::bind("[::]:0").unwrap();
        rustix::net::listen(&listener, 4096).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    })
}

/// A runner, and what it has found out.
struct Checks {
    runner: Runner,
    reports: UnboundedReceiver<Report>,
    targets: Vec<SocketAddr>,
}

impl Checks {
    /// Each target once in a minute, so that the first probe is the only one.
    fn start(options: &SocketOptions, targets: Vec<SocketAddr>) -> Self {
        let timing = Timing::new(Duration::from_secs(60), Duration::from_secs(2)).unwrap();
        Self::start_as(options, targets, timing)
    }

    fn start_as(options: &SocketOptions, targets: Vec<SocketAddr>, timing: Timing) -> Self {
        let mut config = TcpConfig::default();
        config.socket = options.clone();
        let check = Arc::new(TcpCheck::new(config).unwrap());
        let subscriptions = (0..).zip(&targets).map(|(number, target)| {
            let probe = Probe::new(*target, "tcp", check.clone(), timing);
            Subscription::new(Subscriber(number), probe)
        });
        let (runner, reports) = Runner::start(RunnerLimits::default(), 1);
        runner.set(subscriptions.collect()).unwrap();
        Self {
            runner,
            reports,
            targets,
        }
    }

    /// The first report about each.
    async fn all(&mut self) -> BTreeMap<SocketAddr, Report> {
        let mut all = BTreeMap::new();
        let reports = async {
            while all.len() < self.targets.len() {
                let report = self.reports.recv().await.unwrap();
                let place = usize::try_from(report.subscriber.0).unwrap();
                all.entry(self.targets[place]).or_insert(report);
            }
        };
        let in_time = tokio::time::timeout(LONG, reports).await.is_ok();
        assert!(in_time, "{} of {}", all.len(), self.targets.len());
        all
    }

    async fn totals(&self) -> Totals {
        self.runner.totals().await.unwrap()
    }
}

fn targets(addresses: &[&str], port: u16) -> Vec<SocketAddr> {
    let addresses = addresses.iter().map(|text| text.parse::<IpAddr>().unwrap());
    addresses
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

/// Of a report, for comparison.
fn word(report: &Report) -> &'static str {
    match (report.health, report.error.as_deref()) {
        (Health::Up, None) => "up",
        (Health::Down, Some(CheckError::Refused)) => "refused",
        (Health::Down, Some(CheckError::Timeout)) => "silent",
        _ => "else",
    }
}

#[test]
fn open_closed_and_silent_ports_are_told_apart() {
    let world = World::new();
    let (_listener, port) = listen(&world.servers);
    let open = ["192.0.2.2", "fd00::2", "10.128.7.7", "fd01::7"];
    block_on(&world.checker, async move || {
        let all = [
            (targets(&open, port), "up"),
            (targets(&open, 9), "refused"),
            (targets(&["192.0.2.99", "fd00::99"], port), "silent"),
        ];
        let every = all.iter().flat_map(|(targets, _)| targets.clone());
        let mut checks = Checks::start(&SocketOptions::default(), every.collect());
        // Other connections do not count as answers that were lost.
        for target in targets(&open, port).repeat(5) {
            tokio::net::TcpStream::connect(target).await.unwrap();
        }
        let reports = checks.all().await;
        for (targets, expected) in &all {
            for target in targets {
                assert_eq!(word(&reports[target]), *expected, "{target}");
            }
        }
        let totals = checks.totals().await;
        let counts = totals.counts;
        assert_eq!(counts.half_open, counts.begun, "{totals:?}");
        assert_eq!((counts.passed, counts.failed), (4, 6), "{totals:?}");
        assert_eq!(counts.timed_out, 2, "{totals:?}");
    });
}

#[test]
fn this_machine_is_a_target_as_any_other() {
    let world = World::new();
    let (_listener, port) = listen(&world.checker);
    let own = ["127.0.0.1", "127.0.0.77", "::1", "192.0.2.1", "fd00::1"];
    block_on(&world.checker, async move || {
        let (open, closed) = (targets(&own, port), targets(&own, 9));
        let every = [open.clone(), closed.clone()].concat();
        let mut checks = Checks::start(&SocketOptions::default(), every);
        let reports = checks.all().await;
        for (targets, expected) in [(open, "up"), (closed, "refused")] {
            for target in targets {
                assert_eq!(word(&reports[&target]), expected, "{target}");
            }
        }
        let totals = checks.totals().await;
        assert_eq!(totals.counts.half_open, 10, "{totals:?}");
    });
}

#[test]
fn a_thousand_at_once_pass_and_no_program_is_woken() {
    let world = World::new();
    let (listener, port) = listen(&world.servers);
    block_on(&world.checker, async move || {
        let v4 = (1..=500_u32).map(|number| IpAddr::from((0x0a80_0000 + number).to_be_bytes()));
        let v6 = (1..=500_u128)
            .map(|number| IpAddr::from(((0xfd01_u128 << 112) + number).to_be_bytes()));
        let every = v4.chain(v6).map(|address| SocketAddr::new(address, port));
        let mut checks = Checks::start(&SocketOptions::default(), every.collect());
        let reports = checks.all().await;
        assert!(reports.values().all(|report| word(report) == "up"));
        let totals = checks.totals().await;
        let counts = totals.counts;
        assert_eq!((counts.half_open, counts.failed), (1000, 0), "{totals:?}");
    });
    let accepted = listener.accept();
    assert!(accepted.is_err(), "{accepted:?}");
}

#[test]
fn source_device_and_mark_are_as_set() {
    let world = World::new();
    let (_listener, port) = listen(&world.servers);
    for command in [
        "address add 203.0.113.7/32 dev lo",
        "route add 203.0.113.1 via 192.0.2.2 table 7",
        "rule add fwmark 7 lookup 7",
    ] {
        world.checker.ip(command).unwrap();
    }
    for command in [
        "address add 203.0.113.1/32 dev lo",
        // The way back is there for this source only.
        "route add 203.0.113.7 via 192.0.2.1",
        "route add unreachable 192.0.2.1",
    ] {
        world.servers.ip(command).unwrap();
    }
    block_on(&world.checker, async move || {
        let mut options = SocketOptions::default();
        options.source = Some([203, 0, 113, 7].into());
        options.device = Some("eth0".to_owned());
        options.mark = Some(7);
        let mut checks = Checks::start(&options, targets(&["203.0.113.1"], port));
        for report in checks.all().await.values() {
            assert_eq!(word(report), "up");
        }
        let totals = checks.totals().await;
        assert_eq!(totals.counts.half_open, 1, "{totals:?}");
    });
    // The kernel's reset had no way to the server.
    let left = half_open_connections(&world.servers, port);
    assert_eq!(left, Vec::<String>::new());
}

/// Those that a host's kernel waits for the other side to open.
fn half_open_connections(host: &Host, port: u16) -> Vec<String> {
    let port = format!(":{port:04X} ");
    let table = host
        .run(|| std::fs::read_to_string("/proc/thread-self/net/tcp6"))
        .unwrap();
    let lines = table.lines().filter(|line| line.contains(&port));
    // 03 is SYN_RECV.
    let half_open = lines.filter(|line| line.split_whitespace().nth(3) == Some("03"));
    half_open.map(str::to_owned).collect()
}

#[test]
fn without_the_privilege_connections_are_made() {
    let world = World::new();
    let (_listener, port) = listen(&world.servers);
    block_on(&world.checker, async move || {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_RAW);
        sets.permitted.remove(CapabilitySet::NET_RAW);
        set_capabilities(None, sets).unwrap();

        let open = targets(&["192.0.2.2", "fd00::2"], port);
        let closed = targets(&["192.0.2.2", "fd00::2"], 9);
        let every = [open.clone(), closed.clone()].concat();
        let mut checks = Checks::start(&SocketOptions::default(), every);
        let reports = checks.all().await;
        for (targets, expected) in [(open, "up"), (closed, "refused")] {
            for target in targets {
                assert_eq!(word(&reports[&target]), expected, "{target}");
            }
        }
        let totals = checks.totals().await;
        let counts = totals.counts;
        assert_eq!((counts.half_open, counts.passed), (0, 2), "{totals:?}");
    });
}

#[test]
fn what_fails_is_looked_at_by_a_connection() {
    let world = World::new();
    // Bound, so that nobody else gets the port, and not listening yet.
    let (socket, port) = world.servers.run(|| {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket
            .bind(&"[::]:0".parse::<SocketAddr>().unwrap().into())
            .unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        (socket, port)
    });
    block_on(&world.checker, async move || {
        let timing = Timing::new(Duration::from_millis(200), Duration::from_millis(200)).unwrap();
        let target = targets(&["192.0.2.2"], port);
        let checks = Checks::start_as(&SocketOptions::default(), target, timing);
        let until = async |reached: fn(Totals) -> bool| {
            let wait = async {
                loop {
                    let totals = checks.totals().await;
                    if reached(totals) {
                        return totals.counts;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(LONG, wait).await.unwrap()
        };
        let down = until(|totals| totals.counts.failed >= 3).await;
        assert_eq!(down.half_open, 1, "{down:?}");
        socket.listen(128).unwrap();
        let up = until(|totals| totals.counts.passed >= 3).await;
        assert!(up.half_open >= 2, "{up:?}");
    });
}

#[test]
fn faults_of_this_machine_are_told_as_by_a_connection() {
    let world = World::new();
    block_on(&world.checker, async || {
        let timing = Timing::new(Duration::from_secs(1), Duration::from_millis(500)).unwrap();
        // There is no route, and no such address.
        let far = targets(&["203.0.113.1", "2001:db8::1"], 80);
        let mut options = SocketOptions::default();
        let no_route = Checks::start_as(&options, far, timing);
        options.source = Some([203, 0, 113, 9].into());
        let no_source = Checks::start_as(&options, targets(&["192.0.2.2"], 80), timing);
        options.source = Some([192, 0, 2, 1].into());
        let other_family = Checks::start_as(&options, targets(&["fd00::2"], 80), timing);
        for (checks, count) in [(no_route, 2), (no_source, 1), (other_family, 1)] {
            let totals = async {
                loop {
                    let totals = checks.totals().await;
                    if totals.counts.local_errors >= count {
                        break totals;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let totals = tokio::time::timeout(LONG, totals).await.unwrap();
            let counts = totals.counts;
            assert_eq!((counts.half_open, counts.failed), (0, 0), "{totals:?}");
        }
    });
}

#[test]
fn another_source_address_is_noticed() {
    let world = World::new();
    let (_listener, port) = listen(&world.servers);
    let checker = world.checker.clone();
    block_on(&world.checker, async move || {
        let timing = Timing::new(Duration::from_millis(200), Duration::from_millis(200)).unwrap();
        let target = targets(&["10.128.0.1"], port);
        let mut checks = Checks::start_as(&SocketOptions::default(), target, timing);
        checks.all().await;
        for command in [
            "address del 192.0.2.1/24 dev eth0",
            "address add 192.0.2.3/24 dev eth0",
            "route add 10.128.0.0/16 via 192.0.2.2",
        ] {
            checker.ip(command).unwrap();
        }
        let before = checks.totals().await.counts;
        let passed = async {
            while checks.totals().await.counts.half_open < before.half_open + 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, passed).await.unwrap();
        assert!(
            checks.reports.try_recv().is_err(),
            "it has been up all the time"
        );
    });
}

/// A server made of packets: whoever asks for its address gets to the host `servers`, whose kernel knows nothing of it.
struct Forger {
    frames: Socket,
    syns: Mutex<Vec<(u16, u32)>>,
    socket: Socket,
}

const FORGED: [u8; 4] = [192, 0, 2, 50];

impl Forger {
    fn new(world: &World) -> Self {
        let mac = "02:00:00:00:00:50";
        let command = format!("link set eth0 address {mac}");
        world.servers.ip(&command).unwrap();
        let command = format!("neighbour add 192.0.2.50 lladdr {mac} dev eth0 nud permanent");
        world.checker.ip(&command).unwrap();
        let (frames, socket) = world.servers.run(|| {
            // ETH_P_IP.
            let ip = Protocol::from(i32::from(0x0800_u16.to_be()));
            let frames = Socket::new(Domain::PACKET, Type::RAW, Some(ip)).unwrap();
            frames.set_nonblocking(true).unwrap();
            let raw = Protocol::from(libc::IPPROTO_RAW);
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(raw)).unwrap();
            socket.set_send_buffer_size(1 << 20).unwrap();
            (frames, socket)
        });
        Self {
            frames,
            syns: Mutex::default(),
            socket,
        }
    }

    /// The ports and numbers of the SYNs that have come so far, without those that were repeated.
    fn syns(&self) -> Vec<(u16, u32)> {
        let mut syns = self.syns.lock().unwrap();
        let mut frame = [0; 256];
        while let Ok(length) = (&self.frames).read(&mut frame) {
            let Ok(packet) = SlicedPacket::from_ethernet(&frame[..length]) else {
                continue;
            };
            if let Some(TransportSlice::Tcp(segment)) = packet.transport
                && segment.syn()
                && segment.destination_port() == 80
            {
                syns.push((segment.source_port(), segment.sequence_number()));
            }
        }
        syns.dedup();
        syns.clone()
    }

    /// Waits for so many.
    async fn wait(&self, count: usize) -> (u16, u32) {
        let wait = async {
            loop {
                if let Some(syn) = self.syns().get(count - 1) {
                    return *syn;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap()
    }

    fn send(&self, packet: &[u8]) {
        let to = SocketAddr::from(([192, 0, 2, 1], 0)).into();
        self.socket.send_to(packet, &to).unwrap();
    }

    /// Sends a segment to that port, with `flags` of "SRA" and the number that it acknowledges.
    fn answer(&self, from: u16, to: u16, flags: &str, acknowledges: u32) {
        self.send(&segment(from, to, flags, acknowledges));
    }
}

fn segment(from: u16, to: u16, flags: &str, acknowledges: u32) -> Vec<u8> {
    let mut builder = PacketBuilder::ipv4(FORGED, [192, 0, 2, 1], 64).tcp(from, to, 7, 100);
    for flag in flags.chars() {
        builder = match flag {
            'S' => builder.syn(),
            'R' => builder.rst(),
            _ => builder.ack(acknowledges),
        };
    }
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

#[test]
fn only_the_server_itself_can_answer() {
    let world = World::new();
    let forger = Forger::new(&world);
    block_on(&world.checker, async move || {
        let timing = Timing::new(Duration::from_secs(60), LONG).unwrap();
        let target = targets(&["192.0.2.50"], 80);
        let mut checks = Checks::start_as(&SocketOptions::default(), target, timing);
        let (port, sequence) = forger.wait(1).await;
        let right = sequence.wrapping_add(1);
        for wrong in [sequence, right.wrapping_add(1), 0, !right] {
            forger.answer(80, port, "SA", wrong);
            forger.answer(80, port, "RA", wrong);
        }
        forger.answer(81, port, "SA", right);
        forger.answer(80, port ^ 1, "SA", right);
        for flags in ["S", "R", "SR", "SRA"] {
            forger.answer(80, port, flags, right);
        }
        for length in 20..40 {
            let mut packet = segment(80, port, "SA", right);
            packet.truncate(length);
            forger.send(&packet);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let totals = checks.totals().await;
        assert_eq!(
            (totals.in_flight, totals.counts.passed),
            (1, 0),
            "{totals:?}"
        );
        assert!(totals.stray_answers >= 13, "{totals:?}");

        // What a server says that thinks of an older connection of that port.
        forger.answer(80, port, "A", 99);
        let (other, sequence) = forger.wait(2).await;
        assert_ne!(other, port);
        forger.answer(80, other, "SA", sequence.wrapping_add(1));
        for report in checks.all().await.values() {
            assert_eq!(word(report), "up");
        }
        assert_eq!(checks.totals().await.counts.half_open, 1);
    });
}

#[test]
fn where_answers_are_lost_silence_says_nothing() {
    let world = World::new();
    let forger = Forger::new(&world);
    block_on(&world.checker, async move || {
        let patience = Duration::from_secs(3);
        let timing = Timing::new(Duration::from_secs(60), patience).unwrap();
        let target = targets(&["192.0.2.50"], 80);
        let checks = Checks::start_as(&SocketOptions::default(), target, timing);
        let (port, _) = forger.wait(1).await;
        // More than there is room for. This is the thread that would read them.
        let packet = segment(81, port, "SA", 0);
        for _ in 0..20_000 {
            forger.send(&packet);
        }
        let ended = async {
            loop {
                let totals = checks.totals().await;
                if totals.counts.half_open > 0 {
                    return totals.counts;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let counts = tokio::time::timeout(LONG, ended).await.unwrap();
        assert_eq!(
            (counts.failed, counts.local_errors + counts.lagged),
            (0, 1),
            "{counts:?}"
        );
    });
}
