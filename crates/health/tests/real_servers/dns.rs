//! dnsmasq.

use locum_health::dns::{Answer, DnsCheck, DnsConfig, Record, Transport};
use locum_health::{CheckError, Pass};

use crate::package;
use crate::server::{Place, Server};

/// Knows `example.org`, and nobody to ask for the rest.
fn dnsmasq() -> Server {
    let mut command = package::command("dnsmasq", "dnsmasq-base");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--no-hosts",
        "--no-resolv",
        "--pid-file=",
        "--user=root",
        "--local=/example.org/",
        "--host-record=www.example.org,192.0.2.1,2001:db8::1",
        "--cname=alias.example.org,www.example.org",
        "--mx-host=example.org,mail.example.org",
    ]);
    // More than a datagram of 512 bytes can hold.
    for number in 0..10 {
        let text = "x".repeat(100);
        command.arg(format!("--txt-record=long.example.org,{number}{text}"));
    }
    Place::new().start(command, &[53])
}

fn config(transport: Transport, name: &str, record: Record) -> DnsConfig {
    let mut config = DnsConfig::default();
    config.transport = transport;
    config.name = name.to_owned();
    config.record = record;
    config.answer = Answer::Required;
    config
}

const TRANSPORTS: [Transport; 2] = [Transport::Udp, Transport::Tcp];

#[test]
fn records_that_are_there_pass() {
    let server = dnsmasq();
    for transport in TRANSPORTS {
        for (name, record) in [
            ("www.example.org", Record::A),
            ("WWW.Example.ORG.", Record::AAAA),
            ("alias.example.org", Record::A),
            ("alias.example.org", Record::CNAME),
            ("example.org", Record::MX),
            ("1.2.0.192.in-addr.arpa", Record::PTR),
            // By UDP this comes cut.
            ("long.example.org", Record::TXT),
        ] {
            let check = DnsCheck::new(config(transport, name, record)).unwrap();
            let result = server.check(53, check);
            assert!(
                matches!(result, Ok(pass) if pass == Pass::new()),
                "{transport:?} {name} {record:?}: {result:?}"
            );
        }
    }
    let check = DnsCheck::new(config(Transport::Tcp, "www.example.org", Record::A)).unwrap();
    server.stop(53, check);
}

#[test]
fn records_that_are_not_there_fail() {
    let server = dnsmasq();
    for transport in TRANSPORTS {
        let missing = config(transport, "www.example.org", Record::TXT);
        let result = server.check(53, DnsCheck::new(missing.clone()).unwrap());
        assert!(
            matches!(result, Err(CheckError::Unexpected(_))),
            "{result:?}"
        );

        let mut optional = missing;
        optional.answer = Answer::Optional;
        server.check(53, DnsCheck::new(optional).unwrap()).unwrap();
    }
}

#[test]
fn codes_that_are_not_wanted_fail() {
    let server = dnsmasq();
    for transport in TRANSPORTS {
        for (name, code) in [("missing.example.org", 3), ("www.example.net", 5)] {
            let mut config = config(transport, name, Record::A);
            config.answer = Answer::Optional;
            let result = server.check(53, DnsCheck::new(config.clone()).unwrap());
            assert!(
                matches!(result, Err(CheckError::Status(status)) if status == u16::from(code)),
                "{transport:?} {name}: {result:?}"
            );
            config.codes = vec![code];
            server.check(53, DnsCheck::new(config).unwrap()).unwrap();
        }
    }
}

/// By UDP it is an error of ICMP that says so.
#[test]
fn a_server_that_stopped_refuses_datagrams_too() {
    let check = DnsCheck::new(config(Transport::Udp, "www.example.org", Record::A)).unwrap();
    dnsmasq().stop(53, check);
}
