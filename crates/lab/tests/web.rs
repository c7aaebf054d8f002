//! Web servers, a client that makes requests of them, and connections that stay. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "a laboratory that cannot be built fails its test"
)]

use std::net::SocketAddr;
use std::time::Duration;

use locum_lab::{Failure, Host, Lan, LoadClient, LoadConfig, LongConnection, WebServer};

const PATIENCE: Duration = Duration::from_secs(20);

struct Net {
    lan: Lan,
    client: Host,
    web: Host,
}

fn net() -> Net {
    let lan = Lan::bridge().unwrap();
    let [client, web] = ["client", "web1"].map(|name| Host::new(name).unwrap());
    for (host, last) in [(&client, 1), (&web, 2)] {
        let addresses = [format!("10.77.0.{last}/24"), format!("fd77::{last}/64")];
        let addresses = addresses.map(|address| address.parse().unwrap());
        lan.attach(host, "eth0", &addresses).unwrap();
    }
    Net { lan, client, web }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn requests_say_who_served_them_and_why_not() {
    let net = net();
    let mut server = WebServer::start(&net.web, &[address("[::]:80")]).unwrap();
    let clients = ["10.77.0.2:80", "[fd77::2]:80"].map(|target| {
        let config = LoadConfig::default().timeout(Duration::from_millis(500));
        LoadClient::start(&net.client, address(target), config).unwrap()
    });
    for client in &clients {
        client.wait_served_by(&["web1"], 10, PATIENCE).unwrap();
    }
    server.set_health(503);
    clients[0].wait_served_by(&["web1"], 3, PATIENCE).unwrap();

    server.stop();
    for client in &clients {
        let all_refused = |report: &locum_lab::LoadReport| {
            report.failures().keys().eq([&Failure::Refused]) && report.successes() == 0
        };
        client.wait("refusals", 5, PATIENCE, all_refused).unwrap();
    }
    server.resume().unwrap();
    for client in &clients {
        client.wait_served_by(&["web1"], 5, PATIENCE).unwrap();
    }

    net.lan.partition(&net.web).unwrap();
    let silent = |report: &locum_lab::LoadReport| report.failed() == 3;
    let report = clients[0].wait("time-outs", 3, PATIENCE, silent).unwrap();
    assert!(
        report
            .failures()
            .keys()
            .all(|failure| matches!(failure, Failure::TimedOut | Failure::Unreachable)),
        "{report}"
    );
    let served: u64 = clients
        .map(|client| u64::from(client.finish().successes()))
        .iter()
        .sum();
    assert!(server.served() >= served);
}

#[test]
fn a_long_connection_breaks_with_its_server_only() {
    let net = net();
    let mut server = WebServer::start(&net.web, &[address("[::]:80")]).unwrap();
    let open = || LongConnection::open(&net.client, address("10.77.0.2:80"), PATIENCE).unwrap();
    let (stays, breaks) = (open(), open());
    for connection in [&stays, &breaks] {
        connection.wait_echoes(3, PATIENCE).unwrap();
    }
    let report = stays.finish();
    assert_eq!((report.server.as_str(), report.broken), ("web1", None));
    assert!(report.echoes >= 3 && !report.longest_pause.is_zero());

    server.stop();
    assert!(breaks.wait_echoes(u64::MAX, PATIENCE).is_err());
    assert!(breaks.report().broken.is_some());
    let refused = LongConnection::open(&net.client, address("10.77.0.2:80"), PATIENCE);
    assert!(refused.is_err());
}
