//! Gathers the facts: the one part that asks this machine and its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use locum_ipvs::{Client, Limits, QueryError};
use locum_vip::who_has;
use locum_vip::wire::MacAddress;
use locum_vrrp::RouterConfig;

use super::facts::{Facts, Ipvs, Segment};
use super::listen::{Ear, listen};
use super::modules::Modules;
use crate::capability::{self, CapabilityError};
use crate::config::Config;
use crate::machine::{Interface, Machine};
use crate::words::chain;

/// For how long the neighbours are asked.
const ASKING: Duration = Duration::from_secs(1);
/// Three intervals of the slowest master, within these bounds.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(4);

type Claims = Result<BTreeMap<IpAddr, BTreeSet<MacAddress>>, String>;

/// Everything that is known of this machine, in the network namespace of the calling thread. Takes up to 4 s if there are
/// virtual routers, in which it listens and asks.
///
/// # Errors
///
/// When not even the interfaces can be read.
pub(crate) fn gather(config: &Config) -> io::Result<Facts> {
    let machine = Machine::read()?;
    let routers: Vec<&RouterConfig> = config
        .virtual_routers
        .iter()
        .map(|one| &one.router)
        .collect();
    let listened = listening_time(&routers);
    let segments = segments(&routers, &machine, listened);
    let missing = match capability::check() {
        Ok(()) => Ok(None),
        Err(error @ CapabilityError::Missing(_)) => Ok(Some(error.to_string())),
        Err(error) => Err(chain(&error)),
    };
    Ok(Facts {
        missing,
        ipvs: ipvs(),
        modules: Modules::read(),
        segments,
        listened,
        machine,
    })
}

fn ipvs() -> Ipvs {
    let info = Client::open(Limits::default())
        .map_err(QueryError::NotSent)
        .and_then(|mut client| client.info());
    match info {
        Ok(info) => Ipvs::Ready {
            version: info.version,
        },
        Err(QueryError::ModuleMissing) => Ipvs::Missing,
        Err(QueryError::PermissionDenied) => Ipvs::Denied,
        Err(error) => Ipvs::Unknown(chain(&error)),
    }
}

fn listening_time(routers: &[&RouterConfig]) -> Duration {
    let intervals = routers
        .iter()
        .map(|router| router.advertisement().interval().duration());
    let slowest = intervals.max().unwrap_or_default();
    slowest.saturating_mul(3).clamp(LEAST, MOST)
}

fn segments(
    routers: &[&RouterConfig],
    machine: &Machine,
    time: Duration,
) -> BTreeMap<String, Segment> {
    let mut places: BTreeMap<&str, &Interface> = BTreeMap::new();
    for router in routers {
        if let Some(interface) = machine.interfaces.get(router.interface())
            && interface.up
            && interface.carrier
        {
            places.insert(router.interface(), interface);
        }
    }
    let own: BTreeMap<&str, Vec<IpAddr>> = places
        .iter()
        .map(|(name, interface)| {
            let own = interface.addresses.iter().map(|held| held.net.addr());
            (*name, own.collect())
        })
        .collect();
    let mut ears: Vec<Ear<'_>> = Vec::new();
    for router in routers {
        let name = router.interface();
        let family = router.family();
        if let (Some(interface), Some(own)) = (places.get(name), own.get(name))
            && !ears
                .iter()
                .any(|ear| ear.interface == name && ear.family == family)
        {
            ears.push(Ear {
                interface: name,
                index: interface.index.get(),
                family,
                own,
            });
        }
    }
    let questions: BTreeMap<&str, Vec<IpAddr>> = places
        .keys()
        .map(|&name| (name, questions(name, routers, machine)))
        .collect();
    thread::scope(|scope| {
        let asking: Vec<_> = places
            .iter()
            .zip(questions.values())
            .map(|((&name, interface), addresses)| {
                (name, scope.spawn(move || ask(interface, addresses)))
            })
            .collect();
        let mut heard = listen(&ears, time);
        asking
            .into_iter()
            .map(|(name, thread)| {
                let died = |_| Err("the thread that asks has died".to_owned());
                let segment = Segment {
                    heard: heard.remove(name).unwrap_or_else(|| Ok(Vec::new())),
                    claims: thread.join().unwrap_or_else(died),
                };
                (name.to_owned(), segment)
            })
            .collect()
    })
}

/// The virtual addresses to ask for: those that this machine does not hold itself just now.
fn questions(interface: &str, routers: &[&RouterConfig], machine: &Machine) -> Vec<IpAddr> {
    let here = |address: IpAddr| machine.places(address).any(|(place, _)| place == interface);
    let on = routers
        .iter()
        .filter(|router| router.interface() == interface);
    let addresses: BTreeSet<IpAddr> = on
        .flat_map(|router| router.addresses())
        .map(ipnet::IpNet::addr)
        .filter(|&address| !here(address))
        .collect();
    addresses.into_iter().collect()
}

fn ask(interface: &Interface, addresses: &[IpAddr]) -> Claims {
    match interface.mac {
        Some(mac) if !addresses.is_empty() => {
            who_has(interface.index, mac, addresses, ASKING).map_err(|error| error.to_string())
        }
        // Nothing to ask, or an interface without neighbours.
        Some(_) | None => Ok(BTreeMap::new()),
    }
}
