//! One virtual router in the engine: its election, what it says, and what it told of itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use locum_vrrp_election::{Election, Link, State, Transition};
use tokio::sync::{oneshot, watch};

use crate::addresses::{Hold, Leftovers, Wanted};
use crate::config::RouterConfig;
use crate::group::{Groups, Seat};
use crate::packet::Packet;
use crate::receive::Receiver;
use crate::shown::Shown;
use crate::status::{AddressStatus, DropCounters, LinkCounters, RouterStatus};
use crate::transport::LaneId;

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: Arc<str>,
    pub(crate) config: RouterConfig,
    pub(crate) lane: LaneId,
    pub(crate) seat: Seat,
    /// When its election is to be told that it is time.
    pub(crate) due: Option<Instant>,
    /// When the engine's queue has it looked at: no later.
    pub(crate) queued: Option<Instant>,
    /// What the election was last told.
    pub(crate) link: Link,
    pub(crate) source: Option<IpAddr>,
    pub(crate) receiver: Receiver,
    pub(crate) packet: Packet,
    pub(crate) wanted: watch::Sender<Wanted>,
    /// The addresses are, or may be, on the interface by our doing.
    pub(crate) holding: bool,
    pub(crate) dropped: DropCounters,
    pub(crate) status: watch::Sender<RouterStatus>,
    /// What of it is news when it changes.
    shown: Shown,
    /// When all of it was last published.
    pub(crate) published: Instant,
    /// It waits for its turn to publish what it has counted since.
    pub(crate) has_counted: bool,
    /// What an earlier process left behind may still be taken over.
    keeps_leftovers: bool,
    /// Whoever waits for its end; `Some` once it has been told to stop.
    pub(crate) stop: Option<Vec<oneshot::Sender<()>>>,
    /// What was said once and is not repeated.
    pub(crate) said: Said,
    /// Its beginning is in the transcript.
    pub(crate) recorded: bool,
}

/// Failures that last are said when they begin.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) send_failed: bool,
    pub(crate) release_failed: bool,
    /// Of whom.
    pub(crate) other_addresses: Option<IpAddr>,
}

impl Instance {
    pub(crate) fn new(
        name: Arc<str>,
        interface: Arc<str>,
        config: RouterConfig,
        lane: LaneId,
        seat: Seat,
        now: Instant,
    ) -> Self {
        // What any election is like at first.
        let election = Election::new(*config.election());
        let status = RouterStatus {
            name: Arc::clone(&name),
            interface,
            vrid: config.vrid(),
            version: config.version(),
            priority: election.priority(),
            state: election.state(),
            since: now,
            last_transition: None,
            stands_by: election.stands_by(),
            faults: election.faults(),
            source: None,
            master: None,
            last_master: None,
            addresses: config
                .addresses()
                .iter()
                .map(|address| AddressStatus {
                    address: *address,
                    held: false,
                })
                .collect(),
            stats: *election.stats(),
            dropped: DropCounters::default(),
            link: LinkCounters::default(),
            addresses_restored: 0,
            announcements_sent: 0,
        };
        let wanted = Wanted {
            addresses: config.addresses().into(),
            ..Wanted::default()
        };
        Self {
            receiver: Receiver::new(&config),
            packet: Packet::new(&config),
            name,
            config,
            lane,
            seat,
            due: None,
            queued: None,
            link: Link::Down,
            source: None,
            wanted: watch::Sender::new(wanted),
            holding: false,
            dropped: DropCounters::default(),
            status: watch::Sender::new(status),
            shown: Shown::of(&election, None),
            published: now,
            has_counted: false,
            keeps_leftovers: false,
            stop: None,
            said: Said::default(),
            recorded: false,
        }
    }

    /// Is there more to publish than counters, and when its Master was last heard? Those are published now and then, since
    /// to do it for each packet of many routers costs more than all the rest.
    pub(crate) fn has_news(&mut self, groups: &Groups) -> bool {
        let Some(election) = self.seat.election(groups) else {
            return false;
        };
        let shown = Shown::of(election, self.source);
        let is_news = !self.shown.is_as(&shown);
        if !is_news {
            self.shown = shown;
        }
        is_news
    }

    /// Publishes what changed. Counters are updated in silence.
    pub(crate) fn publish(&mut self, now: Instant, groups: &Groups, link: LinkCounters) {
        let Some(election) = self.seat.election(groups) else {
            return;
        };
        self.published = now;
        self.shown = Shown::of(election, self.source);
        let Self { shown, dropped, .. } = self;
        self.status.send_if_modified(|status| {
            status.stats = *election.stats();
            status.dropped = *dropped;
            status.link = link;
            shown.publish(status)
        });
    }

    pub(crate) fn transited(&self, now: Instant, transition: Transition) {
        self.status.send_modify(|status| {
            status.state = transition.to;
            status.since = now;
            status.last_transition = Some(transition);
            status.last_master = self.shown.master().or(status.last_master);
        });
    }

    /// Has the addresses held; false if the address task is gone, which takes a driver that panics.
    #[must_use]
    pub(crate) fn hold(&self, hold: Hold) -> bool {
        self.wanted.send_modify(|wanted| wanted.hold = Some(hold));
        !self.wanted.is_closed()
    }

    /// What an earlier process left behind may be taken over.
    pub(crate) fn keep_leftovers(&mut self) {
        self.keeps_leftovers = true;
        self.wanted
            .send_modify(|wanted| wanted.leftovers = Leftovers::Keep);
    }

    /// Once it cannot be, it is cleared away.
    pub(crate) fn clear_leftovers(&mut self, now: Instant, groups: &Groups) {
        if !self.keeps_leftovers {
            return;
        }
        let decided = |election: &Election| {
            election.state() != State::Initialize && !election.is_adopting(now)
        };
        if self.seat.election(groups).is_some_and(decided) {
            self.keeps_leftovers = false;
            self.wanted
                .send_modify(|wanted| wanted.leftovers = Leftovers::Clear);
        }
    }

    /// Publishes other addresses, with what is known of those that stay.
    pub(crate) fn set_addresses(&self, addresses: &[IpNet]) {
        self.status.send_modify(|status| {
            let held = |address: &IpNet| {
                let mut known = status.addresses.iter();
                known.any(|one| one.address == *address && one.held)
            };
            status.addresses = addresses
                .iter()
                .map(|address| AddressStatus {
                    address: *address,
                    held: held(address),
                })
                .collect();
        });
    }

    /// Publishes which addresses are held.
    pub(crate) fn set_held(&self, held: impl Fn(usize) -> bool) {
        self.status.send_if_modified(|status| {
            let changed = status
                .addresses
                .iter()
                .enumerate()
                .any(|(index, one)| one.held != held(index));
            if changed {
                status.addresses = status
                    .addresses
                    .iter()
                    .enumerate()
                    .map(|(index, one)| AddressStatus {
                        held: held(index),
                        ..*one
                    })
                    .collect();
            }
            changed
        });
    }
}
