//! One interface and family: its socket, and which of its VRIDs is whose.

use std::sync::Arc;
use std::time::Instant;

use locum_vip::LinkIndex;
use locum_vrrp_wire::Vrid;

use crate::command::RouterId;
use crate::config::Family;
use crate::status::LinkCounters;
use crate::transport::Carrier;

#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) interface: Arc<str>,
    pub(crate) family: Family,
    routers: Box<[Option<RouterId>; 256]>,
    /// The interface that the open socket is bound to.
    pub(crate) open: Option<LinkIndex>,
    /// A router here authenticates by header, which takes a socket of its own.
    pub(crate) wants_header: bool,
    pub(crate) header_open: bool,
    /// The last attempt to open it failed, and that was said.
    pub(crate) failed: bool,
    /// The next attempt is in the queue.
    pub(crate) reopening: bool,
    pub(crate) counters: LinkCounters,
    /// When nothing that its routers listen to was left to be read, as far as is known.
    pub(crate) read_to_its_end: Option<Instant>,
    /// Of each of the sockets.
    overflows_seen: Overflows,
}

/// What the kernel has said of each socket.
#[derive(Debug, Default)]
struct Overflows {
    header: u32,
    plain: u32,
}

impl Lane {
    pub(crate) fn new(interface: Arc<str>, family: Family) -> Self {
        Self {
            interface,
            family,
            routers: Box::new([None; 256]),
            open: None,
            wants_header: false,
            header_open: false,
            failed: false,
            reopening: false,
            counters: LinkCounters::default(),
            read_to_its_end: None,
            overflows_seen: Overflows::default(),
        }
    }

    pub(crate) fn router(&self, vrid: u8) -> Option<RouterId> {
        self.routers.get(usize::from(vrid)).copied().flatten()
    }

    pub(crate) fn set_router(&mut self, vrid: Vrid, router: Option<RouterId>) {
        if let Some(slot) = self.routers.get_mut(usize::from(vrid.get())) {
            *slot = router;
        }
    }

    /// Which VRIDs have a router.
    pub(crate) fn vrids(&self) -> Box<[bool; 256]> {
        let mut vrids = Box::new([false; 256]);
        for (wanted, router) in vrids.iter_mut().zip(&*self.routers) {
            *wanted = router.is_some();
        }
        vrids
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.routers.iter().all(Option::is_none)
    }

    pub(crate) fn routers(&self) -> impl Iterator<Item = RouterId> + '_ {
        self.routers.iter().copied().flatten()
    }

    /// The socket is a new one: its count of overflows starts again.
    pub(crate) const fn opened(&mut self, index: LinkIndex) {
        self.open = Some(index);
        self.header_open = false;
        self.overflows_seen.plain = 0;
    }

    /// So is the one for authentication headers.
    pub(crate) const fn header_opened(&mut self) {
        self.header_open = true;
        self.overflows_seen.header = 0;
    }

    /// Can a router advertise here that does, or does not, authenticate by header?
    pub(crate) const fn carries(&self, header: bool) -> bool {
        self.open.is_some() && (self.header_open || !header)
    }

    /// The kernel's running count, which wraps around.
    pub(crate) fn overflowed(&mut self, carrier: Carrier, total: u32) {
        let seen = match carrier {
            Carrier::Header => &mut self.overflows_seen.header,
            Carrier::Plain => &mut self.overflows_seen.plain,
        };
        let new = total.wrapping_sub(*seen);
        *seen = total;
        self.counters.receive_queue_overflows += u64::from(new);
    }
}
