//! What cannot be said.

use std::net::SocketAddr;
use std::time::Duration;

use locum_ipvs::*;

fn service(key: &str) -> Service {
    Service::new(ServiceKey::tcp(key.parse().unwrap()), Scheduler::RR)
}

#[test]
fn names_fit_the_kernel() {
    for bad in ["", "a name", "sixteen-bytes-xx", "a\0b", "a/b"] {
        assert!(Scheduler::new(bad).is_err(), "{bad:?}");
        assert!(PersistenceEngine::new(bad).is_err(), "{bad:?}");
        assert!(InterfaceName::new(bad).is_err(), "{bad:?}");
    }
    assert_eq!(
        Scheduler::new("fifteen-bytes-x").unwrap().name(),
        "fifteen-bytes-x"
    );
    assert_eq!(Scheduler::new("wlc").unwrap(), Scheduler::WLC);
    assert_eq!(
        InterfaceName::new("eth0.100").unwrap().to_string(),
        "eth0.100"
    );
}

#[test]
fn times_are_whole_seconds_that_any_kernel_can_count() {
    assert!(Seconds::new(0).is_err());
    assert!(Seconds::new(2_147_484).is_err());
    let rounded = Seconds::try_from(Duration::from_millis(1001)).unwrap();
    assert_eq!(rounded.duration(), Duration::from_secs(2));
    let error = Seconds::try_from(Duration::MAX).unwrap_err();
    let text = "a timeout in seconds must be between 1 and 2147483, not 18446744073709551615";
    assert_eq!(error.to_string(), text);
}

#[test]
fn weights_and_thresholds_stay_positive_in_the_kernel() {
    assert!(Weight::new(0x8000_0000).is_err());
    assert_eq!(Weight::new(0x7fff_ffff).unwrap().get(), 0x7fff_ffff);
    assert!(Thresholds::new(0, 0).is_err());
    assert!(Thresholds::new(10, 11).is_err());
    assert!(Thresholds::new(0x8000_0000, 1).is_err());
    assert!(Thresholds::new(10, 10).is_ok());
}

#[test]
fn a_granularity_fits_its_address() {
    let timeout = Seconds::new(60).unwrap();
    let mask = |key, prefix| {
        let service = service(key).persistent_by_network(timeout, prefix);
        service.map(|service| service.settings().netmask)
    };
    assert_eq!(
        mask("192.0.2.1:80", 0),
        Ok(Netmask::V4("0.0.0.0".parse().unwrap()))
    );
    assert_eq!(
        mask("192.0.2.1:80", 20),
        Ok(Netmask::V4("255.255.240.0".parse().unwrap()))
    );
    assert_eq!(
        mask("192.0.2.1:80", 32),
        Ok(Netmask::V4("255.255.255.255".parse().unwrap()))
    );
    assert!(mask("192.0.2.1:80", 33).is_err());
    assert!(mask("[2001:db8::1]:80", 0).is_err());
    assert_eq!(mask("[2001:db8::1]:80", 128), Ok(Netmask::V6(128)));
    assert!(mask("[2001:db8::1]:80", 129).is_err());
}

#[test]
fn a_service_of_every_port_is_persistent() {
    let any_port = service("192.0.2.1:0");
    assert_eq!(
        any_port.persistence().unwrap().timeout.duration(),
        Duration::from_secs(300)
    );
    assert_eq!(service("192.0.2.1:80").persistence(), None);
}

#[test]
fn one_packet_scheduling_is_for_udp() {
    assert_eq!(
        service("192.0.2.1:80").one_packet(),
        Err(InvalidService::OnePacketNeedsUdp)
    );
    let udp = ServiceKey::udp("192.0.2.1:80".parse().unwrap());
    assert_eq!(
        Service::new(udp, Scheduler::RR)
            .one_packet()
            .unwrap()
            .settings()
            .flags,
        4
    );
}

#[test]
fn only_masquerading_has_a_port_of_its_own() {
    let key = ServiceKey::tcp("192.0.2.1:80".parse().unwrap());
    let server = "10.0.0.1".parse().unwrap();
    assert_eq!(Destination::direct(server).key(&key).port, 80);
    assert_eq!(Destination::local(server).key(&key).port, 80);
    assert_eq!(Destination::tunnel(server, Tunnel::Ipip).key(&key).port, 80);
    let masqueraded = Destination::masquerade("10.0.0.1:8080".parse().unwrap());
    assert_eq!(masqueraded.key(&key).to_string(), "10.0.0.1:8080");

    let one = SocketAddr::new(server, 8080);
    let by = |forward| Destination::new(one, forward);
    assert_eq!(by(Forward::Direct), Destination::direct(server));
    assert_eq!(by(Forward::Local), Destination::local(server));
    assert_eq!(by(Forward::Masquerade), Destination::masquerade(one));
    let tunnel = Forward::Tunnel(Tunnel::Ipip);
    assert_eq!(by(tunnel), Destination::tunnel(server, Tunnel::Ipip));
}

#[test]
fn a_scope_is_no_part_of_an_identity() {
    let plain = ServiceKey::tcp("[fe80::1]:80".parse().unwrap());
    assert_eq!(plain, ServiceKey::tcp("[fe80::1%3]:80".parse().unwrap()));
    assert_eq!(plain.to_string(), "tcp [fe80::1]:80");
}

#[test]
fn a_daemon_needs_a_multicast_group() {
    let lo = InterfaceName::new("lo").unwrap();
    let daemon = SyncDaemon::new(Role::Master, lo, 1);
    let error = daemon.group("192.0.2.1".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "192.0.2.1 is not a multicast address");
}

#[test]
fn a_table_has_everything_once_and_mixes_versions_in_tunnels_only() {
    let mut table = Table::new();
    let v4 = Destination::direct("10.0.0.1".parse().unwrap());
    let v6 = Destination::direct("fd00::1".parse().unwrap());
    let tunnel = Destination::tunnel(v6.address(), Tunnel::Ipip);
    let twice = table.insert(service("192.0.2.1:80"), [v4, v4.weight(Weight::ZERO)]);
    assert!(matches!(twice, Err(TableError::DuplicateDestination(..))));
    let mixed = table.insert(service("192.0.2.1:80"), [v4, v6]);
    assert!(matches!(mixed, Err(TableError::MixedFamily(..))));
    assert_eq!(table, Table::new(), "nothing went in");
    table.insert(service("192.0.2.1:80"), [v4, tunnel]).unwrap();
    let again = table.insert(service("192.0.2.1:80"), []);
    assert!(matches!(again, Err(TableError::DuplicateService(_))));
}
