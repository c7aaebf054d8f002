//! The table of services, as `ipvsadm` and `/proc` see it.

use std::fs;
use std::io::Write;
use std::num::NonZeroU16;
use std::process::{Command, Stdio};

use locum_ipvs::*;
use locum_netlink::Family;

use crate::foreign;
use crate::support::{client, direct, ipvsadm, mark, masquerade, seconds, tcp, tunnel, udp, write};

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

pub(crate) fn what_is_written_ipvsadm_reads() {
    let mut client = client();
    let (table, saved) = everything();
    write(&mut client, &table);
    assert_eq!(lines(&ipvsadm(&["-Sn"])), lines(saved));
    assert_eq!(plan(&table, &client.snapshot().unwrap()), []);
    client.apply_one(Op::Flush).unwrap();
    assert_eq!(ipvsadm(&["-Sn"]), "");
}

pub(crate) fn what_ipvsadm_writes_is_read() {
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
    let entry = client
        .snapshot()
        .unwrap()
        .get(&key)
        .unwrap()
        .destinations
        .get(&limited.key(&key))
        .copied()
        .unwrap();
    assert_eq!(entry.settings, limited.settings());
    assert_eq!(plan(&table, &client.snapshot().unwrap()).len(), 1);
}

pub(crate) fn proc_has_the_same_table() {
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

pub(crate) fn many_batches_go_through() {
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

pub(crate) fn what_nothing_here_can_say_survives() {
    let mut connection = Connection::open(Family::Generic, Limits::default()).unwrap();
    foreign::survives(&mut connection, &mut client());
}
