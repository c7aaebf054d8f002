//! Interfaces, as the kernel tells of them.

use std::collections::BTreeSet;

use locum_vip::{LinkWatch, WatchOptions};
use tokio::sync::mpsc::error::SendError;
use tokio::time::sleep;

use super::{Finds, LOOK, Watcher};
use crate::track::input::{Input, LinkState};

/// Begins anew if it fails.
pub(in crate::track) fn watch(names: BTreeSet<String>, finds: Finds) -> Watcher {
    Watcher::spawn(async move {
        loop {
            // It waits for the kernel's answers.
            let started =
                tokio::task::spawn_blocking(|| LinkWatch::start(WatchOptions::default())).await;
            let error = match started {
                Ok(Ok((watch, mut changes))) => {
                    if tell(&names, &watch, &finds).await.is_err() {
                        return;
                    }
                    while changes.recv().await.is_some() {
                        while changes.try_recv().is_ok() {}
                        if tell(&names, &watch, &finds).await.is_err() {
                            return;
                        }
                    }
                    "it has ended".to_owned()
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::error!(error, "interfaces cannot be watched, tried again soon");
            sleep(LOOK).await;
        }
    })
}

async fn tell(
    names: &BTreeSet<String>,
    watch: &LinkWatch,
    finds: &Finds,
) -> Result<(), SendError<Input>> {
    for name in names {
        let link = match watch.link_by_name(name) {
            None => LinkState::Missing,
            Some(link) if !link.up => LinkState::Down,
            Some(link) if !link.carrier => LinkState::NoCarrier,
            Some(_) => LinkState::Up,
        };
        let name = name.clone();
        finds.send(Input::Interface { name, link }).await?;
    }
    Ok(())
}
