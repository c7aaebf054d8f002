//! That what a configuration says about virtual services is what the site gets.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as the tests do"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use locum_director::config::{self, Config, Diagnostics};
use locum_director::site::{
    Admin, Check, CheckKind, Foreign, Initial, IpvsSettings, MassFailure, OnFailure, OnStop,
    Quorum, VirtualService,
};
use locum_health::dns::{Answer, Record, Transport};
use locum_health::exec::{ExitCode, User};
use locum_health::http::BodyRule;
use locum_health::tcp::{Pattern, Step, TcpConfig};
use locum_health::tls::Verify;
use locum_ipvs::{
    Forward, GreChecksum, GueChecksum, Hashing, InterfaceName, IpFamily, PersistenceEngine,
    Protocol, Role, Scheduler, Seconds, Service, ServiceKey, SyncDaemon, Thresholds, TimeoutChange,
    Tunnel, Weight,
};

fn try_load(text: &str) -> Result<Config, Diagnostics> {
    let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    config::load("site.toml", text, nothing)
}

fn load(text: &str) -> Config {
    try_load(text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// What is said about `text`, of which there is one mistake.
fn mistake(text: &str) -> String {
    let diagnostics = try_load(text).expect_err("broken");
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    diagnostics
        .iter()
        .map(|each| each.message.clone())
        .collect()
}

fn everything() -> Config {
    load(include_str!("valid/site.toml"))
}

fn service(config: &Config, name: &str) -> VirtualService {
    let mut services = config.site.services.iter();
    let found = services.find(|service| service.name == name);
    VirtualService::clone(found.expect("a service"))
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn seconds(seconds: u32) -> Seconds {
    Seconds::new(seconds).expect("in range")
}

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
fn a_check_has_defaults() {
    let timing = |keys: &str| {
        let config = load(&format!(
            "[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\n\
             check = {{ type = \"tcp\"{keys} }}\nserver = [{{ address = \"192.0.2.21\" }}]"
        ));
        let web = service(&config, "web");
        let check = web.servers[0].checks[0].clone();
        assert_eq!(check.target, socket("192.0.2.21:80"));
        assert_eq!(*check.kind, CheckKind::Tcp(TcpConfig::default()));
        check.timing
    };
    let millis = Duration::from_millis;
    let usual = timing("");
    assert_eq!(usual.interval, millis(5_000));
    assert_eq!(usual.fast_interval, millis(5_000));
    assert_eq!(usual.down_interval, millis(5_000));
    assert_eq!(usual.timeout, millis(2_000));
    assert_eq!((usual.rise.get(), usual.fall.get()), (2, 3));
    assert_eq!(usual.jitter_percent, 5);
    let fast = timing(", interval = \"1s\", fast_interval = \"300ms\"");
    assert_eq!(fast.timeout, millis(300), "the shortest interval");
    assert_eq!(fast.down_interval, millis(1_000));
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
fn a_check_by_http_has_everything_that_is_written() {
    let web = service(&everything(), "web");
    let [check] = &*web.servers[0].checks else {
        panic!("one check");
    };
    assert_eq!(check.target, socket("192.0.2.21:80"));
    let timing = &check.timing;
    let millis = Duration::from_millis;
    assert_eq!(timing.interval, millis(2_000));
    assert_eq!(timing.fast_interval, millis(1_000));
    assert_eq!(timing.down_interval, millis(4_000));
    assert_eq!(timing.timeout, millis(500));
    assert_eq!((timing.rise.get(), timing.fall.get()), (3, 4));
    assert_eq!(timing.jitter_percent, 10);
    let CheckKind::Http(http) = &*check.kind else {
        panic!("HTTP");
    };
    assert_eq!(http.socket.source, Some(IpAddr::from([192, 0, 2, 2])));
    assert_eq!(http.socket.device.as_deref(), Some("eth0"));
    assert_eq!(http.socket.mark, Some(7));
    assert_eq!(http.host.as_deref(), Some("www.example.com:443"));
    assert_eq!(http.headers, [("X-Check".to_owned(), "1".to_owned())]);
    let tls = http.tls.as_ref().expect("https");
    assert_eq!(tls.server_name.as_deref(), Some("www.example.com"));
    assert_eq!(tls.verify, Verify::None);
    assert_eq!(tls.alpn, ["http/1.1"]);
    let [healthz, root] = http.pages.as_slice() else {
        panic!("two pages");
    };
    assert_eq!(healthz.path, "/healthz?full");
    assert_eq!(healthz.status, [(200, 200), (300, 399)]);
    let text = str::to_owned;
    let rules = [
        BodyRule::Contains(text("ok")),
        BodyRule::Matches(text("a+")),
        BodyRule::Matches(text("b+")),
        BodyRule::MatchesNot(text("error")),
    ];
    assert_eq!(healthz.body, rules);
    let [BodyRule::Sha256(sha256), BodyRule::Md5(md5)] = root.body.as_slice() else {
        panic!("two digests");
    };
    assert_eq!(sha256[..3], [0xe3, 0xb0, 0xc4]);
    assert_eq!(md5[..3], [0xd4, 0x1d, 0x8c]);
    assert_eq!(root.status, [(200, 299)]);

    let single = &service(&everything(), "marked").servers[0].checks[1];
    let CheckKind::Http(single) = &*single.kind else {
        panic!("HTTP");
    };
    assert_eq!(single.tls, None);
    assert_eq!(single.pages.len(), 1);
    assert_eq!(single.pages[0].path, "/healthz");
    assert_eq!(single.pages[0].status, [(204, 204)]);
}

#[test]
fn checks_of_every_type_reach_the_server() {
    let checked = service(&everything(), "checked");
    let checks: &[Check] = &checked.servers[0].checks;
    let targets: Vec<String> = checks
        .iter()
        .map(|check| check.target.to_string())
        .collect();
    let ports = [0, 53, 0, 21, 25, 23, 443];
    let expected: Vec<String> = ports
        .into_iter()
        .map(|port| format!("192.0.2.21:{port}"))
        .collect();
    assert_eq!(targets, expected);
    let kinds: Vec<&CheckKind> = checks.iter().map(|check| &*check.kind).collect();
    let [
        CheckKind::Icmp(_),
        CheckKind::Dns(dns),
        CheckKind::Exec(exec),
        CheckKind::Tcp(ftp),
        CheckKind::Tcp(smtp),
        CheckKind::Tcp(telnet),
        CheckKind::Tcp(tls),
    ] = kinds.as_slice()
    else {
        panic!("{kinds:?}");
    };
    assert_eq!(dns.name, "www.example.com");
    assert_eq!(dns.record, Record::AAAA);
    assert_eq!(dns.transport, Transport::Tcp);
    assert_eq!(dns.codes, [0, 3]);
    assert_eq!(dns.answer, Answer::Required);
    assert_eq!(exec.program, Path::new("/bin/true"));
    assert_eq!(exec.arguments, ["{address}", "{port}"]);
    assert_eq!(exec.user, Some(User { uid: 0, gid: 0 }));
    assert_eq!(exec.exit_code, ExitCode::Weight);
    assert_eq!(*ftp, TcpConfig::ftp());
    assert_eq!(*smtp, TcpConfig::smtp("lb.example.com"));
    assert_eq!(*telnet, TcpConfig::telnet());
    assert_eq!(
        tls.steps,
        [Step::Send(b"QUIT\r\n".to_vec()), Step::Reply(221)]
    );
    assert!(tls.tls.is_some());

    let own = &service(&everything(), "web").servers[2].checks[0];
    assert_eq!(own.target, socket("192.0.2.24:8081"));
    let CheckKind::Tcp(own) = &*own.kind else {
        panic!("TCP");
    };
    let steps = [
        Step::Expect(Pattern::Contains(b"220".to_vec())),
        Step::Expect(Pattern::Prefix(b"220".to_vec())),
        Step::Expect(Pattern::Regex("^2".to_owned())),
        Step::Send(b"QUIT\r\n".to_vec()),
    ];
    assert_eq!(own.steps, steps);
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
fn ten_thousand_servers_share_one_check() {
    let servers = |own: &str| {
        let mut text = String::new();
        for service in 0..100 {
            writeln!(
                text,
                "[[virtual_service]]\nname = \"s{service}\"\naddress = \"192.0.2.10:{}\"\n\
                 check = {{ type = \"http\", matches = \"o[k]\" }}",
                service + 1
            )
            .expect("a string");
            for server in 0..100 {
                writeln!(
                    text,
                    "[[virtual_service.server]]\naddress = \"10.0.{service}.{server}\"\n{own}"
                )
                .expect("a string");
            }
        }
        let config = load(&text);
        let servers = config.site.services.iter().flat_map(|each| &each.servers);
        let checks: Vec<&Check> = servers.flat_map(|server| &server.checks).collect();
        assert_eq!(checks.len(), 10_000);
        let kinds: BTreeSet<*const CheckKind> = checks
            .iter()
            .map(|check| Arc::as_ptr(&check.kind))
            .collect();
        let targets: BTreeSet<SocketAddr> = checks.iter().map(|check| check.target).collect();
        assert_eq!(targets.len(), 10_000);
        kinds.len()
    };
    assert_eq!(servers(""), 1, "that of the services");
    let own = "check = { type = \"http\", matches = \"n[o]\" }";
    assert_eq!(servers(own), 1, "each the same of its own");
}

#[test]
fn thousands_of_broken_servers_are_all_told_of() {
    let mut text = String::from("[[virtual_service]]\nname = \"a\"\naddress = \"192.0.2.10:80\"\n");
    for _ in 0..5_000 {
        text.push_str("[[virtual_service.server]]\naddress = \"192.0.2.21:80\"\nx = 1\n");
    }
    let diagnostics = try_load(&text).expect_err("broken");
    assert_eq!(
        diagnostics.len(),
        2 * 5_000 - 1,
        "the first address is right"
    );
}

#[test]
fn what_is_expanded_has_a_bound() {
    let service = |addresses: &str, servers: usize| {
        let servers: String = (0..servers)
            .map(|server| format!("{{ address = \"10.0.0.{}\" }},", server + 1))
            .collect();
        format!(
            "[[virtual_service]]\nname = \"a\"\naddresses = [{addresses}]\nserver = [{servers}]"
        )
    };
    let most = load(
        &service("\"[2001:db8::/112]:80\"", 0)
            .replace("server = []", "sorry_server = \"2001:db9::1\""),
    );
    assert_eq!(most.site.services[0].kernel.len(), 65_536);
    assert_eq!(
        mistake(&service("\"198.18.0.0/16:80\", \"198.19.0.0:80\"", 1)),
        "more than 65536 virtual addresses"
    );
    let full = load(&service("\"198.18.0.0/16:80\"", 16));
    assert_eq!(full.site.services[0].servers.len(), 16);
    assert_eq!(
        mistake(&service("\"198.18.0.0/16:80\"", 17)),
        "more than 1048576 destinations"
    );
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
