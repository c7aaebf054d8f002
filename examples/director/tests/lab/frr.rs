//! Opposite FRR's vrrpd, in both roles.

use std::net::IpAddr;
use std::path::Path;

use locum_lab::frr::{self, Family, Programs};
use locum_lab::{Frr, Mac, Prober, wait_until};

use crate::Result;
use crate::site::{self, Form, Member, PATIENCE, Router, Site, net6};

/// So many advertisements a backup must hear without stirring: had it ignored them, it would be master by then.
const STEADY: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Director,
    Frr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Backup,
    Master,
}

/// The program of one router.
#[derive(Debug)]
enum Running {
    Director(Member),
    Frr(Frr, Router),
}

impl Running {
    fn start(site: &Site, number: u8, program: Program, router: &Router) -> Result<Self> {
        if program == Program::Director {
            let member = site.start(number, site::Program::Director, router)?;
            return Ok(Self::Director(member));
        }
        // Where `cargo xtask test` unpacks Debian's package.
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let unpacked = scratch.parent().ok_or("no target directory")?;
        let programs = Programs::find(&unpacked.join("servers"))
            .map_err(|error| format!("{error}; `cargo xtask test` unpacks it"))?;
        let theirs = frr::Router::new("eth0", router.vrid, &router.addresses)
            .version(router.form.version())
            .priority(router.priority)
            .interval(router.interval);
        let frr = Frr::start(site.host(number)?, &programs, &[theirs])?;
        Ok(Self::Frr(frr, router.clone()))
    }

    fn wait(&self, state: State) -> Result {
        match self {
            Self::Director(member) => {
                let word = match state {
                    State::Backup => "backup",
                    State::Master => "master",
                };
                let director = member.director()?;
                let mut last = None;
                let there = wait_until(&format!("director to be {word}"), PATIENCE, || {
                    last = director.status().ok();
                    let is = last
                        .as_ref()
                        .and_then(|said| said.pointer("/routers/0/state"));
                    is.is_some_and(|is| is == word)
                });
                Ok(there.map_err(|error| format!("{error}; it said {last:?}"))?)
            }
            Self::Frr(frr, router) => {
                let state = match state {
                    State::Backup => frr::State::Backup,
                    State::Master => frr::State::Master,
                };
                Ok(frr.wait_state(router.vrid, family(router), state, PATIENCE)?)
            }
        }
    }

    /// How many advertisements it has heard, and a count that grows when it becomes master.
    fn heard(&self) -> Result<(u64, u64)> {
        match self {
            Self::Director(member) => {
                let counters = counters(member)?;
                Ok((counters("adverts_received"), counters("became_master")))
            }
            Self::Frr(frr, router) => {
                let report = frr.report(router.vrid, family(router))?;
                Ok((report.heard, report.transitions))
            }
        }
    }

    /// Waits until the backup has heard so many advertisements that it would have taken over if it ignored them.
    fn stays_backup(&self) -> Result {
        self.wait(State::Backup)?;
        let (heard, changes) = self.heard()?;
        wait_until("the backup to hear the master", PATIENCE, || {
            self.heard().is_ok_and(|(now, _)| now >= heard + STEADY)
        })?;
        assert_eq!(self.heard()?.1, changes, "it did not stay backup");
        Ok(())
    }

    fn stop(&self) -> Result {
        match self {
            Self::Director(member) => member.stop(),
            Self::Frr(frr, _) => Ok(frr.stop(PATIENCE)?),
        }
    }

    /// The hardware address it has hosts send to: FRR's is the virtual router's.
    fn mac(&self, site: &Site, number: u8) -> Result<Mac> {
        match self {
            Self::Director(_) => Ok(site.host(number)?.mac("eth0").ok_or("no eth0")?),
            Self::Frr(_, router) => Ok(frr::Router::mac(router.vrid, family(router))),
        }
    }

    /// Waits until the client has it for the address, and it answers there.
    fn wait_reached(&self, site: &Site, number: u8, prober: &Prober, vip: IpAddr) -> Result {
        let mac = self.mac(site, number)?;
        wait_until(
            &format!("the client to have {mac} for {vip}"),
            PATIENCE,
            || {
                site.client
                    .neighbour(vip)
                    .is_ok_and(|known| known == Some(mac))
            },
        )?;
        let (from, macs) = (prober.elapsed(), site.host(number)?.macs());
        wait_until(&format!("router {number} to answer"), PATIENCE, || {
            let latest = prober.latest();
            latest.is_some_and(|by| by.from >= from && macs.contains(&by.mac))
        })?;
        Ok(())
    }

    /// If it is ours: it has taken in all that FRR has sent.
    fn assert_understood(&self, stops_heard: u64) -> Result {
        let Self::Director(member) = self else {
            return Ok(());
        };
        let status = member.director()?.status()?;
        let router = status.pointer("/routers/0").ok_or("no router")?;
        assert_eq!(router.get("faults"), Some(&serde_json::json!([])));
        let all = router.get("counters").and_then(|all| all.as_object());
        let refused: Vec<_> = all
            .ok_or("no counters")?
            .iter()
            .filter(|(name, count)| {
                let bad = ["dropped_", "link_", "other_addresses"];
                bad.iter().any(|bad| name.starts_with(bad)) && **count != 0
            })
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
        let counters = counters(member)?;
        assert_eq!(counters("priority_zero_received"), stops_heard);
        Ok(())
    }
}

fn family(router: &Router) -> Family {
    Family::of(router.vip())
}

fn counters(member: &Member) -> Result<impl Fn(&str) -> u64> {
    let status = member.director()?.status()?;
    let all = status.pointer("/routers/0/counters").cloned();
    let all = all.ok_or("no counters")?;
    Ok(move |name: &str| {
        all.get(name)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0)
    })
}

/// The two through start, death, return and planned stop. The better one is on router 1.
fn life_of_a_pair(form: Form, better: Program, other: Program) -> Result {
    let site = Site::new(2)?;
    let mut low = Router::new(form).priority(200);
    if form == Form::V3Ipv6 {
        // FRR announces no link-local address and sends from one that is not virtual.
        low.addresses = vec![net6(50)];
    }
    let mut high = low.clone().priority(250);
    if form != Form::V2 {
        // The backup must learn it: by its own, it would take the master for dead between two advertisements.
        high = high.interval(low.interval * 4);
    }
    let vip = low.vip();
    let prober = site.probe(&low)?;

    let second = Running::start(&site, 2, other, &low)?;
    let first = Running::start(&site, 1, better, &high)?;
    first.wait(State::Master)?;
    second.stays_backup()?;
    first.wait_reached(&site, 1, &prober, vip)?;

    site.kill_host(1)?;
    second.wait(State::Master)?;
    second.wait_reached(&site, 2, &prober, vip)?;
    drop(first);

    site.revive_host(1, &high)?;
    let first = Running::start(&site, 1, better, &high)?;
    first.wait(State::Master)?;
    second.wait(State::Backup)?;
    first.wait_reached(&site, 1, &prober, vip)?;
    first.assert_understood(0)?;

    let capture = site.lan.capture()?;
    first.stop()?;
    capture.wait_for_advert("the goodbye", PATIENCE, |advert| advert.priority == 0)?;
    second.wait(State::Master)?;
    second.wait_reached(&site, 2, &prober, vip)?;
    second.assert_understood(1)
}

#[test]
fn v2_director_is_better() -> Result {
    life_of_a_pair(Form::V2, Program::Director, Program::Frr)
}

#[test]
fn v2_frr_is_better() -> Result {
    life_of_a_pair(Form::V2, Program::Frr, Program::Director)
}

#[test]
fn v3_director_is_better() -> Result {
    life_of_a_pair(Form::V3, Program::Director, Program::Frr)
}

#[test]
fn v3_frr_is_better() -> Result {
    life_of_a_pair(Form::V3, Program::Frr, Program::Director)
}

#[test]
fn v3_ipv6_director_is_better() -> Result {
    life_of_a_pair(Form::V3Ipv6, Program::Director, Program::Frr)
}

#[test]
fn v3_ipv6_frr_is_better() -> Result {
    life_of_a_pair(Form::V3Ipv6, Program::Frr, Program::Director)
}
