//! Runs the programs that the configuration names for what happens: in order for each object, those of different objects
//! side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use locum_health::exec::Program;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::site::Script;
use crate::words::chain;

/// So many programs run at a time.
const CONCURRENT: usize = 8;

/// Runs programs on the current runtime.
#[derive(Debug)]
pub(crate) struct Notifier {
    objects: BTreeMap<String, mpsc::UnboundedSender<Job>>,
    slots: Arc<Semaphore>,
}

/// A program to be run, with what happened as its last arguments.
#[derive(Debug)]
struct Job {
    script: Script,
    what: Vec<String>,
}

impl Notifier {
    pub(crate) fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            slots: Arc::new(Semaphore::new(CONCURRENT)),
        }
    }

    /// Has `script` run with the arguments `what` behind its own, after all that was asked for `object` before.
    pub(crate) fn run(&mut self, object: &str, script: &Script, what: &[&str]) {
        let job = Job {
            script: script.clone(),
            what: what.iter().map(|word| (*word).to_owned()).collect(),
        };
        let slots = &self.slots;
        let queue = self.objects.entry(object.to_owned()).or_insert_with(|| {
            let (jobs, queue) = mpsc::unbounded_channel();
            tokio::spawn(work(queue, Arc::clone(slots)));
            jobs
        });
        // The task lives as long as its sender.
        let _ = queue.send(job);
    }
}

async fn work(mut queue: mpsc::UnboundedReceiver<Job>, slots: Arc<Semaphore>) {
    while let Some(job) = queue.recv().await {
        let Ok(_slot) = slots.acquire().await else {
            return;
        };
        job.run().await;
    }
}

impl Job {
    async fn run(self) {
        let Self { script, what } = self;
        let name = script.program.display();
        let program = match Program::new(&script.program, script.user) {
            Ok(program) => program,
            Err(error) => {
                warn!(
                    "{name}, which {} is told to, cannot be run: {}",
                    what.join(" "),
                    chain(&error)
                );
                return;
            }
        };
        let arguments = script.arguments.iter().chain(&what);
        match timeout(script.timeout, program.run(arguments)).await {
            Ok(Ok(status)) if status.success() => debug!("{name} was told: {}", what.join(" ")),
            Ok(Ok(status)) => warn!("{name}, told {}, ended with {status}", what.join(" ")),
            Ok(Err(error)) => {
                warn!(
                    "{name}, which {} is told to, cannot be run: {}",
                    what.join(" "),
                    chain(&error)
                );
            }
            Err(_) => warn!(
                "{name}, told {}, was killed: it had not ended after {:?}",
                what.join(" "),
                script.timeout
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// A program that adds its arguments to the file `log`, as late as its first argument says.
    fn script(directory: &Path) -> Script {
        let program = directory.join("program");
        let log = directory.join("log");
        let text = format!("#!/bin/sh\nsleep $1\nshift\necho $* >> {}\n", log.display());
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Script {
            program,
            arguments: vec!["0".to_owned()],
            user: None,
            timeout: Duration::from_secs(30),
        }
    }

    /// Waits until all that was asked for is done: the tasks end with their senders.
    async fn finish(notifier: Notifier) {
        let slots = Arc::clone(&notifier.slots);
        drop(notifier);
        while Arc::strong_count(&slots) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn the_programs_of_an_object_run_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let quick = script(directory.path());
        let mut slow = quick.clone();
        slow.arguments = vec!["0.2".to_owned()];
        let mut notifier = Notifier::new();
        notifier.run("server web r1", &slow, &["server", "web", "r1", "down"]);
        notifier.run("server web r1", &quick, &["server", "web", "r1", "up"]);
        finish(notifier).await;
        let log = fs::read_to_string(directory.path().join("log")).unwrap();
        assert_eq!(log, "server web r1 down\nserver web r1 up\n");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_and_the_next_one_runs() {
        let directory = tempfile::tempdir().unwrap();
        let quick = script(directory.path());
        let mut endless = quick.clone();
        endless.arguments = vec!["1000".to_owned()];
        endless.timeout = Duration::from_millis(50);
        let mut missing = quick.clone();
        missing.program = directory.path().join("missing");
        let mut notifier = Notifier::new();
        for (program, what) in [(&endless, "one"), (&missing, "two"), (&quick, "three")] {
            notifier.run("service web", program, &[what]);
        }
        finish(notifier).await;
        let log = fs::read_to_string(directory.path().join("log")).unwrap();
        assert_eq!(log, "three\n");
    }
}
