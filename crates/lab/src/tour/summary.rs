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
        "{event:<26} {adapted:>11} {:>5} ms; {failed} of {requests} requests failed; {} ms without service",
        ms(*adapted_after),
        ms(*longest_gap)
    )
}

/// A table for people: a row for each event; then how requests were balanced, and what became of the connection.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let mut text = format!(
        "{:<26} {:>14} {:>17} {:>20}   {}\n",
        "", "adapted after", "failed requests", "without service", "how"
    );
    for measurement in &outcome.measurements {
        let Measurement {
            event,
            adapted_after,
            requests,
            failed,
            failures,
            longest_gap,
        } = measurement;
        let how: Vec<_> = failures
            .iter()
            .map(|(failure, count)| format!("{count} {failure}"))
            .collect();
        let share = format!("{failed} of {requests}");
        let row = format!(
            "{event:<26} {:>11} ms {share:>17} {:>17} ms   {}",
            ms(*adapted_after),
            ms(*longest_gap),
            how.join(", ")
        );
        // Writing to a String cannot fail, here and below.
        let _written = writeln!(text, "{}", row.trim_end());
    }
    let balance: Vec<_> = outcome
        .balance
        .iter()
        .map(|(server, count)| format!("{count} by {server}"))
        .collect();
    let _written = writeln!(
        text,
        "\nWhile nothing was wrong, requests were served {}.",
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

    #[test]
    fn the_table_has_a_row_for_each_event() {
        let measurement = |event| Measurement {
            event,
            adapted_after: Duration::from_micros(1_049_600),
            requests: 60,
            failed: 9,
            failures: [("refused".to_owned(), 8), ("timed out".to_owned(), 1)].into(),
            longest_gap: Duration::from_millis(62),
        };
        let outcome = Outcome {
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
        };
        let text = table(&outcome);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1],
            "a web server dies                 1050 ms           9 of 60                62 ms   8 refused, 1 timed out"
        );
        assert_eq!(lines.len(), 1 + Event::ALL.len() + 4);
        assert_eq!(
            lines[8],
            "While nothing was wrong, requests were served 33 by web1 and 34 by web2."
        );
        assert_eq!(
            lines[9],
            "One connection lived through all of it: 1000 echoes, and 640 ms the longest wait for one."
        );
        assert_eq!(
            line(&measurement(Event::ServerDies)),
            "a web server dies            out after  1050 ms; 9 of 60 requests failed; 62 ms without service"
        );
    }

    #[test]
    fn the_json_is_in_microseconds() {
        let connection = Connection {
            server: "web2".to_owned(),
            survived: true,
            echoes: 1,
            longest_pause: Duration::from_millis(2),
        };
        let json = serde_json::to_string(&connection).unwrap();
        assert_eq!(
            json,
            r#"{"server":"web2","survived":true,"echoes":1,"longest_pause_us":2000}"#
        );
    }
}
