//! The sides as threads or as processes of their own.

mod beats;
pub(crate) mod child;
mod frame;
pub(crate) mod realtime;
mod side;
mod socket;
mod spawn;
mod supervise;
mod watch;

use tokio::sync::mpsc;

pub(crate) use self::beats::{BeatTable, Beats};
pub(crate) use self::side::{Side, ToParent, ToSide};
pub(crate) use self::spawn::Launch;
pub(crate) use self::supervise::{Counts, News, Supervised};
pub(crate) use self::watch::{Limits, Loss};

/// One side, wherever it runs: dropped, it ends as if its parent had died.
#[derive(Debug)]
pub(crate) struct Link<O, N> {
    pub(crate) orders: mpsc::UnboundedSender<O>,
    pub(crate) notices: mpsc::UnboundedReceiver<N>,
}
