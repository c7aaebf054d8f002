//! Knows the truth about the LAN and says where an invariant breaks.

use locum_vrrp_election::transcript::Parameters;
use locum_vrrp_election::{Preempt, State};
use locum_vrrp_wire::Priority;

use super::Nanos;
use super::bounds::{Bounds, SLACK};
use super::invariant::{Checks, Invariant, Violation};
use super::scenario::Scenario;

#[derive(Debug)]
pub(crate) struct Referee {
    checks: Checks,
    vrids: Vec<Ranks>,
    /// How much unplanned trouble there is now, and when the last ended.
    troubles: u32,
    trouble_end: Nanos,
    /// Some effect failed in it.
    failed: bool,
    pub(crate) violation: Option<Violation>,
    pub(crate) times_settled: u64,
    pub(crate) times_planned: u64,
}

/// One VRID.
#[derive(Debug)]
struct Ranks {
    bounds: Bounds,
    each: Vec<Rank>,
    /// Machines, one bit for each: who is Master, who has the addresses and answers for them, who could be Master,
    /// who of those is good enough that nobody may preempt it.
    masters: u8,
    owners: u8,
    eligible: u8,
    acceptable: u8,
    /// From when on everything is in order.
    settled_from: Nanos,
    /// It was so once, and nothing but planned moves happened since.
    calm_since: Option<Nanos>,
    /// Who was Master when it was so, and who may take over from it for a reason.
    incumbent: Option<u8>,
    excused: u8,
    overlap_since: Nanos,
    last_master_at: Nanos,
    last_announcer: Option<u8>,
    /// A packet got lost since that was right: a Master may not know that it had a rival.
    lost: bool,
    /// How long it takes at most until a Master announces itself again for no reason.
    refresh: Nanos,
}

/// One virtual router on one machine.
#[derive(Debug)]
struct Rank {
    state: State,
    priority: Priority,
    preempts: bool,
    stands_by: bool,
    interval: Nanos,
    /// When it last advertised or tried to, and when it last succeeded; or became Master; or woke up.
    tried: Nanos,
    sent: Nanos,
    missed: u64,
}

impl Referee {
    pub(crate) fn new(scenario: &Scenario, checks: Checks) -> Self {
        let ranks = |vrid: u8| {
            let plans = scenario.machines.iter();
            let each =
                plans.map(|plan| plan.routers.get(usize::from(vrid)).and_then(Option::as_ref));
            let each = each.map(|plan| Rank {
                state: State::Initialize,
                priority: plan.map_or(Priority::STOP, |plan| plan.priority),
                preempts: plan.is_some_and(preempts),
                stands_by: false,
                interval: plan.map_or(Nanos::ZERO, |plan| plan.interval.duration().into()),
                tried: Nanos::ZERO,
                sent: Nanos::ZERO,
                missed: plan.map_or(0, |plan| u64::from(plan.missed_adverts.get())),
            });
            Ranks {
                bounds: Bounds::of(&scenario.variants(), vrid),
                each: each.collect(),
                masters: 0,
                owners: 0,
                eligible: 0,
                acceptable: 0,
                settled_from: Nanos::ZERO,
                calm_since: None,
                incumbent: None,
                excused: 0,
                overlap_since: Nanos::ZERO,
                last_master_at: Nanos::ZERO,
                last_announcer: None,
                lost: false,
                refresh: refresh(scenario, vrid),
            }
        };
        let mut referee = Self {
            checks,
            vrids: (0..scenario.vrids()).map(ranks).collect(),
            troubles: 0,
            trouble_end: Nanos::ZERO,
            failed: false,
            violation: None,
            times_settled: 0,
            times_planned: 0,
        };
        for vrid in 0..scenario.vrids() {
            referee.unsettle(Nanos::ZERO, vrid);
        }
        referee
    }

    /// Nothing unplanned is going on.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.troubles == 0
    }

    /// Something unplanned begins.
    pub(crate) fn trouble(&mut self) {
        self.troubles += 1;
        for ranks in &mut self.vrids {
            ranks.settled_from = Nanos::NEVER;
            ranks.calm_since = None;
            ranks.incumbent = None;
        }
    }

    /// It is over.
    pub(crate) fn trouble_over(&mut self, now: Nanos, failed: bool) {
        self.troubles = self.troubles.saturating_sub(1);
        self.trouble_end = now;
        self.failed |= failed;
        for vrid in 0..self.count() {
            self.unsettle(now, vrid);
        }
    }

    /// Something that was done on purpose changes who should be Master.
    pub(crate) fn planned(&mut self, now: Nanos, machine: u8, vrid: u8) {
        let settled = self.is_settled(now, vrid);
        let ranks = &mut self.vrids[usize::from(vrid)];
        self.times_planned += u64::from(ranks.calm_since.is_some());
        if !settled && !ranks.bounds.overlap_is_certain()
            || ranks.bounds.skew + SLACK >= ranks.bounds.leave
        {
            ranks.calm_since = None;
        }
        if ranks.incumbent == Some(machine) {
            ranks.incumbent = None;
        }
        ranks.excused |= 1 << machine;
        self.unsettle(now, vrid);
    }

    pub(crate) fn eligible(&mut self, now: Nanos, machine: u8, vrid: u8, eligible: bool) {
        let ranks = &mut self.vrids[usize::from(vrid)];
        let before = ranks.eligible;
        ranks.eligible = with(before, machine, eligible);
        if before == ranks.eligible {
            return;
        }
        if !eligible && ranks.incumbent == Some(machine) {
            ranks.incumbent = None;
        }
        if ranks.eligible == 0 {
            ranks.calm_since = None;
        }
        self.rank(vrid);
        self.unsettle(now, vrid);
    }

    pub(crate) fn priority(&mut self, now: Nanos, machine: u8, vrid: u8, priority: Priority) {
        self.vrids[usize::from(vrid)].each[usize::from(machine)].priority = priority;
        self.rank(vrid);
        self.planned(now, machine, vrid);
    }

    /// It has these parameters now.
    pub(crate) fn configured(
        &mut self,
        now: Nanos,
        machine: u8,
        vrid: u8,
        plan: &Parameters,
        priority: Priority,
    ) {
        let rank = &mut self.vrids[usize::from(vrid)].each[usize::from(machine)];
        rank.interval = plan.interval.duration().into();
        rank.preempts = preempts(plan);
        // What was in time by the longer interval is not late by the shorter one.
        rank.tried = rank.tried.max(now - rank.interval);
        rank.sent = now;
        self.priority(now, machine, vrid, priority);
    }

    pub(crate) fn priority_of(&self, machine: u8, vrid: u8) -> Priority {
        self.vrids[usize::from(vrid)].each[usize::from(machine)].priority
    }

    pub(crate) fn stands_by(&mut self, now: Nanos, machine: u8, vrid: u8, stands_by: bool) {
        let rank = &mut self.vrids[usize::from(vrid)].each[usize::from(machine)];
        if std::mem::replace(&mut rank.stands_by, stands_by) || stands_by {
            self.rank(vrid);
            self.planned(now, machine, vrid);
        }
    }

    /// It has taken the place of its predecessor.
    pub(crate) fn adopted(&mut self, now: Nanos, machine: u8, vrid: u8) {
        let ranks = &self.vrids[usize::from(vrid)];
        let others = ranks.masters & !(1 << machine);
        if others != 0 && self.troubles == 0 && ranks.calm_since.is_some() {
            self.broke(Invariant::AdoptsInTime, now, vrid, 1 << machine | others);
        }
    }

    pub(crate) fn state(&mut self, now: Nanos, machine: u8, vrid: u8, state: State) {
        let ranks = &mut self.vrids[usize::from(vrid)];
        let before = ranks.masters;
        ranks.masters = with(before, machine, state == State::Master);
        let rank = &mut ranks.each[usize::from(machine)];
        rank.state = state;
        if state == State::Preempting && rank.stands_by {
            self.broke(Invariant::StandsBy, now, vrid, 1 << machine);
            return;
        }
        if ranks.masters & !before == 0 {
            return;
        }
        (rank.tried, rank.sent) = (now, now);
        ranks.last_master_at = now;
        if let Some(incumbent) = ranks.incumbent
            && incumbent != machine
            && ranks.excused & (1 << machine) == 0
        {
            let (ours, theirs) = (
                &ranks.each[usize::from(machine)],
                &ranks.each[usize::from(incumbent)],
            );
            let preempts = ours.preempts && !ours.stands_by;
            if !(preempts && ours.priority > theirs.priority) {
                let both = 1 << machine | 1 << incumbent;
                self.broke(Invariant::UnforcedChange, now, vrid, both);
                return;
            }
        }
        self.vrids[usize::from(vrid)].incumbent = None;
    }

    pub(crate) fn owner(&mut self, now: Nanos, machine: u8, vrid: u8, owns: bool) {
        let ranks = &mut self.vrids[usize::from(vrid)];
        let before = ranks.owners;
        ranks.owners = with(before, machine, owns);
        if before.count_ones() < 2 && ranks.owners.count_ones() >= 2 {
            ranks.overlap_since = now;
        }
    }

    pub(crate) fn lost(&mut self, vrid: u8) {
        self.vrids[usize::from(vrid)].lost = true;
    }

    pub(crate) fn announced(&mut self, machine: u8, vrid: u8) {
        self.vrids[usize::from(vrid)].last_announcer = Some(machine);
    }

    pub(crate) fn advertised(&mut self, now: Nanos, machine: u8, vrid: u8, sent: bool) {
        self.silent(now, machine, vrid);
        let rank = &mut self.vrids[usize::from(vrid)].each[usize::from(machine)];
        rank.tried = now;
        if sent {
            rank.sent = now;
        }
    }

    /// It slept, and nothing is expected of it for that time.
    pub(crate) fn woke(&mut self, now: Nanos, machine: u8) {
        for ranks in &mut self.vrids {
            let rank = &mut ranks.each[usize::from(machine)];
            (rank.tried, rank.sent) = (now, now);
        }
    }

    /// After something happened to this virtual router on this machine, which runs.
    pub(crate) fn silent(&mut self, now: Nanos, machine: u8, vrid: u8) {
        let rank = &self.vrids[usize::from(vrid)].each[usize::from(machine)];
        if rank.state != State::Master {
            return;
        }
        let tried = now - rank.tried > rank.interval + SLACK;
        let sent = now - rank.sent > rank.interval.times(rank.missed + 1) + SLACK;
        if tried || sent {
            self.broke(Invariant::NoSilentMaster, now, vrid, 1 << machine);
        }
    }

    pub(crate) fn held_without_right(&mut self, now: Nanos, machine: u8, vrid: u8) {
        self.broke(Invariant::HeldByRight, now, vrid, 1 << machine);
    }

    /// After each step.
    pub(crate) fn check(&mut self, now: Nanos, vrid: u8) {
        self.check_owners(now, vrid);
        let settled = self.is_settled(now, vrid);
        let ranks = &mut self.vrids[usize::from(vrid)];
        if !settled || ranks.eligible == 0 {
            return;
        }
        let broken = if ranks.masters.count_ones() != 1 {
            Some((Invariant::OneMaster, ranks.masters))
        } else if ranks.masters & ranks.acceptable == 0 {
            Some((Invariant::BestMaster, ranks.masters | ranks.acceptable))
        } else if ranks.masters & ranks.owners == 0 {
            Some((Invariant::MasterOwns, ranks.masters))
        } else if ranks
            .last_announcer
            .is_some_and(|last| ranks.masters == 1 << last)
        {
            ranks.lost = false;
            None
        } else if ranks.lost && now <= ranks.settled_from + ranks.refresh {
            None
        } else {
            Some((Invariant::LastAnnouncement, ranks.masters))
        };
        if let Some((invariant, machines)) = broken {
            self.broke(invariant, now, vrid, machines);
            return;
        }
        if ranks.calm_since.is_none() {
            ranks.calm_since = Some(now);
        }
        if ranks.incumbent.is_none() {
            self.times_settled += 1;
            ranks.incumbent = u8::try_from(ranks.masters.trailing_zeros()).ok();
        }
        ranks.excused = 0;
        if self.vrids.iter().all(|ranks| now >= ranks.settled_from) {
            self.failed = false;
        }
    }

    fn check_owners(&mut self, now: Nanos, vrid: u8) {
        let ranks = &self.vrids[usize::from(vrid)];
        if ranks.owners == 0 && ranks.calm_since.is_some() {
            self.broke(Invariant::NoGap, now, vrid, ranks.eligible);
        } else if ranks.owners.count_ones() >= 2 && self.troubles == 0 {
            let since = ranks.overlap_since.max(ranks.last_master_at);
            let calm = ranks
                .calm_since
                .is_some_and(|calm| calm <= ranks.overlap_since);
            let end = if calm {
                // Several of them may be leaving, with nobody to succeed them yet.
                let leaving = if ranks.masters == 0 {
                    ranks.bounds.leave
                } else {
                    Nanos::ZERO
                };
                since + leaving + ranks.bounds.handover()
            } else {
                since.max(self.trouble_end) + ranks.bounds.second_owner()
            };
            if now > end {
                self.broke(Invariant::SecondOwner, now, vrid, ranks.owners);
            }
        }
    }

    fn is_settled(&self, now: Nanos, vrid: u8) -> bool {
        self.troubles == 0 && now >= self.vrids[usize::from(vrid)].settled_from
    }

    fn unsettle(&mut self, now: Nanos, vrid: u8) {
        let failed = self.failed;
        let ranks = &mut self.vrids[usize::from(vrid)];
        ranks.settled_from = if self.troubles == 0 {
            now + ranks.bounds.settling(failed)
        } else {
            Nanos::NEVER
        };
    }

    /// Who is good enough: nobody who could be Master is better and preempts.
    fn rank(&mut self, vrid: u8) {
        let ranks = &mut self.vrids[usize::from(vrid)];
        let eligible = |machine: &usize| ranks.eligible & (1 << machine) != 0;
        let each = &ranks.each;
        let acceptable = (0..each.len()).filter(eligible).filter(|one| {
            let mut others = (0..each.len()).filter(eligible);
            let preempts = |one: usize| each[one].preempts && !each[one].stands_by;
            others.all(|other| !preempts(other) || each[other].priority <= each[*one].priority)
        });
        ranks.acceptable = acceptable.fold(0, |all, one| all | 1 << one);
    }

    fn count(&self) -> u8 {
        u8::try_from(self.vrids.len()).unwrap_or(u8::MAX)
    }

    fn broke(&mut self, invariant: Invariant, at: Nanos, vrid: u8, machines: u8) {
        if self.checks.has(invariant) && self.violation.is_none() {
            self.violation = Some(Violation {
                invariant,
                at,
                vrid,
                machines,
            });
        }
    }
}

fn preempts(plan: &Parameters) -> bool {
    plan.priority.is_owner() || matches!(plan.preempt, Preempt::Allow { .. })
}

fn refresh(scenario: &Scenario, vrid: u8) -> Nanos {
    let routers = scenario
        .machines
        .iter()
        .flat_map(|plan| plan.routers.get(usize::from(vrid)));
    let each = routers.flatten().map(|plan| plan.announce.refresh);
    let each = each.map(|refresh| refresh.map_or(Nanos::NEVER, |every| Nanos::from(every) + SLACK));
    each.max().unwrap_or_default()
}

const fn with(mask: u8, machine: u8, on: bool) -> u8 {
    if on {
        mask | 1 << machine
    } else {
        mask & !(1 << machine)
    }
}
