//! Arbitrary changes and tables, from so few addresses that they often meet.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use locum_ipvs::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn family() -> impl Strategy<Value = IpFamily> {
    select(vec![IpFamily::V4, IpFamily::V6])
}

pub(crate) fn key() -> impl Strategy<Value = ServiceKey> {
    let address = select(vec!["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]);
    let protocol = select(vec![Protocol::TCP, Protocol::UDP, Protocol::SCTP]);
    let endpoint = (protocol, address, select(vec![0, 80, 443]));
    let mark = (family(), 1_u32..3).prop_map(|(family, mark)| ServiceKey::FirewallMark {
        family,
        mark: NonZeroU32::new(mark).unwrap(),
    });
    prop_oneof![
        3 => endpoint.prop_map(|(protocol, address, port)| {
            let address: IpAddr = address.parse().unwrap();
            ServiceKey::endpoint(protocol, SocketAddr::new(address, port))
        }),
        1 => mark,
    ]
}

fn scheduler() -> impl Strategy<Value = Scheduler> {
    let hashing =
        (any::<bool>(), any::<bool>()).prop_map(|(fallback, port)| Hashing { fallback, port });
    prop_oneof![
        select(vec![
            Scheduler::RR,
            Scheduler::WLC,
            Scheduler::WRR,
            Scheduler::FO,
            Scheduler::NONE
        ]),
        hashing.clone().prop_map(Scheduler::source_hash),
        hashing.prop_map(Scheduler::maglev),
    ]
}

fn persistence() -> impl Strategy<Value = Option<(u32, u8)>> {
    prop::option::of((1_u32..100_000, 0_u8..=128))
}

/// A service that is called `key`.
fn service_of(key: ServiceKey) -> impl Strategy<Value = Service> {
    let shape = (
        scheduler(),
        persistence(),
        any::<bool>(),
        prop::bool::weighted(0.1),
    );
    shape.prop_map(move |(scheduler, persistence, one_packet, sip)| {
        let mut service = Service::new(key, scheduler);
        if let Some((timeout, prefix)) = persistence {
            let timeout = Seconds::new(timeout).unwrap();
            service = match service.clone().persistent_by_network(timeout, prefix) {
                Ok(service) => service,
                Err(_) => service.persistent(timeout),
            };
        }
        if one_packet && let Ok(changed) = service.clone().one_packet() {
            service = changed;
        }
        if sip {
            service = service.persistence_engine(PersistenceEngine::SIP);
        }
        service
    })
}

pub(crate) fn service() -> impl Strategy<Value = Service> {
    key().prop_flat_map(service_of)
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let gue = select(vec![GueChecksum::Off, GueChecksum::On, GueChecksum::Remote]);
    prop_oneof![
        Just(Tunnel::Ipip),
        select(vec![GreChecksum::Off, GreChecksum::On]).prop_map(Tunnel::Gre),
        (1..=u16::MAX, gue).prop_map(|(port, checksum)| {
            let port = NonZeroU16::new(port).unwrap();
            Tunnel::Gue { port, checksum }
        }),
    ]
}

pub(crate) fn destination() -> impl Strategy<Value = Destination> {
    let address = prop_oneof![
        3 => select(vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        3 => select(vec!["fd00::1", "fd00::2", "fd00::3"]),
        1 => select(vec!["0.0.0.0", "224.0.0.1", "fe80::1", "ff02::1"]),
    ];
    let shape = (address, 0_u8..4, select(vec![0_u16, 80, 8080]), tunnel());
    let weight = prop_oneof![Just(0), Just(1), 0..=i32::MAX.unsigned_abs()];
    let limits = prop::option::of((1_u32..2000, 0_u32..2000));
    (shape, weight, limits).prop_map(|((address, forward, port, tunnel), weight, limits)| {
        let address: IpAddr = address.parse().unwrap();
        let destination = match forward {
            0 => Destination::direct(address),
            1 => Destination::local(address),
            2 => Destination::masquerade(SocketAddr::new(address, port)),
            _ => Destination::tunnel(address, tunnel),
        };
        let destination = destination.weight(Weight::new(weight).unwrap());
        match limits.map(|(upper, lower)| Thresholds::new(upper, lower)) {
            Some(Ok(thresholds)) => destination.thresholds(thresholds),
            Some(Err(_)) | None => destination,
        }
    })
}

/// A change to services and destinations. Half are additions, since without them the rest has nothing to change.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    let change = || (key(), destination());
    prop_oneof![
        4 => service().prop_map(Op::AddService),
        2 => service().prop_map(Op::EditService),
        1 => key().prop_map(Op::RemoveService),
        6 => change().prop_map(|(key, d)| Op::AddDestination(key, d)),
        3 => change().prop_map(|(key, d)| Op::EditDestination(key, d)),
        2 => change().prop_map(|(key, d)| Op::RemoveDestination(key, d.key(&key))),
        1 => change().prop_map(|(key, d)| Op::DrainDestination(key, d.key(&key), d.settings())),
        1 => key().prop_map(|key| Op::Zero(Some(key))),
    ]
}

/// What a table may hold, whatever the kernel thinks of addresses: services with destinations.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    let services = prop::collection::btree_map(key(), vec(destination(), 0..5), 0..8);
    services.prop_flat_map(|services: BTreeMap<_, _>| {
        let services: Vec<_> = services
            .into_iter()
            .map(|(key, destinations)| (service_of(key), Just(destinations)))
            .collect();
        services.prop_map(|services| {
            let mut table = Table::new();
            for (service, destinations) in services {
                table
                    .insert(service.clone(), fitting(&service, destinations))
                    .unwrap();
            }
            table
        })
    })
}

/// Those that the table and the kernel take.
fn fitting(service: &Service, destinations: Vec<Destination>) -> Vec<Destination> {
    let key = service.key();
    let mut fitting = BTreeMap::new();
    for destination in destinations {
        let address = destination.address();
        let tunnel = matches!(destination.forward(), Forward::Tunnel(_));
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let reachable = !address.is_unspecified() && !address.is_multicast() && !link_local;
        if reachable && (tunnel || IpFamily::from(address) == key.family()) {
            fitting.insert(destination.key(key), destination);
        }
    }
    fitting.into_values().collect()
}
