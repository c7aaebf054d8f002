//! What a process of a side does: it serves its parent until that lets go of it, or is gone.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::frame::{self, Overflow};
use super::socket::{self, Listener};
use super::{ToParent, ToSide};
use crate::signals::{self, Held};

/// So long the parent has to connect.
const MEET: Duration = Duration::from_secs(10);

/// So often an unconnected child looks whether its parent lives.
const LOOK: Duration = Duration::from_millis(50);

/// Whoever is to end has so long for it.
const HARD_END: Duration = Duration::from_secs(30);

/// The last notices have so long to be taken.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a side does not run as a process.
#[derive(Debug, Error)]
pub(crate) enum ChildError {
    #[error("the table of beats is not there")]
    Beats(#[source] io::Error),
    #[error("there is no socket for the parent at {}", .0.display())]
    Bind(PathBuf, #[source] io::Error),
    #[error("the parent did not connect in {} s", MEET.as_secs())]
    Late,
    #[error("the parent, process {0}, is gone")]
    Orphan(u32),
    #[error("it was ended before it began")]
    Terminated,
    #[error("there is no event loop")]
    EventLoop(#[source] io::Error),
}

/// Where a side meets its parent.
#[derive(Debug)]
pub(crate) struct Meeting {
    /// The socket at which it listens.
    pub(crate) path: PathBuf,
    /// The process that may connect.
    pub(crate) parent: u32,
    /// The connection, if it was made with it.
    pub(crate) stream: Option<StdUnixStream>,
    /// That socket, if it has it already.
    pub(crate) listener: Option<Arc<Listener>>,
}

/// Runs a side on this thread. What is said to it and by it goes through a connection to its parent, and nobody else
/// may connect. The end of that connection, and SIGTERM, end its orders; if it was `held`, that waits until it is listened to.
pub(crate) fn serve<O: ToSide, N: ToParent>(
    meeting: Meeting,
    held: Option<Held>,
    run: impl FnOnce(mpsc::UnboundedReceiver<O>, mpsc::UnboundedSender<N>),
) -> Result<(), ChildError> {
    // Unbounded: only the parent can fill the one, and `frame::pump` bounds the other.
    let (orders, queue) = mpsc::unbounded_channel();
    let (teller, notices) = mpsc::unbounded_channel();
    let (met, when_met) = oneshot::channel();
    let (over, ended) = oneshot::channel::<()>();
    // It is there as long as this side is, even if nobody comes; and until then the parent sees no end either.
    let _there = meeting.listener.clone();
    let stream = meeting.stream.as_ref().map(StdUnixStream::try_clone);
    let link = thread::Builder::new().name("link".to_owned());
    let link = link.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                let connected = meet(meeting).await?;
                let _ = met.send(());
                carry(connected, orders, notices, ended).await;
                Ok(())
            }),
            Err(error) => Err(ChildError::EventLoop(error)),
        }
    });
    let link = match link {
        Ok(link) => link,
        Err(error) => {
            drop(run);
            return Err(ChildError::EventLoop(error));
        }
    };
    if when_met.blocking_recv().is_ok() {
        drop((held, stream));
        run(queue, teller);
    } else {
        drop(run);
        drop((held, stream));
    }
    drop(over);
    match link.join() {
        Ok(result) => result,
        Err(_) => Err(ChildError::EventLoop(io::ErrorKind::Other.into())),
    }
}

struct Met {
    stream: UnixStream,
    /// As long as it is there, this process is: see [`meet`].
    listener: Arc<Listener>,
    terminate: Signal,
}

/// Waits for the parent, and before that for the end of a child of another parent, that died: it still hands over.
async fn meet(meeting: Meeting) -> Result<Met, ChildError> {
    let Meeting {
        path,
        parent,
        stream,
        listener,
    } = meeting;
    // Once they are listened to, these do nothing by themselves: the parent decides.
    let mut terminate = signal(SignalKind::terminate()).map_err(ChildError::EventLoop)?;
    for kind in [SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind).map_err(ChildError::EventLoop)?);
    }
    signals::let_through();
    let bind = |error| ChildError::Bind(path.clone(), error);
    let accepted = async {
        let listener = match listener {
            Some(listener) => listener,
            None => {
                while socket::is_served(&path) {
                    sleep(LOOK).await;
                }
                Arc::new(Listener::bind(&path)?)
            }
        };
        let stream = match stream {
            Some(stream) => UnixStream::from_std(stream)?,
            None => listener.accept(parent).await?,
        };
        Ok((stream, listener))
    };
    tokio::select! {
        met = timeout(MEET, accepted) => match met {
            Ok(met) => {
                let (stream, listener) = met.map_err(bind)?;
                Ok(Met { stream, listener, terminate })
            }
            Err(_) => Err(ChildError::Late),
        },
        () = orphaned(parent) => Err(ChildError::Orphan(parent)),
        _ = terminate.recv() => Err(ChildError::Terminated),
    }
}

/// Once connected, its end shows on the socket.
async fn orphaned(parent: u32) {
    let is_there = || {
        let now = rustix::process::getppid();
        now.is_some_and(|now| u32::try_from(now.as_raw_nonzero().get()) == Ok(parent))
    };
    while is_there() {
        sleep(LOOK).await;
    }
}

/// Carries messages until the side has ended.
async fn carry<O: ToSide, N: ToParent>(
    met: Met,
    orders: mpsc::UnboundedSender<O>,
    notices: mpsc::UnboundedReceiver<N>,
    ended: oneshot::Receiver<()>,
) {
    let Met {
        stream,
        listener: _there,
        mut terminate,
    } = met;
    let (read, write) = stream.into_split();
    let telling = tokio::spawn(frame::pump(notices, write, Overflow::Forget));
    let served = async {
        tokio::select! {
            () = listen(BufReader::new(read), orders) => {}
            _ = terminate.recv() => warn!("SIGTERM received: this part ends as if its parent had"),
        }
        sleep(HARD_END).await;
    };
    tokio::select! {
        () = served => {
            error!("this part has not ended in {} s: it is ended hard", HARD_END.as_secs());
            std::process::exit(1);
        }
        _ = ended => {}
    }
    // A parent that does not listen misses them.
    let _ = timeout(LAST_WORDS, telling).await;
}

async fn listen<O: ToSide>(mut from: BufReader<OwnedReadHalf>, orders: mpsc::UnboundedSender<O>) {
    loop {
        match frame::read(&mut from).await {
            Ok(Some(order)) => {
                if orders.send(order).is_err() {
                    // The side has ended: see `ended`.
                    return;
                }
            }
            Ok(None) => {
                info!("the parent is gone, or has no more use for this part: it ends");
                return;
            }
            Err(error) => {
                error!(%error, "the parent cannot be understood: this part ends");
                return;
            }
        }
    }
}
