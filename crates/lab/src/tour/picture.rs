//! A picture of the site as the tour goes on, in text.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::summary::{header, line, ms, row};
use super::{DirectorView, Holds, Listening, Machine, Measurement, Phase, View};

/// How many requests the upper strip shows: two seconds of them; and how many seconds the lower one.
const STRIP: usize = 60;

/// Who is master, who serves, what the client gets, and what was measured so far: less than 80 by 24.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    scene: Vec<String>,
    /// Who served, request by request.
    requests: VecDeque<char>,
    seconds: VecDeque<Second>,
    measured: Vec<Measurement>,
}

/// What became of the requests that ended in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Second {
    number: u64,
    served: u32,
    failed: u32,
}

impl Second {
    const fn sign(self) -> char {
        match (self.served, self.failed) {
            (0, _) => '.',
            (_, 0) => '=',
            (_, _) => 'x',
        }
    }
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
        "a client, two directors (direct routing), two web servers"
    }

    /// Takes in one moment.
    pub fn observe(&mut self, view: &View) {
        // What fails before there is a service is no loss.
        if view.phase != Phase::Starting {
            self.remember(view);
        }
        let mut scene = vec![phase(view.phase, view.elapsed), String::new()];
        for (number, director) in [1, 2].into_iter().zip(&view.directors) {
            scene.push(director_line(number, director));
        }
        for (name, listening) in &view.servers {
            scene.push(server_line(name, *listening, view));
        }
        scene.push(String::new());
        let requests: String = self.requests.iter().collect();
        scene.push(format!("requests   [{requests:>STRIP$}]"));
        let seconds: String = self.seconds.iter().map(|second| second.sign()).collect();
        scene.push(format!("seconds    [{seconds:>STRIP$}]"));
        scene.push("           = all answered, x some lost, . no answer".to_owned());
        let served: u32 = view.client.served.values().sum();
        let failed = view.client.failed;
        scene.push(format!(
            "           {served} answered and {failed} lost in the last second"
        ));
        if let Some(connection) = &view.connection {
            let state = if connection.survived {
                "lives"
            } else {
                "BROKEN"
            };
            scene.push(format!(
                "           a connection to {}: {state}, {} echoes, longest pause {} ms",
                connection.server,
                connection.echoes,
                ms(connection.longest_pause)
            ));
        }
        self.scene = scene;
    }

    fn remember(&mut self, view: &View) {
        let number = view.time.as_secs();
        if self.seconds.back().is_none_or(|last| last.number != number) {
            push(
                &mut self.seconds,
                Second {
                    number,
                    ..Second::default()
                },
            );
        }
        let names: Vec<&String> = view.servers.keys().collect();
        for served in &view.client.latest {
            let place = served
                .as_ref()
                .and_then(|name| names.iter().position(|each| *each == name));
            push(&mut self.requests, place.and_then(digit).unwrap_or('.'));
            if let Some(second) = self.seconds.back_mut() {
                let count = match served {
                    Some(_) => &mut second.served,
                    None => &mut second.failed,
                };
                *count = count.saturating_add(1);
            }
        }
    }

    /// Takes in what was measured, and returns it as a line.
    pub fn measured(&mut self, measurement: &Measurement) -> String {
        self.measured.push(measurement.clone());
        line(measurement)
    }

    /// The picture, one line after another.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.scene();
        if !self.measured.is_empty() {
            lines.push(String::new());
            lines.push(header());
            lines.extend(self.measured.iter().map(row));
        }
        lines
    }

    /// The picture without what was measured, to stand above the [`table`](super::table).
    #[must_use]
    pub fn scene(&self) -> Vec<String> {
        let mut lines = vec![Self::title().to_owned()];
        lines.extend(self.scene.iter().cloned());
        lines
    }
}

/// Forgets the oldest where there is no more room.
fn push<T>(strip: &mut VecDeque<T>, new: T) {
    if strip.len() == STRIP {
        strip.pop_front();
    }
    strip.push_back(new);
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
    format!("in the kernel's table: {}", names.join(", "))
}

fn server_line(name: &str, listening: Listening, view: &View) -> String {
    let state = match listening {
        Listening::No => "dead",
        Listening::Yes => "running",
    };
    // A dead machine's table is of no account, nor is one that nobody is sent through.
    let master = view
        .directors
        .iter()
        .find(|director| director.machine == Machine::Running && director.address == Holds::Yes);
    let pool = match master.map(|master| master.table.get(name).copied().unwrap_or(0)) {
        None => "",
        Some(0) => "out",
        Some(_) => "in",
    };
    let served = view.client.served.get(name).copied().unwrap_or(0);
    let all: u32 = view.client.served.values().sum();
    let share = served.saturating_mul(100).checked_div(all).unwrap_or(0);
    format!("{name:<10} {state:<12} {pool:<8} {share:>3} % of the last second's requests: {served}")
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
            time: Duration::from_secs(20),
            phase: Phase::Event(Event::MachineDies),
            elapsed: Duration::from_millis(1234),
            directors: [
                director(Machine::Dead, Holds::Yes, &["web1", "web2"]),
                director(Machine::Running, Holds::Yes, &["web1"]),
            ],
            servers: [
                ("web1".to_owned(), Listening::Yes),
                ("web2".to_owned(), Listening::No),
            ]
            .into(),
            client: ClientView {
                served: [("web1".to_owned(), 16), ("web2".to_owned(), 3)].into(),
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

    fn measurement(event: Event) -> Measurement {
        Measurement {
            event,
            adapted_after: Duration::from_millis(12_345),
            requests: 1234,
            failed: 1000,
            failures: BTreeMap::new(),
            longest_gap: Duration::from_millis(12_345),
        }
    }

    #[test]
    fn the_picture_shows_who_does_what() {
        let mut picture = Picture::new();
        picture.observe(&view());
        let said = picture.measured(&measurement(Event::ServerDies));
        assert_eq!(said, line(&measurement(Event::ServerDies)));
        let requests = format!("requests   [{:>STRIP$}]", "1.2");
        let seconds = format!("seconds    [{:>STRIP$}]", "x");
        assert_eq!(
            picture.lines(),
            [
                Picture::title(),
                "the master's machine dies, 1.2 s ago",
                "",
                "director1  dead",
                "director2  running      master   in the kernel's table: web1",
                "web1       running      in        84 % of the last second's requests: 16",
                "web2       dead         out       15 % of the last second's requests: 3",
                "",
                &requests,
                &seconds,
                "           = all answered, x some lost, . no answer",
                "           19 answered and 3 lost in the last second",
                "           a connection to web2: lives, 700 echoes, longest pause 640 ms",
                "",
                "                          followed after        lost longest gap",
                "a web server dies               12345 ms 1000 of 1234    12345 ms",
            ]
        );
    }

    #[test]
    fn a_second_has_a_sign() {
        let mut picture = Picture::new();
        let mut view = view();
        let mut see = |time: u64, latest: &[bool]| {
            view.time = Duration::from_millis(time);
            view.client.latest = latest
                .iter()
                .map(|served| served.then(|| "web1".to_owned()))
                .collect();
            picture.observe(&view);
        };
        see(100, &[true, true]);
        see(900, &[true]);
        see(1000, &[true, false]);
        see(1900, &[true]);
        see(2000, &[false]);
        see(3000, &[]);
        see(4000, &[true]);
        let seconds = format!("seconds    [{:>STRIP$}]", "=x..=");
        assert!(picture.lines().contains(&seconds), "{:#?}", picture.lines());
    }

    #[test]
    fn nothing_is_lost_before_there_is_a_service() {
        let mut picture = Picture::new();
        let mut view = view();
        view.phase = Phase::Starting;
        picture.observe(&view);
        let nothing = ["requests", "seconds "].map(|of| format!("{of}   [{:>STRIP$}]", ""));
        let lines = picture.scene();
        assert!(
            nothing.iter().all(|line| lines.contains(line)),
            "{lines:#?}"
        );
    }

    #[test]
    fn it_fits_a_terminal() {
        let mut picture = Picture::new();
        for event in Event::ALL {
            picture.measured(&measurement(event));
        }
        let mut view = view();
        for second in 0..100 {
            view.time = Duration::from_secs(second);
            picture.observe(&view);
        }
        let lines = picture.lines();
        assert!(
            lines.len() < 24 && lines.iter().all(|line| line.len() <= 80),
            "{lines:#?}"
        );
    }
}
