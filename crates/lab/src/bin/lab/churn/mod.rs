//! `lab churn`.

mod configuration;
mod footprint;
mod report;

use std::error::Error;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use locum_lab::failover::Family;
use locum_lab::kernel::Kernel;
use locum_lab::site::{Method, Site, SiteConfig};
use locum_lab::{Capture, Director, LoadConfig, ProbeConfig, Prober, WebServer};
use serde_json::json;

use self::footprint::Footprint;
use self::report::{Gaps, Report};
use crate::Verdict;

type Outcome<T> = Result<T, Box<dyn Error>>;

const BOUND: Duration = Duration::from_secs(60);
/// One reload takes no longer.
const RELOAD_BOUND: Duration = Duration::from_secs(20);
/// An idle thread of a pool goes after ten seconds.
const QUIET: Duration = Duration::from_secs(15);
const WARM_UP: u16 = 5;
/// By then every server has been checked, and what checks keep for the next ones is open.
const CHECKED: Duration = Duration::from_secs(3);
const PROBE: Duration = Duration::from_millis(2);
/// A booted kernel has one CPU for everybody.
const PROBE_BOOTED: Duration = Duration::from_millis(10);
/// Whoever waits for the one CPU is late, which is not lost.
const PATIENCE: Duration = Duration::from_secs(2);
const REQUEST: Duration = Duration::from_millis(20);
const ADVERT: Duration = Duration::from_millis(200);

/// What does a client notice of many reloads? A site with two directors and two web servers, in one kernel, which is booted
/// if this one has no IPVS. The master reads another configuration again and again: virtual routers, services and servers
/// come and go, and only one router and its service stay. Fails if a probe of that router's address or a request to that
/// service is lost, another machine answers, or the director has more descriptors or threads afterwards.
#[derive(Debug, Args)]
pub(crate) struct Churn {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// How many reloads.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    reloads: u16,
    /// In how much time, if the machine can.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// On the running kernel, which need not have IPVS. Services and checks come and go all the same, the table stays empty,
    /// and the master's host itself answers the requests.
    #[arg(long)]
    pub(crate) without_ipvs: bool,
    /// JSON instead of words.
    #[arg(long)]
    json: bool,
}

/// What this needs of a kernel.
pub(crate) fn kernel(arguments: &Churn) -> Kernel {
    let reloads = u32::from(arguments.reloads.saturating_add(WARM_UP));
    let patience = 4 * BOUND + Duration::from_secs(arguments.seconds.into());
    Kernel::new()
        .memory_mib(512)
        .patience(patience + reloads * Duration::from_secs(1))
}

/// Measures, in a kernel that has IPVS if that is needed.
pub(crate) fn run(arguments: &Churn) -> Outcome<Verdict> {
    let program = crate::director(arguments.director.as_deref())?;
    let config = SiteConfig::new(Method::Direct, Family::Ipv4).advert_interval(ADVERT);
    let site = Site::build(&config)?;
    let web = if arguments.without_ipvs {
        vec![WebServer::start(site.director(1), &[everything(&config)])?]
    } else {
        site.start_web()?
    };
    let answering: Vec<&str> = web.iter().map(WebServer::name).collect();
    let master = site.start_director(1, &program)?;
    let backup = site.start_director(2, &program)?;
    master.wait_ready(BOUND)?;
    backup.wait_ready(BOUND)?;
    site.wait_master(1, 1, BOUND)?;
    let address = config.service(1).ip();
    let probe = if arguments.without_ipvs {
        PROBE
    } else {
        PROBE_BOOTED
    };
    let prober = Prober::start(
        site.client(),
        address,
        ProbeConfig::default().interval(probe).patience(PATIENCE),
    )?;
    prober.wait_answered(Duration::ZERO, site.director(1).mac("eth0"), BOUND)?;
    let load = site.start_load(1, LoadConfig::default().interval(REQUEST))?;
    load.wait_served_by(&answering, 20, BOUND)?;

    for number in 0..WARM_UP {
        reload(&master, &configuration::of(&config, number))?;
    }
    thread::sleep(CHECKED);
    reload(&master, &config.director_toml(1))?;
    thread::sleep(QUIET);
    let before = Footprint::of(site.director(1));
    eprintln!("before: {before}");

    let capture = Capture::start(site.director(2), "eth0")?;
    let (probing, loading, start) = (prober.elapsed(), load.elapsed(), now());
    let pace = Duration::from_secs(arguments.seconds.into()) / u32::from(arguments.reloads);
    let mut slowest = Duration::ZERO;
    for number in 0..arguments.reloads {
        let due = start + pace * u32::from(number);
        thread::sleep(due.saturating_duration_since(now()));
        let took = reload(&master, &configuration::of(&config, number))?;
        slowest = slowest.max(took);
    }
    reload(&master, &config.director_toml(1))?;
    let took = now().duration_since(start);
    let until = prober.elapsed();
    eprintln!("{} reloads took {took:.1?}", arguments.reloads);
    thread::sleep(QUIET);
    let after = Footprint::of(site.director(1));
    eprintln!("after: {after}");

    let gaps = Gaps::of(&capture.adverts());
    let probes = prober.report_between(probing, until);
    let requests = load.report_since(loading);
    let report = Report::new(
        arguments.reloads,
        [took, slowest],
        [before, after],
        &probes,
        &requests,
        gaps,
    );
    for one in [&master, &backup] {
        one.stop(BOUND)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.is_as_it_should().into())
}

/// Every address, and the port of the services.
fn everything(config: &SiteConfig) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, config.service(1).port()).into()
}

/// Until the director answers that it is in force.
fn reload(director: &Director, toml: &str) -> Outcome<Duration> {
    director.rewrite(toml)?;
    let start = now();
    // The log leaves out lines of which there are too many.
    let answer = director.act(&json!({"action": "reload"}), RELOAD_BOUND)?;
    if let Some(error) = answer.get("error") {
        return Err(format!("a reload was refused: {error}").into());
    }
    Ok(now().duration_since(start))
}

#[expect(clippy::disallowed_methods, reason = "this program measures real time")]
fn now() -> Instant {
    Instant::now()
}
