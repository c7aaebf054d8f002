//! Services, their servers, and the table.

use locum_director::site::{
    Admin, Foreign, Initial, IpvsSettings, MassFailure, OnFailure, OnStop, Quorum,
};
use locum_health::exec::User;
use locum_ipvs::{
    Forward, GreChecksum, GueChecksum, Hashing, InterfaceName, IpFamily, PersistenceEngine,
    Protocol, Role, Scheduler, Service, ServiceKey, SyncDaemon, Thresholds, TimeoutChange, Tunnel,
    Weight,
};
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{everything, load, seconds, service, socket};

#[test]
fn a_service_has_defaults() {
    let config = load(
        "[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\n\
         server = [{ address = \"192.0.2.21\" }]",
    );
    assert_eq!(config.site.ipvs, IpvsSettings::default());
    assert!(config.virtual_routers.is_empty());
    let web = service(&config, "web");
    let key = ServiceKey::tcp(socket("192.0.2.10:80"));
    assert_eq!(*web.kernel, [Service::new(key, Scheduler::WLC)]);
    assert_eq!(web.sorry, None);
    assert_eq!(web.initial, Initial::Checking);
    assert_eq!(web.on_failure, OnFailure::Remove);
    assert_eq!(web.quorum, Quorum::default());
    assert_eq!(web.drain_timeout, Duration::from_secs(60));
    assert_eq!((web.notify.up, web.notify.down), (None, None));
    let [server] = &*web.servers else {
        panic!("one server");
    };
    assert_eq!(&*server.name, "192.0.2.21:80");
    assert_eq!(server.address(), socket("192.0.2.21:80"));
    assert_eq!(server.forward, Forward::Direct);
    assert_eq!(server.weight, Weight::ONE);
    assert_eq!(server.thresholds, None);
    assert_eq!(server.admin, Admin::Ready);
    assert!(server.checks.is_empty());
}

#[test]
fn the_settings_of_the_table_reach_the_site() {
    let ipvs = everything().site.ipvs.clone();
    assert_eq!(ipvs.reconcile_interval, Duration::from_secs(5));
    assert_eq!(ipvs.on_stop, OnStop::Leave);
    assert_eq!(ipvs.foreign, Foreign::Remove);
    assert_eq!(ipvs.start_bound, Duration::from_secs(3));
    let timeouts = TimeoutChange {
        tcp: Some(seconds(900)),
        tcp_fin: Some(seconds(120)),
        udp: Some(seconds(300)),
    };
    assert_eq!(ipvs.timeouts, timeouts);
    let mass = ipvs.mass_failure.expect("a hold");
    assert_eq!((mass.percent, mass.at_least), (50, 4));
    assert_eq!(mass.within, Duration::from_secs(2));
    assert_eq!(mass.hold, Duration::from_secs(60));
    let sync = ipvs.sync.expect("daemons");
    let daemon = |role| {
        SyncDaemon::new(role, InterfaceName::new("eth1").expect("a name"), 51)
            .group(IpAddr::from([224, 0, 0, 82]))
            .expect("multicast")
            .port(NonZeroU16::new(8849).expect("not zero"))
            .ttl(NonZeroU8::new(2).expect("not zero"))
            .max_length(1400)
    };
    assert_eq!(sync.routers, ["web"]);
    assert_eq!(sync.master, daemon(Role::Master));
    assert_eq!(sync.backup, daemon(Role::Backup));
}

#[test]
fn without_names_all_routers_decide_and_the_hold_can_be_turned_off() {
    let router = |name: &str, vrid: u8| {
        format!(
            "[[virtual_router]]\nname = \"{name}\"\ninterface = \"eth0\"\nvrid = {vrid}\n\
             addresses = [\"192.0.2.{vrid}/24\"]\n"
        )
    };
    let config = load(&format!(
        "[ipvs]\nmass_failure = false\nsync = {{ interface = \"eth1\", id = 0 }}\n{}{}",
        router("web", 51),
        router("mail", 52)
    ));
    assert_eq!(config.site.ipvs.mass_failure, None);
    let sync = config.site.ipvs.sync.clone().expect("daemons");
    assert_eq!(sync.routers, ["web", "mail"]);

    let partial = load(&format!(
        "[ipvs]\nmass_failure = {{ hold = \"1m\" }}\n{}",
        router("web", 51)
    ));
    let mut expected = MassFailure::default();
    expected.hold = Duration::from_secs(60);
    assert_eq!(partial.site.ipvs.mass_failure, Some(expected));
}

#[test]
fn addresses_ranges_and_networks_are_services_with_the_same_settings() {
    let web = service(&everything(), "web");
    let scheduler = Scheduler::maglev(Hashing {
        fallback: true,
        port: true,
    });
    let expected: Vec<Service> = ["10", "16", "17", "32", "33"]
        .into_iter()
        .map(|last| {
            let key = ServiceKey::tcp(socket(&format!("192.0.2.{last}:80")));
            Service::new(key, scheduler.clone())
                .persistent_by_network(seconds(600), 24)
                .expect("it fits")
        })
        .collect();
    assert_eq!(*web.kernel, expected);

    let dns = service(&everything(), "dns");
    let expected: Vec<Service> = ["10", "11"]
        .into_iter()
        .map(|last| {
            let key = ServiceKey::udp(socket(&format!("[2001:db8::{last}]:53")));
            let service = Service::new(key, Scheduler::RR);
            service.one_packet().expect("UDP")
        })
        .collect();
    assert_eq!(*dns.kernel, expected);
}

#[test]
fn a_mark_has_the_family_of_its_servers() {
    let marked = service(&everything(), "marked");
    let key = |family| ServiceKey::FirewallMark {
        family,
        mark: NonZeroU32::new(16).expect("not zero"),
    };
    assert_eq!(
        *marked.kernel,
        [Service::new(key(IpFamily::V6), Scheduler::WLC)]
    );
    assert_eq!(marked.servers[0].address(), socket("[2001:db8::21]:0"));
    assert_eq!(&*marked.servers[0].name, "2001:db8::21");
    let targets = marked.servers[0].checks.iter().map(|check| check.target);
    let expected = [socket("[2001:db8::21]:80"), socket("[2001:db8::21]:81")];
    assert_eq!(targets.collect::<Vec<_>>(), expected);

    let told = load(
        "[[virtual_service]]\nname = \"m\"\nmark = 16\nfamily = \"ipv4\"\nforward = \"tunnel\"\n\
         server = [{ address = \"192.0.2.21\" }, { address = \"2001:db8::21\" }]",
    );
    let told = service(&told, "m");
    assert_eq!(*told.kernel[0].key(), key(IpFamily::V4));
    assert_eq!(told.servers.len(), 2, "a tunnel carries either family");
}

#[test]
fn what_a_service_says_of_its_pool_reaches_it() {
    let web = service(&everything(), "web");
    assert_eq!(web.initial, Initial::Up);
    assert_eq!(web.on_failure, OnFailure::Quiesce);
    assert_eq!((web.quorum.weight.get(), web.quorum.hysteresis), (3, 1));
    assert_eq!(web.drain_timeout, Duration::from_secs(30));
    let sorry = web.sorry.expect("one");
    assert_eq!(sorry.address, socket("192.0.2.99:8080"));
    assert_eq!(sorry.forward, Forward::Masquerade);
    let up = web.notify.up.expect("a program");
    assert_eq!(up.program, PathBuf::from("/bin/sh"));
    assert_eq!(up.arguments, ["-c", "true"]);
    assert_eq!(up.user, Some(User { uid: 0, gid: 0 }));
    assert_eq!(up.timeout, Duration::from_secs(3));
    let down = web.notify.down.expect("a program");
    assert_eq!(down.program, PathBuf::from("/bin/true"));

    let sip = service(&everything(), "sip");
    let key = ServiceKey::udp(socket("192.0.2.10:5060"));
    let expected = Service::new(key, Scheduler::WLC)
        .persistent(seconds(300))
        .persistence_engine(PersistenceEngine::SIP);
    assert_eq!(*sip.kernel, [expected]);
    assert!(sip.servers.is_empty());
    let sorry = sip.sorry.expect("one");
    assert_eq!(sorry.forward, Forward::Direct, "as the service");
}

#[test]
fn what_a_server_says_reaches_it() {
    let web = service(&everything(), "web");
    let [first, second, third] = &*web.servers else {
        panic!("three servers");
    };
    assert_eq!(&*first.name, "r1");
    assert_eq!(first.weight, Weight::from(10));
    assert_eq!(first.thresholds, Thresholds::new(1000, 800).ok());
    let notify = first.notify.as_ref().expect("a program");
    assert!(notify.up.is_none() && notify.down.is_some());
    assert_eq!(first.admin, Admin::Ready);
    assert_eq!(second.address(), socket("192.0.2.22:80"));
    assert_eq!(second.admin, Admin::Drain);
    assert!(second.checks.is_empty(), "check = false");
    assert_eq!(third.address(), socket("192.0.2.23:8080"));
    assert_eq!(third.forward, Forward::Masquerade);

    let dns = service(&everything(), "dns");
    let forwards: Vec<Forward> = dns.servers.iter().map(|server| server.forward).collect();
    let gue = Tunnel::Gue {
        port: NonZeroU16::new(6081).expect("not zero"),
        checksum: GueChecksum::Remote,
    };
    let expected = [gue, Tunnel::Ipip, Tunnel::Gre(GreChecksum::On)].map(Forward::Tunnel);
    assert_eq!(forwards, expected);
    assert_eq!(dns.servers[1].address(), socket("[2001:db8::22]:53"));
    let local = service(&everything(), "marked").servers[0].forward;
    assert_eq!(local, Forward::Local);
}

#[test]
fn the_same_address_may_serve_other_protocols() {
    let service = |name: &str, protocol: &str| {
        format!(
            "[[virtual_service]]\nname = \"{name}\"\naddress = \"192.0.2.10:80\"\nprotocol = \"{protocol}\"\n\
             server = [{{ address = \"192.0.2.21\" }}]\n"
        )
    };
    let text = ["tcp", "udp", "sctp"].map(|protocol| service(protocol, protocol));
    let config = load(&text.concat());
    let keys = config
        .site
        .services
        .iter()
        .map(|each| *each.kernel[0].key());
    let protocols = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
    let expected =
        protocols.map(|protocol| ServiceKey::endpoint(protocol, socket("192.0.2.10:80")));
    assert_eq!(keys.collect::<Vec<_>>(), expected);
}

#[test]
fn the_sample_site_differs_by_name_and_priority_only() {
    let sample = |name: &str| {
        let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/director");
        let text = std::fs::read_to_string(Path::new(samples).join(name));
        load(&text.expect("a file"))
    };
    let (a, b) = (sample("site-a.toml"), sample("site-b.toml"));
    assert_eq!(a.site, b.site);
    assert_eq!(a.site.services[0].servers.len(), 2);
    let priorities = [&a, &b].map(|config| {
        let router = &config.virtual_routers[0].router;
        router.election().priority().get()
    });
    assert_eq!(priorities, [150, 100]);
}
