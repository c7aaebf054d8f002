//! Many servers that fail together: more likely our own network than all of them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use super::server::Standing;
use crate::site::MassFailure;

/// Counts failures, each address once however many pools it is in, and says when there are too many at once.
///
/// An address has failed when none of its servers that were up is up any more: a site that fails on all of its
/// servers, beside others on the same ones that work, is not our network's fault.
#[derive(Debug, Default)]
pub(super) struct Burst {
    settings: Option<MassFailure>,
    targets: BTreeMap<SocketAddr, Target>,
    /// Addresses with a server that is up.
    up: usize,
    /// Addresses that failed in the window.
    fallen: usize,
    /// Failures, oldest first; one that its target no longer remembers is over.
    falls: VecDeque<(Instant, SocketAddr)>,
    until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Target {
    up: usize,
    fell: Option<Instant>,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is one too many: a hold begins.
    Begin,
    /// A hold is on.
    Hold,
    /// The server is taken out.
    Let,
}

impl Burst {
    /// Counts anew which of the servers are up. Failures in the window, and a hold, are remembered.
    pub(super) fn recount(
        &mut self,
        settings: Option<MassFailure>,
        servers: impl Iterator<Item = (SocketAddr, Standing)>,
    ) {
        let old = std::mem::take(&mut self.targets);
        for (address, standing) in servers {
            let target = self.targets.entry(address).or_default();
            target.up = target
                .up
                .saturating_add(usize::from(standing == Standing::Up));
        }
        for (address, was) in old {
            if let Some(target) = self.targets.get_mut(&address)
                && target.up == 0
            {
                target.fell = was.fell;
            }
        }
        let targets = self.targets.values();
        self.fallen = targets.clone().filter(|one| one.fell.is_some()).count();
        self.up = targets.filter(|one| one.up > 0).count();
        self.settings = settings;
    }

    /// The end of the hold.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) const fn settings(&self) -> Option<MassFailure> {
        self.settings
    }

    pub(super) const fn end(&mut self) {
        self.until = None;
    }

    pub(super) fn rose(&mut self, address: SocketAddr) {
        let target = self.targets.entry(address).or_default();
        if target.up == 0 {
            self.up = self.up.saturating_add(1);
            if target.fell.take().is_some() {
                self.fallen = self.fallen.saturating_sub(1);
            }
        }
        target.up = target.up.saturating_add(1);
    }

    pub(super) fn fell(&mut self, now: Instant, address: SocketAddr) -> Verdict {
        let Some(target) = self.targets.get_mut(&address) else {
            return Verdict::Let;
        };
        target.up = target.up.saturating_sub(1);
        let gone = target.up == 0;
        if gone {
            self.up = self.up.saturating_sub(1);
        }
        let Some(settings) = self.settings else {
            return Verdict::Let;
        };
        if self.until.is_some() {
            return Verdict::Hold;
        }
        if !gone {
            return Verdict::Let;
        }
        target.fell = Some(now);
        self.falls.push_back((now, address));
        self.fallen = self.fallen.saturating_add(1);
        self.forget(now, &settings);
        if self.is_one_too_many(&settings) {
            self.forget_all();
            self.until = Some(now + settings.hold);
            return Verdict::Begin;
        }
        Verdict::Let
    }

    fn is_one_too_many(&self, settings: &MassFailure) -> bool {
        let enough = usize::try_from(settings.at_least).unwrap_or(usize::MAX);
        let were_up = self.up.saturating_add(self.fallen);
        self.fallen >= enough
            && self.fallen.saturating_mul(100)
                >= were_up.saturating_mul(usize::from(settings.percent))
    }

    /// Forgets what is older than the window.
    fn forget(&mut self, now: Instant, settings: &MassFailure) {
        while let Some((at, address)) = self.falls.front().copied() {
            if now.saturating_duration_since(at) <= settings.within {
                break;
            }
            self.falls.pop_front();
            self.forget_one(at, address);
        }
    }

    fn forget_all(&mut self) {
        while let Some((at, address)) = self.falls.pop_front() {
            self.forget_one(at, address);
        }
    }

    fn forget_one(&mut self, at: Instant, address: SocketAddr) {
        if let Some(target) = self.targets.get_mut(&address)
            && target.fell == Some(at)
        {
            target.fell = None;
            self.fallen = self.fallen.saturating_sub(1);
        }
    }
}
