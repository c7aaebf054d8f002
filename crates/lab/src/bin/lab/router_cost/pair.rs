//! Two hosts with the same virtual routers.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use locum_lab::{Capture, Child, Director, Host, Keepalived, LabError, wait_until};

use super::Outcome;
use crate::cpu;
use crate::routers::{Population, joined};
use crate::whose::Whose;
use crate::wire::{Seen, allowed_gap};

/// The master's, and the backup's.
const PRIORITIES: [u8; 2] = [150, 100];

/// Within so long, one of the two has all addresses; 250 start within some seconds.
const BOUND: Duration = Duration::from_secs(60);

/// Either program tells the neighbours again after 5 s.
const SETTLE: Duration = Duration::from_secs(8);

#[derive(Debug)]
enum Running {
    Director(Director),
    Keepalived(Keepalived),
}

impl Running {
    fn child(&self) -> &Child {
        match self {
            Self::Director(director) => director.child(),
            Self::Keepalived(keepalived) => keepalived.child(),
        }
    }
}

/// What was used and seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) time: Duration,
    /// Of the master's host, and of the backup's.
    pub(super) cpu: [Duration; 2],
    pub(super) seen: Seen,
}

#[derive(Debug)]
pub(super) struct Pair {
    population: Population,
    running: [Running; 2],
    hosts: [Host; 2],
}

impl Pair {
    pub(super) fn start(whose: Whose, director: &Path, population: Population) -> Outcome<Self> {
        let hosts = joined()?;
        let start = |host: &Host, priority| {
            Ok::<_, LabError>(match whose {
                Whose::Director => {
                    let text = population.director(priority, "");
                    Running::Director(Director::start(host, director, &text)?)
                }
                Whose::Keepalived => {
                    let instances = population.keepalived(priority);
                    Running::Keepalived(Keepalived::start(host, &instances)?)
                }
            })
        };
        let [a, b] = &hosts;
        let running = [start(a, PRIORITIES[0])?, start(b, PRIORITIES[1])?];
        Ok(Self {
            population,
            running,
            hosts,
        })
    }

    /// Waits until the master has all addresses, the backup none, and nothing happens any more.
    pub(super) fn wait_settled(&self) -> Outcome<()> {
        let [a, b] = &self.hosts;
        let owned = |host| self.population.held_by(host);
        let all = usize::from(self.population.routers);
        let mut last = (0, 0);
        let settled = wait_until("the master to have all addresses", BOUND, || {
            thread::sleep(Duration::from_millis(100));
            last = (owned(a), owned(b));
            last == (all, 0) || !self.is_running()
        });
        if settled.is_err() || !self.is_running() {
            let lines = self.running.each_ref().map(|one| one.child().log().text());
            let (a, b) = last;
            return Err(format!(
                "{a} and {b} addresses of {all}; the logs:\n{}",
                lines.join("\n")
            )
            .into());
        }
        thread::sleep(SETTLE);
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.running.iter().all(|one| one.child().is_running())
    }

    /// Watches for so long.
    pub(super) fn spend(&self, length: Duration) -> Outcome<Spent> {
        let [_, backup] = &self.hosts;
        let capture = Capture::start(backup, "eth0")?;
        let used = || self.hosts.each_ref().map(cpu::used);
        let (began, before) = (now(), used());
        thread::sleep(length);
        let (after, time) = (used(), now().duration_since(began));
        let [master, backup] = [0, 1].map(|host: usize| {
            let of = |all: &[Duration; 2]| all.get(host).copied().unwrap_or_default();
            of(&after).saturating_sub(of(&before))
        });
        let seen = Seen::of(&capture.adverts(), allowed_gap(self.population.interval));
        Ok(Spent {
            time,
            cpu: [master, backup],
            seen,
        })
    }

    pub(super) fn end(self) {
        // The backup first: it would take over for a moment.
        for one in self.running.iter().rev() {
            if let Err(error) = one.child().terminate(BOUND) {
                eprintln!("it is killed: {error}");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this program measures real time")]
fn now() -> Instant {
    Instant::now()
}
