//! The sides as threads or as processes of their own.

mod beats;
pub(crate) mod child;
mod frame;
mod offspring;
pub(crate) mod realtime;
mod running;
mod side;
mod socket;
mod spawn;
mod supervise;
mod watch;

use std::io;
use std::thread;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

pub(crate) use self::beats::{BeatTable, Beats};
pub use self::offspring::Nursery;
pub(crate) use self::offspring::{Offspring, Unborn};
pub(crate) use self::side::{Side, ToParent, ToSide};
pub(crate) use self::socket::Listener;
pub(crate) use self::spawn::{Launch, socket_path};
pub(crate) use self::supervise::{Begin, Counts, News, Supervised};
pub(crate) use self::watch::{Limits, Loss};

/// One side, wherever it runs: dropped, it ends as if its parent had died.
#[derive(Debug)]
pub(crate) struct Link<O, N> {
    pub(crate) orders: UnboundedSender<O>,
    pub(crate) notices: UnboundedReceiver<N>,
}

impl<O: Send + 'static, N: Send + 'static> Link<O, N> {
    /// Starts a side on a thread of this process, which is in the caller's network namespace.
    pub(crate) fn thread(
        side: Side,
        run: impl FnOnce(UnboundedReceiver<O>, UnboundedSender<N>) + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, queue) = mpsc::unbounded_channel();
        let (teller, notices) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name(side.name().to_owned())
            .spawn(move || run(queue, teller))?;
        Ok(Self { orders, notices })
    }
}
