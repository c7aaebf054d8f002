//! One server of one pool: what its checks say, and what follows for its entry in the table.

use std::sync::Arc;
use std::time::Instant;

use locum_health::{CheckError, Health};
use locum_ipvs::{Destination, Weight};

use super::interface::{Reason, Slot};
use crate::overrides::ServerWish;
use crate::site::{Admin, Check, Initial, OnFailure, RealServer};

/// What the checks of a server say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet: none failed, but not all have passed.
    Checking,
    /// One failed.
    Down,
    /// All pass.
    Up,
}

/// What the administrator wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nothing any more.
    Drained,
    /// To finish its connections by then.
    Draining { until: Instant },
    /// Nothing, at once and for now.
    Maintenance,
    /// To serve.
    Ready,
}

/// What the kernel's table had of a server before anything was known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Absent,
    /// An entry without new connections.
    Quiesced,
    /// An entry in use.
    Serving,
}

/// Connections, over all services of the kernel that belong to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Connections {
    /// In use.
    pub(crate) active: u64,
    /// Ending; all of UDP.
    pub(crate) inactive: u64,
}

/// A check of a server, which is the one in the same place of its configuration.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) slot: Slot,
    pub(super) health: Health,
    /// It has a result of its own, not only what was believed before.
    pub(super) reported: bool,
    pub(super) weight: Option<u32>,
    pub(super) error: Option<Arc<CheckError>>,
}

impl Probe {
    pub(super) const fn new(slot: Slot, health: Health) -> Self {
        Self {
            slot,
            health,
            reported: false,
            weight: None,
            error: None,
        }
    }
}

/// Small, and without what the configuration says: a large site has tens of thousands, and its start spends its time on
/// memory.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) probes: Box<[Probe]>,
    /// When what it is in the report last changed.
    pub(super) since: Instant,
    /// `None` if it is as it is at first.
    extra: Option<Box<Extra>>,
}

/// What few servers have at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) duty: Duty,
    /// What the operator wants otherwise than the configuration, at run time.
    pub(super) wish: Option<ServerWish>,
    /// When it was last found down that had been up, until it is up again or a hold has ended.
    pub(super) fell: Option<Instant>,
    /// It is down, but stays as it was since a hold is on.
    pub(super) held: bool,
    /// It has an entry without new connections from before, which stays until something is known.
    pub(super) lingers: bool,
    pub(super) connections: Connections,
}

impl Extra {
    const FIRST: Self = Self {
        duty: Duty::Ready,
        wish: None,
        fell: None,
        held: false,
        lingers: false,
        connections: Connections {
            active: 0,
            inactive: 0,
        },
    };
}

impl Server {
    pub(super) fn new(
        now: Instant,
        config: &RealServer,
        initial: Initial,
        found: Found,
        mut slot: impl FnMut() -> Slot,
    ) -> Self {
        let believed = match (initial, found) {
            (Initial::Checking, Found::Serving) | (Initial::Up, _) => Health::Up,
            (Initial::Checking, Found::Absent | Found::Quiesced) => Health::Unknown,
            (Initial::Down, _) => Health::Down,
        };
        let checks = config.checks.iter();
        let mut server = Self {
            probes: checks.map(|_| Probe::new(slot(), believed)).collect(),
            since: now,
            extra: None,
        };
        let lingers = server.standing() == Standing::Checking && found != Found::Absent;
        server.change(|extra| extra.lingers = lingers);
        server
    }

    pub(super) fn extra(&self) -> &Extra {
        self.extra.as_deref().unwrap_or(&Extra::FIRST)
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Extra)) {
        let mut changed = *self.extra();
        change(&mut changed);
        match &mut self.extra {
            _ if changed == Extra::FIRST => self.extra = None,
            Some(extra) => **extra = changed,
            None => self.extra = Some(Box::new(changed)),
        }
    }

    /// That it was down plays no part any more.
    pub(super) fn recover(&mut self) {
        self.change(|extra| (extra.held, extra.fell) = (false, None));
    }

    /// Its checks, with what they say.
    pub(super) fn probes<'a>(
        &'a self,
        config: &'a RealServer,
    ) -> impl Iterator<Item = (&'a Check, &'a Probe)> {
        config.checks.iter().zip(&self.probes)
    }

    /// All must pass. A server without checks is up.
    pub(super) fn standing(&self) -> Standing {
        let worst = self.probes.iter().map(|probe| match probe.health {
            Health::Unknown => Standing::Checking,
            Health::Up => Standing::Up,
            Health::Down => Standing::Down,
        });
        worst.fold(Standing::Up, |all, one| match (all, one) {
            (Standing::Down, _) | (_, Standing::Down) => Standing::Down,
            (Standing::Checking, _) | (_, Standing::Checking) => Standing::Checking,
            (Standing::Up, Standing::Up) => Standing::Up,
        })
    }

    pub(super) fn unreported(&self) -> usize {
        self.probes.iter().filter(|probe| !probe.reported).count()
    }

    /// What the operator wants, or the least of the weights that its checks ask for, or what is configured.
    pub(super) fn weight(&self, config: &RealServer) -> Weight {
        let wished = match self.extra().wish {
            Some(ServerWish::Weight(weight)) => Some(weight),
            Some(ServerWish::Drain | ServerWish::Maintenance | ServerWish::Ready) | None => None,
        };
        let asked = self.probes.iter().filter_map(|probe| probe.weight).min();
        wished.or(asked).map_or(config.weight, |weight| {
            let most = i32::MAX.unsigned_abs();
            Weight::new(weight.min(most)).unwrap_or(config.weight)
        })
    }

    /// It gets new connections if its service gives it any.
    pub(super) fn in_service(&self) -> bool {
        let extra = self.extra();
        extra.duty == Duty::Ready && (extra.held || self.standing() == Standing::Up)
    }

    /// What it adds to the quorum.
    pub(super) fn counted(&self, config: &RealServer) -> u64 {
        if self.in_service() {
            self.weight(config).get().into()
        } else {
            0
        }
    }

    /// The weight of its entry in the table; `None`: it has none.
    pub(super) fn entry(&self, config: &RealServer, on_failure: OnFailure) -> Option<Weight> {
        let extra = self.extra();
        match (extra.duty, self.standing(), on_failure) {
            (Duty::Drained | Duty::Maintenance, _, _) => None,
            (Duty::Draining { .. }, _, _) => Some(Weight::ZERO),
            (Duty::Ready, _, _) if self.in_service() => Some(self.weight(config)),
            (Duty::Ready, Standing::Checking, _) => extra.lingers.then_some(Weight::ZERO),
            (Duty::Ready, Standing::Down | Standing::Up, OnFailure::Quiesce) => Some(Weight::ZERO),
            (Duty::Ready, Standing::Down | Standing::Up, OnFailure::Remove) => None,
        }
    }

    /// The first check that fails.
    pub(super) fn reason(&self, config: &RealServer) -> Option<Reason> {
        let mut probes = self.probes(config);
        let (check, probe) = probes.find(|(_, probe)| probe.health == Health::Down)?;
        Some(Reason {
            check: Reason::kind(&check.kind),
            target: check.target,
            error: probe.error.clone(),
        })
    }

    /// Does what the operator wants, or else the configuration. A server that is to drain does so if it is in the table;
    /// there is nothing to drain otherwise.
    pub(super) fn assign(
        &mut self,
        now: Instant,
        until: Option<Instant>,
        admin: Admin,
        found: Found,
    ) {
        self.change(|extra| extra.lingers &= found != Found::Absent);
        let begins_to_drain = match (until, found) {
            (Some(until), Found::Quiesced | Found::Serving) => Duty::Draining { until },
            (None, _) | (_, Found::Absent) => Duty::Drained,
        };
        let extra = self.extra();
        let was = extra.duty;
        let duty = match (extra.wish, admin, was) {
            (Some(ServerWish::Maintenance), _, _) => Duty::Maintenance,
            (Some(ServerWish::Ready), _, _)
            | (Some(ServerWish::Weight(_)) | None, Admin::Ready, _) => Duty::Ready,
            (Some(ServerWish::Drain), _, duty)
            | (Some(ServerWish::Weight(_)) | None, Admin::Drain, duty) => match duty {
                Duty::Drained | Duty::Draining { .. } => duty,
                Duty::Maintenance => Duty::Drained,
                Duty::Ready => begins_to_drain,
            },
        };
        if was != duty {
            self.be(now, duty);
        }
    }

    /// What is out of the table does not linger there when it comes back.
    pub(super) fn be(&mut self, now: Instant, duty: Duty) {
        self.since = now;
        self.change(|extra| {
            extra.duty = duty;
            match duty {
                Duty::Drained | Duty::Maintenance => extra.lingers = false,
                Duty::Draining { .. } | Duty::Ready => {}
            }
        });
    }
}

/// The entry of a server, with its configured weight.
pub(super) fn destination(config: &RealServer) -> Destination {
    let plain = Destination::new(config.address(), config.forward).weight(config.weight);
    config
        .thresholds
        .map_or(plain, |limits| plain.thresholds(limits))
}
