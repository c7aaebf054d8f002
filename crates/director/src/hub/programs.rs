//! The side of the programs, which has no configuration and is needed until the very end: a task looks after it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing::error;

use super::sides::{Heard, Started};
use crate::process::{Counts, Link, News, Side, Supervised};
use crate::programs::{self, Notice, Order};

type Supervision = Supervised<Order, Notice>;

/// One life of the side.
struct Life {
    orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
}

#[derive(Debug)]
pub(super) struct Programs {
    pub(super) handle: programs::Programs,
    /// Its starts and losses.
    pub(super) news: mpsc::UnboundedReceiver<Heard>,
    counts: Arc<Mutex<Counts>>,
}

impl Programs {
    /// Has `side` start it when somebody has something for it to do, or wants it, and looks after it as long as the
    /// caller's runtime lives: a start has more urgent things to do.
    pub(super) fn start(side: impl FnOnce() -> io::Result<Supervision> + Send + 'static) -> Self {
        let handle = programs::Programs::elsewhere();
        // Unbounded: starts and losses are rare, by the pauses between them.
        let (tell, news) = mpsc::unbounded_channel();
        let counts = Arc::default();
        let (programs, counted) = (handle.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            programs.wanted().await;
            match side() {
                Ok(side) => mind(side, programs, tell, counted).await,
                Err(error) => error!(%error, "no programs can be run: there is no thread for them"),
            }
        });
        Self {
            handle,
            news,
            counts,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries orders and notices between the side and whoever has programs run.
async fn mind(
    mut side: Supervision,
    programs: programs::Programs,
    tell: mpsc::UnboundedSender<Heard>,
    counts: Arc<Mutex<Counts>>,
) {
    let mut life: Option<Life> = None;
    loop {
        let news = tokio::select! {
            order = order(&mut life) => {
                match order {
                    Some(order) => side.send(order),
                    None => life = None,
                }
                continue;
            }
            news = side.recv() => news,
        };
        *counts.lock().unwrap_or_else(PoisonError::into_inner) = side.counts();
        let heard = match news {
            Some(News::Notice(notice)) => {
                if let Some(life) = &life {
                    // Whoever waited may have gone.
                    let _ = life.notices.send(notice);
                }
                continue;
            }
            Some(News::Started {
                pid,
                restart,
                may_adopt,
            }) => {
                let (orders, queue) = mpsc::unbounded_channel();
                let (heard, notices) = mpsc::unbounded_channel();
                programs.attach(Link { orders, notices });
                life = Some(Life {
                    orders: queue,
                    notices: heard,
                });
                Heard::Started(Started {
                    side: Side::Programs,
                    pid,
                    restart,
                    may_adopt,
                })
            }
            Some(News::Lost { how, again_after }) => {
                life = None;
                Heard::Lost {
                    side: Side::Programs,
                    how,
                    again_after,
                }
            }
            None => return,
        };
        // At the end nobody listens any more.
        let _ = tell.send(heard);
    }
}

async fn order(life: &mut Option<Life>) -> Option<Order> {
    match life {
        Some(life) => life.orders.recv().await,
        None => std::future::pending().await,
    }
}
