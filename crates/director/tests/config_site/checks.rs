//! The checks of servers.

use locum_director::site::{Check, CheckKind};
use locum_health::dns::{Answer, Record, Transport};
use locum_health::exec::{ExitCode, User};
use locum_health::http::BodyRule;
use locum_health::tcp::{Pattern, Step, TcpConfig};
use locum_health::tls::Verify;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::{everything, load, service, socket};

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
