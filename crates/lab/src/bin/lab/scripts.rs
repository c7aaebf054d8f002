//! `lab scripts`.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use locum_lab::{Capture, Child, Director, Host, Keepalived, wait_until};
use serde::Serialize;

use crate::Verdict;
use crate::routers::{Population, joined};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The Master's.
const PRIORITY: u8 = 150;
/// In the host's own `/run`.
const SCRIPT: &str = "/run/tracked.sh";
/// Until it is Master, with all scripts running for the first time.
const BOUND: Duration = Duration::from_secs(60);
/// The first runs of the scripts come all at once.
const SETTLE: Duration = Duration::from_secs(5);
/// What 999 of 1000 gaps between two advertisements must not exceed.
const ALLOWED: Duration = Duration::from_millis(1010);

/// Does a master that runs many scripts advertise in time? keepalived and then director, each as the master of one virtual
/// router at one second, with scripts that start each second. Fails if more than one of 1000 of director's gaps between two
/// advertisements is longer than 1.01 s.
#[derive(Debug, Args)]
pub(crate) struct Scripts {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// How many scripts.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(0..=5000))]
    scripts: u16,
    /// How long each is measured, once it has settled.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..=3600))]
    seconds: u16,
    /// JSON instead of words.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    scripts: u16,
    rows: [Row; 2],
    as_it_should: bool,
}

/// The gaps between two advertisements.
#[derive(Debug, Serialize)]
struct Row {
    of: &'static str,
    gaps: usize,
    median_us: u128,
    /// 999 of 1000 are no longer.
    most_us: u128,
    longest_us: u128,
}

pub(crate) fn run(arguments: &Scripts) -> Outcome<Verdict> {
    locum_lab::require_privileges()?;
    eprintln!("keepalived {}", Keepalived::require()?);
    let director = crate::director(arguments.director.as_deref())?;
    let keepalived = measure("keepalived", arguments, |host, population| {
        let instances: Vec<_> = population
            .keepalived(PRIORITY)
            .into_iter()
            .map(|instance| instance.line(&tracked_by_keepalived(arguments.scripts)))
            .collect();
        let scripts = keepalived_scripts(arguments.scripts);
        Ok(Running::Keepalived(Keepalived::start_after(
            host, &scripts, &instances,
        )?))
    })?;
    let ours = measure("director", arguments, |host, population| {
        start_director(host, &director, population, arguments.scripts)
    })?;
    let as_it_should = ours.most_us <= ALLOWED.as_micros();
    let report = Report {
        scripts: arguments.scripts,
        rows: [keepalived, ours],
        as_it_should,
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!(
            "{} scripts each second; between two advertisements:",
            report.scripts
        );
        for row in &report.rows {
            println!(
                "{:<12}{:>6} gaps, median {} us, 99.9th percentile {} us, longest {} us",
                row.of, row.gaps, row.median_us, row.most_us, row.longest_us
            );
        }
        let verdict = if as_it_should { "as" } else { "NOT as" };
        println!(
            "Director's 99.9th percentile is {verdict} it should be: at most {} ms.",
            ALLOWED.as_millis()
        );
    }
    Ok(as_it_should.into())
}

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

fn measure(
    of: &'static str,
    arguments: &Scripts,
    start: impl FnOnce(&Host, Population) -> Outcome<Running>,
) -> Outcome<Row> {
    eprintln!("{of}: {} scripts", arguments.scripts);
    let [host, peer] = joined()?;
    host.write(Path::new(SCRIPT), "exit 0\n")?;
    let population = Population {
        routers: 1,
        version: 3,
        interval: Duration::from_secs(1),
    };
    let running = start(&host, population)?;
    let child = running.child();
    let master = wait_until("it to be master", BOUND, || {
        thread::sleep(Duration::from_millis(100));
        population.held_by(&host) == 1 || !child.is_running()
    });
    if master.is_err() || !child.is_running() {
        return Err(format!("{of} is not master; its log:\n{}", child.log().text()).into());
    }
    thread::sleep(SETTLE);
    let capture = Capture::arriving(&peer)?;
    thread::sleep(Duration::from_secs(arguments.seconds.into()));
    let times: Vec<_> = capture.adverts().iter().map(|advert| advert.at).collect();
    child.terminate(BOUND)?;
    Row::of(of, &times).ok_or_else(|| format!("{of} has hardly advertised").into())
}

impl Row {
    /// `None` if there are no two.
    fn of(of: &'static str, times: &[Duration]) -> Option<Self> {
        let mut gaps: Vec<_> = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(before, after)| after.saturating_sub(*before).as_micros())
            .collect();
        gaps.sort_unstable();
        let at = |thousandth: usize| {
            let rank = (gaps.len() * thousandth).div_ceil(1000);
            gaps.get(rank.saturating_sub(1)).copied()
        };
        Some(Self {
            of,
            gaps: gaps.len(),
            median_us: at(500)?,
            most_us: at(999)?,
            longest_us: at(1000)?,
        })
    }
}

fn start_director(
    host: &Host,
    program: &Path,
    population: Population,
    scripts: u16,
) -> Outcome<Running> {
    let names: Vec<_> = (0..scripts)
        .map(|number| format!("{{ script = \"s{number}\" }}"))
        .collect();
    let mut text = population.director(PRIORITY, &format!("track = [{}]\n", names.join(", ")));
    for number in 0..scripts {
        writeln!(
            text,
            "[[track_script]]\nname = \"s{number}\"\nprogram = [\"/bin/sh\", \"{SCRIPT}\"]\ninterval = \"1s\""
        )?;
    }
    Ok(Running::Director(Director::start(host, program, &text)?))
}

fn keepalived_scripts(scripts: u16) -> String {
    let mut text = "global_defs {\n script_user root\n}\n".to_owned();
    for number in 0..scripts {
        // Writing to a String cannot fail.
        let _written = writeln!(
            text,
            "vrrp_script s{number} {{\n script \"/bin/sh {SCRIPT}\"\n interval 1\n}}"
        );
    }
    text
}

fn tracked_by_keepalived(scripts: u16) -> String {
    let names: Vec<_> = (0..scripts).map(|number| format!("  s{number}")).collect();
    format!("track_script {{\n{}\n }}", names.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thousand_gaps_the_longest_is_left_out() {
        let mut times: Vec<_> = (0..1000).map(Duration::from_secs).collect();
        times.push(Duration::from_secs(1005));
        let row = Row::of("nobody", &times).expect("gaps");
        let found = (row.gaps, row.median_us, row.most_us, row.longest_us);
        assert_eq!(found, (1000, 1_000_000, 1_000_000, 6_000_000));
        assert!(Row::of("nobody", &[]).is_none());
    }
}
