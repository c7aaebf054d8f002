//! Sets up a service with two real servers, by direct routing: `service 192.0.2.10:80 192.0.2.21 192.0.2.22`.

use std::env;
use std::error::Error;

use locum_ipvs::{Client, Destination, Limits, Scheduler, Service, ServiceKey, Table, plan};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().ok_or("which virtual address and port?")?;
    let servers: Vec<Destination> = arguments
        .map(|server| Ok::<_, Box<dyn Error>>(Destination::direct(server.parse()?)))
        .collect::<Result<_, _>>()?;
    let service = Service::new(ServiceKey::tcp(address.parse()?), Scheduler::WLC);
    let mut client = Client::open(Limits::default())?;
    let mut actual = client.snapshot()?;
    actual.retain(|found| found.service.key == *service.key());
    let mut table = Table::new();
    table.insert(service, servers)?;
    let changes = plan(&table, &actual);
    client
        .apply(&changes)
        .into_iter()
        .collect::<Result<(), _>>()?;
    Ok(())
}
