//! The sides as threads or as processes of their own.

use tokio::sync::mpsc;

/// One side, wherever it runs: dropped, it ends as if its parent had died.
#[derive(Debug)]
pub(crate) struct Link<O, N> {
    pub(crate) orders: mpsc::UnboundedSender<O>,
    pub(crate) notices: mpsc::UnboundedReceiver<N>,
}
