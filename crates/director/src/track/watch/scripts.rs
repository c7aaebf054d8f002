//! A script, run again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Finds, Watcher};
use crate::programs::{Job, Programs, RunAs};
use crate::report::millis;
use crate::track::TrackScript;
use crate::track::input::Input;

/// Runs it for the first time after `phase`. It never runs twice at once: times that it misses are left out.
pub(in crate::track) fn watch(
    script: Arc<TrackScript>,
    phase: Duration,
    programs: Programs,
    finds: Finds,
) -> Watcher {
    Watcher::spawn(async move {
        sleep(phase).await;
        let mut ticks = interval(script.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let outcome = programs.run(job(&script)).await;
            let script = Arc::clone(&script);
            if finds.send(Input::Script { script, outcome }).await.is_err() {
                return;
            }
        }
    })
}

fn job(script: &TrackScript) -> Job {
    Job {
        program: script.program.clone(),
        arguments: script.arguments.clone(),
        user: script.user.map(|user| RunAs {
            uid: user.uid,
            gid: user.gid,
        }),
        timeout_ms: millis(script.timeout),
    }
}
