//! Hosts, links and what is left of them. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "a laboratory that cannot be built fails its test"
)]

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use locum_lab::{Host, Impairment, LabError, Lan, ProbeConfig, Prober, Signal, owners, wait_until};

const BOUND: Duration = Duration::from_secs(10);
const A: &str = "10.77.0.1";
const B: &str = "10.77.0.2";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Two hosts on a LAN, with IPv4 and IPv6.
fn pair(lan: &Lan) -> (Host, Host) {
    let hosts = (Host::new("a").unwrap(), Host::new("b").unwrap());
    lan.attach(&hosts.0, "eth0", &[net("10.77.0.1/24"), net("fd77::1/64")])
        .unwrap();
    lan.attach(&hosts.1, "eth0", &[net("10.77.0.2/24"), net("fd77::2/64")])
        .unwrap();
    hosts
}

/// So many probes, each millisecond, and what came of them.
fn probe(from: &Host, to: &str, probes: u32) -> locum_lab::ProbeReport {
    let config = ProbeConfig::default()
        .patience(Duration::from_millis(500))
        .interval(Duration::from_millis(1))
        .limit(probes);
    let prober = Prober::start(from, ip(to), config).unwrap();
    wait_until("the probes to be sent", BOUND, || {
        prober.report_since(Duration::ZERO).sent == probes
    })
    .unwrap();
    prober.finish()
}

#[test]
fn hosts_on_a_bridge_reach_one_another() {
    let lan = Lan::bridge().unwrap();
    let (a, b) = pair(&lan);
    for to in [B, "fd77::2"] {
        let report = probe(&a, to, 100);
        assert_eq!(
            (report.answered, report.duplicates),
            (100, 0),
            "{to}: {report:?}"
        );
        let [answering] = report.responders[..] else {
            panic!("{:?}", report.responders)
        };
        assert_eq!(Some(answering.mac), b.mac("eth0"));
        assert_eq!(a.neighbour(ip(to)).unwrap(), b.mac("eth0"));
        assert_eq!(lan.host_of(answering.mac), Some(b.clone()));
    }
    assert_eq!(owners(&[&a, &b], ip(B)), [&b]);
    assert!(matches!(
        lan.impair(&a, &b, Impairment::CUT),
        Err(LabError::NotRelay)
    ));
}

#[test]
fn hosts_on_a_relay_reach_one_another() {
    let lan = Lan::relay(1).unwrap();
    let (a, _b) = pair(&lan);
    for to in [B, "fd77::2"] {
        let report = probe(&a, to, 100);
        assert_eq!(
            (report.answered, report.duplicates),
            (100, 0),
            "{to}: {report:?}"
        );
    }
}

#[test]
fn a_relay_loses_duplicates_and_delays_as_told() {
    let lan = Lan::relay(7).unwrap();
    let (a, b) = pair(&lan);
    assert_eq!(probe(&a, B, 10).answered, 10);

    lan.impair(&a, &b, Impairment::NONE.loss_per_mille(300))
        .unwrap();
    let report = probe(&a, B, 1000);
    assert!((200..400).contains(&report.lost), "{report:?}");

    lan.impair(&a, &b, Impairment::NONE.duplicate_per_mille(500))
        .unwrap();
    let report = probe(&a, B, 1000);
    assert_eq!(report.lost, 0);
    assert!((400..600).contains(&report.duplicates), "{report:?}");

    let delay = Impairment::NONE.delay(Duration::from_millis(50), Duration::from_millis(20));
    lan.impair(&a, &b, delay).unwrap();
    let report = probe(&a, B, 200);
    assert_eq!(report.lost, 0);
    assert!(report.slowest >= Duration::from_millis(60), "{report:?}");

    // One direction only: b's answers are lost, its frames are not.
    lan.impair(&a, &b, Impairment::NONE).unwrap();
    lan.impair(&b, &a, Impairment::CUT).unwrap();
    assert_eq!(probe(&a, B, 20).answered, 0);
    lan.impair(&b, &a, Impairment::NONE).unwrap();
    let report = probe(&a, B, 20);
    assert_eq!(report.answered, 20, "{report:?}");
}

#[test]
fn a_relay_finishes_checksums() {
    let lan = Lan::relay(3).unwrap();
    let (a, b) = pair(&lan);
    let listener = b.run(|| std::net::TcpListener::bind((B, 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = std::net::SocketAddr::new(ip(B), port);
    let connected = a.run(move || std::net::TcpStream::connect_timeout(&to, BOUND));
    assert_eq!(connected.unwrap().peer_addr().unwrap(), to);
}

fn finds_the_outage_of(lan: &Lan, cut: impl Fn(&Lan, &Host), carrier: &str) {
    let (a, b) = pair(lan);
    let prober = Prober::start(&a, ip(B), ProbeConfig::default()).unwrap();
    prober.wait_answered(Duration::ZERO, None, BOUND).unwrap();
    let before = prober.elapsed();
    cut(lan, &b);
    let cut_at = prober.elapsed();
    let state = b.ip("-o link show eth0").unwrap();
    std::thread::sleep(Duration::from_millis(150));
    let snapshot = prober.snapshot(Duration::from_secs(1));
    let healed = prober.elapsed();
    lan.heal(&b).unwrap();
    let back = prober.wait_answered(healed, b.mac("eth0"), BOUND).unwrap();
    let report = prober.finish();
    assert!(state.contains(carrier), "{state}");
    let longest = report.longest_outage();
    // A stall of the machine only makes the time between the steps longer.
    assert!(longest >= healed - cut_at, "{report:?}");
    assert!(
        longest <= back - before + Duration::from_millis(20),
        "{report:?}"
    );
    assert!(
        snapshot.silent_for.unwrap() >= Duration::from_millis(100),
        "{snapshot:?}"
    );
}

#[test]
fn the_prober_finds_a_pulled_cable() {
    let cut = |lan: &Lan, host: &Host| lan.cut(host).unwrap();
    finds_the_outage_of(&Lan::bridge().unwrap(), cut, "NO-CARRIER");
    finds_the_outage_of(&Lan::relay(1).unwrap(), cut, "NO-CARRIER");
}

#[test]
fn the_prober_finds_a_partition_that_the_host_does_not_see() {
    let cut = |lan: &Lan, host: &Host| lan.partition(host).unwrap();
    finds_the_outage_of(&Lan::bridge().unwrap(), cut, "LOWER_UP");
    finds_the_outage_of(&Lan::relay(1).unwrap(), cut, "LOWER_UP");
}

#[test]
fn a_program_is_heard_signalled_and_killed_with_its_children() {
    let host = Host::new("a").unwrap();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap 'echo told' TERM; echo ready; sleep 100 & while :; do wait; done",
    ]);
    let child = host.spawn(command).unwrap();
    child.log().wait_for("ready", BOUND).unwrap();
    wait_until("both processes", BOUND, || host.processes().len() == 2).unwrap();
    let mark = child.log().mark();
    child.signal(Signal::Term).unwrap();
    child.log().wait_after(mark, "told", BOUND).unwrap();
    assert!(child.is_running());
    host.kill_all().unwrap();
    assert_eq!(host.processes(), [0_u32; 0]);
    assert!(!child.wait(BOUND).unwrap().success());
    child.signal(Signal::Term).unwrap();
}

#[test]
fn a_failing_program_is_an_error_with_its_words() {
    let host = Host::new("a").unwrap();
    let error = host.ip("link show nothing").unwrap_err().to_string();
    assert!(error.contains("ip link show nothing") && error.contains("nothing\" does not exist"));
    assert!(host.spawn(Command::new("/nonexistent")).is_err());
}

#[test]
fn nothing_is_left_even_after_a_panic() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let result = std::panic::catch_unwind(move || {
        let lan = Lan::bridge().unwrap();
        let (a, _b) = pair(&lan);
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & sleep 1000"]);
        let _child = a.spawn(command).unwrap();
        wait_until("processes", BOUND, || a.processes().len() >= 2).unwrap();
        sender.send(a.processes()).unwrap();
        a.run(|| panic!("on purpose"))
    });
    assert!(result.is_err());
    let processes = receiver.recv().unwrap();
    assert!(!processes.is_empty());
    for pid in processes {
        wait_until("a process to go", BOUND, || !is_alive(pid)).unwrap();
    }
    // Namespaces have no name, and the veth pairs and the bridge go with them: none was ever in ours.
    let ours = std::fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!ours.contains("br0:") && !ours.contains(" p0:"), "{ours}");
}

/// A zombie that nobody reaps is not alive.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn addresses_are_told_with_their_interface() {
    let lan = Lan::bridge().unwrap();
    let (a, _b) = pair(&lan);
    assert!(a.has_address(ip(A)) && !a.has_address(ip(B)));
    let all = a.addresses().unwrap();
    assert!(
        all.contains(&("eth0".to_owned(), net("10.77.0.1/24"))),
        "{all:?}"
    );
    assert!(
        all.contains(&("eth0".to_owned(), net("fd77::1/64"))),
        "{all:?}"
    );
}
