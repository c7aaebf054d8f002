//! Hosts on a LAN in a kernel that has IPVS.
#![expect(
    clippy::unwrap_used,
    reason = "a laboratory that cannot be built fails its test"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::time::Duration;

use locum_ipvs::{Client, Destination, Limits, Scheduler, ServiceKey, Table, plan};
use locum_lab::kernel::Kernel;
use locum_lab::{Host, Lan, cases};

const BOUND: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    Kernel::new()
        .program("ipvsadm", "ipvsadm")
        .tests(cases![connections_are_balanced])
}

/// A real server that says its name to whoever connects.
fn serve(host: &Host, address: SocketAddr, name: &'static str) {
    let listener = host
        .run(move || std::net::TcpListener::bind(address))
        .unwrap();
    host.thread(name, move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // A client that is gone does not matter.
            let _said = stream.write_all(name.as_bytes());
        }
    })
    .unwrap();
}

fn ask(from: &Host, service: SocketAddr) -> String {
    from.run(move || {
        let mut stream = TcpStream::connect_timeout(&service, BOUND).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    })
}

/// One host balances between two servers on another, for a third.
fn connections_are_balanced() {
    let lan = Lan::bridge().unwrap();
    let [balancer, servers, client] =
        ["balancer", "servers", "client"].map(|name| Host::new(name).unwrap());
    for (host, address) in [
        (&balancer, "10.77.0.1/24"),
        (&servers, "10.77.0.2/24"),
        (&client, "10.77.0.3/24"),
    ] {
        lan.attach(host, "eth0", &[address.parse().unwrap()])
            .unwrap();
    }
    balancer.ip("address add 192.0.2.10/32 dev lo").unwrap();
    balancer.sysctl("net/ipv4/ip_forward", "1").unwrap();
    servers.ip("address add 10.77.0.12/24 dev eth0").unwrap();
    servers.ip("route add 10.77.0.3/32 via 10.77.0.1").unwrap();
    client.ip("route add 192.0.2.10/32 via 10.77.0.1").unwrap();
    serve(&servers, "10.77.0.2:80".parse().unwrap(), "first");
    serve(&servers, "10.77.0.12:80".parse().unwrap(), "second");

    let service: SocketAddr = "192.0.2.10:80".parse().unwrap();
    balancer.run(move || {
        let mut table = Table::new();
        let servers = ["10.77.0.2:80", "10.77.0.12:80"];
        table
            .insert(
                locum_ipvs::Service::new(ServiceKey::tcp(service), Scheduler::RR),
                servers.map(|server| Destination::masquerade(server.parse().unwrap())),
            )
            .unwrap();
        let mut client = Client::open(Limits::default()).unwrap();
        let ops = plan(&table, &client.snapshot().unwrap());
        for outcome in client.apply(&ops) {
            outcome.unwrap();
        }
    });
    let mut said: Vec<String> = (0..4).map(|_| ask(&client, service)).collect();
    said.sort();
    assert_eq!(said, ["first", "first", "second", "second"]);

    let mut ipvsadm = Command::new("ipvsadm");
    ipvsadm.args(["-L", "-n", "--connection"]);
    let shown = balancer.output(ipvsadm).unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let ours = shown.lines().filter(|line| line.contains("192.0.2.10:80"));
    assert_eq!(ours.count(), 4, "{shown}");
}
