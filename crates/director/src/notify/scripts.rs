//! Programs of the operator's: in order for each object, those of different objects side by side.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::{debug, warn};

use super::counter::Counter;
use super::dispatch::{Delivery, Object};
use crate::programs::{Job, Outcome, Programs, RunAs};

/// So many programs wait for the one before them; then the oldest is left out: what came after it says more.
const WAITING: usize = 16;

/// Has programs run. A handle: clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Scripts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    programs: Programs,
    /// What waits for each object; an object is in it for as long as a task works for it.
    queues: Mutex<BTreeMap<Object, VecDeque<Delivery>>>,
    /// How many objects there are.
    working: watch::Sender<usize>,
    counter: Arc<Counter>,
}

impl Scripts {
    pub(super) fn new(programs: Programs, counter: Arc<Counter>) -> Self {
        Self(Arc::new(Shared {
            programs,
            queues: Mutex::default(),
            working: watch::Sender::new(0),
            counter,
        }))
    }

    /// Has a program run after all that was asked for its object before.
    pub(super) fn tell(&self, delivery: Delivery) {
        let shared = &self.0;
        let object = delivery.object.clone();
        let mut queues = shared.queues();
        if let Some(queue) = queues.get_mut(&object) {
            if queue.len() >= WAITING
                && let Some(left_out) = queue.pop_front()
            {
                shared.counter.dropped(1);
                warn!(
                    "{} is not told {}: those before it take too long, and it is superseded",
                    left_out.script.program.display(),
                    left_out.words.join(" ")
                );
            }
            queue.push_back(delivery);
            return;
        }
        queues.insert(object.clone(), VecDeque::from([delivery]));
        shared.working.send_replace(queues.len());
        drop(queues);
        tokio::spawn(work(Arc::clone(shared), object));
    }

    /// Waits until all that was asked for is done.
    pub(super) async fn finished(&self) {
        let mut working = self.0.working.subscribe();
        // The sender is in what this handle holds.
        let _ = working.wait_for(|working| *working == 0).await;
    }
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, BTreeMap<Object, VecDeque<Delivery>>> {
        // A panic elsewhere leaves nothing half written here.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is next for `object`; without anything it is forgotten.
    fn next(&self, object: &Object) -> Option<Delivery> {
        let mut queues = self.queues();
        let next = queues.get_mut(object)?.pop_front();
        if next.is_none() {
            queues.remove(object);
            self.working.send_replace(queues.len());
        }
        next
    }
}

async fn work(shared: Arc<Shared>, object: Object) {
    while let Some(delivery) = shared.next(&object) {
        run(&shared, delivery).await;
    }
}

async fn run(shared: &Shared, delivery: Delivery) {
    let Delivery { script, words, .. } = delivery;
    let name = script.program.display();
    let told = words.join(" ");
    let job = Job {
        program: script.program.clone(),
        arguments: script.arguments.iter().cloned().chain(words).collect(),
        user: script.user.map(|user| RunAs {
            uid: user.uid,
            gid: user.gid,
        }),
        timeout_ms: u64::try_from(script.timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let outcome = shared.programs.run(job).await;
    if outcome == Outcome::Exited(0) {
        debug!("{name} was told: {told}");
        shared.counter.delivered(1);
        return;
    }
    shared.counter.failed();
    match outcome {
        Outcome::Exited(code) => warn!("{name}, told {told}, ended with exit code {code}"),
        Outcome::Failed(why) => warn!("{name}, which {told} is told to, cannot be run: {why}"),
        Outcome::Killed => warn!("{name}, told {told}, was ended by a signal"),
        Outcome::TimedOut => warn!(
            "{name}, told {told}, was killed: it had not ended after {:?}",
            script.timeout
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::process::Link;
    use crate::programs::{Notice, Order};
    use crate::site::Script;

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

    fn delivery(script: &Script, words: &[&str]) -> Delivery {
        Delivery {
            object: Object::Service("web".to_owned()),
            script: Arc::new(script.clone()),
            words: words.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    fn scripts() -> Scripts {
        Scripts::new(Programs::in_process(8), Arc::default())
    }

    #[tokio::test]
    async fn the_programs_of_an_object_run_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let quick = script(directory.path());
        let mut slow = quick.clone();
        slow.arguments = vec!["0.2".to_owned()];
        let scripts = scripts();
        scripts.tell(delivery(&slow, &["server", "web", "r1", "down"]));
        scripts.tell(delivery(&quick, &["server", "web", "r1", "up"]));
        scripts.finished().await;
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
        let scripts = scripts();
        for (program, what) in [(&endless, "one"), (&missing, "two"), (&quick, "three")] {
            scripts.tell(delivery(program, &[what]));
        }
        scripts.finished().await;
        let log = fs::read_to_string(directory.path().join("log")).unwrap();
        assert_eq!(log, "three\n");
        let tally = scripts.0.counter.tally();
        assert_eq!((tally.delivered, tally.failed, tally.dropped), (1, 2, 0));
    }

    /// Programs that end when the test says so, and what they were told.
    struct Stage {
        orders: tokio::sync::mpsc::UnboundedReceiver<Order>,
        notices: tokio::sync::mpsc::UnboundedSender<Notice>,
        running: Vec<u64>,
        told: Vec<(String, u32)>,
    }

    impl Stage {
        fn new() -> (Programs, Self) {
            let (orders, queue) = tokio::sync::mpsc::unbounded_channel();
            let (heard, notices) = tokio::sync::mpsc::unbounded_channel();
            let stage = Self {
                orders: queue,
                notices: heard,
                running: Vec::new(),
                told: Vec::new(),
            };
            (Programs::remote(Link { orders, notices }), stage)
        }

        async fn settle(&mut self) {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            while let Ok(order) = self.orders.try_recv() {
                let Order::Run { number, job } = order else {
                    panic!("{order:?}");
                };
                let [object, state] = job.arguments.try_into().unwrap();
                self.told.push((object, state.parse().unwrap()));
                self.running.push(number);
            }
        }

        fn end(&mut self, which: usize) {
            if self.running.is_empty() {
                return;
            }
            let number = self.running.remove(which % self.running.len());
            let outcome = Outcome::Exited(0);
            self.notices
                .send(Notice::Ended { number, outcome })
                .unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever hangs: each object is told in order, one at a time, nothing twice, and the last of all.
        #[test]
        fn each_object_is_told_in_order_and_of_the_last(
            steps in prop::collection::vec((0_usize..3, 0_usize..4), 1..120),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let (programs, mut stage) = Stage::new();
                let scripts = Scripts::new(programs, Arc::default());
                let script = Arc::new(Script {
                    program: "/program".into(),
                    arguments: Vec::new(),
                    user: None,
                    timeout: Duration::from_secs(1),
                });
                let mut last = [None; 3];
                for (state, &(object, end)) in (0_u32..).zip(&steps) {
                    scripts.tell(Delivery {
                        object: Object::Router(object.to_string()),
                        script: Arc::clone(&script),
                        words: vec![object.to_string(), state.to_string()],
                    });
                    last[object] = Some(state);
                    // One end in four steps: they fall behind.
                    if end == 0 {
                        stage.settle().await;
                        stage.end(object);
                        assert!(stage.running.len() <= 3);
                    }
                }
                loop {
                    stage.settle().await;
                    if stage.running.is_empty() {
                        break;
                    }
                    stage.end(0);
                }
                scripts.finished().await;
                for (object, last) in last.into_iter().enumerate() {
                    let mut told = stage.told.iter().filter(|(name, _)| *name == object.to_string());
                    assert!(told.clone().map(|told| told.1).is_sorted_by(|a, b| a < b));
                    assert_eq!(told.next_back().map(|told| told.1), last);
                }
                let dropped = scripts.0.counter.tally().dropped;
                assert_eq!(stage.told.len() as u64 + dropped, steps.len() as u64);
            });
        }
    }
}
