//! From the probes there are to those there should be, in linear time.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Core, Entry, Last, Member, State, entry};
use crate::runner::lag::Allowance;
use crate::runner::way::Trust;
use crate::runner::{Class, Counts, Probe, Subscriber, Subscription};
use crate::schedule::{Phase, ProbeId, Timing};
use crate::tracker::{Health, Tracker};

/// New probes are spread over so much time for each of them…
const FIRST_ROUND_EACH: Duration = Duration::from_micros(200);
/// …and over this at least.
const FIRST_ROUND_MIN: Duration = Duration::from_millis(100);

/// What a probe finds out.
type Name = (SocketAddr, Arc<str>);
/// What a probe is.
type Key = (Name, Timing, Class);

/// The subscribers of a probe, with what they believe.
struct Group {
    probe: Probe,
    subscribers: Vec<(Subscriber, Health)>,
    id: Option<ProbeId>,
}

/// What is known already by a probe that somebody joins.
type Known = Option<(Tracker, Instant)>;

fn name(probe: &Probe) -> Name {
    (probe.target, Arc::clone(&probe.identity))
}

fn key(probe: &Probe) -> Key {
    (name(probe), probe.timing, probe.class)
}

/// Those who want the same probe, together.
fn grouped(subscriptions: Vec<Subscription>) -> Vec<Group> {
    let by_subscriber: BTreeMap<Subscriber, Subscription> = subscriptions
        .into_iter()
        .map(|subscription| (subscription.subscriber, subscription))
        .collect();
    let mut groups: Vec<Group> = Vec::with_capacity(by_subscriber.len());
    let mut places = HashMap::with_capacity(by_subscriber.len());
    for (subscriber, subscription) in by_subscriber {
        let probe = subscription.probe;
        let place = *places.entry(key(&probe)).or_insert(groups.len());
        let member = (subscriber, subscription.initial);
        match groups.get_mut(place) {
            Some(group) => group.subscribers.push(member),
            None => groups.push(Group {
                probe,
                subscribers: vec![member],
                id: None,
            }),
        }
    }
    groups
}

impl Core {
    /// Replaces all that is probed.
    pub(in crate::runner) fn set(&mut self, now: Instant, subscriptions: Vec<Subscription>) {
        let mut groups = grouped(subscriptions);
        let gone = self.find(now, &mut groups);

        let (mut before, known) = self.take_members();
        let missing = groups.iter().filter(|group| group.id.is_none()).count();
        let spread = FIRST_ROUND_EACH
            .saturating_mul(u32::try_from(missing).unwrap_or(u32::MAX))
            .max(FIRST_ROUND_MIN);
        self.subscribers.clear();
        for group in groups {
            let id = match group.id {
                Some(id) => {
                    if let Some(entry) = entry(&mut self.entries, id) {
                        entry.probe = group.probe;
                    }
                    id
                }
                None => self.insert(now, group.probe, &group.subscribers, &before, spread),
            };
            let known = known.get(id.index()).cloned().flatten();
            let known = known.filter(|_| group.id.is_some());
            self.join(now, id, group.subscribers, &mut before, known.as_ref());
        }
        for id in gone {
            self.remove(id);
        }
    }

    /// Finds the probe of each group, changing its timing if only that is new, and those that nobody wants any more.
    fn find(&mut self, now: Instant, groups: &mut [Group]) -> Vec<ProbeId> {
        let mut there: HashMap<Key, ProbeId> = self
            .entries
            .iter()
            .flatten()
            .map(|entry| (key(&entry.probe), entry.id))
            .collect();
        for group in &mut *groups {
            group.id = there.remove(&key(&group.probe));
        }

        let mut spare: HashMap<Name, Vec<ProbeId>> = HashMap::new();
        for entry in self.entries.iter().flatten() {
            if there.contains_key(&key(&entry.probe)) {
                spare.entry(name(&entry.probe)).or_default().push(entry.id);
            }
        }
        for group in groups.iter_mut().filter(|group| group.id.is_none()) {
            group.id = spare.get_mut(&name(&group.probe)).and_then(Vec::pop);
            if let Some(id) = group.id {
                self.schedule.set_timing(now, id, group.probe.timing);
            }
        }
        let left = |entry: &&Entry| {
            let spare = spare.get(&name(&entry.probe));
            spare.is_some_and(|ids| ids.contains(&entry.id))
        };
        let gone = self.entries.iter().flatten().filter(left);
        gone.map(|entry| entry.id).collect()
    }

    /// All subscribers, with the probe they had; and what is known by each probe.
    fn take_members(&mut self) -> (HashMap<Subscriber, (Member, ProbeId)>, Vec<Known>) {
        let mut members = HashMap::with_capacity(self.subscribers.len());
        let mut known = Vec::with_capacity(self.entries.len());
        for place in &mut self.entries {
            let Some(entry) = place else {
                known.push(None);
                continue;
            };
            let told = entry
                .members
                .iter()
                .find(|member| member.reported.is_some());
            known.push(told.map(|member| (member.tracker.clone(), member.since)));
            for member in entry.members.drain(..) {
                members.insert(member.subscriber, (member, entry.id));
            }
        }
        (members, known)
    }

    /// Adds a probe.
    fn insert(
        &mut self,
        now: Instant,
        probe: Probe,
        subscribers: &[(Subscriber, Health)],
        before: &HashMap<Subscriber, (Member, ProbeId)>,
        spread: Duration,
    ) -> ProbeId {
        // Somebody may have known this server by a probe with another timing, which others keep.
        let last = subscribers
            .iter()
            .filter_map(|(subscriber, _)| before.get(subscriber))
            .filter_map(|(_, id)| self.entries.get(id.index())?.as_ref())
            .find(|other| name(&other.probe) == name(&probe))
            .map_or_else(Last::default, |other| other.last.clone());
        let phase = Phase::new(self.seed, probe.target, &probe.identity);
        let id = self.schedule.insert(now, phase, probe.timing, spread);
        if self.entries.len() <= id.index() {
            self.entries.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.entries.get_mut(id.index()) {
            *place = Some(Entry {
                id,
                probe,
                state: State::Idle,
                members: Vec::new(),
                last,
                counts: Counts::default(),
                allowance: Allowance::default(),
                trust: Trust::default(),
            });
        }
        id
    }

    /// Gives a probe its subscribers. Who had it before goes on; who is new is told what is known.
    fn join(
        &mut self,
        now: Instant,
        id: ProbeId,
        subscribers: Vec<(Subscriber, Health)>,
        before: &mut HashMap<Subscriber, (Member, ProbeId)>,
        known: Option<&(Tracker, Instant)>,
    ) {
        let mut members = Vec::with_capacity(subscribers.len());
        let Some(probe) = entry(&mut self.entries, id).map(|entry| entry.probe.clone()) else {
            return;
        };
        let Timing { rise, fall, .. } = probe.timing;
        for (subscriber, initial) in subscribers {
            self.subscribers.insert(subscriber, id);
            let goes_on = before
                .remove(&subscriber)
                .filter(|(_, old)| {
                    entry(&mut self.entries, *old)
                        .is_some_and(|old| name(&old.probe) == name(&probe))
                })
                .map(|(member, _)| member);
            let is_new = goes_on.is_none();
            let mut member = goes_on.unwrap_or_else(|| {
                let (tracker, since) = known
                    .cloned()
                    .unwrap_or_else(|| (Tracker::new(rise, fall, initial), now));
                Member {
                    subscriber,
                    tracker,
                    since,
                    reported: None,
                }
            });
            member.tracker.set_thresholds(rise, fall);
            if is_new
                && known.is_some()
                && let Some(entry) = entry(&mut self.entries, id)
            {
                member.report(&entry.last, &mut self.reports);
            }
            members.push(member);
        }
        if let Some(entry) = entry(&mut self.entries, id) {
            entry.members = members;
        }
    }

    fn remove(&mut self, id: ProbeId) {
        self.schedule.remove(id);
        let place = self.entries.get_mut(id.index());
        let Some(entry) = place.and_then(Option::take) else {
            return;
        };
        match entry.state {
            State::Idle | State::Queued => {}
            State::UnderWay { ticket, .. } => {
                self.limiter.leave(ticket);
                self.cancelled.push_back(id);
            }
        }
    }
}
