//! From measurements to text.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Event, Measurement, Outcome};

/// What one event cost, on one line.
pub(super) fn line(measurement: &Measurement) -> String {
    let Measurement {
        event,
        adapted_after,
        requests,
        failed,
        longest_gap,
        ..
    } = measurement;
    let adapted = match event {
        Event::ServerDies => "out after",
        Event::ServerReturns => "in after",
        Event::MasterStops | Event::MasterReturns | Event::MachineDies | Event::MachineReturns => {
            "moved after"
        }
    };
    format!(
        "{event:<25} {adapted:>11} {:>5} ms; {failed} of {requests} requests lost; longest gap {} ms",
        ms(*adapted_after),
        ms(*longest_gap)
    )
}

/// Above what [`row`] returns.
pub(super) fn header() -> String {
    format!(
        "{:<25} {:>14} {:>11} {:>11}",
        "", "followed after", "lost", "longest gap"
    )
}

/// What one event cost, in columns.
pub(super) fn row(measurement: &Measurement) -> String {
    let Measurement {
        event,
        adapted_after,
        requests,
        failed,
        longest_gap,
        ..
    } = measurement;
    let lost = format!("{failed} of {requests}");
    format!(
        "{event:<25} {:>11} ms {lost:>11} {:>8} ms",
        ms(*adapted_after),
        ms(*longest_gap)
    )
}

/// A table for people: a row for each event; then how requests were balanced, and what became of the connection.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut text = header();
    text.push('\n');
    for measurement in &outcome.measurements {
        let how: Vec<_> = measurement
            .failures
            .iter()
            .map(|(failure, count)| format!("{count} {failure}"))
            .collect();
        let row = format!("{}  {}", row(measurement), how.join(", "));
        // Writing to a String cannot fail, here and below.
        let _written = writeln!(text, "{}", row.trim_end());
    }
    text.push_str(
        "\nFollowed: the server was out of both tables, or in; or the address had moved.\n\
         Lost: requests without an answer, and why. Gap: no request was answered.\n",
    );
    let balance: Vec<_> = outcome
        .balance
        .iter()
        .map(|(server, count)| format!("{count} by {server}"))
        .collect();
    let _written = writeln!(
        text,
        "While nothing was wrong, requests were served {}.",
        balance.join(" and ")
    );
    let connection = &outcome.connection;
    let fate = if connection.survived {
        "lived through all of it"
    } else {
        "broke"
    };
    let _written = writeln!(
        text,
        "One connection {fate}: {} echoes, and {} ms the longest wait for one.",
        connection.echoes,
        ms(connection.longest_pause)
    );
    let _written = writeln!(
        text,
        "In all, {} of {} requests failed.",
        outcome.failed, outcome.requests
    );
    text
}

/// Whole milliseconds.
pub(super) fn ms(duration: Duration) -> u128 {
    (duration.as_micros() + 500) / 1000
}

#[cfg(test)]
mod tests {
    use super::super::Connection;
    use super::*;

    fn outcome() -> Outcome {
        let measurement = |event| Measurement {
            event,
            adapted_after: Duration::from_micros(1_049_600),
            requests: 60,
            failed: 9,
            failures: [("refused".to_owned(), 8), ("timed out".to_owned(), 1)].into(),
            longest_gap: Duration::from_millis(62),
        };
        Outcome {
            schema: Outcome::SCHEMA,
            measurements: Event::ALL.map(measurement).into(),
            balance: [("web1".to_owned(), 33), ("web2".to_owned(), 34)].into(),
            requests: 900,
            failed: 20,
            connection: Connection {
                server: "web2".to_owned(),
                survived: true,
                echoes: 1000,
                longest_pause: Duration::from_millis(640),
            },
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_event() {
        let text = table(&outcome());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "                          followed after        lost longest gap",
                "a web server dies                1050 ms     9 of 60       62 ms  8 refused, 1 timed out",
            ]
        );
        assert_eq!(
            lines[1 + Event::ALL.len()..],
            [
                "",
                "Followed: the server was out of both tables, or in; or the address had moved.",
                "Lost: requests without an answer, and why. Gap: no request was answered.",
                "While nothing was wrong, requests were served 33 by web1 and 34 by web2.",
                "One connection lived through all of it: 1000 echoes, and 640 ms the longest wait for one.",
                "In all, 20 of 900 requests failed.",
            ]
        );
    }

    #[test]
    fn an_event_is_a_line() {
        let outcome = outcome();
        let lines: Vec<_> = outcome.measurements.iter().map(line).collect();
        assert_eq!(
            lines[..2],
            [
                "a web server dies           out after  1050 ms; 9 of 60 requests lost; longest gap 62 ms",
                "the web server is back       in after  1050 ms; 9 of 60 requests lost; longest gap 62 ms",
            ]
        );
    }

    #[test]
    fn the_json_has_a_schema_and_microseconds() {
        let mut outcome = outcome();
        outcome.measurements.truncate(1);
        assert_eq!(
            serde_json::to_value(&outcome).unwrap(),
            serde_json::json!({
                "schema": 1,
                "measurements": [{
                    "event": "server_dies",
                    "adapted_after_us": 1_049_600,
                    "requests": 60,
                    "failed": 9,
                    "failures": { "refused": 8, "timed out": 1 },
                    "longest_gap_us": 62_000,
                }],
                "balance": { "web1": 33, "web2": 34 },
                "requests": 900,
                "failed": 20,
                "connection": {
                    "server": "web2",
                    "survived": true,
                    "echoes": 1000,
                    "longest_pause_us": 640_000,
                },
            })
        );
    }
}
