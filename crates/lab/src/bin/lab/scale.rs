//! `lab scale`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::Args;
use locum_lab::{Capture, Director, Host, wait_until};
use serde::Serialize;

use crate::Verdict;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The second octet is the link's, from 1 on; the first host addresses are `.0.1`, the virtual ones `.1.x`.
const NETWORKS: u8 = 10;
const PRIORITY: u8 = 150;
/// More than the theory allows, for whatever reason.
const BOUND: Duration = Duration::from_secs(60);
/// This much longer than the theory is as it should be.
const ALLOWED: Duration = Duration::from_millis(500);
/// In the host's own `/run`.
const BATCH: &str = "/run/links";

/// How soon are many virtual routers on many links master? One director, each link a veth pair, from the start of the
/// program to each router's first advertisement. Fails if the last one is later than its timers say and 0.5 s.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// How many links.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=200))]
    links: u8,
    /// How many virtual routers on each.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=250))]
    routers: u8,
    /// Between two advertisements, 10ms to 40s.
    #[arg(long, default_value = "1s", value_parser = crate::router_cost::interval)]
    interval: Duration,
    /// JSON instead of words.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    links: u8,
    routers: usize,
    interval_ms: u128,
    /// Until the kernel had made the links.
    links_made_ms: u128,
    /// Until a router is master that starts with the program.
    theory_ms: u128,
    /// Until the first, and the last one was.
    first_ms: u128,
    last_ms: u128,
    /// The last one's, beyond the theory.
    more_ms: u128,
    as_it_should: bool,
}

pub(crate) fn run(arguments: &Scale) -> Outcome<Verdict> {
    locum_lab::require_privileges()?;
    let director = crate::director(arguments.director.as_deref())?;
    let report = measure(arguments, &director)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!(
            "{} virtual routers on {} links, an advertisement each {} ms: the first was master {} ms after the start of \
             the program, the last one {} ms; their timers take {} ms.\nThe last one took {} ms more, {} it should: \
             at most {} ms.",
            report.routers,
            report.links,
            report.interval_ms,
            report.first_ms,
            report.last_ms,
            report.theory_ms,
            report.more_ms,
            if report.as_it_should { "as" } else { "NOT as" },
            ALLOWED.as_millis()
        );
    }
    Ok(report.as_it_should.into())
}

fn measure(arguments: &Scale, director: &Path) -> Outcome<Report> {
    let [host, peer] = [Host::new("director")?, Host::new("peer")?];
    let before = now();
    join(&host, &peer, arguments.links)?;
    let links_made = since(before);
    let capture = Capture::arriving(&peer)?;
    let all = usize::from(arguments.links) * usize::from(arguments.routers);
    let configuration = configuration(arguments);
    let started = now();
    let director = Director::start(&host, director, &configuration)?;
    let mut first_adverts = BTreeMap::new();
    let every = wait_until("every router to advertise", BOUND, || {
        thread::sleep(Duration::from_millis(200));
        first_adverts = first_of_each(&capture);
        first_adverts.len() >= all || !director.child().is_running()
    });
    if every.is_err() || !director.child().is_running() {
        let (seen, log) = (first_adverts.len(), director.child().log().text());
        return Err(format!("{seen} of {all} routers have advertised; the log:\n{log}").into());
    }
    let after = |at: &Duration| at.saturating_sub(started);
    let first = first_adverts.values().map(after).min().unwrap_or_default();
    let last = first_adverts.values().map(after).max().unwrap_or_default();
    director.stop(BOUND)?;
    let theory = master_down(arguments.interval);
    let more = last.saturating_sub(theory);
    Ok(Report {
        links: arguments.links,
        routers: all,
        interval_ms: arguments.interval.as_millis(),
        links_made_ms: links_made.as_millis(),
        theory_ms: theory.as_millis(),
        first_ms: first.as_millis(),
        last_ms: last.as_millis(),
        more_ms: more.as_millis(),
        as_it_should: more <= ALLOWED,
    })
}

/// RFC 9568 §6.1: three intervals and the skew.
fn master_down(interval: Duration) -> Duration {
    3 * interval + interval * (256 - u32::from(PRIORITY)) / 256
}

/// When each router, known by the address it sends from and its VRID, advertised first.
fn first_of_each(capture: &Capture) -> BTreeMap<(IpAddr, u8), Duration> {
    let mut first = BTreeMap::new();
    for advert in capture.adverts() {
        first
            .entry((advert.source, advert.vrid))
            .or_insert(advert.at);
    }
    first
}

/// A cable from one host to the other for each link, all in one call of `ip`.
fn join(host: &Host, peer: &Host, links: u8) -> Outcome<()> {
    let thread = peer.run(|| rustix::thread::gettid().as_raw_nonzero().get());
    let (mut ours, mut theirs) = (String::new(), String::new());
    for link in 1..=links {
        let address = Ipv4Addr::new(NETWORKS, link, 0, 1);
        writeln!(
            ours,
            "link add l{link} type veth peer name l{link} netns {thread}\n\
             address add {address}/16 dev l{link}\nlink set l{link} up"
        )?;
        writeln!(theirs, "link set l{link} up")?;
    }
    for (host, batch) in [(host, ours), (peer, theirs)] {
        host.write(BATCH.as_ref(), &batch)?;
        host.ip(&format!("-batch {BATCH}"))?;
    }
    Ok(())
}

fn configuration(arguments: &Scale) -> String {
    let mut text = String::new();
    let interval = arguments.interval.as_millis();
    for link in 1..=arguments.links {
        for vrid in 1..=arguments.routers {
            let address = Ipv4Addr::new(NETWORKS, link, 1, vrid);
            let _ = writeln!(
                text,
                "[[virtual_router]]\nname = \"l{link}-{vrid}\"\ninterface = \"l{link}\"\nvrid = {vrid}\n\
                 priority = {PRIORITY}\nadvert_interval = \"{interval}ms\"\naddresses = [\"{address}/16\"]\n"
            );
        }
    }
    text
}

/// Since 1970, as captures tell the time.
#[expect(clippy::disallowed_methods, reason = "this program measures real time")]
fn now() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

fn since(before: Duration) -> Duration {
    now().saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_theory_is_three_intervals_and_the_skew() {
        let theory = master_down(Duration::from_secs(1));
        assert_eq!(
            theory,
            Duration::from_micros(3_414_062) + Duration::from_nanos(500)
        );
    }
}
