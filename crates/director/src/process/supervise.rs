//! A side under supervision.

mod babysit;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::debug;

use self::babysit::Babysitter;
use super::spawn::Launch;
use super::watch::Loss;
use super::{Limits, Link, Side, ToParent, ToSide};

/// Notices wait here for whoever listens; a side that tells more than is listened to has to wait.
const NOTICES: usize = 256;

/// What a side does, as its parent sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News<N> {
    /// It is gone. What is sent is forgotten until it is [`Self::Started`] again.
    Lost {
        how: Loss,
        /// It starts again after so long; `None`: it does not.
        again_after: Option<Duration>,
    },
    /// It says something.
    Notice(N),
    /// It runs and knows nothing: everything that it must know is to be sent now.
    Started {
        /// `None` for a thread.
        pid: Option<u32>,
        /// It follows one that was lost.
        restart: bool,
        /// It may adopt what its predecessor was master of: that is dead, killed and reaped.
        may_adopt: bool,
    },
}

/// How a side has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(crate) struct Counts {
    /// `None` for a thread, and while it does not run.
    pub(crate) pid: Option<u32>,
    /// Hellos that it has answered.
    pub(crate) answers: u64,
    /// How often it was started after it was lost.
    pub(crate) restarts: u64,
    /// How often it had to be killed.
    pub(crate) kills: u64,
}

/// What goes to the task that minds a process.
#[derive(Debug)]
enum Call<O> {
    /// For the process of this generation only: another one would not know what it is about.
    Order { generation: u64, order: O },
    /// Let it end, and kill it after so long.
    Stop { patience: Duration },
    /// It is to begin, if it has not yet.
    Want,
}

/// When the first process begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    AtOnce,
    /// With [`Supervised::want`].
    WhenWanted,
}

/// What comes from it.
#[derive(Debug)]
struct Heard<N> {
    generation: u64,
    news: News<N>,
}

#[derive(Debug)]
enum Way<O, N> {
    Process {
        // Unbounded: the task that takes from it never waits for the process.
        calls: mpsc::UnboundedSender<Call<O>>,
        heard: mpsc::Receiver<Heard<N>>,
        /// The one of which the start was told last; `None` when it was lost.
        generation: Option<u64>,
        counts: Arc<Mutex<Counts>>,
    },
    Thread {
        link: Link<O, N>,
        told: Told,
    },
}

/// What was said of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Start,
    End,
}

/// A side, as thread or process; a process is started again when it dies or hangs. Dropped, the side ends as if its
/// parent had died.
pub(crate) struct Supervised<O, N> {
    side: Side,
    way: Way<O, N>,
}

impl<O, N> fmt::Debug for Supervised<O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

impl<O: ToSide, N: ToParent> Supervised<O, N> {
    /// A side that runs as a thread: it is not started again.
    pub(crate) fn thread(
        side: Side,
        run: impl FnOnce(mpsc::UnboundedReceiver<O>, mpsc::UnboundedSender<N>) + Send + 'static,
    ) -> io::Result<Self> {
        let (link, told) = (Link::thread(side, run)?, Told::Nothing);
        let way = Way::Thread { link, told };
        Ok(Self { side, way })
    }

    /// A side that runs as a process, minded by a task of the caller's runtime.
    ///
    /// That it cannot be started is [`News::Lost`], and it is tried again.
    pub(crate) fn process(launch: Launch, limits: Limits, begin: Begin) -> Self {
        let side = launch.side;
        let (calls, called) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::channel(NOTICES);
        let counts = Arc::<Mutex<Counts>>::default();
        let babysitter = Babysitter::<O, N>::new(launch, limits, called, tell, Arc::clone(&counts));
        tokio::spawn(babysitter.run(begin));
        Self {
            side,
            way: Way::Process {
                calls,
                heard,
                generation: None,
                counts,
            },
        }
    }

    /// Tells the side something, without waiting. When it does not run, that is forgotten.
    pub(crate) fn send(&self, order: O) {
        match &self.way {
            Way::Process {
                calls,
                generation: Some(generation),
                ..
            } => {
                let generation = *generation;
                // It ends with this only.
                let _ = calls.send(Call::Order { generation, order });
            }
            Way::Process { .. } => debug!(
                "an order to the {} was not sent: it does not run",
                self.side
            ),
            // That it has ended shows in its notices.
            Way::Thread { link, .. } => drop(link.orders.send(order)),
        }
    }

    /// Has it begin, if it has not. A thread has.
    pub(crate) fn want(&self) {
        match &self.way {
            // It ends with this only.
            Way::Process { calls, .. } => drop(calls.send(Call::Want)),
            Way::Thread { .. } => {}
        }
    }

    /// What happens next; `None` after its last end. Nothing is lost when the future is dropped.
    pub(crate) async fn recv(&mut self) -> Option<News<N>> {
        match &mut self.way {
            Way::Process {
                heard, generation, ..
            } => {
                let next = heard.recv().await?;
                match next.news {
                    News::Lost { .. } => *generation = None,
                    News::Notice(_) => {}
                    News::Started { .. } => *generation = Some(next.generation),
                }
                Some(next.news)
            }
            Way::Thread { link, told } => match told {
                Told::Nothing => {
                    *told = Told::Start;
                    Some(News::Started {
                        pid: None,
                        restart: false,
                        may_adopt: false,
                    })
                }
                Told::Start => match link.notices.recv().await {
                    Some(notice) => Some(News::Notice(notice)),
                    None => {
                        *told = Told::End;
                        Some(News::Lost {
                            how: Loss::Ended,
                            again_after: None,
                        })
                    }
                },
                Told::End => None,
            },
        }
    }

    /// How it has done.
    pub(crate) fn counts(&self) -> Counts {
        match &self.way {
            Way::Process { counts, .. } => *lock(counts),
            Way::Thread { .. } => Counts::default(),
        }
    }

    /// Begins an orderly end: `Stop` is sent, and a process that has not ended after `patience` is killed. Its last
    /// notices, its loss and then `None` still come from [`Self::recv`].
    pub(crate) fn stop(&self, patience: Duration) {
        match &self.way {
            Way::Process { calls, .. } => drop(calls.send(Call::Stop { patience })),
            Way::Thread { link, .. } => drop(link.orders.send(O::stop())),
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    // A panic elsewhere leaves nothing half written here.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
