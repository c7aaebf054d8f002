//! `director demo`: a pair fails over in a laboratory on this machine.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use locum_lab::failover::{self, Implementation, Picture, Progress, Scenario};
use locum_lab::{Keepalived, LabError, require_privileges};

pub(crate) const HELP: &str = "\
It makes network namespaces with two routers and a client, and removes them again; it changes
nothing else on this machine. It needs root. A router dies, comes back, is stopped and comes
back again, while the client probes the virtual address 2000 times a second. The same is done
with keepalived, if that is installed.

Examples:
  director demo
  director demo --runs 1 --interval 1s";

/// What `demo` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each failure is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    runs: u16,
    /// Between two advertisements
    #[arg(long, value_enum, default_value = "100ms")]
    interval: Interval,
}

/// From the shortest that VRRP can have to the default.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Interval {
    #[value(name = "10ms")]
    TenMillis,
    #[value(name = "100ms")]
    HundredMillis,
    #[value(name = "1s")]
    Second,
}

impl Interval {
    const fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::TenMillis => 10,
            Self::HundredMillis => 100,
            Self::Second => 1000,
        })
    }
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    require_privileges()?;
    let mut screen = Screen::new();
    let director = std::env::current_exe().context("this program cannot find itself")?;
    let mut implementations = vec![Implementation::Director(director)];
    match Keepalived::require() {
        Ok(_) => implementations.push(Implementation::Keepalived),
        Err(error) => screen.say(&format!("without keepalived beside it: {error}"))?,
    }
    let mut outcomes = Vec::new();
    for implementation in implementations {
        let scenario = Scenario::new(implementation)
            .interval(arguments.interval.duration())
            .runs(arguments.runs);
        outcomes.push(show(&scenario, &mut screen)?);
    }
    screen.say("\nHow long the client was without its address:\n")?;
    screen.say(failover::table(&outcomes).trim_end())
}

fn show(scenario: &Scenario, screen: &mut Screen) -> anyhow::Result<failover::Outcome> {
    let mut picture = Picture::new(scenario);
    screen.begin(&picture)?;
    let mut drawn = Ok(());
    let outcome = failover::run(scenario, |progress| {
        let now = match progress {
            Progress::Measured(measurement) => {
                let line = picture.measured(measurement).to_owned();
                screen.measured(&line)
            }
            Progress::Tick(view) => {
                picture.observe(view);
                screen.draw(&picture)
            }
            _ => Ok(()),
        };
        if now.is_err() {
            drawn = now;
        }
    })
    .map_err(|error: LabError| anyhow::Error::new(error))?;
    drawn?;
    screen.end(&picture)?;
    Ok(outcome)
}

/// Standard output: a picture that is drawn again and again, or one line after another.
struct Screen {
    live: bool,
    /// Lines of the picture that is there now.
    drawn: usize,
}

impl Screen {
    fn new() -> Self {
        Self {
            live: io::stdout().is_terminal(),
            drawn: 0,
        }
    }

    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.drawn = 0;
        writeln!(io::stdout(), "{text}").context("standard output")
    }

    fn begin(&mut self, picture: &Picture) -> anyhow::Result<()> {
        if self.live {
            Ok(())
        } else {
            self.say(picture.title())
        }
    }

    fn measured(&mut self, line: &str) -> anyhow::Result<()> {
        if self.live {
            Ok(())
        } else {
            self.say(&format!("  {line}"))
        }
    }

    fn draw(&mut self, picture: &Picture) -> anyhow::Result<()> {
        if !self.live {
            return Ok(());
        }
        let mut frame = String::new();
        if self.drawn > 0 {
            frame = format!("\x1b[{}A", self.drawn);
        }
        let lines = picture.lines();
        self.drawn = lines.len();
        for line in lines {
            frame.push_str(&line);
            frame.push_str("\x1b[K\n");
        }
        let mut out = io::stdout().lock();
        out.write_all(frame.as_bytes())
            .and_then(|()| out.flush())
            .context("standard output")
    }

    /// Leaves the picture where it is.
    fn end(&mut self, picture: &Picture) -> anyhow::Result<()> {
        self.draw(picture)?;
        self.say("")
    }
}
