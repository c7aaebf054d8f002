//! `director demo`, from the first process of its kernel to the last line.

#![expect(
    clippy::indexing_slicing,
    reason = "what is not in a JSON document is null"
)]

use std::error::Error;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use locum_lab::tour::Event;
use locum_lab::wait_until;
use serde_json::Value;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

/// The demo takes about half a minute where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(300);

/// "At most a few": an answer that was on its way is no scandal.
const FEW: u64 = 5;

/// Both at the same time: each waits most of the time for what takes its time on any machine.
#[test]
fn the_site_lives_through_all_that_happens_to_it_and_shows_it() {
    thread::scope(|scope| {
        for part in [measures, shows] {
            scope.spawn(move || part().unwrap());
        }
    });
}

fn measures() -> Result {
    let outcome: Value = serde_json::from_str(&demo(&["--json"])?)?;
    assert_eq!(outcome["schema"], 1, "{outcome:#}");

    let measurements = outcome["measurements"].as_array().ok_or("no list")?;
    let events: Vec<&Value> = measurements.iter().map(|each| &each["event"]).collect();
    assert_eq!(
        serde_json::to_value(events)?,
        serde_json::to_value(Event::ALL)?
    );

    let balance = outcome["balance"].as_object().ok_or("no balance")?;
    for server in ["web1", "web2"] {
        let served = balance.get(server).and_then(Value::as_u64);
        assert!(served.is_some_and(|served| served > 0), "{outcome:#}");
    }
    for measurement in measurements {
        let count = |key: &str| {
            measurement[key]
                .as_u64()
                .ok_or_else(|| format!("no {key}: {outcome:#}"))
        };
        let (requests, failed) = (count("requests")?, count("failed")?);
        assert!(failed < requests, "nothing was answered: {measurement:#}");
        if measurement["event"] == "master_stops" || measurement["event"] == "master_returns" {
            assert!(failed <= FEW, "a planned move: {measurement:#}");
        }
    }
    Ok(())
}

/// What is piped is a line for each event, and a table.
fn shows() -> Result {
    let text = demo(&[])?;
    assert!(!text.contains('\x1b'), "{text:?}");
    for event in Event::ALL {
        let lines = text.lines().map(str::trim_start);
        let about = lines.filter(|line| line.starts_with(&event.to_string()));
        // As it happens, and in the table.
        assert_eq!(about.count(), 2, "{event}:\n{text}");
    }
    Ok(())
}

/// What the demo writes to a pipe.
fn demo(options: &[&str]) -> Result<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
        .arg("demo")
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let ended = wait_until("the demo to end", PATIENCE, || {
        matches!(child.try_wait(), Ok(Some(_)) | Err(_))
    });
    if ended.is_err() {
        // The kernel that it booted ends with it.
        child.kill()?;
    }
    let status = child.wait()?;
    let text = reader.join().map_err(|_| "the reader panicked")??;
    ended?;
    if status.success() {
        Ok(text)
    } else {
        Err(format!("{status}: {text}").into())
    }
}
