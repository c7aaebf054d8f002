//! `lab scripts`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use locum_lab::{Advert, Capture, Child, Director, Host, Keepalived, wait_until};
use serde::Serialize;

use crate::Verdict;
use crate::routers::{Population, joined};
use crate::whose::Whose;

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
/// A 99.9th percentile of fewer is their maximum.
const ENOUGH: usize = 1000;

/// Does a master that runs many scripts advertise in time? keepalived and then director, each as the master of some virtual
/// routers at one second, with scripts that start each second and that each router tracks. Fails if more than one of 1000
/// of director's gaps between two advertisements is longer than 1.01 s. Of all routers there are 1000 gaps or more.
#[derive(Debug, Args)]
pub(crate) struct Scripts {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// Who runs them.
    #[arg(long, value_delimiter = ',', default_value = "keepalived,director")]
    of: Vec<Whose>,
    /// How many virtual routers.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=250))]
    routers: u8,
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
    routers: u8,
    rows: Vec<Row>,
    /// If director was measured.
    as_it_should: Option<bool>,
}

/// The gaps between two advertisements of a router.
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
    let gaps = usize::from(arguments.routers) * usize::from(arguments.seconds.saturating_sub(2));
    if gaps < ENOUGH {
        return Err(format!(
            "{} routers have about {gaps} gaps in {} s, and a 99.9th percentile needs {ENOUGH}",
            arguments.routers, arguments.seconds
        )
        .into());
    }
    if arguments.of.contains(&Whose::Keepalived) {
        eprintln!("keepalived {}", Keepalived::require()?);
    }
    let director = crate::director(arguments.director.as_deref())?;
    let mut report = Report {
        scripts: arguments.scripts,
        routers: arguments.routers,
        rows: Vec::new(),
        as_it_should: None,
    };
    for &whose in &arguments.of {
        let row = measure(whose, &director, arguments)?;
        if whose == Whose::Director {
            let good = row.gaps >= ENOUGH && row.most_us <= ALLOWED.as_micros();
            report.as_it_should = Some(good);
        }
        report.rows.push(row);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(report.as_it_should.unwrap_or(true).into())
}

impl Report {
    fn print(&self) {
        println!(
            "{} scripts each second, tracked by each of {} virtual routers; between two advertisements of a router:",
            self.scripts, self.routers
        );
        for row in &self.rows {
            let most = if row.gaps < ENOUGH {
                "too few for a 99.9th percentile".to_owned()
            } else {
                format!("99.9th percentile {} us", row.most_us)
            };
            println!(
                "{:<12}{:>6} gaps of all routers, median {} us, {most}, longest {} us",
                row.of, row.gaps, row.median_us, row.longest_us
            );
        }
        if let Some(good) = self.as_it_should {
            let verdict = if good { "as" } else { "NOT as" };
            println!(
                "Director's 99.9th percentile is {verdict} it should be: of {ENOUGH} gaps or more, at most {} ms.",
                ALLOWED.as_millis()
            );
        }
    }
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

fn measure(whose: Whose, director: &Path, arguments: &Scripts) -> Outcome<Row> {
    eprintln!("{whose}: {} scripts", arguments.scripts);
    let [host, peer] = joined()?;
    host.write(Path::new(SCRIPT), "exit 0\n")?;
    let population = Population {
        routers: arguments.routers,
        version: 3,
        interval: Duration::from_secs(1),
    };
    let running = match whose {
        Whose::Director => start_director(&host, director, population, arguments.scripts)?,
        Whose::Keepalived => start_keepalived(&host, population, arguments.scripts)?,
    };
    let child = running.child();
    let master = wait_until("it to be master", BOUND, || {
        thread::sleep(Duration::from_millis(100));
        population.held_by(&host) == usize::from(arguments.routers) || !child.is_running()
    });
    if master.is_err() || !child.is_running() {
        return Err(format!("{whose} is not master; its log:\n{}", child.log().text()).into());
    }
    thread::sleep(SETTLE);
    let capture = Capture::arriving(&peer)?;
    thread::sleep(Duration::from_secs(arguments.seconds.into()));
    let row = Row::of(whose.name(), &times(&capture.adverts()));
    child.terminate(BOUND)?;
    row.ok_or_else(|| format!("{whose} has hardly advertised").into())
}

/// When each router advertised.
fn times(adverts: &[Advert]) -> Vec<Vec<Duration>> {
    let mut times: BTreeMap<u8, Vec<Duration>> = BTreeMap::new();
    for advert in adverts {
        times.entry(advert.vrid).or_default().push(advert.at);
    }
    times.into_values().collect()
}

impl Row {
    /// `None` if no router has advertised twice.
    fn of(of: &'static str, routers: &[Vec<Duration>]) -> Option<Self> {
        let mut gaps: Vec<_> = routers
            .iter()
            .flat_map(|times| times.iter().zip(times.iter().skip(1)))
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
    let routers = population.director(PRIORITY, &format!("track = [{}]\n", names.join(", ")));
    // Keys without a header belong to the section that the laboratory puts before them, `[director]`.
    let mut text = format!("realtime = true\n\n{routers}");
    for number in 0..scripts {
        writeln!(
            text,
            "[[track_script]]\nname = \"s{number}\"\nprogram = [\"/bin/sh\", \"{SCRIPT}\"]\ninterval = \"1s\""
        )?;
    }
    Ok(Running::Director(Director::start(host, program, &text)?))
}

fn start_keepalived(host: &Host, population: Population, scripts: u16) -> Outcome<Running> {
    let tracked = tracked_by_keepalived(scripts);
    let instances = population.keepalived(PRIORITY).into_iter();
    let instances: Vec<_> = instances.map(|instance| instance.line(&tracked)).collect();
    let defined = keepalived_scripts(scripts);
    Ok(Running::Keepalived(Keepalived::start_after(
        host, &defined, &instances,
    )?))
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
        let one: Vec<_> = (0..=400).map(Duration::from_secs).collect();
        let mut other: Vec<_> = (0..600).map(Duration::from_secs).collect();
        other.push(Duration::from_secs(605));
        let row = Row::of("nobody", &[one, other]).expect("gaps");
        let found = (row.gaps, row.median_us, row.most_us, row.longest_us);
        assert_eq!(found, (1000, 1_000_000, 1_000_000, 6_000_000));
        assert!(Row::of("nobody", &[Vec::new()]).is_none());
    }
}
