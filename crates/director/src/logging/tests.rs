use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{debug, error, info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::limit::WINDOW;
use super::limited::Limited;
use crate::clock;

#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `act` logs, as the objects that `--log-format json` writes; at its end, every window of the limit ends.
pub(crate) fn captured(act: impl FnOnce()) -> Vec<serde_json::Value> {
    let buffer = Buffer::default();
    let limited = Limited::new();
    let writer = buffer.clone();
    let log = tracing_subscriber::registry().with(super::objects(move || writer.clone()));
    let log = log.with(EnvFilter::new("info")).with(limited.clone());
    tracing::subscriber::with_default(log, || {
        act();
        limited.tell_at(clock::now() + WINDOW);
    });
    let written = buffer.0.lock().unwrap();
    let written = serde_json::Deserializer::from_slice(&written).into_iter();
    written.map(Result::unwrap).collect()
}

#[test]
fn what_is_asked_for_explicitly_wins() {
    let text = |filter, environment, verbose| {
        super::filter(filter, environment, verbose).map(|f| f.to_string())
    };
    assert_eq!(text(None, None, 0).unwrap(), "info");
    assert_eq!(text(None, None, 1).unwrap(), "debug");
    assert_eq!(text(None, Some("warn"), 0).unwrap(), "warn");
    assert_eq!(text(None, Some("warn"), 2).unwrap(), "trace");
    assert_eq!(text(Some("error"), Some("warn"), 1).unwrap(), "error");
    assert!(text(Some("=nonsense="), None, 0).is_err());
}

#[test]
fn too_many_lines_about_one_object_become_one() {
    let lines = captured(|| {
        for number in 0..143 {
            warn!(router = "web", "web wavers, number {number}");
            debug!(router = "web", "not of this level");
        }
        for number in 0..143 {
            warn!(router = %format_args!("r{number}"), "each for itself");
        }
    });
    assert_eq!(lines.len(), 20 + 143 + 1);
    let told = lines.last().expect("a line");
    assert_eq!(told["level"], "WARN");
    assert_eq!(told["router"], "web");
    assert_eq!(told["suppressed"], 123);
    let text = "… and 123 more like it of web, the last: web wavers, number 142";
    assert_eq!(told["message"], text);
    assert!(told.get("server").is_none(), "{told}");
}

#[test]
fn the_servers_of_services_are_objects_too() {
    let lines = captured(|| {
        for server in ["r1", "r2"] {
            for _ in 0..22 {
                let address = "192.0.2.21:80";
                info!(service = "shop", %server, %address, "{server} of shop is up again");
            }
        }
    });
    assert_eq!(lines.len(), 42);
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["suppressed"] == 2)
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["server"], "r1");
    assert_eq!(told[0]["address"], "192.0.2.21:80");
    let text = "… and 2 more like it of r1 of shop, the last: r1 of shop is up again";
    assert_eq!(told[0]["message"], text);
}

#[test]
fn errors_and_what_others_log_is_never_left_out() {
    let lines = captured(|| {
        for _ in 0..50 {
            error!("the kernel's table cannot be kept");
            warn!(target: "hyper", "of a library");
        }
    });
    assert_eq!(lines.len(), 100);
}
