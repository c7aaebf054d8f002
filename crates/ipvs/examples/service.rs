//! Sets up a service of two destinations, beside those that are there: `cargo run --example service -- 192.0.2.10:80`.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use locum_ipvs::{Client, Destination, Limits, Op, Scheduler, Service, ServiceKey};

fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = std::env::args().nth(1).unwrap_or_default().parse()?;
    let service = ServiceKey::tcp(address);
    let servers: [IpAddr; 2] = ["192.0.2.21".parse()?, "192.0.2.22".parse()?];

    let mut ops = vec![Op::AddService(Service::new(service, Scheduler::WLC))];
    ops.extend(servers.map(|server| Op::AddDestination(service, Destination::direct(server))));
    let mut client = Client::open(Limits::default())?;
    for outcome in client.apply(&ops) {
        outcome?;
    }
    Ok(())
}
