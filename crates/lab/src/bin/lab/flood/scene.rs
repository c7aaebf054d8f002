//! A switch, two directors and their enemy.

use std::path::Path;
use std::thread;
use std::time::Duration;

use locum_lab::flood::{Flood, Sent, Target};
use locum_lab::{Advert, Capture, Director, Host, Lan, wait_until};

use super::Outcome;
use super::counted::Counted;
use crate::routers::{Population, address_of, host_address};
use crate::wire::{Seen, allowed_gap};

/// The router of version 2: its VRID and its interval. Nobody has the VRID after it.
const V2: u8 = 201;
const V2_INTERVAL: Duration = Duration::from_secs(1);

const BOUND: Duration = Duration::from_secs(60);
/// Nothing happens any more after the second round of announcements.
const SETTLE: Duration = Duration::from_secs(7);
/// What is left in a queue has been read by then, and every router has told its counters.
const AFTERWARDS: Duration = Duration::from_millis(1500);
/// Frames to replay.
const REPLAYED: usize = 64;

/// Longest time between two advertisements, and how many were later than allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnTheWire {
    pub(super) v3: Seen,
    pub(super) v2: Seen,
}

/// What the flood did.
#[derive(Debug)]
pub(super) struct Flooded {
    pub(super) sent: Sent,
    pub(super) wire: OnTheWire,
    /// Of the master and the backup, before and after.
    pub(super) counted: [(Counted, Counted); 2],
}

#[derive(Debug)]
pub(super) struct Scene {
    population: Population,
    directors: [Director; 2],
    /// The master, the backup and the enemy.
    hosts: [Host; 3],
    _lan: Lan,
}

impl Scene {
    pub(super) fn start(director: &Path, population: Population) -> Outcome<Self> {
        let lan = Lan::bridge()?;
        let hosts = [Host::new("a")?, Host::new("b")?, Host::new("enemy")?];
        for (host, number) in hosts.iter().zip(1..) {
            lan.attach(host, "eth0", &[host_address(number)])?;
        }
        let [a, b, _] = &hosts;
        let start = |host, priority| {
            let v2 = format!(
                "[[virtual_router]]\nname = \"v2\"\ninterface = \"eth0\"\nvrid = {V2}\nversion = 2\n\
                 priority = {priority}\nadvert_interval = \"1s\"\naddresses = [\"{}\"]\n\
                 authentication = {{ type = \"password\", password = \"secret\" }}\n",
                address_of(V2)
            );
            Director::start(host, director, &(population.director(priority, "") + &v2))
        };
        let directors = [start(a, 150)?, start(b, 100)?];
        Ok(Self {
            population,
            directors,
            hosts,
            _lan: lan,
        })
    }

    pub(super) fn wait_settled(&self) -> Outcome<()> {
        let [a, b, _] = &self.hosts;
        let all = usize::from(self.population.routers);
        let is_running = || self.directors.iter().all(|one| one.child().is_running());
        let settled = wait_until("the master to have all addresses", BOUND, || {
            thread::sleep(Duration::from_millis(100));
            let v2 = a.has_address(address_of(V2).addr());
            let held = [a, b].map(|host| self.population.held_by(host));
            (v2 && held == [all, 0]) || !is_running()
        });
        if settled.is_err() || !is_running() {
            let logs = self
                .directors
                .each_ref()
                .map(|one| one.child().log().text());
            return Err(format!("the directors have not settled:\n{}", logs.join("\n")).into());
        }
        thread::sleep(SETTLE);
        Ok(())
    }

    /// Watches the master without a flood.
    pub(super) fn quiet(&self, length: Duration) -> Outcome<OnTheWire> {
        let capture = self.capture()?;
        thread::sleep(length);
        let allowed = allowed_gap(self.population.interval);
        Ok(on_the_wire(
            &capture.adverts(),
            [allowed, allowed_gap(V2_INTERVAL)],
        ))
    }

    pub(super) fn flooded(
        &self,
        length: Duration,
        rate: Option<u32>,
        quiet: &OnTheWire,
    ) -> Outcome<Flooded> {
        let replayed = self.replayed()?;
        let target = Target {
            v3: (1, v4(address_of(1))),
            v2: (V2, v4(address_of(V2))),
            foreign: V2 + 1,
            source: v4(host_address(3)),
        };
        // In this order, so that no advertisement is awaited that was heard before or after.
        let before = self.count()?;
        let capture = self.capture()?;
        let [_, _, enemy] = &self.hosts;
        let flood = Flood::start(enemy, "eth0", &target, &replayed, rate)?;
        thread::sleep(length);
        let sent = flood.stop();
        thread::sleep(AFTERWARDS);
        let adverts = capture.adverts();
        let after = self.count()?;
        let [a, b] = before;
        let [a_after, b_after] = after;
        let allowed = [
            allowed_gap(self.population.interval).max(quiet.v3.worst_gap),
            allowed_gap(V2_INTERVAL).max(quiet.v2.worst_gap),
        ];
        Ok(Flooded {
            sent,
            wire: on_the_wire(&adverts, allowed),
            counted: [(a, a_after), (b, b_after)],
        })
    }

    /// What the master sends, and nothing of the flood.
    fn capture(&self) -> Outcome<Capture> {
        let [master, ..] = &self.hosts;
        Ok(Capture::sent_from(master, "eth0")?)
    }

    /// Advertisements of the master, as they were on the wire.
    fn replayed(&self) -> Outcome<Vec<Vec<u8>>> {
        let capture = self.capture()?;
        wait_until("some advertisements to replay", BOUND, || {
            capture.adverts().len() >= REPLAYED
        })?;
        // ARP is no advertisement: the ethertype of IPv4.
        let frames = capture.frames().into_iter().map(|frame| frame.bytes);
        Ok(frames
            .filter(|bytes| bytes.get(12..14) == Some(&[8, 0]))
            .collect())
    }

    fn count(&self) -> Outcome<[Counted; 2]> {
        let [a, b] = &self.directors;
        Ok([Counted::read(&a.status()?)?, Counted::read(&b.status()?)?])
    }
}

fn on_the_wire(adverts: &[Advert], allowed: [Duration; 2]) -> OnTheWire {
    let (v2, v3): (Vec<Advert>, Vec<Advert>) = adverts.iter().partition(|one| one.version == 2);
    let [v3_gap, v2_gap] = allowed;
    OnTheWire {
        v3: Seen::of(&v3, v3_gap),
        v2: Seen::of(&v2, v2_gap),
    }
}

fn v4(net: ipnet::IpNet) -> std::net::Ipv4Addr {
    match net {
        ipnet::IpNet::V4(net) => net.addr(),
        ipnet::IpNet::V6(_) => std::net::Ipv4Addr::UNSPECIFIED,
    }
}
