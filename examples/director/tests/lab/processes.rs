//! What the processes of a director are worth: each can die or hang, and the client sees nothing of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use locum_lab::{Capture, Director, Host, Prober, Signal, wait_until};

use crate::Result;
use crate::program;
use crate::site::{Form, GRANULARITY, PATIENCE, Router, Site, net4};

/// Where each director listens.
const SOCKET: &str = "/run/director.sock";
/// What a loaded machine may add to the bounds of the kernel.
const NOISE: Duration = Duration::from_secs(2);
/// How often the configuration is read again.
const RELOADS: usize = 30;

/// Two directors, the better one on router 1 and master, and a client.
struct Pair {
    site: Site,
    router: Router,
    prober: Prober,
    first: Director,
    second: Director,
}

impl Pair {
    fn start() -> Result<Self> {
        let site = Site::new(2)?;
        let router = Router::new(Form::V3).priority(150);
        let second = start(site.host(2)?, &config(&[(51, 100)]))?;
        let first = start(site.host(1)?, &config(&[(51, 150)]))?;
        site.wait_owner(1, &router)?;
        let prober = site.probe(&router)?;
        site.wait_answer(&prober, 1)?;
        wait_until("the processes to answer", PATIENCE, || {
            ["routers", "checker", "programs"].iter().all(|name| {
                first
                    .of_process(name, "answers")
                    .is_ok_and(|answers| answers > Some(0))
            })
        })
        .map_err(|error| {
            format!(
                "{error}: {:?} {}",
                first.status(),
                first.child().log().text()
            )
        })?;
        Ok(Self {
            site,
            router,
            prober,
            first,
            second,
        })
    }

    /// Waits until router `number` alone has the address, and fails if there were two owners for longer than the lease.
    fn settles_on(&self, number: u8) -> Result {
        let host = self.site.host(number)?.name();
        let mut since = None;
        let mut longest = Duration::ZERO;
        let mut quiet = None;
        wait_until(
            &format!("{host} to be the one owner for a second"),
            PATIENCE,
            || {
                let now = self.prober.elapsed();
                let owners = self.site.owners_of(self.router.vip());
                if owners.len() > 1 {
                    let begin = *since.get_or_insert(now);
                    longest = longest.max(now.saturating_sub(begin));
                } else {
                    since = None;
                }
                if owners != [host] {
                    quiet = None;
                    return false;
                }
                let begin = *quiet.get_or_insert(now);
                now.saturating_sub(begin) > Duration::from_secs(1)
            },
        )?;
        let bound = self.router.lease() + GRANULARITY + NOISE;
        assert!(longest <= bound, "two owners for {longest:?}");
        self.site.wait_answer(&self.prober, number)
    }

    /// The address stays where it is, and no probe of it is lost.
    fn client_sees_nothing_of(&self, what: impl FnOnce() -> Result) -> Result {
        let before = count(&self.second, "became_master")?;
        let from = self.prober.elapsed();
        what()?;
        self.settles_on(1)?;
        self.nothing_was_lost_since(from);
        assert_eq!(count(&self.second, "became_master")?, before);
        Ok(())
    }

    /// The better director loses those processes that are not the routers'.
    fn others_are_replaced(&self, signal: Signal, kills: u64) -> Result {
        for name in ["checker", "programs"] {
            self.first.signal_process(name, signal)?;
            self.first.wait_restarts(name, 1, PATIENCE)?;
            assert_eq!(self.first.of_process(name, "kills")?, Some(kills));
        }
        Ok(())
    }

    fn nothing_was_lost_since(&self, from: Duration) {
        let report = self.prober.report_since(from);
        let lost = report.lost_in_outages();
        assert!(
            lost == 0 || !report.is_undisturbed(),
            "{lost} probes lost: {:?}, answered by {:?}\n{}",
            report.outages,
            report.responders,
            self.first.child().log().text(),
        );
    }
}

/// A director with these virtual routers, each of this VRID and priority.
fn config(routers: &[(u8, u8)]) -> String {
    let mut toml = format!(
        "[director]\nname = \"one\"\ncontrol_socket = \"{SOCKET}\"\nhello_interval = \"100ms\"\nhello_missed = 10\n"
    );
    for (vrid, priority) in routers {
        let address = net4(vrid - 1);
        toml += &format!(
            "[[virtual_router]]\nname = \"v{vrid}\"\ninterface = \"eth0\"\nvrid = {vrid}\n\
             priority = {priority}\nadvert_interval = \"100ms\"\naddresses = [\"{address}\"]\n"
        );
    }
    toml
}

fn start(host: &Host, toml: &str) -> Result<Director> {
    let director = Director::start(host, Path::new(env!("CARGO_BIN_EXE_director")), toml)?;
    wait_until("a director to answer", PATIENCE, || {
        director.status().is_ok()
    })
    .map_err(|error| format!("{error}: {}", director.child().log().text()))?;
    Ok(director)
}

/// A count that the status tells of the first virtual router.
fn count(director: &Director, name: &str) -> Result<u64> {
    let status = director.status()?;
    let count = status.pointer(&format!("/routers/0/counters/{name}"));
    count
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| format!("no {name} in {status}").into())
}

/// How many descriptors and threads each process of a host has, by its number.
fn open_things(host: &Host) -> BTreeMap<u32, (usize, usize)> {
    let entries = |pid: u32, what: &str| {
        fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, |entries| entries.flatten().count())
    };
    host.processes()
        .into_iter()
        .map(|pid| (pid, (entries(pid, "fd"), entries(pid, "task"))))
        .collect()
}

#[test]
fn a_killed_routers_process_is_replaced_and_nothing_is_lost() -> Result {
    let pair = Pair::start()?;
    pair.client_sees_nothing_of(|| {
        pair.first.signal_process("routers", Signal::Kill)?;
        Ok(pair.first.wait_restarts("routers", 1, PATIENCE)?)
    })
}

#[test]
fn a_routers_process_that_hangs_is_killed_and_replaced() -> Result {
    let pair = Pair::start()?;
    pair.first.signal_process("routers", Signal::Stop)?;
    pair.first.wait_restarts("routers", 1, PATIENCE)?;
    assert_eq!(pair.first.of_process("routers", "kills")?, Some(1));
    pair.settles_on(1)
}

#[test]
fn the_other_processes_die_and_the_address_stays() -> Result {
    let pair = Pair::start()?;
    pair.client_sees_nothing_of(|| {
        pair.others_are_replaced(Signal::Kill, 0)?;
        // The new checker knows what it is told only.
        let host = pair.site.host(1)?;
        for routers in [&[(51, 150), (61, 150)][..], &[(51, 150)]] {
            host.write(&pair.first.config(), &config(routers))?;
            let reload = program::director(host, &format!("reload --socket {SOCKET}"))?;
            assert_eq!(reload.code, Some(0), "{}", reload.stderr);
        }
        Ok(())
    })?;
    assert_eq!(pair.first.of_process("routers", "restarts")?, Some(0));
    Ok(())
}

#[test]
fn the_other_processes_hang_and_are_replaced_and_the_address_stays() -> Result {
    let pair = Pair::start()?;
    pair.client_sees_nothing_of(|| pair.others_are_replaced(Signal::Stop, 1))?;
    assert_eq!(pair.first.of_process("routers", "restarts")?, Some(0));
    Ok(())
}

/// The processes of a parent that hangs do what they did, and it does not blame them for its own pause.
#[test]
fn a_parent_that_hangs_and_wakes_changes_nothing() -> Result {
    let pair = Pair::start()?;
    let host = pair.site.host(1)?.name();
    pair.client_sees_nothing_of(|| {
        pair.first.child().signal(Signal::Stop)?;
        let enough = (pair.router.lease() + pair.router.master_down()) * 2;
        let changed = wait_until("another owner", enough, || {
            pair.site.owners_of(pair.router.vip()) != [host]
        });
        pair.first.child().signal(Signal::Cont)?;
        assert!(changed.is_err(), "the address has another owner");
        Ok(())
    })?;
    for name in ["routers", "checker", "programs"] {
        assert_eq!(pair.first.of_process(name, "restarts")?, Some(0), "{name}");
    }
    Ok(())
}

#[test]
fn a_killed_parent_is_a_planned_move() -> Result {
    let pair = Pair::start()?;
    let from = pair.prober.elapsed();
    pair.first.child().signal(Signal::Kill)?;
    let host = pair.site.host(1)?;
    wait_until("the processes to end", PATIENCE, || {
        host.processes().is_empty()
    })
    .map_err(|error| format!("{error}: {}", pair.first.child().log().text()))?;
    pair.settles_on(2)?;
    pair.nothing_was_lost_since(from);
    Ok(())
}

#[test]
fn when_all_processes_die_at_once_the_lease_ends() -> Result {
    let pair = Pair::start()?;
    let from = pair.prober.elapsed();
    pair.site.host(1)?.kill_all()?;
    let mac = pair.site.host(2)?.mac("eth0");
    let answered = pair.prober.wait_answered(from, mac, PATIENCE)?;
    let took = answered.saturating_sub(from);
    assert!(
        took <= pair.router.master_down() + NOISE,
        "the other one answered after {took:?}"
    );
    pair.settles_on(2)
}

/// A router with this interval takes about four of it to hand over to nobody.
const SLOW: &str = "1s";

#[test]
fn a_reload_does_not_wait_for_a_router_to_hand_over() -> Result {
    let pair = Pair::start()?;
    let host = pair.site.host(1)?;
    let path = pair.first.config();
    let alone = config(&[(51, 150)]);
    let both = config(&[(51, 150), (61, 150)]);
    let (rest, slow) = both.rsplit_once("100ms").ok_or("no interval")?;
    let both = format!("{rest}{SLOW}{slow}");
    let command = |line: &str| program::director(host, &format!("{line} --socket {SOCKET}"));
    let reload = |toml: &str| -> Result<String> {
        host.write(&path, toml)?;
        let ended = command("reload")?;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        Ok(ended.stdout)
    };
    let slow = |what: &str| -> Option<serde_json::Value> {
        let status = pair.first.status().ok()?;
        status.pointer(&format!("/routers/1/{what}")).cloned()
    };
    let is_master = || slow("state").is_some_and(|state| state == "master");
    let address = net4(60).addr();

    let from = pair.prober.elapsed();
    reload(&both)?;
    wait_until("v61 to be master", PATIENCE, is_master)?;
    reload(&alone)?;
    assert!(host.has_address(address), "it was waited for");
    assert_eq!(slow("state"), None, "it is no longer configured");

    let answer = reload(&both)?;
    assert!(
        answer.contains("when virtual router v61 has handed over"),
        "{answer}"
    );
    assert_eq!(slow("state"), None, "it has to wait for itself");
    let told = command("priority v61 42 --reason test")?;
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    wait_until("v61 to be master again", PATIENCE, is_master)?;
    assert_eq!(
        slow("priority"),
        Some(42.into()),
        "what it is to be told it is told in the end"
    );
    assert!(host.has_address(address));
    pair.nothing_was_lost_since(from);
    pair.settles_on(1)
}

#[test]
fn reloads_do_not_touch_what_stays() -> Result {
    let pair = Pair::start()?;
    let host = pair.site.host(1)?;
    let path = pair.first.config();
    let (alone, both) = (config(&[(51, 150)]), config(&[(51, 150), (61, 150)]));
    let reload = || program::director(host, &format!("reload --socket {SOCKET}"));
    let written = |toml: &str| -> Result<Option<i32>> {
        host.write(&path, toml)?;
        Ok(reload()?.code)
    };
    // What is opened with the first change and kept is no leak.
    assert_eq!(written(&both)?, Some(0));
    assert_eq!(written(&alone)?, Some(0));

    let moves = count(&pair.second, "became_master")?;
    let before = open_things(host);
    let capture = Capture::arriving(&pair.site.client)?;
    let from = pair.prober.elapsed();
    for round in 0..RELOADS {
        let good = if round % 2 == 0 { &both } else { &alone };
        // Each cut is in the last router, and its addresses are missing or broken off.
        let length = good.len() - (3 + 3 * round);
        let cut = good.get(..length).ok_or("not ASCII")?;
        assert_eq!(written(cut)?, Some(2), "{cut}");
        assert_eq!(written(good)?, Some(0), "{good}");
    }
    pair.nothing_was_lost_since(from);
    pair.settles_on(1)?;
    assert_eq!(count(&pair.second, "became_master")?, moves);

    let adverts = capture.adverts();
    let times: Vec<Duration> = adverts
        .iter()
        .filter(|advert| advert.vrid == 51)
        .map(|advert| advert.at)
        .collect();
    let gaps = times.iter().zip(times.iter().skip(1));
    let widest = gaps.map(|(one, next)| next.saturating_sub(*one)).max();
    let undisturbed = pair.prober.report_since(from).is_undisturbed();
    assert!(
        widest < Some(pair.router.interval * 2) || !undisturbed,
        "no advertisement for {widest:?}"
    );

    wait_until("no more descriptors and threads", PATIENCE, || {
        let now = open_things(host);
        now.keys().eq(before.keys())
            && before.iter().all(|(pid, (files, threads))| {
                now.get(pid)
                    .is_some_and(|now| now.0 <= *files && now.1 <= *threads)
            })
    })
    .map_err(|error| format!("{error}: {before:?} became {:?}", open_things(host)))?;
    Ok(())
}
