//! Makes it happen, and watches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{
    ClientView, Connection, DirectorView, Event, Holds, Listening, Machine, Measurement, Outcome,
    Phase, Progress, View,
};
use crate::failover::Family;
use crate::site::{Method, Site, SiteConfig};
use crate::{
    ConnectionReport, Director, LabError, LoadClient, LoadConfig, LoadReport, LongConnection,
    WebServer, clock,
};

/// How often the caller sees a picture.
const TICK: Duration = Duration::from_millis(100);
/// More than anything takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);
/// Between two requests: with one CPU, more would be about the CPU.
const REQUEST: Duration = Duration::from_millis(30);
/// So long a request may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// For so long a measurement goes on when the site has adapted, to see late requests fail.
const REST: Duration = Duration::from_millis(900);
/// For so long nothing happens at the beginning, to see how requests are balanced.
const CALM: Duration = Duration::from_secs(2);
/// The server that dies, and the one that stays: their places.
const DIES: usize = 0;
const STAYS: u8 = 2;

/// Connections are copied between the directors; one that has just started waits until it has heard of all of them.
fn config() -> SiteConfig {
    SiteConfig::new(Method::Direct, Family::Ipv4)
        .router_keys("preempt_delay = \"3s\"\n")
        .ipvs_keys("sync = { interface = \"eth0\", id = 51 }\n")
}

/// Goes through every [`Event`] with `program` as the directors, and tells `progress` about it.
///
/// # Errors
///
/// [`LabError::Privilege`]; [`LabError::Timeout`] with what the directors said if the site does not adapt.
pub fn run(program: &Path, mut progress: impl FnMut(Progress<'_>)) -> Result<Outcome, LabError> {
    let mut tour = Tour::start(program, &mut progress)?;
    let calm = tour.calm()?;
    let mut measurements = Vec::new();
    for event in Event::ALL {
        let measurement = tour.measure(event)?;
        (tour.progress)(Progress::Measured(&measurement));
        measurements.push(measurement);
    }
    let connection = tour.connection.take().map(LongConnection::finish);
    let total = tour.load.report_since(Duration::ZERO);
    Ok(Outcome {
        schema: Outcome::SCHEMA,
        measurements,
        balance: owned(&calm),
        requests: count(total.exchanges.len()),
        failed: total.failed(),
        connection: connection.map(connection_view).unwrap_or_else(nothing),
    })
}

struct Tour<'a> {
    progress: &'a mut dyn FnMut(Progress<'_>),
    program: PathBuf,
    phase: (Phase, Instant),
    ticked: Instant,
    /// Until when the requests have been shown.
    shown: usize,
    dead: Option<u8>,
    // Before the site: what runs in its hosts ends first.
    connection: Option<LongConnection>,
    load: LoadClient,
    directors: [Option<Director>; 2],
    web: Vec<WebServer>,
    site: Site,
}

impl<'a> Tour<'a> {
    fn start(program: &Path, progress: &'a mut dyn FnMut(Progress<'_>)) -> Result<Self, LabError> {
        let site = Site::build(&config())?;
        let web = site.start_web()?;
        let load = LoadConfig::default().interval(REQUEST).timeout(TIMEOUT);
        let now = clock::now();
        let mut tour = Self {
            progress,
            program: program.to_owned(),
            phase: (Phase::Starting, now),
            ticked: now,
            shown: 0,
            dead: None,
            connection: None,
            load: site.start_load(1, load)?,
            directors: [None, None],
            web,
            site,
        };
        tour.start_director(1)?;
        tour.start_director(2)?;
        tour.until("the site to be whole", Self::is_whole)?;
        tour.connect()?;
        // What failed before there was a service is no loss.
        tour.load = tour.site.start_load(1, load)?;
        tour.shown = 0;
        Ok(tour)
    }

    fn slot(&mut self, number: u8) -> &mut Option<Director> {
        let [first, second] = &mut self.directors;
        if number == 1 { first } else { second }
    }

    fn start_director(&mut self, number: u8) -> Result<(), LabError> {
        let director = self.site.start_director(number, &self.program)?;
        *self.slot(number) = Some(director);
        Ok(())
    }

    /// Opens a connection to the server that stays: the scheduler takes turns.
    fn connect(&mut self) -> Result<(), LabError> {
        let stays = SiteConfig::server_name(STAYS);
        for _ in 0..10 {
            let connection = self.site.open_connection(1, BOUND)?;
            if connection.report().server == stays {
                self.connection = Some(connection);
                return Ok(());
            }
        }
        let awaited = format!("a connection to {stays}");
        Err(LabError::Timeout {
            awaited,
            bound: BOUND,
        })
    }

    fn calm(&mut self) -> Result<LoadReport, LabError> {
        self.enter(Phase::Calm);
        let from = self.load.elapsed();
        self.rest(CALM)?;
        Ok(self.load.report_since(from))
    }

    fn measure(&mut self, event: Event) -> Result<Measurement, LabError> {
        let from = self.load.elapsed();
        self.enter(Phase::Event(event));
        match event {
            Event::ServerDies => {
                if let Some(web) = self.web.get_mut(DIES) {
                    web.stop();
                }
                self.until("the server to be out", |tour| tour.has_servers(&[STAYS]))?;
            }
            Event::ServerReturns => {
                if let Some(web) = self.web.get_mut(DIES) {
                    web.resume()?;
                }
                self.until("the server to be in", |tour| tour.has_servers(&[1, 2]))?;
            }
            Event::MasterStops => {
                if let Some(director) = self.slot(1) {
                    director.child().signal(crate::Signal::Term)?;
                }
                self.until("the other director to be master", |tour| {
                    tour.site.masters(1) == [2]
                })?;
            }
            Event::MachineDies => {
                self.site.kill_director(1)?;
                *self.slot(1) = None;
                self.dead = Some(1);
                // The dead machine's kernel has the address for a while.
                self.until("the other director to be master", |tour| {
                    tour.site.masters(1).contains(&2)
                })?;
            }
            Event::MasterReturns | Event::MachineReturns => {
                if let Some(director) = self.slot(1).take() {
                    director.child().wait(BOUND)?;
                }
                if self.dead.take().is_some() {
                    self.site.revive_director(1)?;
                }
                self.start_director(1)?;
                self.until("the first director to be master again", Self::is_whole)?;
            }
        }
        let adapted_after = clock::now().duration_since(self.phase.1);
        self.rest(REST)?;
        let report = self.load.report_since(from);
        let failures = report.failures().into_iter();
        Ok(Measurement {
            event,
            adapted_after,
            requests: count(report.exchanges.len()),
            failed: report.failed(),
            failures: failures
                .map(|(failure, count)| (failure.to_string(), count))
                .collect(),
            longest_gap: report.longest_gap(),
        })
    }

    fn is_whole(&self) -> bool {
        self.site.masters(1) == [1] && self.has_servers(&[1, 2])
    }

    /// Has every director that runs these servers in its table, and no other?
    fn has_servers(&self, servers: &[u8]) -> bool {
        [1, 2].into_iter().all(|director| {
            let weights = self.site.weights(director, 1).ok().flatten();
            weights.is_some_and(|weights| weights.keys().eq(servers))
        })
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = (phase, clock::now());
    }

    fn until(&mut self, awaited: &str, wanted: impl Fn(&Self) -> bool) -> Result<(), LabError> {
        let start = clock::now();
        while !wanted(self) {
            if clock::now().duration_since(start) >= BOUND {
                let logs = self
                    .directors
                    .iter()
                    .flatten()
                    .map(|director| director.child().log().text());
                let logs: Vec<_> = logs.collect();
                let awaited = format!("{awaited}; the directors said:\n{}", logs.join("\n"));
                return Err(LabError::Timeout {
                    awaited,
                    bound: BOUND,
                });
            }
            self.tick();
        }
        Ok(())
    }

    fn rest(&mut self, duration: Duration) -> Result<(), LabError> {
        let start = clock::now();
        while clock::now().duration_since(start) < duration {
            self.tick();
        }
        match self
            .directors
            .iter()
            .flatten()
            .find(|each| !each.child().is_running())
        {
            Some(ended) if self.phase.0 != Phase::Event(Event::MasterStops) => {
                Err(LabError::Ended {
                    program: "director".to_owned(),
                    log: ended.child().log().text(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Sleeps a little, and shows a picture now and then.
    fn tick(&mut self) {
        thread::sleep(Duration::from_millis(10));
        let now = clock::now();
        if now.duration_since(self.ticked) < TICK {
            return;
        }
        self.ticked = now;
        let client = self.client_view();
        let view = View {
            time: self.load.elapsed(),
            phase: self.phase.0,
            elapsed: now.duration_since(self.phase.1),
            directors: [self.director_view(1), self.director_view(2)],
            servers: self.web.iter().map(server_view).collect(),
            client,
            connection: self
                .connection
                .as_ref()
                .map(|connection| connection_view(connection.report())),
        };
        (self.progress)(Progress::Tick(&view));
    }

    fn client_view(&mut self) -> ClientView {
        let all = self.load.report_since(Duration::ZERO);
        let latest = all.exchanges.iter().skip(self.shown);
        let latest = latest
            .map(|each| each.result.as_deref().ok().map(str::to_owned))
            .collect();
        self.shown = all.exchanges.len();
        let second = all.until.saturating_sub(Duration::from_secs(1));
        let recent = LoadReport {
            exchanges: all
                .exchanges
                .into_iter()
                .filter(|each| each.ended() >= second)
                .collect(),
            ..LoadReport::default()
        };
        ClientView {
            served: owned(&recent),
            failed: recent.failed(),
            latest,
        }
    }

    fn director_view(&self, number: u8) -> DirectorView {
        let [first, second] = &self.directors;
        let director = if number == 1 { first } else { second };
        let machine = match director {
            _ if self.dead == Some(number) => Machine::Dead,
            Some(director) if director.child().is_running() => Machine::Running,
            Some(_) | None => Machine::Stopped,
        };
        let holds = self.site.masters(1).contains(&number);
        let weights = self
            .site
            .weights(number, 1)
            .ok()
            .flatten()
            .unwrap_or_default();
        DirectorView {
            machine,
            address: if holds { Holds::Yes } else { Holds::No },
            table: weights
                .into_iter()
                .map(|(server, weight)| (SiteConfig::server_name(server), weight))
                .collect(),
        }
    }
}

fn server_view(web: &WebServer) -> (String, Listening) {
    let listening = if web.is_running() {
        Listening::Yes
    } else {
        Listening::No
    };
    (web.name().to_owned(), listening)
}

fn connection_view(report: ConnectionReport) -> Connection {
    Connection {
        server: report.server,
        survived: report.broken.is_none(),
        echoes: report.echoes,
        longest_pause: report.longest_pause,
    }
}

/// For a tour without a connection, which there is none of.
fn nothing() -> Connection {
    Connection {
        server: String::new(),
        survived: false,
        echoes: 0,
        longest_pause: Duration::ZERO,
    }
}

fn owned(report: &LoadReport) -> BTreeMap<String, u32> {
    report
        .served()
        .into_iter()
        .map(|(server, count)| (server.to_owned(), count))
        .collect()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
