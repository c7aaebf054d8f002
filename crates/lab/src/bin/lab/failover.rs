//! `lab failover`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use locum_lab::failover::{
    self, Family, Implementation, Outcome, Progress, Scenario, Summary, Theory,
};
use locum_lab::{Keepalived, LabError};
use serde::Serialize;

/// How long is a client without its address when it moves? A router dies, is stopped and preempts, again and again,
/// and a client probes the address at 2 kHz; director beside keepalived, if that is installed.
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// Whose routers.
    #[arg(long, value_delimiter = ',', default_value = "director,keepalived")]
    of: Vec<Whose>,
    /// How often each event is measured without the machine stalling.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// Between two advertisements, such as 10ms,100ms,1s.
    #[arg(long, value_delimiter = ',', default_value = "10ms,100ms,1s", value_parser = interval)]
    interval: Vec<Duration>,
    /// Addresses of the virtual router, 1 to 180.
    #[arg(long, value_delimiter = ',', default_value = "1",
          value_parser = clap::value_parser!(u8).range(1..=180))]
    addresses: Vec<u8>,
    /// The VRRP version. Version 2 takes whole seconds and IPv4 only.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    vrrp: u8,
    /// With IPv6 instead of IPv4.
    #[arg(long)]
    ipv6: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    Director,
    Keepalived,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = text
        .parse::<humantime::Duration>()
        .map_err(|error| error.to_string())?;
    let range = Duration::from_millis(10)..=Duration::from_millis(40_950);
    if range.contains(&interval) {
        Ok(interval.into())
    } else {
        Err("10ms to 40.95s".to_owned())
    }
}

pub(crate) fn run(arguments: &Failover) -> Result<(), Box<dyn std::error::Error>> {
    locum_lab::require_privileges()?;
    let implementations = implementations(arguments)?;
    let mut outcomes = Vec::new();
    for &addresses in &arguments.addresses {
        for &interval in &arguments.interval {
            for implementation in &implementations {
                let family = if arguments.ipv6 {
                    Family::Ipv6
                } else {
                    Family::Ipv4
                };
                let scenario = Scenario::new(implementation.clone())
                    .version(arguments.vrrp)
                    .family(family)
                    .interval(interval)
                    .addresses(addresses)
                    .runs(arguments.runs);
                outcomes.push(measure(&scenario)?);
            }
        }
    }
    if arguments.json {
        let records: Vec<_> = outcomes.iter().map(Record::of).collect();
        serde_json::to_writer_pretty(io::stdout(), &records)?;
        println!();
    } else {
        print!("{}", failover::table(&outcomes));
    }
    Ok(())
}

fn implementations(
    arguments: &Failover,
) -> Result<Vec<Implementation>, Box<dyn std::error::Error>> {
    let mut all = Vec::new();
    for whose in &arguments.of {
        match whose {
            Whose::Director => {
                let beside =
                    || Ok::<_, io::Error>(std::env::current_exe()?.with_file_name("director"));
                let path = arguments.director.clone().map_or_else(beside, Ok)?;
                all.push(Implementation::Director(std::path::absolute(path)?));
            }
            Whose::Keepalived => match Keepalived::require() {
                Ok(version) => {
                    eprintln!("keepalived {version}");
                    all.push(Implementation::Keepalived);
                }
                Err(error) => eprintln!("without keepalived: {error}"),
            },
        }
    }
    Ok(all)
}

fn measure(scenario: &Scenario) -> Result<Outcome, LabError> {
    let title = format!(
        "{} {} x{}",
        scenario.implementation,
        humantime::format_duration(scenario.interval),
        scenario.addresses
    );
    failover::run(scenario, |progress| {
        if let Progress::Measured(measured) = progress {
            let disturbed = if measured.stall.is_zero() {
                ""
            } else {
                " (the machine stalled)"
            };
            eprintln!(
                "{title}: {:<12} {:>6} probes lost, {:?}{disturbed}",
                measured.event, measured.lost, measured.outage
            );
        }
    })
}

/// What `--json` prints of each scenario.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    summaries: Vec<(Summary, Theory)>,
}

impl<'a> Record<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        use failover::Event::{HostDeath, PlannedStop, Preemption};
        let events = [HostDeath, PlannedStop, Preemption];
        let summaries = events.iter().filter_map(|&event| {
            Some((
                outcome.summary(event)?,
                failover::theory(&outcome.scenario, event),
            ))
        });
        Self {
            outcome,
            summaries: summaries.collect(),
        }
    }
}
