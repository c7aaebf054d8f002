//! `lab flood`.

mod counted;
mod report;
mod scene;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::report::Report;
use self::scene::Scene;
use crate::Verdict;
use crate::routers::Population;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Do hostile packets disturb anybody? Two directors on a switch, and a third host that sends garbage, truncated packets,
/// wrong TTLs, checksums and passwords, replays and foreign VRIDs as fast as it can. Fails if any router changes its
/// state, an advertisement is later than without the flood, a packet is not accounted for, or the lab was too slow.
#[derive(Debug, Args)]
pub(crate) struct FloodArguments {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// How many virtual routers of version 3, beside one of version 2 with a password.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=200))]
    routers: u8,
    /// Between two advertisements, 10ms to 40s.
    #[arg(long, default_value = "100ms", value_parser = crate::router_cost::interval)]
    interval: Duration,
    /// How long it is quiet, and how long the flood is.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Packets in a second; as many as possible if it is not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// JSON instead of words.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &FloodArguments) -> Outcome<Verdict> {
    locum_lab::require_privileges()?;
    let director = crate::director(arguments.director.as_deref())?;
    let population = Population {
        routers: arguments.routers,
        version: 3,
        interval: arguments.interval,
    };
    let length = Duration::from_secs(arguments.seconds.into());
    let scene = Scene::start(&director, population)?;
    scene.wait_settled()?;
    eprintln!("settled; quiet for {length:?}");
    let quiet = scene.quiet(length)?;
    eprintln!("quiet: {quiet:?}; the flood begins");
    let flooded = scene.flooded(length, arguments.rate, &quiet)?;
    let report = Report::new(population, arguments.rate, &quiet, flooded);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.is_as_it_should().into())
}
