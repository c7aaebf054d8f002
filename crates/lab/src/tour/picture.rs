//! A picture of the site as the tour goes on, in text.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::summary::{line, ms};
use super::{DirectorView, Holds, Listening, Machine, Measurement, Phase, View};

/// How many requests the strip shows: two seconds of them.
const STRIP: usize = 60;

/// Who is master, who serves, what the client gets, and what was measured so far.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    scene: Vec<String>,
    /// Who served, request by request.
    strip: VecDeque<char>,
    measured: Vec<String>,
}

impl Picture {
    /// The picture of a tour that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the tour is about, on one line.
    #[must_use]
    pub const fn title() -> &'static str {
        "a client, two directors (direct routing, an advertisement each 200 ms), two web servers"
    }

    /// Takes in one moment.
    pub fn observe(&mut self, view: &View) {
        let names: Vec<&String> = view.servers.keys().collect();
        for served in &view.client.latest {
            let place = served
                .as_ref()
                .and_then(|name| names.iter().position(|each| *each == name));
            if self.strip.len() == STRIP {
                self.strip.pop_front();
            }
            self.strip.push_back(place.and_then(digit).unwrap_or('.'));
        }
        let mut scene = vec![phase(view.phase, view.elapsed)];
        for (number, director) in [1, 2].into_iter().zip(&view.directors) {
            scene.push(director_line(number, director));
        }
        for (name, listening) in &view.servers {
            let state = match listening {
                Listening::No => "dead",
                Listening::Yes => "running",
            };
            let served = view.client.served.get(name).copied().unwrap_or(0);
            scene.push(format!(
                "{name:<10} {state:<12} {served} requests in the last second"
            ));
        }
        let strip: String = self.strip.iter().collect();
        scene.push(format!("client     [{strip:>STRIP$}]"));
        let served: u32 = view.client.served.values().sum();
        let failed = view.client.failed;
        scene.push(format!(
            "           {served} served and {failed} failed in the last second"
        ));
        if let Some(connection) = &view.connection {
            let state = if connection.survived {
                "lives"
            } else {
                "BROKEN"
            };
            scene.push(format!(
                "           one connection to {}: {state}, {} echoes, longest pause {} ms",
                connection.server,
                connection.echoes,
                ms(connection.longest_pause)
            ));
        }
        self.scene = scene;
    }

    /// Takes in what was measured, and returns it as a line.
    pub fn measured(&mut self, measurement: &Measurement) -> &str {
        self.measured.push(line(measurement));
        self.measured.last().map_or("", String::as_str)
    }

    /// The picture, one line after another.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let title = std::iter::once(Self::title().to_owned());
        let inside = self.scene.iter().chain(&self.measured);
        title
            .chain(inside.map(|line| format!("  {line}")))
            .collect()
    }
}

fn digit(place: usize) -> Option<char> {
    char::from_digit(u32::try_from(place).ok()?.checked_add(1)?, 10)
}

fn phase(phase: Phase, elapsed: Duration) -> String {
    let ago = elapsed.as_millis() / 100;
    let ago = format!("{}.{} s", ago / 10, ago % 10);
    match phase {
        Phase::Starting => format!("starting, for {ago}"),
        Phase::Calm => format!("nothing is wrong, for {ago}"),
        Phase::Event(event) => format!("{event}, {ago} ago"),
    }
}

fn director_line(number: u8, director: &DirectorView) -> String {
    let machine = match director.machine {
        Machine::Dead => "dead",
        Machine::Running => "running",
        Machine::Stopped => "not running",
    };
    let address = match (director.machine, director.address) {
        // What a dead machine's kernel still has is of no account.
        (Machine::Dead, _) => "",
        (Machine::Running | Machine::Stopped, Holds::Yes) => "master",
        (Machine::Running, Holds::No) => "backup",
        (Machine::Stopped, Holds::No) => "",
    };
    let table = match director.machine {
        Machine::Dead => String::new(),
        Machine::Running | Machine::Stopped => table(&director.table),
    };
    format!("director{number:<2} {machine:<12} {address:<8} {table}")
        .trim_end()
        .to_owned()
}

fn table(servers: &BTreeMap<String, u32>) -> String {
    if servers.is_empty() {
        return "nothing in the kernel's table".to_owned();
    }
    let names: Vec<_> = servers
        .iter()
        .filter(|(_, weight)| **weight > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    format!("balances over {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::{ClientView, Connection, Event};
    use super::*;

    fn view() -> View {
        let director = |machine, address, servers: &[&str]| DirectorView {
            machine,
            address,
            table: servers.iter().map(|name| ((*name).to_owned(), 1)).collect(),
        };
        View {
            phase: Phase::Event(Event::MachineDies),
            elapsed: Duration::from_millis(1234),
            directors: [
                director(Machine::Dead, Holds::Yes, &["web1", "web2"]),
                director(Machine::Running, Holds::Yes, &["web1", "web2"]),
            ],
            servers: [
                ("web1".to_owned(), Listening::Yes),
                ("web2".to_owned(), Listening::No),
            ]
            .into(),
            client: ClientView {
                served: [("web1".to_owned(), 16)].into(),
                failed: 3,
                latest: vec![Some("web1".to_owned()), None, Some("web2".to_owned())],
            },
            connection: Some(Connection {
                server: "web2".to_owned(),
                survived: true,
                echoes: 700,
                longest_pause: Duration::from_millis(640),
            }),
        }
    }

    #[test]
    fn the_picture_shows_who_does_what() {
        let mut picture = Picture::new();
        picture.observe(&view());
        let strip = format!("  client     [{:>STRIP$}]", "1.2");
        assert_eq!(
            picture.lines()[1..],
            [
                "  the master's machine dies, 1.2 s ago",
                "  director1  dead",
                "  director2  running      master   balances over web1, web2",
                "  web1       running      16 requests in the last second",
                "  web2       dead         0 requests in the last second",
                &strip,
                "             16 served and 3 failed in the last second",
                "             one connection to web2: lives, 700 echoes, longest pause 640 ms",
            ]
        );
    }

    #[test]
    fn it_fits_a_terminal() {
        let mut picture = Picture::new();
        let measurement = Measurement {
            event: Event::MachineDies,
            adapted_after: Duration::from_millis(12_345),
            requests: 1234,
            failed: 1000,
            failures: BTreeMap::new(),
            longest_gap: Duration::from_millis(12_345),
        };
        for _ in Event::ALL {
            picture.measured(&measurement);
        }
        for _ in 0..50 {
            picture.observe(&view());
        }
        let lines = picture.lines();
        assert!(
            lines.len() < 24 && lines.iter().all(|line| line.len() <= 90),
            "{lines:#?}"
        );
    }
}
