//! `lab cost`: what many virtual routers cost. What checks cost is `lab check-cost`.

mod pair;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use locum_lab::Keepalived;

use self::pair::Pair;
use self::report::{Report, Row};
use crate::Verdict;
use crate::routers::Population;
use crate::whose::Whose;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What does it cost to be the master or the backup of many virtual routers? Two hosts on one link, keepalived on both
/// and then director on both, round by round: CPU of either host, and how late the latest advertisement was. Fails
/// if director needs more than half of what keepalived does.
#[derive(Debug, Args)]
pub(crate) struct RouterCost {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// Whose routers.
    #[arg(long, value_delimiter = ',', default_value = "keepalived,director")]
    of: Vec<Whose>,
    /// How many virtual routers, with one address each.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u8).range(1..=250))]
    routers: u8,
    /// Between two advertisements, 10ms to 40s.
    #[arg(long, default_value = "100ms", value_parser = interval)]
    interval: Duration,
    /// The VRRP version. Version 2 takes whole seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    vrrp: u8,
    /// How long each is measured, once it has settled.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// How often each does its work.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = text
        .parse::<humantime::Duration>()
        .map_err(|error| error.to_string())?;
    let range = Duration::from_millis(10)..=Duration::from_secs(40);
    if range.contains(&interval) {
        Ok(interval.into())
    } else {
        Err("10ms to 40s".to_owned())
    }
}

pub(crate) fn run(arguments: &RouterCost) -> Outcome<Verdict> {
    locum_lab::require_privileges()?;
    if arguments.of.contains(&Whose::Keepalived) {
        eprintln!("keepalived {}", Keepalived::require()?);
    }
    let director = crate::director(arguments.director.as_deref())?;
    let population = Population {
        routers: arguments.routers,
        version: arguments.vrrp,
        interval: arguments.interval,
    };
    let length = Duration::from_secs(arguments.seconds.into());
    let mut report = Report::new(population);
    for _ in 0..arguments.rounds {
        for &whose in &arguments.of {
            report.add(measure(whose, &director, population, length)?);
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.is_cheap().into())
}

fn measure(
    whose: Whose,
    director: &Path,
    population: Population,
    length: Duration,
) -> Outcome<Row> {
    eprintln!("{whose}: {} virtual routers", population.routers);
    let pair = Pair::start(whose, director, population)?;
    pair.wait_settled()?;
    let spent = pair.spend(length)?;
    let row = Row::of(whose, spent);
    eprintln!("{whose}: {}", row.in_words());
    pair.end();
    Ok(row)
}
