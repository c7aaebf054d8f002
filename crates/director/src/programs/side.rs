//! The side that starts programs.

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::error;

use super::{Notice, Order, Programs};

/// What the side is told at the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// So many programs run at a time; others wait for their turn.
    pub(crate) at_a_time: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { at_a_time: 16 }
    }
}

/// Runs the side to its end, on this thread: until it is told to stop, or nobody is left who could.
pub(crate) fn run(
    options: Options,
    orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Programs are started there, one after the other: see the end of `live`.
        .max_blocking_threads(1)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(live(options, orders, notices)),
        Err(error) => error!(%error, "no programs can be run: there is no event loop"),
    }
}

async fn live(
    options: Options,
    mut orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let programs = Programs::in_process(options.at_a_time);
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                // Whether anybody still listens shows in the orders.
                Some(Order::Hello(number)) => { let _ = notices.send(Notice::Hello(number)); }
                Some(Order::Run { number, job }) => {
                    let (programs, notices) = (programs.clone(), notices.clone());
                    running.spawn(async move {
                        let outcome = programs.run(job).await;
                        let _ = notices.send(Notice::Ended { number, outcome });
                    });
                }
                Some(Order::Stop) | None => break,
            },
            Some(_) = running.join_next() => {}
        }
    }
    // What is dropped before its end is killed.
    running.shutdown().await;
    // One that is just being started is known only then, and could not be killed without the event loop. This comes
    // behind it on the one thread where that happens.
    let _ = tokio::task::spawn_blocking(|| {}).await;
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::super::{Job, Outcome};
    use super::*;
    use crate::process::{Link, Side};

    fn start() -> Link<Order, Notice> {
        let start = |orders, notices| run(Options::default(), orders, notices);
        Link::thread(Side::Programs, start).unwrap()
    }

    fn program(directory: &Path, text: &str) -> PathBuf {
        let path = directory.join("program");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn job(program: &Path, arguments: &[&str]) -> Job {
        Job {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            user: None,
            timeout_ms: 30_000,
        }
    }

    #[tokio::test]
    async fn programs_are_run_over_messages() {
        let directory = tempfile::tempdir().unwrap();
        let path = program(directory.path(), "exit $1");
        let programs = Programs::remote(start());
        let missing = job(&directory.path().join("missing"), &[]);
        let (three, zero) = (job(&path, &["3"]), job(&path, &["0"]));
        let outcomes = tokio::join!(
            programs.run(three),
            programs.run(zero),
            programs.run(missing)
        );
        assert_eq!(outcomes.0, Outcome::Exited(3));
        assert_eq!(outcomes.1, Outcome::Exited(0));
        assert!(matches!(outcomes.2, Outcome::Failed(_)), "{outcomes:?}");
    }

    #[tokio::test]
    async fn what_runs_is_killed_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let text = format!(
            "echo $$ > {0}.new\nmv {0}.new {0}\nexec sleep 1000",
            pid.display()
        );
        let path = program(directory.path(), &text);
        for end in [Some(Order::Stop), None] {
            let Link {
                orders,
                mut notices,
            } = start();
            let run = Order::Run {
                number: 1,
                job: job(&path, &[]),
            };
            orders.send(run).unwrap();
            orders.send(Order::Hello(7)).unwrap();
            assert_eq!(notices.recv().await, Some(Notice::Hello(7)));
            while !pid.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let number = fs::read_to_string(&pid).unwrap();
            fs::remove_file(&pid).unwrap();
            match end {
                Some(order) => orders.send(order).unwrap(),
                None => drop(orders),
            }
            assert_eq!(notices.recv().await, None);
            let process = Path::new("/proc").join(number.trim());
            // It is a zombie until whoever waits for it does.
            let gone = || match fs::read_to_string(process.join("stat")) {
                Ok(stat) => stat.contains(") Z "),
                Err(_) => true,
            };
            for _ in 0..1000 {
                if gone() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(gone());
        }
    }
}
