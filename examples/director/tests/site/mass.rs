//! A thousand servers that fail at the same moment.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use locum_ipvs::{Client, Limits, Snapshot};
use locum_lab::{Director, Host, Lan, WebServer, wait_until};

use crate::Result;
use crate::bench::PATIENCE;

const SERVICES: u16 = 100;
/// Of each service, behind each of the two farms.
const SERVERS: u16 = 10;
/// What stands for the health of a thousand servers: one answers for all of them.
const FARMS: [&str; 2] = ["10.81.0.1:80", "10.82.0.1:80"];

pub(crate) fn a_thousand_servers_that_flip_are_one_plan() {
    let mut farm = Farm::start().unwrap();
    let outcome = farm.flip();
    let log = farm.director.child().log().text();
    outcome
        .map_err(|error| format!("{error}; director said:\n{log}"))
        .unwrap();
}

struct Farm {
    director: Director,
    web: [WebServer; 2],
    host: Host,
    _hosts: Host,
    _lan: Lan,
}

impl Farm {
    fn start() -> Result<Self> {
        let lan = Lan::bridge()?;
        let [host, farm] = [Host::new("director1")?, Host::new("farm")?];
        lan.attach(
            &host,
            "eth0",
            &["10.77.0.1/24".parse()?, "10.80.0.1/12".parse()?],
        )?;
        lan.attach(&farm, "eth0", &[])?;
        let [first, second] = FARMS.map(|address| {
            let address: SocketAddr = address.parse()?;
            farm.ip(&format!("address add {}/12 dev eth0", address.ip()))?;
            Ok::<_, Box<dyn std::error::Error>>(WebServer::start(&farm, &[address])?)
        });
        let web = [first?, second?];
        let program = Path::new(env!("CARGO_BIN_EXE_director"));
        let director = Director::start(&host, program, &toml())?;
        Ok(Self {
            director,
            web,
            host,
            _hosts: farm,
            _lan: lan,
        })
    }

    fn flip(&mut self) -> Result {
        self.director.wait_ready(PATIENCE)?;
        self.wait_servers(2 * SERVERS)?;
        let half = u64::from(SERVICES * SERVERS);
        let before = self.wait_changes(u64::from(SERVICES) + 2 * half)?;

        // Half of all servers.
        let [first, _] = &mut self.web;
        first.stop();
        self.wait_servers(SERVERS)?;
        let after = self.wait_changes(before.changes + half)?;
        let plans = after.plans - before.plans;
        if plans != 1 {
            return Err(format!("a thousand failures took {plans} plans").into());
        }

        // The other half, too: that is our own network.
        let [_, second] = &mut self.web;
        second.stop();
        self.director
            .child()
            .log()
            .wait_for("failed together", PATIENCE)?;
        let table = self.table()?;
        let services = table
            .iter()
            .filter(|service| {
                service
                    .destinations
                    .values()
                    .any(|entry| entry.settings.weight > 0)
            })
            .count();
        if services != usize::from(SERVICES) {
            return Err(format!("only {services} services have servers").into());
        }
        for web in &mut self.web {
            web.resume()?;
        }
        self.wait_servers(2 * SERVERS)
    }

    fn table(&self) -> Result<Snapshot> {
        let mut client = self.host.run(|| Client::open(Limits::default()))?;
        Ok(client.snapshot()?)
    }

    /// Waits until each service has so many servers.
    fn wait_servers(&self, count: u16) -> Result {
        let awaited = format!("{SERVICES} services to have {count} servers each");
        Ok(wait_until(&awaited, PATIENCE, || {
            std::thread::sleep(Duration::from_millis(100));
            self.table().is_ok_and(|table| {
                table.iter().count() == usize::from(SERVICES)
                    && table
                        .iter()
                        .all(|service| service.destinations.len() == usize::from(count))
            })
        })?)
    }

    /// Waits until director has counted so many changes of the kernel's table, which it does after the kernel has made them.
    fn wait_changes(&self, changes: u64) -> Result<Counters> {
        let mut counters = Counters::default();
        wait_until(
            &format!("{changes} changes to be counted"),
            PATIENCE,
            || {
                counters = self.counters().unwrap_or_default();
                counters.changes >= changes
            },
        )?;
        Ok(counters)
    }

    fn counters(&self) -> Result<Counters> {
        let status = self.director.status()?;
        let count = |name: &str| {
            status
                .pointer(&format!("/site/ipvs/counters/{name}"))
                .and_then(serde_json::Value::as_u64)
                .ok_or_else(|| format!("the status does not count {name}"))
        };
        Ok(Counters {
            changes: count("changes")?,
            plans: count("plans")?,
        })
    }
}

/// What director has done to the kernel's table.
#[derive(Debug, Default)]
struct Counters {
    changes: u64,
    plans: u64,
}

fn toml() -> String {
    let mut toml = "[[virtual_router]]\nname = \"site\"\ninterface = \"eth0\"\nvrid = 51\n\
                    addresses = [\"10.77.0.101/24\"]\n\n[ipvs]\nreconcile_interval = \"1m\"\n"
        .to_owned();
    for service in 1..=SERVICES {
        // Writing to a String cannot fail.
        let _written = writeln!(
            toml,
            "\n[[virtual_service]]\nname = \"s{service}\"\naddress = \"10.77.0.101:{}\"\nprotocol = \"tcp\"\n\
             scheduler = \"rr\"\nforward = \"nat\"",
            1000 + service
        );
        for (number, farm) in (0..2 * SERVERS).zip(FARMS.iter().cycle()) {
            let (address, port) = farm.rsplit_once(':').unwrap();
            let _written = writeln!(
                toml,
                "\n[[virtual_service.server]]\naddress = \"10.83.{service}.{number}:80\"\n\
                 check = {{ type = \"tcp\", address = \"{address}\", port = {port}, interval = \"1s\", timeout = \"1s\", rise = 1, fall = 1 }}"
            );
        }
    }
    toml
}
