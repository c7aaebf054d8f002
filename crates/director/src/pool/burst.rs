//! Many servers that fail together: more likely our own network than all of them.

use std::collections::VecDeque;
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
    /// [`Self::recount`] was called.
    counted: bool,
    targets: Targets,
    /// Addresses with a server that is up.
    up: usize,
    /// Addresses that failed in the window.
    fallen: usize,
    /// Failures, oldest first; one that its target no longer remembers is over.
    falls: VecDeque<(Instant, SocketAddr)>,
    until: Option<Instant>,
}

/// Addresses with what is known of them, in order: a large site has tens of thousands, and they seldom change.
#[derive(Debug, Default)]
struct Targets(Vec<Target>);

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    /// So many of its servers are up.
    up: usize,
    fell: Option<Instant>,
}

impl Target {
    fn new(address: SocketAddr, standing: Standing) -> Self {
        Self {
            address,
            up: usize::from(standing == Standing::Up),
            fell: None,
        }
    }
}

impl Targets {
    /// Those of `servers`, each once.
    fn new(servers: impl Iterator<Item = (SocketAddr, Standing)>) -> Self {
        let targets = servers.map(|(address, standing)| Target::new(address, standing));
        let mut targets: Vec<Target> = targets.collect();
        targets.sort_unstable_by_key(|target| target.address);
        targets.dedup_by(|later, kept| {
            let same = later.address == kept.address;
            if same {
                kept.up = kept.up.saturating_add(later.up);
            }
            same
        });
        Self(targets)
    }

    fn find(&self, address: SocketAddr) -> Result<usize, usize> {
        self.0
            .binary_search_by_key(&address, |target| target.address)
    }

    fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Target> {
        let index = self.find(address).ok()?;
        self.0.get_mut(index)
    }

    /// Has `address` among them.
    fn admit(&mut self, address: SocketAddr) {
        if let Err(index) = self.find(address) {
            self.0.insert(index, Target::new(address, Standing::Down));
        }
    }
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
    /// The servers are counted later.
    pub(super) const fn begin(&mut self, settings: Option<MassFailure>) {
        self.settings = settings;
    }

    pub(super) const fn is_counted(&self) -> bool {
        self.counted
    }

    /// Counts anew which of the servers are up. Failures in the window, and a hold, are remembered.
    pub(super) fn recount(
        &mut self,
        settings: Option<MassFailure>,
        servers: impl Iterator<Item = (SocketAddr, Standing)>,
    ) {
        let old = std::mem::replace(&mut self.targets, Targets::new(servers));
        for was in old.0 {
            if let Some(target) = self.targets.get_mut(was.address)
                && target.up == 0
            {
                target.fell = was.fell;
            }
        }
        let targets = self.targets.0.iter();
        self.fallen = targets.clone().filter(|one| one.fell.is_some()).count();
        self.up = targets.filter(|one| one.up > 0).count();
        self.settings = settings;
        self.counted = true;
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
        self.targets.admit(address);
        let Some(target) = self.targets.get_mut(address) else {
            return;
        };
        if target.up == 0 {
            self.up = self.up.saturating_add(1);
            if target.fell.take().is_some() {
                self.fallen = self.fallen.saturating_sub(1);
            }
        }
        target.up = target.up.saturating_add(1);
    }

    pub(super) fn fell(&mut self, now: Instant, address: SocketAddr) -> Verdict {
        let Some(target) = self.targets.get_mut(address) else {
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
        if let Some(target) = self.targets.get_mut(address)
            && target.fell == Some(at)
        {
            target.fell = None;
            self.fallen = self.fallen.saturating_sub(1);
        }
    }
}
