//! Every message, byte for byte.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test ends where it is wrong")]

use std::collections::BTreeMap;
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::time::Duration;

use locum_ipvs::wire::{reply, request};
use locum_ipvs::*;
use locum_netlink::{Message, Request};

const REQUESTS: &str = include_str!("data/requests.hex");
const REPLIES: &str = include_str!("data/replies.hex");

/// The number of the family is not in the bytes.
const FAMILY: u16 = 30;

/// The messages of a file: `= name`, then bytes with a `|` and their meaning after them.
fn messages(file: &str) -> BTreeMap<&str, Vec<u8>> {
    let mut messages = BTreeMap::new();
    let mut name = "";
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("= ") {
            name = title;
            assert!(
                messages.insert(name, Vec::new()).is_none(),
                "{name} is there twice"
            );
            continue;
        }
        let bytes = line.split('|').next().unwrap().split_whitespace();
        let bytes = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap());
        messages.entry(name).or_default().extend(bytes);
    }
    messages.remove("");
    messages
}

fn seconds(seconds: u32) -> Seconds {
    Seconds::new(seconds).unwrap()
}

fn web() -> ServiceKey {
    ServiceKey::tcp("192.0.2.10:80".parse().unwrap())
}

fn mark(family: IpFamily) -> ServiceKey {
    let mark = NonZeroU32::new(7).unwrap();
    ServiceKey::FirewallMark { family, mark }
}

fn server() -> Destination {
    Destination::direct("192.0.2.21".parse().unwrap())
}

fn services() -> [(&'static str, Op); 6] {
    let both = Hashing {
        fallback: true,
        port: true,
    };
    let fallback = Hashing {
        fallback: true,
        port: false,
    };
    let port = Hashing {
        fallback: false,
        port: true,
    };
    let sctp = ServiceKey::endpoint(Protocol::SCTP, "192.0.2.10:0".parse().unwrap());
    let sip = ServiceKey::udp("[2001:db8::10]:5060".parse().unwrap());
    let sip = Service::new(sip, Scheduler::source_hash(fallback)).persistent(seconds(60));
    let network = Service::new(web(), Scheduler::source_hash(port));
    [
        (
            "add-service",
            Op::AddService(Service::new(web(), Scheduler::WLC)),
        ),
        (
            "add-service-mark",
            Op::AddService(
                Service::new(mark(IpFamily::V6), Scheduler::maglev(both))
                    .persistent_by_network(seconds(600), 64)
                    .unwrap(),
            ),
        ),
        (
            "add-service-any-port",
            Op::AddService(Service::new(sctp, Scheduler::RR)),
        ),
        (
            "edit-service",
            Op::EditService(
                sip.persistence_engine(PersistenceEngine::SIP)
                    .one_packet()
                    .unwrap(),
            ),
        ),
        (
            "edit-service-network",
            Op::EditService(network.persistent_by_network(seconds(60), 20).unwrap()),
        ),
        ("remove-service", Op::RemoveService(web())),
    ]
}

fn destinations() -> [(&'static str, Op); 8] {
    let masqueraded = Destination::masquerade("10.0.0.1:8080".parse().unwrap())
        .weight(Weight::new(0x7fff_ffff).unwrap())
        .thresholds(Thresholds::new(1000, 750).unwrap());
    let gue = Tunnel::Gue {
        port: NonZeroU16::new(6080).unwrap(),
        checksum: GueChecksum::Remote,
    };
    let ipip = Destination::tunnel(server().address(), Tunnel::Ipip).weight(5.into());
    let gre = Destination::tunnel(server().address(), Tunnel::Gre(GreChecksum::On));
    let local = Destination::local("127.0.0.1".parse().unwrap()).weight(Weight::ZERO);
    [
        (
            "add-destination-direct",
            Op::AddDestination(web(), server()),
        ),
        (
            "add-destination-local",
            Op::AddDestination(mark(IpFamily::V4), local),
        ),
        (
            "add-destination-masquerade",
            Op::AddDestination(web(), masqueraded),
        ),
        ("add-destination-ipip", Op::AddDestination(web(), ipip)),
        (
            "add-destination-gue",
            Op::AddDestination(
                web(),
                Destination::tunnel("2001:db8::21".parse().unwrap(), gue),
            ),
        ),
        ("edit-destination-gre", Op::EditDestination(web(), gre)),
        (
            "drain-destination",
            Op::DrainDestination(web(), masqueraded.key(&web()), masqueraded.settings()),
        ),
        (
            "remove-destination",
            Op::RemoveDestination(web(), server().key(&web())),
        ),
    ]
}

fn others() -> [(&'static str, Op); 8] {
    let eth0 = || InterfaceName::new("eth0").unwrap();
    let backup = || SyncDaemon::new(Role::Backup, eth0(), 0);
    let v4 = backup()
        .max_length(1400)
        .group("224.0.0.99".parse().unwrap())
        .unwrap()
        .port(NonZeroU16::new(9000).unwrap())
        .ttl(NonZeroU8::new(3).unwrap());
    let change = TimeoutChange {
        tcp: Some(seconds(3600)),
        tcp_fin: None,
        udp: Some(seconds(30)),
    };
    [
        (
            "start-daemon",
            Op::StartDaemon(SyncDaemon::new(Role::Master, eth0(), 51)),
        ),
        ("start-daemon-v4", Op::StartDaemon(v4)),
        (
            "start-daemon-v6",
            Op::StartDaemon(backup().group("ff02::99".parse().unwrap()).unwrap()),
        ),
        ("stop-daemon", Op::StopDaemon(Role::Backup)),
        ("set-timeouts", Op::SetTimeouts(change)),
        ("zero", Op::Zero(None)),
        ("zero-service", Op::Zero(Some(web()))),
        ("flush", Op::Flush),
    ]
}

fn questions() -> [(&'static str, Request); 7] {
    [
        ("get-family", request::family()),
        ("get-services", request::services(FAMILY)),
        ("get-service", request::service(FAMILY, &web())),
        ("get-destinations", request::destinations(FAMILY, &web())),
        ("get-daemons", request::daemons(FAMILY)),
        ("get-timeouts", request::timeouts(FAMILY)),
        ("get-info", request::info(FAMILY)),
    ]
}

#[test]
fn requests_are_these_bytes() {
    let mut golden = messages(REQUESTS);
    let changes = services().into_iter().chain(destinations()).chain(others());
    let changes = changes.map(|(name, op)| (name, request::encode(FAMILY, &op)));
    for (name, request) in changes.chain(questions()) {
        let bytes = golden.remove(name);
        assert_eq!(bytes.as_deref(), Some(request.body()), "{name}");
    }
    assert_eq!(golden.keys().next(), None, "in the file only");
}

fn reply_named(name: &str) -> Message {
    Message::new(FAMILY, messages(REPLIES).remove(name).unwrap())
}

#[test]
fn replies_mean_what_was_set() {
    let sip = reply::service(&reply_named("service")).unwrap();
    let (_, Op::EditService(expected)) = &services()[3] else {
        panic!()
    };
    assert_eq!(
        (sip.key, sip.settings),
        (*expected.key(), expected.settings())
    );

    let marked = reply::service(&reply_named("service-mark")).unwrap();
    let (_, Op::AddService(expected)) = &services()[1] else {
        panic!()
    };
    assert_eq!(
        (marked.key, marked.settings),
        (*expected.key(), expected.settings())
    );

    for (name, index) in [("destination-masquerade", 2), ("destination-gue", 4)] {
        let entry = reply::destination(&reply_named(name), IpFamily::V4).unwrap();
        let (_, Op::AddDestination(key, expected)) = &destinations()[index] else {
            panic!()
        };
        assert_eq!(
            (entry.key, entry.settings),
            (expected.key(key), expected.settings())
        );
    }
}

#[test]
fn replies_count_what_was_sent() {
    let stats = reply::service(&reply_named("service-used")).unwrap().stats;
    assert_eq!(
        (stats.connections, stats.packets_in, stats.bytes_in),
        (3, 3, 3 * 33)
    );
    assert_eq!((stats.packets_out, stats.bytes_out), (3, 3 * 61));
    assert_eq!(
        (stats.bytes_in_per_second, stats.bytes_out_per_second),
        (12, 23)
    );
}

#[test]
fn other_replies_are_read() {
    let daemon = reply::daemon(&reply_named("daemon")).unwrap();
    assert_eq!(
        (daemon.role, daemon.interface.as_str()),
        (Role::Backup, "lo")
    );
    assert_eq!((daemon.sync_id, daemon.max_length), (9, 1400));
    assert_eq!(daemon.group, Some("224.0.0.99".parse().unwrap()));
    assert_eq!((daemon.port, daemon.ttl), (9000, 3));

    let timeouts = reply::timeouts(&reply_named("timeouts")).unwrap();
    let expected = [3600, 120, 30].map(Duration::from_secs);
    assert_eq!([timeouts.tcp, timeouts.tcp_fin, timeouts.udp], expected);

    let info = reply::info(&reply_named("info")).unwrap();
    assert_eq!(
        (info.version, info.connection_table_size),
        ((1, 2, 1), 4096)
    );

    assert!(reply::family_id(&reply_named("family")).unwrap() >= 16);
}

#[test]
fn a_reply_to_another_question_is_an_error() {
    let error = reply::daemon(&reply_named("info")).unwrap_err();
    assert_eq!(error, reply::DecodeError::Command(14));
}
