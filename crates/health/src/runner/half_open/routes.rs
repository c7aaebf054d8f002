//! From where the probes of a target leave: which source address the kernel would choose, and the outlet for it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Protocol, Socket, Type};
use tracing::{debug, warn};

use super::outlet::{Outlet, OutletId};
use crate::socket::{self, SocketOptions};

/// How long a source address is taken for the right one where all is well. It is asked for again after any doubt, and
/// one that has gone from this machine cannot be used anyway.
const KEEP: Duration = Duration::from_secs(300);
/// How long no other attempt is made where no outlet could be opened.
const CLOSED: Duration = Duration::from_secs(60);
/// How long connections are made instead after answers were lost, or until those that wait have ended and a bit more.
const DISTRUST: Duration = Duration::from_secs(10);
const BIT_MORE: Duration = Duration::from_secs(1);
/// Each has some descriptors.
const MAX_OUTLETS: usize = 32;

#[derive(Debug)]
pub(super) struct Routes {
    groups: BTreeMap<SocketOptions, Group>,
    outlets: BTreeMap<OutletId, Entry>,
    opened: usize,
    tidied: Instant,
}

/// The targets whose probes leave as the same options say.
#[derive(Debug, Default)]
struct Group {
    askers: Askers,
    routes: BTreeMap<SocketAddr, Route>,
    outlets: BTreeMap<IpAddr, OutletId>,
    closed_until: Option<Instant>,
    /// Whether the log says so.
    told: bool,
}

#[derive(Debug)]
struct Route {
    outlet: OutletId,
    /// `None`: there is doubt.
    learned: Option<Instant>,
    /// Goes on with each probe, so that a port comes back late.
    turn: u8,
}

#[derive(Debug)]
struct Entry {
    outlet: Outlet,
    used: Instant,
    distrusted_until: Option<Instant>,
}

/// Where a probe may leave from.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) id: OutletId,
    pub(super) outlet: &'a Outlet,
    /// Which port is the first to be tried.
    pub(super) turn: u8,
}

/// Whether what was learned before will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Anew,
    AsKnown,
}

impl Routes {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            groups: BTreeMap::new(),
            outlets: BTreeMap::new(),
            opened: 0,
            tidied: now,
        }
    }

    /// The way to `target`; `None`: there is none for raw packets, and a connection will tell what is wrong.
    pub(super) fn find(
        &mut self,
        now: Instant,
        options: &SocketOptions,
        target: SocketAddr,
        source: Source,
    ) -> Option<Found<'_>> {
        if !is_usual(target) {
            return None;
        }
        if !self.groups.contains_key(options) {
            self.groups.insert(options.clone(), Group::default());
        }
        let group = self.groups.get(options)?;
        if group.closed_until.is_some_and(|until| now < until) {
            return None;
        }
        let known = match source {
            Source::Anew => None,
            Source::AsKnown => group.known(now, target),
        };
        let id = match known.filter(|id| self.outlets.contains_key(id)) {
            Some(id) => id,
            None => self.learn(now, options, target)?,
        };
        let route = self.groups.get_mut(options)?.routes.get_mut(&target)?;
        route.turn = route.turn.wrapping_add(1);
        let entry = self.outlets.get_mut(&id)?;
        entry.used = now;
        if entry.distrusted_until.is_some_and(|until| now < until) {
            return None;
        }
        Some(Found {
            id,
            outlet: &entry.outlet,
            turn: route.turn,
        })
    }

    fn learn(
        &mut self,
        now: Instant,
        options: &SocketOptions,
        target: SocketAddr,
    ) -> Option<OutletId> {
        let group = self.groups.get_mut(options)?;
        let source = group.askers.ask(options, target).ok()?;
        let open = group.outlets.get(&source).copied();
        let id = match open.filter(|id| self.outlets.contains_key(id)) {
            Some(id) => id,
            None => self.open(now, options, source)?,
        };
        let group = self.groups.get_mut(options)?;
        let route = group.routes.entry(target).or_insert(Route {
            outlet: id,
            learned: None,
            turn: 0,
        });
        route.outlet = id;
        route.learned = Some(now);
        Some(id)
    }

    fn open(&mut self, now: Instant, options: &SocketOptions, source: IpAddr) -> Option<OutletId> {
        let group = self.groups.get_mut(options)?;
        let outlet = if self.outlets.len() < MAX_OUTLETS {
            Outlet::open(options, source)
        } else {
            Err(Errno::MFILE.into())
        };
        let outlet = match outlet {
            Ok(outlet) => outlet,
            Err(error) if is_of_the_source(&error) => {
                debug!(%source, %error, "raw packets cannot leave from there");
                return None;
            }
            Err(error) => {
                group.closed_until = Some(now + CLOSED);
                if !std::mem::replace(&mut group.told, true) {
                    warn!(%source, %error, "raw sockets are of no use here: checks by TCP connect instead, which costs more");
                }
                return None;
            }
        };
        debug!(%source, ?options, "checks by TCP are made with raw sockets");
        group.told = false;
        self.opened += 1;
        let id = OutletId(self.opened);
        group.outlets.insert(source, id);
        self.outlets.insert(
            id,
            Entry {
                outlet,
                used: now,
                distrusted_until: None,
            },
        );
        Some(id)
    }

    pub(super) fn outlet(&self, id: OutletId) -> Option<&Outlet> {
        self.outlets.get(&id).map(|entry| &entry.outlet)
    }

    /// The way to `target` is in doubt.
    pub(super) fn doubt(&mut self, options: &SocketOptions, target: SocketAddr) {
        let group = self.groups.get_mut(options);
        if let Some(route) = group.and_then(|group| group.routes.get_mut(&target)) {
            route.learned = None;
        }
    }

    /// Whether answers may have been lost there, now or lately, so that silence says nothing. If so, no probe leaves
    /// from there for a while; `last`: when the last one that waits there does so no more.
    pub(super) fn has_lost(
        &mut self,
        now: Instant,
        id: OutletId,
        last: impl FnOnce() -> Option<Instant>,
    ) -> bool {
        let Some(entry) = self.outlets.get_mut(&id) else {
            return false;
        };
        if entry.outlet.has_lost() {
            warn!("answers to checks by TCP were lost: they connect instead for a while");
            let until = now + DISTRUST;
            let last = last().map_or(until, |last| last + BIT_MORE);
            entry.distrusted_until = Some(until.max(last));
        }
        entry.distrusted_until.is_some_and(|until| now < until)
    }

    pub(super) fn close(&mut self, id: OutletId) {
        self.outlets.remove(&id);
    }

    /// Forgets, now and then, what is not used any more.
    pub(super) fn tidy(&mut self, now: Instant) {
        if now < self.tidied + 2 * KEEP {
            return;
        }
        self.tidied = now;
        self.outlets.retain(|_, entry| now < entry.used + 2 * KEEP);
        for group in self.groups.values_mut() {
            let outlets = &self.outlets;
            group.outlets.retain(|_, id| outlets.contains_key(id));
            group.routes.retain(|_, route| {
                let learned = route.learned.is_some_and(|at| now < at + 2 * KEEP);
                learned && outlets.contains_key(&route.outlet)
            });
        }
        self.groups
            .retain(|_, group| group.told || !group.routes.is_empty());
    }
}

impl Group {
    fn known(&self, now: Instant, target: SocketAddr) -> Option<OutletId> {
        let route = self.routes.get(&target)?;
        let learned = route.learned?;
        (now < learned + KEEP).then_some(route.outlet)
    }
}

/// Sockets that send nothing, one for each family.
#[derive(Debug, Default)]
struct Askers {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

impl Askers {
    /// The source address of what leaves for `target`.
    fn ask(&mut self, options: &SocketOptions, target: SocketAddr) -> io::Result<IpAddr> {
        if let Some(source) = options.source {
            if source.is_ipv4() != target.is_ipv4() {
                return Err(Errno::AFNOSUPPORT.into());
            }
            return Ok(source);
        }
        let place = match target {
            SocketAddr::V4(_) => &mut self.v4,
            SocketAddr::V6(_) => &mut self.v6,
        };
        let asker = match place.take() {
            // Else it would keep the address that it has.
            Some(asker) => rustix::net::connect_unspec(&asker).map(|()| asker)?,
            None => socket::open(options, target.ip(), Type::DGRAM, Protocol::UDP)?,
        };
        asker.connect(&target.into())?;
        let address = asker.local_addr()?.as_socket();
        *place = Some(asker);
        let address = address.ok_or(Errno::AFNOSUPPORT)?;
        Ok(address.ip())
    }
}

/// Whether it is the address that cannot be bound, which has gone or needs an interface named with it.
fn is_of_the_source(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::INVAL))
}

/// Whether an address is one host's, and needs no interface named with it.
fn is_usual(target: SocketAddr) -> bool {
    if target.port() == 0 || target.ip().is_unspecified() || target.ip().is_multicast() {
        return false;
    }
    match target {
        SocketAddr::V4(target) => !target.ip().is_broadcast(),
        SocketAddr::V6(target) => {
            let ip = target.ip();
            let plain = target.scope_id() == 0 && target.flowinfo() == 0;
            plain && !ip.is_unicast_link_local() && ip.to_ipv4_mapped().is_none()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_raw_packets_are_not_for() {
        for target in [
            "192.0.2.1:80",
            "127.0.0.1:80",
            "[2001:db8::1]:80",
            "[::1]:80",
        ] {
            assert!(is_usual(target.parse().unwrap()), "{target}");
        }
        for target in [
            "192.0.2.1:0",
            "0.0.0.0:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::]:80",
            "[ff02::1]:80",
            "[fe80::1]:80",
            "[fe80::1%2]:80",
            "[::ffff:192.0.2.1]:80",
        ] {
            assert!(!is_usual(target.parse().unwrap()), "{target}");
        }
    }
}
