//! A picture of a run as it goes on, in text.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use super::summary::ms;
use super::{Measurement, NodeView, Phase, Scenario, View};

/// How many moments the strip shows: three seconds of them.
const STRIP: usize = 60;
/// How many measurements: the picture must fit a terminal of 80 by 24.
const MEASURED: usize = 12;

/// Who is master, what the client sees, and what was measured so far.
#[derive(Debug, Clone)]
pub struct Picture {
    title: String,
    scene: Scene,
    /// Who answered, moment by moment.
    strip: VecDeque<char>,
    measured: Vec<String>,
}

/// A [`View`] without its hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Scene {
    phase: String,
    a: Router,
    b: Router,
    sent: u32,
    answered: u32,
    silent: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Router {
    running: bool,
    owner: bool,
    answers: bool,
}

impl Router {
    fn of(node: &NodeView<'_>) -> Self {
        let NodeView {
            running,
            owner,
            answers,
            ..
        } = *node;
        Self {
            running,
            owner,
            answers,
        }
    }

    fn line(self, name: char) -> String {
        let (running, owner) = match (self.running, self.owner) {
            (true, true) => ("running", "has the address"),
            (true, false) => ("running", "waits"),
            (false, true) => ("not running", "HAS THE ADDRESS"),
            (false, false) => ("not running", ""),
        };
        let answers = if self.answers {
            "<-- answers the client"
        } else {
            ""
        };
        format!("  router {name}   {running:<13}{owner:<17}{answers}")
            .trim_end()
            .to_owned()
    }
}

impl Picture {
    /// The picture of a run of `scenario` that has not begun.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            title: format!(
                "two routers with {}, an advertisement every {} ms",
                scenario.implementation,
                ms(scenario.interval)
            ),
            scene: Scene {
                phase: "starting".to_owned(),
                ..Scene::default()
            },
            strip: VecDeque::with_capacity(STRIP),
            measured: Vec::new(),
        }
    }

    /// What the run is about, on one line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Takes in one moment.
    pub fn observe(&mut self, view: &View<'_>) {
        let client = view.client.as_ref();
        self.add(Scene {
            phase: phase(view.phase, view.elapsed),
            a: Router::of(&view.a),
            b: Router::of(&view.b),
            sent: client.map_or(0, |client| client.sent),
            answered: client.map_or(0, |client| client.answered),
            silent: client.is_none_or(|client| client.silent_for.is_some()),
        });
    }

    fn add(&mut self, scene: Scene) {
        if self.strip.len() == STRIP {
            self.strip.pop_front();
        }
        self.strip
            .push_back(match (scene.silent, scene.a.answers, scene.b.answers) {
                (true, ..) | (_, false, false) => '.',
                (_, true, _) => 'a',
                (_, _, true) => 'b',
            });
        self.scene = scene;
    }

    /// Takes in what was measured, and returns it as a line.
    pub fn measured(&mut self, measurement: &Measurement) -> &str {
        let Measurement {
            event,
            outage,
            lost,
            stall,
            ..
        } = measurement;
        let mut line = match lost {
            0 => format!("{event:<13} no probe lost"),
            1 => format!(
                "{event:<13} {} ms without an answer, 1 probe lost",
                ms(*outage)
            ),
            _ => format!(
                "{event:<13} {} ms without an answer, {lost} probes lost",
                ms(*outage)
            ),
        };
        if !stall.is_zero() {
            line.push_str(" (disturbed)");
        }
        if self.measured.len() == MEASURED {
            self.measured.remove(0);
        }
        self.measured.push(line);
        self.measured.last().map_or("", String::as_str)
    }

    /// The picture, one line after another.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Scene {
            phase,
            a,
            b,
            sent,
            answered,
            ..
        } = &self.scene;
        let mut lines = vec![
            self.title.clone(),
            format!("  {phase}"),
            a.line('a'),
            b.line('b'),
        ];
        let strip: String = self.strip.iter().collect();
        lines.push(format!("  client     [{strip:>STRIP$}]"));
        let mut seen =
            format!("             {answered} of {sent} probes answered in the last second");
        if sent > answered && *answered > 0 {
            // Writing to a String cannot fail.
            let _written = write!(seen, ", {} lost or under way", sent - answered);
        }
        lines.push(seen);
        lines.extend(self.measured.iter().map(|line| format!("  {line}")));
        lines
    }
}

fn phase(phase: Phase, elapsed: Duration) -> String {
    match phase {
        Phase::Settling => "settling".to_owned(),
        Phase::Event(event) => format!("{event}, {} ms ago", elapsed.as_millis() / 50 * 50),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Implementation};
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn scene(owner: char, answers: char) -> Scene {
        let router = |name| Router {
            running: true,
            owner: owner == name,
            answers: answers == name,
        };
        Scene {
            phase: phase(Phase::Event(Event::PlannedStop), 1234 * MS),
            a: router('a'),
            b: router('b'),
            sent: 2000,
            answered: 1990,
            silent: answers == '-',
        }
    }

    #[test]
    fn the_strip_shows_who_answered() {
        let mut picture = Picture::new(&Scenario::new(Implementation::Keepalived));
        for _ in 0..STRIP {
            picture.add(scene('a', 'a'));
        }
        picture.add(scene('-', '-'));
        picture.add(scene('b', 'b'));
        let lines = picture.lines();
        assert_eq!(
            lines[..2],
            [
                "two routers with keepalived, an advertisement every 1000 ms",
                "  planned stop, 1200 ms ago"
            ]
        );
        assert_eq!(lines[2], "  router a   running      waits");
        assert_eq!(
            lines[3],
            "  router b   running      has the address  <-- answers the client"
        );
        assert_eq!(
            lines[4],
            format!("  client     [{}.b]", "a".repeat(STRIP - 2))
        );
        assert_eq!(
            lines[5],
            "             1990 of 2000 probes answered in the last second, 10 lost or under way"
        );
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn what_was_measured_stays_below_the_picture() {
        let mut picture = Picture::new(&Scenario::new(Implementation::Keepalived));
        let mut measurement = Measurement {
            event: Event::HostDeath,
            outage: 305_994 * Duration::from_micros(1),
            lost: 611,
            moved_after: 306 * MS,
            stall: Duration::ZERO,
        };
        let line = "host death    306 ms without an answer, 611 probes lost";
        assert_eq!(picture.measured(&measurement), line);
        measurement.lost = 0;
        measurement.stall = MS;
        assert_eq!(
            picture.measured(&measurement),
            "host death    no probe lost (disturbed)"
        );
        assert_eq!(picture.lines()[6], format!("  {line}"));
        measurement.lost = 600_000;
        measurement.outage = 12_345_678 * Duration::from_micros(1);
        for _ in 0..2 * MEASURED {
            picture.measured(&measurement);
        }
        let lines = picture.lines();
        assert!(
            lines.len() < 24 && lines.iter().all(|line| line.len() < 80),
            "{lines:#?}"
        );
    }
}
