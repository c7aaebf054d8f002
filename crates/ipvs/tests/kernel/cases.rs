//! What is shown of the real kernel. Each case begins with empty tables.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use locum_ipvs::*;

use crate::agree;

/// Their names, and what they do.
pub(crate) const CASES: &[(&str, fn())] = &[
    (
        "a_fresh_kernel_has_its_defaults",
        a_fresh_kernel_has_its_defaults,
    ),
    (
        "what_is_written_ipvsadm_reads",
        what_is_written_ipvsadm_reads,
    ),
    ("what_ipvsadm_writes_is_read", what_ipvsadm_writes_is_read),
    ("proc_has_the_same_table", proc_has_the_same_table),
    ("errors_are_told_apart", errors_are_told_apart),
    ("daemons_start_and_stop", daemons_start_and_stop),
    (
        "daemons_and_mixed_versions_exclude_each_other",
        daemons_and_mixed_versions_exclude_each_other,
    ),
    ("timeouts_change_one_by_one", timeouts_change_one_by_one),
    (
        "packets_are_counted_and_zeroed",
        packets_are_counted_and_zeroed,
    ),
    ("many_batches_go_through", many_batches_go_through),
    (
        "changes_end_as_in_the_fake_kernel",
        agree::changes_end_as_in_the_fake_kernel,
    ),
    (
        "plans_lead_from_table_to_table",
        agree::plans_lead_from_table_to_table,
    ),
    (
        "the_async_client_works_in_another_namespace",
        the_async_client_works,
    ),
    (
        "a_module_loaded_anew_is_found_again",
        a_module_loaded_anew_is_found_again,
    ),
];

/// A client and an empty table.
pub(crate) fn client() -> Client {
    let mut client = Client::open(Limits::default()).unwrap();
    client.apply_one(Op::Flush).unwrap();
    client
}

fn ipvsadm(arguments: &[&str]) -> String {
    let output = Command::new("ipvsadm").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Without order: the kernel's is that of its hash table.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.sort();
    lines
}

fn tcp(address: &str) -> ServiceKey {
    ServiceKey::tcp(address.parse().unwrap())
}

fn udp(address: &str) -> ServiceKey {
    ServiceKey::udp(address.parse().unwrap())
}

fn mark(family: IpFamily, mark: u32) -> ServiceKey {
    let mark = NonZeroU32::new(mark).unwrap();
    ServiceKey::FirewallMark { family, mark }
}

fn seconds(seconds: u32) -> Seconds {
    Seconds::new(seconds).unwrap()
}

fn direct(address: &str) -> Destination {
    Destination::direct(address.parse().unwrap())
}

fn masquerade(address: &str) -> Destination {
    Destination::masquerade(address.parse().unwrap())
}

fn tunnel(address: &str, tunnel: Tunnel) -> Destination {
    Destination::tunnel(address.parse().unwrap(), tunnel)
}

fn gue(checksum: GueChecksum) -> Tunnel {
    let port = NonZeroU16::new(6080).unwrap();
    Tunnel::Gue { port, checksum }
}

/// One of everything that `ipvsadm -S` can say.
fn everything() -> (Table, &'static str) {
    let hashing = |fallback, port| Hashing { fallback, port };
    let mut table = Table::new();
    let mut add = |service: Service, destinations: &[Destination]| {
        table.insert(service, destinations.iter().copied()).unwrap();
    };
    add(
        Service::new(tcp("192.0.2.10:80"), Scheduler::WLC),
        &[
            direct("10.0.0.1"),
            masquerade("10.0.0.2:8080").weight(65535.into()),
            tunnel("10.0.0.3", Tunnel::Ipip).weight(Weight::ZERO),
            tunnel("10.0.0.4", gue(GueChecksum::On)),
            tunnel("10.0.0.5", gue(GueChecksum::Remote)),
            tunnel("10.0.0.6", Tunnel::Gre(GreChecksum::On)),
            tunnel("fd00::7", gue(GueChecksum::Off)),
        ],
    );
    let sh = Service::new(
        tcp("[2001:db8::10]:443"),
        Scheduler::source_hash(hashing(true, true)),
    );
    add(
        sh.persistent_by_network(seconds(600), 64).unwrap(),
        &[direct("fd00::1")],
    );
    let dns = Service::new(
        udp("192.0.2.10:53"),
        Scheduler::maglev(hashing(false, true)),
    );
    add(dns.one_packet().unwrap(), &[masquerade("10.0.0.1:5353")]);
    let sip = Service::new(udp("192.0.2.10:5060"), Scheduler::RR).persistent(seconds(60));
    add(sip.persistence_engine(PersistenceEngine::SIP), &[]);
    let sctp = ServiceKey::endpoint(Protocol::SCTP, "192.0.2.10:36412".parse().unwrap());
    add(
        Service::new(sctp, Scheduler::SED),
        &[masquerade("10.0.0.1:36412")],
    );
    let ftp = Service::new(tcp("192.0.2.11:0"), Scheduler::WRR);
    add(
        ftp.persistent_by_network(seconds(300), 24).unwrap(),
        &[direct("10.0.0.1")],
    );
    add(
        Service::new(mark(IpFamily::V4, 7), Scheduler::FO),
        &[direct("10.0.0.1")],
    );
    add(
        Service::new(mark(IpFamily::V6, 7), Scheduler::OVF),
        &[direct("fd00::1")],
    );
    (table, include_str!("../data/ipvsadm-save.txt"))
}

fn write(client: &mut Client, table: &Table) {
    let ops = plan(table, &client.snapshot().unwrap());
    for (op, outcome) in ops.iter().zip(client.apply(&ops)) {
        outcome.unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }
}

fn a_fresh_kernel_has_its_defaults() {
    let mut client = client();
    assert_eq!(client.info().unwrap().version.0, 1);
    let timeouts = client.timeouts().unwrap();
    let expected = [900, 120, 300].map(Duration::from_secs);
    assert_eq!([timeouts.tcp, timeouts.tcp_fin, timeouts.udp], expected);
    assert_eq!(client.snapshot().unwrap(), Snapshot::default());
    assert_eq!(client.daemons().unwrap(), []);
}

fn what_is_written_ipvsadm_reads() {
    let mut client = client();
    let (table, saved) = everything();
    write(&mut client, &table);
    assert_eq!(lines(&ipvsadm(&["-Sn"])), lines(saved));
    assert_eq!(plan(&table, &client.snapshot().unwrap()), []);
    client.apply_one(Op::Flush).unwrap();
    assert_eq!(ipvsadm(&["-Sn"]), "");
}

fn what_ipvsadm_writes_is_read() {
    let mut client = client();
    let (table, saved) = everything();
    let mut restore = Command::new("ipvsadm")
        .arg("-R")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    restore
        .stdin
        .take()
        .unwrap()
        .write_all(saved.as_bytes())
        .unwrap();
    assert!(restore.wait().unwrap().success());
    assert_eq!(plan(&table, &client.snapshot().unwrap()), []);

    // What -S does not save.
    let limits = [
        "-e",
        "-t",
        "192.0.2.10:80",
        "-r",
        "10.0.0.1",
        "-g",
        "-x",
        "100",
        "-y",
        "50",
    ];
    ipvsadm(&limits);
    let key = tcp("192.0.2.10:80");
    let limited = direct("10.0.0.1").thresholds(Thresholds::new(100, 50).unwrap());
    let entry = client.snapshot().unwrap().get(&key).unwrap().destinations[&limited.key(&key)];
    assert_eq!(entry.settings, limited.settings());
    assert_eq!(plan(&table, &client.snapshot().unwrap()).len(), 1);
}

fn proc_has_the_same_table() {
    let mut client = client();
    let mut table = Table::new();
    let service = Service::new(tcp("192.0.2.10:80"), Scheduler::WLC);
    table
        .insert(
            service,
            [
                direct("10.0.0.1"),
                masquerade("10.0.0.2:8080").weight(3.into()),
            ],
        )
        .unwrap();
    let six = Service::new(tcp("[2001:db8::10]:80"), Scheduler::RR);
    table
        .insert(six, [tunnel("fd00::1", Tunnel::Ipip)])
        .unwrap();
    write(&mut client, &table);
    let proc = fs::read_to_string("/proc/net/ip_vs").unwrap();
    let table: Vec<&str> = proc.lines().skip(3).collect();
    let found = lines(&table.join("\n"));
    let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = [
        "-> 0A000001:0050 Route 1 0 0",
        "-> 0A000002:1F90 Masq 3 0 0",
        "-> [fd00:0000:0000:0000:0000:0000:0000:0001]:0050 Tunnel 1 0 0",
        "TCP C000020A:0050 wlc",
        "TCP [2001:0db8:0000:0000:0000:0000:0000:0010]:0050 rr",
    ];
    assert_eq!(found.iter().map(words).collect::<Vec<_>>(), expected);
}

fn errors_are_told_apart() {
    let mut client = client();
    let web = tcp("192.0.2.10:80");
    let add_web = Op::AddService(Service::new(web, Scheduler::WLC));
    client.apply_one(add_web.clone()).unwrap();
    client
        .apply_one(Op::AddDestination(web, direct("10.0.0.1")))
        .unwrap();
    let other = tcp("192.0.2.11:80");
    let scheduler = Scheduler::new("nosuch").unwrap();
    let engine = PersistenceEngine::new("nosuch").unwrap();
    let with_engine = Service::new(web, Scheduler::WLC).persistence_engine(engine);
    let absent = direct("10.0.0.9");
    let nowhere = InterfaceName::new("nosuch").unwrap();
    let outcomes = client.apply(&[
        add_web,
        Op::AddService(Service::new(other, scheduler)),
        Op::EditService(with_engine),
        Op::EditService(Service::new(other, Scheduler::WLC)),
        Op::RemoveService(other),
        Op::Zero(Some(other)),
        Op::AddDestination(other, absent),
        Op::AddDestination(web, direct("10.0.0.1")),
        Op::EditDestination(web, absent),
        Op::RemoveDestination(web, absent.key(&web)),
        Op::AddDestination(web, direct("224.0.0.1")),
        Op::AddDestination(web, direct("fd00::1")),
        Op::StartDaemon(SyncDaemon::new(Role::Master, nowhere, 1)),
        Op::StopDaemon(Role::Master),
    ]);
    let names: Vec<String> = outcomes
        .iter()
        .map(|outcome| format!("{:?}", outcome.as_ref().unwrap_err()))
        .collect();
    let expected = [
        "AlreadyExists",
        "SchedulerNotFound",
        "SchedulerOrEngineNotFound",
        "ServiceNotFound",
        "ServiceNotFound",
        "ServiceNotFound",
        "ServiceNotFound",
        "AlreadyExists",
        "DestinationNotFound",
        "DestinationNotFound",
        "Invalid",
        "Invalid",
        "InterfaceNotFound",
        "DaemonNotFound",
    ];
    assert_eq!(names, expected);
    assert!(matches!(
        client.service(&other),
        Err(QueryError::ServiceNotFound)
    ));
    assert!(matches!(
        client.destinations(&other),
        Err(QueryError::ServiceNotFound)
    ));
    assert_eq!(client.destinations(&web).unwrap().len(), 1);
}

fn daemons_start_and_stop() {
    let mut client = client();
    let lo = || InterfaceName::new("lo").unwrap();
    let master = SyncDaemon::new(Role::Master, lo(), 7).max_length(1400);
    let backup = SyncDaemon::new(Role::Backup, lo(), 9)
        .max_length(1400)
        .group("224.0.0.99".parse().unwrap())
        .unwrap()
        .port(NonZeroU16::new(9000).unwrap())
        .ttl(NonZeroU8::new(3).unwrap());
    client.apply_one(Op::StartDaemon(master.clone())).unwrap();
    client.apply_one(Op::StartDaemon(backup)).unwrap();
    let again = client.apply_one(Op::StartDaemon(master));
    assert!(matches!(again, Err(ApplyError::AlreadyExists)));

    let mut daemons = client.daemons().unwrap();
    daemons.sort_by_key(|daemon| daemon.role);
    let [backup, master] = &daemons[..] else {
        panic!("{daemons:?}")
    };
    assert_eq!(
        (backup.role, backup.sync_id, backup.port, backup.ttl),
        (Role::Backup, 9, 9000, 3)
    );
    assert_eq!(backup.group, Some("224.0.0.99".parse().unwrap()));
    assert_eq!(
        (master.role, master.sync_id, master.port, master.ttl),
        (Role::Master, 7, 8848, 1)
    );
    assert_eq!(master.group, Some("224.0.0.81".parse().unwrap()));
    assert_eq!((master.interface.as_str(), master.max_length), ("lo", 1400));
    let listed = ipvsadm(&["-Ln", "--daemon"]);
    assert!(listed.contains("master sync daemon (mcast=lo, syncid=7, maxlen=1400, group=224.0.0.81, port=8848, ttl=1)"), "{listed}");
    assert!(listed.contains("backup sync daemon (mcast=lo, syncid=9, maxlen=1400, group=224.0.0.99, port=9000, ttl=3)"), "{listed}");

    client.apply_one(Op::StopDaemon(Role::Master)).unwrap();
    client.apply_one(Op::StopDaemon(Role::Backup)).unwrap();
    assert_eq!(client.daemons().unwrap(), []);
}

fn daemons_and_mixed_versions_exclude_each_other() {
    let mut client = client();
    let web = tcp("192.0.2.10:80");
    let daemon = || SyncDaemon::new(Role::Master, InterfaceName::new("lo").unwrap(), 1);
    let mixed = || Op::AddDestination(web, tunnel("fd00::1", Tunnel::Ipip));
    client
        .apply_one(Op::AddService(Service::new(web, Scheduler::RR)))
        .unwrap();
    client.apply_one(Op::StartDaemon(daemon())).unwrap();
    // Stopped before it has run, it would be without an answer.
    thread::sleep(Duration::from_millis(100));
    assert!(matches!(
        client.apply_one(mixed()),
        Err(ApplyError::Invalid)
    ));
    client.apply_one(Op::StopDaemon(Role::Master)).unwrap();
    client.apply_one(mixed()).unwrap();
    assert!(matches!(
        client.apply_one(Op::StartDaemon(daemon())),
        Err(ApplyError::Invalid)
    ));
}

fn timeouts_change_one_by_one() {
    let mut client = client();
    let mut set = |tcp, tcp_fin, udp| {
        client
            .apply_one(Op::SetTimeouts(TimeoutChange { tcp, tcp_fin, udp }))
            .unwrap();
        ipvsadm(&["-Ln", "--timeout"]).trim().to_owned()
    };
    let text = "Timeout (tcp tcpfin udp):";
    assert_eq!(
        set(None, Some(seconds(7)), None),
        format!("{text} 900 7 300")
    );
    let most = Some(seconds(2_147_483));
    assert_eq!(
        set(most, None, Some(seconds(1))),
        format!("{text} 2147483 7 1")
    );
    let defaults = set(Some(seconds(900)), Some(seconds(120)), Some(seconds(300)));
    assert_eq!(defaults, format!("{text} 900 120 300"));
}

fn packets_are_counted_and_zeroed() {
    let mut client = client();
    let bind = |address: &str| UdpSocket::bind(address).unwrap();
    let server = bind("127.0.0.1:0");
    server
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!()
    };
    let key = udp("127.0.0.2:5000");
    let destination = Destination::masquerade(address.into());
    client
        .apply_one(Op::AddService(Service::new(key, Scheduler::RR)))
        .unwrap();
    client
        .apply_one(Op::AddDestination(key, destination))
        .unwrap();
    for _ in 0..3 {
        bind("127.0.0.1:0")
            .send_to(b"hello", "127.0.0.2:5000")
            .unwrap();
        server.recv(&mut [0; 8]).unwrap();
    }
    let stats = counted(&mut client, &key);
    // An IPv4 and a UDP header before each "hello".
    assert_eq!(
        (stats.connections, stats.packets_in, stats.bytes_in),
        (3, 3, 3 * 33)
    );
    let entry = client.destinations(&key).unwrap()[0];
    assert_eq!(
        (entry.stats.connections, entry.inactive_connections),
        (3, 3)
    );
    client.apply_one(Op::Zero(Some(key))).unwrap();
    assert_eq!(client.service(&key).unwrap().stats.connections, 0);
    assert_eq!(client.destinations(&key).unwrap()[0].stats.bytes_in, 0);
}

/// The counters, once there is something in them: the kernel sums up every two seconds.
fn counted(client: &mut Client, key: &ServiceKey) -> Stats {
    for _ in 0..100 {
        let stats = client.service(key).unwrap().stats;
        if stats.connections > 0 {
            return stats;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing was counted");
}

fn many_batches_go_through() {
    let mut client = client();
    let mut table = Table::new();
    for number in 1..=200 {
        let servers = (1..=5).map(|n| Destination::direct([10, 0, 0, n].into()));
        table
            .insert(
                Service::new(mark(IpFamily::V4, number), Scheduler::WLC),
                servers,
            )
            .unwrap();
    }
    write(&mut client, &table);
    let proc = fs::read_to_string("/proc/net/ip_vs").unwrap();
    assert_eq!(proc.lines().count(), 3 + 200 + 1000);
    assert_eq!(plan(&table, &client.snapshot().unwrap()), []);
    write(&mut client, &Table::new());
    assert_eq!(client.services().unwrap(), []);
}

fn the_async_client_works() {
    let mut here = client();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut other = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo && exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It is in its namespace when it says something.
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let there = Namespace::open(format!("/proc/{}/ns/net", other.id())).unwrap();
    let snapshot = runtime.block_on(async {
        let there = AsyncClient::spawn(&there, Limits::default()).unwrap();
        let add = Op::AddService(Service::new(tcp("192.0.2.10:80"), Scheduler::RR));
        let outcomes = there.apply(vec![add]).await.unwrap();
        assert!(matches!(outcomes[..], [Ok(())]), "{outcomes:?}");
        there.snapshot().await.unwrap().unwrap()
    });
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(snapshot.iter().count(), 1);
    assert_eq!(here.snapshot().unwrap(), Snapshot::default());
}

/// Only where this kernel is ours alone.
fn a_module_loaded_anew_is_found_again() {
    let Ok(loader) = fs::read_to_string("/proc/sys/kernel/modprobe") else {
        return;
    };
    if !loader.starts_with("/run/") {
        return;
    }
    let mut client = client();
    let add = || Op::AddService(Service::new(tcp("192.0.2.10:80"), Scheduler::RR));
    client.apply_one(add()).unwrap();
    client.apply_one(Op::Flush).unwrap();
    let loaded = fs::read_to_string("/proc/modules").unwrap();
    let names = loaded
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let schedulers: Vec<&str> = names.filter(|name| name.starts_with("ip_vs_")).collect();
    let removed = Command::new("rmmod")
        .args(schedulers)
        .arg("ip_vs")
        .status()
        .unwrap();
    assert!(removed.success());
    client.apply_one(add()).unwrap();
    assert_eq!(client.services().unwrap().len(), 1);
}
