//! In which order plans are carried out. A router that stops hands over first, which takes some of its intervals. The rest
//! of the plan waits for that only if it needs something that the router still has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use locum_vrrp::{Family, RouterConfig};

use super::plan::{Parties, Plan, Unit};

/// What is done together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Stop(Vec<Unit>),
    Change(Vec<String>),
    Start(Vec<Unit>),
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Do(Step),
    /// The rest waits until this unit has left.
    Wait(Unit),
    Nothing,
}

/// What is still to be done, in this order, and who is leaving.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    stop: Vec<Unit>,
    change: Vec<String>,
    start: Vec<Unit>,
    /// Nothing that changes or starts needs anything of those who leave. They are looked at together, as one may need what
    /// another gives up.
    is_clear: bool,
    leaving: BTreeMap<Unit, Vec<Claim>>,
    /// Who still has it.
    claims: BTreeMap<Claim, BTreeSet<Unit>>,
}

/// What only one router at a time can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Name(String),
    /// The interface and the VRID there.
    Place(String, Family, u8),
    Address(IpAddr),
}

impl Agenda {
    /// Adds a plan, which leads from some parties to others. What has waited until now is done as the new ones have it.
    pub(super) fn add(&mut self, plan: Plan, old: &Parties, new: &Parties) {
        let never_began: BTreeSet<Unit> = std::mem::take(&mut self.start).into_iter().collect();
        let stopped: BTreeSet<&str> = old.of(&plan.stop).map(|(name, _)| name).collect();
        self.change.retain(|name| !stopped.contains(name.as_str()));
        let started_anew: BTreeSet<&str> = new.of(&never_began).map(|(name, _)| name).collect();
        let change = plan.change.into_iter();
        let change = change.filter(|name| !started_anew.contains(name.as_str()));
        self.change.extend(change);
        let waiting = never_began.iter().filter(|unit| !plan.stop.contains(unit));
        self.start.extend(waiting.cloned());
        self.start.extend(plan.start);
        let stop = plan.stop.into_iter();
        self.stop
            .extend(stop.filter(|unit| !never_began.contains(unit)));
        self.is_clear = false;
    }

    pub(super) fn next(&mut self, parties: &Parties) -> Next {
        if !self.stop.is_empty() {
            return Next::Do(Step::Stop(std::mem::take(&mut self.stop)));
        }
        if !self.is_clear {
            if let Some(unit) = self.obstacle(parties) {
                return Next::Wait(unit.clone());
            }
            self.is_clear = true;
        }
        if !self.change.is_empty() {
            return Next::Do(Step::Change(std::mem::take(&mut self.change)));
        }
        if !self.start.is_empty() {
            return Next::Do(Step::Start(std::mem::take(&mut self.start)));
        }
        Next::Nothing
    }

    /// This unit hands over from now on, and keeps until then what its routers have.
    pub(super) fn leaves<'a>(
        &mut self,
        unit: Unit,
        members: impl IntoIterator<Item = (&'a str, &'a RouterConfig)>,
    ) {
        let members = members.into_iter();
        let claims = members.flat_map(|(name, config)| claims(name, config));
        let claims: Vec<Claim> = claims.collect();
        for claim in claims.iter().cloned() {
            self.claims.entry(claim).or_default().insert(unit.clone());
        }
        self.leaving.insert(unit, claims);
    }

    /// It has let go of everything.
    pub(super) fn left(&mut self, unit: &Unit) {
        for claim in self.leaving.remove(unit).into_iter().flatten() {
            if let Some(units) = self.claims.get_mut(&claim) {
                units.remove(unit);
                if units.is_empty() {
                    self.claims.remove(&claim);
                }
            }
        }
    }

    /// Who has something that is needed.
    fn obstacle(&self, parties: &Parties) -> Option<&Unit> {
        if self.claims.is_empty() {
            return None;
        }
        let mut starting = self.start.iter();
        let same = starting.find_map(|unit| self.leaving.get_key_value(unit));
        let changing = self.change.iter();
        let changing =
            changing.filter_map(|name| Some((name.as_str(), parties.routers.get(name)?)));
        let routers = changing.chain(parties.of(&self.start));
        let mut needed = routers.flat_map(|(name, config)| claims(name, config));
        same.map(|(unit, _)| unit)
            .or_else(|| needed.find_map(|claim| self.claims.get(&claim)?.first()))
    }
}

fn claims(name: &str, config: &RouterConfig) -> impl Iterator<Item = Claim> {
    let place = Claim::Place(
        config.interface().to_owned(),
        config.family(),
        config.vrid().get(),
    );
    let addresses = config.addresses().iter();
    [Claim::Name(name.to_owned()), place]
        .into_iter()
        .chain(addresses.map(|address| Claim::Address(address.addr())))
}

#[cfg(test)]
mod tests {
    use super::super::plan::plan;
    use super::super::plan::tests::{of_text, parties};
    use super::*;
    use proptest::prelude::*;

    /// Carries plans out, with a step at a time and whoever leaves leaving for as long as the test likes.
    #[derive(Default)]
    struct Side {
        agenda: Agenda,
        parties: Parties,
        running: BTreeMap<String, RouterConfig>,
    }

    impl Side {
        /// What is done at once, and what the rest waits for.
        fn reload(&mut self, new: &Parties) -> Vec<String> {
            let plan = plan(&self.parties, new);
            self.agenda.add(plan, &self.parties, new);
            self.parties = new.clone();
            self.go_on()
        }

        fn go_on(&mut self) -> Vec<String> {
            let mut done = Vec::new();
            loop {
                match self.agenda.next(&self.parties) {
                    Next::Do(step) => done.extend(self.carry_out(step)),
                    Next::Wait(unit) => {
                        done.push(format!("wait for {}", name(&unit)));
                        return done;
                    }
                    Next::Nothing => return done,
                }
            }
        }

        fn left(&mut self, unit: &str) -> Vec<String> {
            self.agenda.left(&Unit::Router(unit.to_owned()));
            self.go_on()
        }

        fn carry_out(&mut self, step: Step) -> Vec<String> {
            let words = words(&step);
            match step {
                Step::Stop(units) => {
                    for unit in units {
                        let name = name(&unit).to_owned();
                        let config = self.running.remove(&name).unwrap();
                        self.agenda.leaves(unit, [(&*name, &config)]);
                    }
                }
                Step::Start(units) => {
                    for unit in units {
                        assert!(!self.run_as_configured(name(&unit)));
                    }
                }
                Step::Change(names) => {
                    for name in names {
                        assert!(self.run_as_configured(&name));
                    }
                }
            }
            words
        }

        /// Whether it ran before.
        fn run_as_configured(&mut self, name: &str) -> bool {
            let config = self.parties.routers.get(name).unwrap().clone();
            self.running.insert(name.to_owned(), config).is_some()
        }
    }

    impl Side {
        fn first_leaves(&mut self) -> bool {
            let Some(unit) = self.agenda.leaving.keys().next().cloned() else {
                return false;
            };
            self.left(name(&unit));
            self.has_nothing_twice();
            true
        }

        fn has_nothing_twice(&self) {
            let running = self.running.iter();
            let mut all: Vec<Claim> = running.flat_map(|(name, one)| claims(name, one)).collect();
            all.extend(self.agenda.leaving.values().flatten().cloned());
            let distinct: BTreeSet<&Claim> = all.iter().collect();
            assert_eq!(distinct.len(), all.len(), "{all:?}");
        }
    }

    fn name(unit: &Unit) -> &str {
        match unit {
            Unit::Router(name) | Unit::Group(name) => name,
        }
    }

    fn words(step: &Step) -> Vec<String> {
        let all = |verb: &str, units: &[Unit]| {
            let units = units.iter();
            units.map(|unit| format!("{verb} {}", name(unit))).collect()
        };
        match step {
            Step::Stop(units) => all("stop", units),
            Step::Change(names) => names.iter().map(|name| format!("change {name}")).collect(),
            Step::Start(units) => all("start", units),
        }
    }

    /// Each has the address of its VRID.
    fn routers(all: &[(&str, u8, &str)]) -> Parties {
        parties(all, &[])
    }

    #[test]
    fn what_needs_nothing_of_those_who_leave_goes_on() {
        let mut side = Side::default();
        let one = routers(&[("a", 1, ""), ("b", 2, "")]);
        assert_eq!(side.reload(&one), ["start a", "start b"]);
        let other = routers(&[("b", 2, "priority = 50"), ("c", 3, "")]);
        assert_eq!(side.reload(&other), ["stop a", "change b", "start c"]);
        assert_eq!(side.left("a"), [""; 0]);
    }

    #[test]
    fn who_needs_the_name_the_vrid_or_an_address_waits() {
        let table = [
            ("a", routers(&[("a", 3, "")])),
            ("b", routers(&[("b", 1, "")])),
            (
                "b",
                with_addresses("b", 3, "\"192.0.2.1/24\", \"192.0.2.3/24\""),
            ),
        ];
        for (name, new) in table {
            let mut side = Side::default();
            side.reload(&routers(&[("a", 1, "")]));
            assert_eq!(side.reload(&new), ["stop a", "wait for a"], "{new:?}");
            assert_eq!(side.left("a"), [format!("start {name}")]);
        }
    }

    #[test]
    fn an_address_moves_once_it_is_free() {
        let mut side = Side::default();
        side.reload(&routers(&[("a", 1, ""), ("b", 2, "")]));
        let new = with_addresses("b", 2, "\"192.0.2.2/24\", \"192.0.2.1/24\"");
        assert_eq!(side.reload(&new), ["stop a", "wait for a"]);
        assert_eq!(side.left("a"), ["change b"]);
    }

    #[test]
    fn who_waits_starts_as_the_newest_configuration_has_it() {
        let mut side = Side::default();
        let (with, without) = (routers(&[("a", 1, "")]), routers(&[]));
        side.reload(&with);
        assert_eq!(side.reload(&without), ["stop a"]);
        assert_eq!(side.reload(&with), ["wait for a"]);
        // Not even changed: it has yet to start.
        let changed = routers(&[("a", 1, "priority = 50")]);
        assert_eq!(side.reload(&changed), ["wait for a"]);
        assert_eq!(side.left("a"), ["start a"]);
        assert_eq!(
            side.running.get("a").unwrap().election().priority().get(),
            50
        );
    }

    #[test]
    fn who_waits_and_is_gone_again_never_starts() {
        let mut side = Side::default();
        let (with, without) = (routers(&[("a", 1, "")]), routers(&[]));
        side.reload(&with);
        side.reload(&without);
        side.reload(&with);
        assert_eq!(side.reload(&without), [""; 0]);
        assert_eq!(side.left("a"), [""; 0]);
        assert_eq!(side.reload(&with), ["start a"]);
    }

    fn with_addresses(name: &str, vrid: u8, addresses: &str) -> Parties {
        of_text(&format!(
            "[[virtual_router]]\nname = \"{name}\"\ninterface = \"eth0\"\nvrid = {vrid}\naddresses = [{addresses}]\n"
        ))
    }

    /// For each of three names nothing, or its VRID and the last bytes of its addresses; no VRID or address twice.
    fn configuration() -> impl Strategy<Value = Parties> {
        let shuffled = || Just((1_u8..=4).collect::<Vec<_>>()).prop_shuffle();
        let there = proptest::collection::vec(any::<bool>(), 3);
        (there, shuffled(), shuffled(), 1_u8..=2).prop_map(|(there, vrids, addresses, priority)| {
            let mut text = String::new();
            for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
                if there[number] {
                    text += &format!(
                        "[[virtual_router]]\nname = \"{name}\"\ninterface = \"eth0\"\nvrid = {}\n\
                         priority = {priority}\naddresses = [\"192.0.2.{}/24\"]\n",
                        vrids[number], addresses[number]
                    );
                }
            }
            of_text(&text)
        })
    }

    proptest! {
        #[test]
        fn in_the_end_all_is_as_configured_and_never_is_anything_had_twice(
            reloads in proptest::collection::vec((configuration(), 0_usize..3), 1..8)
        ) {
            let mut side = Side::default();
            for (new, leave) in reloads {
                side.reload(&new);
                side.has_nothing_twice();
                for _ in 0..leave {
                    side.first_leaves();
                }
            }
            while side.first_leaves() {}
            prop_assert_eq!(side.running.len(), side.parties.routers.len());
            for (name, config) in &side.running {
                prop_assert!(side.parties.routers.get(name).unwrap().is_like(config), "{}", name);
            }
        }
    }
}
