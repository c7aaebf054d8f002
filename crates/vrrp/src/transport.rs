//! What carries advertisements, as the engine sees it.

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use locum_vip::LinkIndex;

use crate::config::Family;
use crate::filter::Listened;

/// Names the socket of one interface and family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneId(pub(crate) u32);

/// What an advertisement travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// An authentication header: IP protocol 51, over IPv4. What is sent and received are whole packets.
    Header,
    /// Nothing: IP protocol 112. What is sent and received are messages.
    Plain,
}

impl Carrier {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Header => Self::Plain,
            Self::Plain => Self::Header,
        }
    }
}

/// A packet that was received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Time to live, or hop limit.
    pub(crate) ttl: u8,
    pub(crate) carrier: Carrier,
    /// The message, or the whole packet, as the carrier has it.
    pub(crate) message: &'a [u8],
    /// Packets of this socket that the kernel has dropped so far, if it says so.
    pub(crate) overflows: Option<u32>,
    /// It is of those that the routers do not listen to: at the moment there is none that they do.
    pub(crate) is_another: bool,
    /// So long ago it came in, by a clock that may be set.
    pub(crate) waited: Duration,
}

/// One lane for each interface and family, with a socket of its own for authentication headers where they are used.
/// Nothing here waits, but for [`gather`](Self::gather).
pub(crate) trait Transport {
    /// Opens the lane's socket; open ones are replaced.
    fn open(
        &mut self,
        lane: LaneId,
        interface: &str,
        index: LinkIndex,
        family: Family,
    ) -> io::Result<()>;

    /// Opens the socket for authentication headers of an open lane over IPv4.
    fn open_header(&mut self, lane: LaneId, interface: &str, index: LinkIndex) -> io::Result<()>;

    fn close(&mut self, lane: LaneId);

    /// Says what the lane's routers listen to. All the rest is received too, but after it.
    fn listen(&mut self, _lane: LaneId, _listened: &Listened) -> io::Result<()> {
        Ok(())
    }

    fn send(
        &mut self,
        lane: LaneId,
        carrier: Carrier,
        source: IpAddr,
        destination: IpAddr,
        bytes: &[u8],
    ) -> io::Result<()>;

    /// Ready with a lane that can be received from; each gets its turn.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<LaneId>;

    /// Lets packets gather, `time` at most, before they are read: those of one sender come one by one and soon after each
    /// other, and to wake up for each costs more than to read it.
    fn gather(&mut self, _time: Duration) {}

    /// The next packet is to be looked for even if `lane` was not said to be ready since the last one.
    fn look_anyway(&mut self, _lane: LaneId) {}

    /// Has it read more packets of the last lane already, which are to be received before anything else is done?
    fn is_amid_batch(&self) -> bool {
        false
    }

    /// The next packet of `lane`, or `None` if there is none now.
    fn receive(&mut self, lane: LaneId) -> io::Result<Option<Datagram<'_>>>;
}
