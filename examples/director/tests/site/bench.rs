//! A site with its programs running.

use std::path::Path;
use std::time::Duration;

use locum_lab::site::{Site, SiteConfig};
use locum_lab::{Director, LoadClient, LoadConfig, LoadReport, WebServer};

use crate::Result;

/// No wait for what must happen takes longer on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// So many requests in a row say who serves.
const REQUESTS: usize = 20;

/// So many counts may fall into the moment in which an address moves.
const COUNTS: usize = 3;

/// A site, its web servers, and its directors. When a case fails, their logs are shown.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) web: Vec<WebServer>,
    directors: [Option<Director>; 2],
    pub(crate) site: Site,
}

impl Bench {
    /// Starts everything, and waits until the directors have all servers in their tables and number 1 is master.
    pub(crate) fn start(config: &SiteConfig) -> Result<Self> {
        let site = Site::build(config)?;
        let mut bench = Self {
            web: site.start_web()?,
            directors: [None, None],
            site,
        };
        bench.start_director(2)?;
        bench.start_director(1)?;
        let all: Vec<u8> = (1..=bench.site.servers().len())
            .map(u8::try_from)
            .collect::<std::result::Result<_, _>>()?;
        bench.wait_serving(&all)?;
        for service in 1..=config.services() {
            bench.site.wait_master(service, service, PATIENCE)?;
        }
        Ok(bench)
    }

    fn slot(&mut self, number: u8) -> &mut Option<Director> {
        let [first, second] = &mut self.directors;
        if number == 1 { first } else { second }
    }

    pub(crate) fn start_director(&mut self, number: u8) -> Result {
        let program = Path::new(env!("CARGO_BIN_EXE_director"));
        let director = self.site.start_director(number, program)?;
        let director = self.slot(number).insert(director);
        Ok(director.wait_ready(PATIENCE)?)
    }

    pub(crate) fn director(&self, number: u8) -> Result<&Director> {
        let [first, second] = &self.directors;
        let director = if number == 1 { first } else { second };
        director.as_ref().ok_or_else(|| "it does not run".into())
    }

    /// Asks a director to end, and waits until it has.
    pub(crate) fn stop_director(&mut self, number: u8) -> Result {
        self.director(number)?.stop(PATIENCE)?;
        *self.slot(number) = None;
        Ok(())
    }

    /// Its machine dies.
    pub(crate) fn kill_director(&mut self, number: u8) -> Result {
        self.site.kill_director(number)?;
        *self.slot(number) = None;
        Ok(())
    }

    /// Its machine starts again, and the director on it.
    pub(crate) fn revive_director(&mut self, number: u8) -> Result {
        self.site.revive_director(number)?;
        self.start_director(number)
    }

    /// Waits until both directors have these servers for every service.
    pub(crate) fn wait_serving(&self, servers: &[u8]) -> Result {
        for director in [1, 2] {
            for service in 1..=self.site.config().services() {
                self.site
                    .wait_serving(director, service, servers, PATIENCE)?;
            }
        }
        Ok(())
    }

    /// The first of two web servers dies and is out; it comes back and is in.
    pub(crate) fn lose_a_server_for_a_while(&mut self, load: &LoadClient) -> Result {
        if let Some(web) = self.web.first_mut() {
            web.stop();
        }
        self.wait_serving(&[2])?;
        wait_balanced(load, &["web2"])?;
        if let Some(web) = self.web.first_mut() {
            web.resume()?;
        }
        self.wait_serving(&[1, 2])?;
        wait_balanced(load, &["web1", "web2"])?;
        Ok(())
    }

    pub(crate) fn start_load(&self, service: u8) -> Result<LoadClient> {
        // Every connection of the laboratory costs the one CPU 5 ms.
        let config = LoadConfig::default().interval(Duration::from_millis(30));
        Ok(self.site.start_load(service, config)?)
    }
}

impl Drop for Bench {
    #[expect(clippy::print_stderr, reason = "for whoever reads why a case failed")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (number, director) in [1, 2].into_iter().zip(&self.directors) {
            if let Some(director) = director {
                let log = director.child().log().text();
                eprintln!("director {number} said:\n{log}");
            }
            eprintln!("its table: {:?}", self.site.weights(number, 1));
        }
    }
}

/// Waits until these servers serve, all of them and each its share.
///
/// While the address moves, two directors distribute, each in its own turn: such a count says nothing of either.
pub(crate) fn wait_balanced(load: &LoadClient, servers: &[&str]) -> Result<LoadReport> {
    let fair = |report: &LoadReport| match servers {
        [one, other] => [one, other]
            .iter()
            .all(|server| (40..=60).contains(&report.percent(server))),
        _ => true,
    };
    let mut unfair = String::new();
    for _ in 0..COUNTS {
        let report = load.wait_served_by(servers, REQUESTS, PATIENCE)?;
        if fair(&report) {
            return Ok(report);
        }
        unfair = report.to_string();
    }
    Err(format!("not each its share: {unfair}").into())
}

/// Runs a case whose bench is dropped while it panics, so that the logs are shown.
pub(crate) fn run(config: &SiteConfig, case: impl FnOnce(&mut Bench) -> Result) {
    let mut bench = Bench::start(config).unwrap();
    case(&mut bench).unwrap();
}
