//! In which order plans are carried out. A router that stops hands over first, which takes some of its intervals. The rest
//! of the plan waits for that only if it needs something that the router still has. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use locum_vrrp::{Family, RouterConfig};

use super::plan::{Parties, Plan, Unit};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Stop(Unit),
    Change(String),
    Start(Unit),
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Do(Step),
    /// The rest waits until this unit has left.
    Wait(Unit),
    Nothing,
}

/// What is still to be done, and who is leaving.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    steps: VecDeque<Step>,
    /// No step needs anything of those who leave: they are looked at together, as one may need what another gives up.
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
        let mut waiting = std::mem::take(&mut self.steps);
        let to_start: BTreeSet<Unit> = waiting.iter().filter_map(Step::starts).cloned().collect();
        let started_anew: BTreeSet<&String> = members(&to_start, new).collect();
        let change = plan
            .change
            .into_iter()
            .filter(|name| !started_anew.contains(name));
        let stopped: BTreeSet<&String> = members(&plan.stop, old).collect();
        waiting.retain(|step| match step {
            Step::Start(unit) | Step::Stop(unit) => !plan.stop.contains(unit),
            Step::Change(name) => !stopped.contains(name),
        });
        let stop = plan.stop.into_iter();
        // What has yet to start need not stop.
        let stop = stop.filter(|unit| !to_start.contains(unit));
        self.steps = stop.map(Step::Stop).collect();
        self.steps.extend(waiting);
        self.steps.extend(change.map(Step::Change));
        self.steps.extend(plan.start.into_iter().map(Step::Start));
        self.is_clear = false;
    }

    pub(super) fn next(&mut self, parties: &Parties) -> Next {
        if !matches!(self.steps.front(), Some(Step::Stop(_))) && !self.is_clear {
            if let Some(unit) = self.obstacle(parties) {
                return Next::Wait(unit.clone());
            }
            self.is_clear = true;
        }
        self.steps.pop_front().map_or(Next::Nothing, Next::Do)
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
        self.steps.iter().find_map(|step| {
            let names = match step {
                Step::Stop(_) => return None,
                Step::Change(name) => std::slice::from_ref(name),
                Step::Start(unit) => {
                    if let Some((unit, _)) = self.leaving.get_key_value(unit) {
                        return Some(unit);
                    }
                    parties.units.get(unit)?
                }
            };
            let routers = names
                .iter()
                .filter_map(|name| Some((name, parties.routers.get(name)?)));
            let mut claims = routers.flat_map(|(name, config)| claims(name, config));
            claims.find_map(|claim| self.claims.get(&claim)?.first())
        })
    }
}

impl Step {
    fn starts(&self) -> Option<&Unit> {
        match self {
            Self::Start(unit) => Some(unit),
            Self::Stop(_) | Self::Change(_) => None,
        }
    }
}

fn members<'a>(
    units: impl IntoIterator<Item = &'a Unit>,
    parties: &'a Parties,
) -> impl Iterator<Item = &'a String> {
    let units = units.into_iter();
    units.filter_map(|unit| parties.units.get(unit)).flatten()
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
                    Next::Do(step) => done.push(self.carry_out(step)),
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

        fn carry_out(&mut self, step: Step) -> String {
            let words = words(&step);
            match step {
                Step::Stop(unit) => {
                    let name = name(&unit);
                    let config = self.running.remove(name).unwrap();
                    self.agenda.leaves(unit.clone(), [(name, &config)]);
                }
                Step::Start(unit) => {
                    let name = name(&unit).to_owned();
                    let config = self.parties.routers.get(&name).unwrap().clone();
                    assert!(self.running.insert(name, config).is_none());
                }
                Step::Change(name) => {
                    let config = self.parties.routers.get(&name).unwrap().clone();
                    assert!(self.running.insert(name, config).is_some());
                }
            }
            words
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

    fn words(step: &Step) -> String {
        match step {
            Step::Stop(unit) => format!("stop {}", name(unit)),
            Step::Change(name) => format!("change {name}"),
            Step::Start(unit) => format!("start {}", name(unit)),
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
