//! What another configuration changes: which virtual routers stop, go on otherwise, and start. Pure.

use std::collections::BTreeMap;

use locum_vrrp::RouterConfig;

use crate::config::Config;

/// What starts and stops together: a virtual router of its own, or a sync group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Router(String),
    Group(String),
}

impl Unit {
    /// As in a sentence.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Router(name) => format!("virtual router {name}"),
            Self::Group(name) => format!("sync group {name}"),
        }
    }
}

/// The virtual routers and sync groups of a configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Parties {
    /// By name.
    pub(super) routers: BTreeMap<String, RouterConfig>,
    /// The names of the routers in the order of the configuration.
    pub(super) order: Vec<String>,
    /// The names of the sync groups in the order of the configuration.
    pub(super) groups: Vec<String>,
    /// The members of each unit, in their order.
    pub(super) units: BTreeMap<Unit, Vec<String>>,
}

impl From<&Config> for Parties {
    fn from(config: &Config) -> Self {
        let mut grouped = BTreeMap::new();
        let mut units = BTreeMap::new();
        for group in &config.sync_groups {
            grouped.extend(group.members.iter().map(|member| (member.as_str(), ())));
            units.insert(Unit::Group(group.name.clone()), group.members.clone());
        }
        let names = config.virtual_routers.iter().map(|router| &router.name);
        for name in names.clone() {
            if !grouped.contains_key(name.as_str()) {
                units.insert(Unit::Router(name.clone()), vec![name.clone()]);
            }
        }
        let routers = config.virtual_routers.iter();
        Self {
            routers: routers
                .map(|named| (named.name.clone(), named.router.clone()))
                .collect(),
            order: names.cloned().collect(),
            groups: config.sync_groups.iter().map(|g| g.name.clone()).collect(),
            units,
        }
    }
}

impl Parties {
    /// The routers of these units.
    pub(super) fn of<'a>(
        &'a self,
        units: impl IntoIterator<Item = &'a Unit>,
    ) -> impl Iterator<Item = (&'a str, &'a RouterConfig)> {
        let names = units.into_iter().filter_map(|unit| self.units.get(unit));
        names
            .flatten()
            .filter_map(|name| Some((name.as_str(), self.routers.get(name)?)))
    }
}

/// What has to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Before anything else: what starts may need what they have.
    pub(super) stop: Vec<Unit>,
    /// Virtual routers that go on with another configuration.
    pub(super) change: Vec<String>,
    pub(super) start: Vec<Unit>,
    /// The same for the operator.
    pub(super) words: Vec<String>,
}

/// What it takes from `old` to `new`.
pub(super) fn plan(old: &Parties, new: &Parties) -> Plan {
    let mut plan = Plan::default();
    for unit in old.units.keys() {
        if !new.units.contains_key(unit) {
            plan.words.push(format!("{} is gone", unit.words()));
            plan.stop.push(unit.clone());
        }
    }
    for (unit, members) in &new.units {
        let Some(before) = old.units.get(unit) else {
            plan.words.push(format!("{} is new", unit.words()));
            plan.start.push(unit.clone());
            continue;
        };
        match difference(old, new, before, members) {
            Difference::Anew(why) => {
                let words = unit.words();
                plan.words.push(format!("{words} starts anew: {why}"));
                plan.stop.push(unit.clone());
                plan.start.push(unit.clone());
            }
            Difference::InPlace(changed) => {
                let words = changed.iter();
                plan.words
                    .extend(words.map(|name| format!("virtual router {name} changes in place")));
                plan.change.extend(changed);
            }
        }
    }
    plan
}

enum Difference {
    /// It cannot be changed in place, and why.
    Anew(String),
    /// These of its routers change.
    InPlace(Vec<String>),
}

fn difference(old: &Parties, new: &Parties, before: &[String], members: &[String]) -> Difference {
    if before != members {
        return Difference::Anew("it has other members".to_owned());
    }
    let mut changed = Vec::new();
    for name in members {
        let (Some(was), Some(is)) = (old.routers.get(name), new.routers.get(name)) else {
            continue;
        };
        if let Some(identity) = was.identity_changes(is) {
            return Difference::Anew(format!("{name} has another {identity}"));
        }
        if !was.is_like(is) {
            changed.push(name.clone());
        }
    }
    Difference::InPlace(changed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::load;

    /// A router, as `name vrid rest-of-the-section`.
    pub(in super::super) fn parties(
        routers: &[(&str, u8, &str)],
        groups: &[(&str, &[&str])],
    ) -> Parties {
        let mut text = String::new();
        for (name, vrid, more) in routers {
            text += &format!(
                "[[virtual_router]]\nname = \"{name}\"\ninterface = \"eth0\"\nvrid = {vrid}\n\
                 addresses = [\"192.0.2.{vrid}/24\"]\n{more}\n"
            );
        }
        for (name, members) in groups {
            text += &format!("[[sync_group]]\nname = \"{name}\"\nmembers = {members:?}\n");
        }
        of_text(&text)
    }

    pub(in super::super) fn of_text(text: &str) -> Parties {
        if text.is_empty() {
            return Parties::default();
        }
        Parties::from(&load("test", text, |_| Ok("secret".repeat(6))).unwrap())
    }

    fn words(old: &Parties, new: &Parties) -> Vec<String> {
        plan(old, new).words
    }

    #[test]
    fn a_start_is_all_new_and_the_same_again_is_nothing() {
        let some = parties(
            &[("a", 1, ""), ("b", 2, ""), ("c", 3, "priority = 90")],
            &[("g", &["b", "c"])],
        );
        let start = plan(&Parties::default(), &some);
        assert_eq!(
            start.start,
            [Unit::Router("a".to_owned()), Unit::Group("g".to_owned())]
        );
        assert_eq!((start.stop.len(), start.change.len()), (0, 0));
        assert_eq!(plan(&some, &some.clone()), Plan::default());
        assert_eq!(
            words(&some, &Parties::default()),
            ["virtual router a is gone", "sync group g is gone"]
        );
    }

    #[test]
    fn what_can_changes_in_place() {
        let old = parties(&[("a", 1, ""), ("b", 2, "")], &[]);
        for more in [
            "priority = 50",
            "preempt = false",
            "advert_interval = \"2s\"",
            "source = \"192.0.2.200\"",
        ] {
            let new = parties(&[("a", 1, ""), ("b", 2, more)], &[]);
            let plan = plan(&old, &new);
            assert_eq!(plan.change, ["b"], "{more}");
            assert_eq!((plan.stop.len(), plan.start.len()), (0, 0), "{more}");
        }
    }

    #[test]
    fn another_identity_is_another_router() {
        let old = parties(&[("a", 1, ""), ("b", 2, "")], &[]);
        let new = parties(&[("a", 1, "priority = 255"), ("b", 3, "")], &[]);
        let plan = plan(&old, &new);
        assert_eq!(plan.stop, plan.start);
        assert_eq!(
            plan.words,
            [
                "virtual router a starts anew: a has another ownership (priority 255 or not)",
                "virtual router b starts anew: b has another VRID",
            ]
        );
    }

    #[test]
    fn two_that_swap_their_vrid_stop_before_either_starts() {
        let old = parties(&[("a", 1, ""), ("b", 2, "")], &[]);
        let new = parties(&[("a", 2, ""), ("b", 1, "")], &[]);
        let plan = plan(&old, &new);
        assert_eq!((plan.stop.len(), plan.start.len()), (2, 2));
    }

    #[test]
    fn a_group_changes_in_place_but_for_its_members() {
        let routers = [("a", 1, ""), ("b", 2, ""), ("c", 3, "")];
        let old = parties(&routers, &[("g", &["a", "b"])]);
        let other = [("a", 1, "priority = 50"), ("b", 2, ""), ("c", 3, "")];
        assert_eq!(
            words(&old, &parties(&other, &[("g", &["a", "b"])])),
            ["virtual router a changes in place"]
        );
        assert_eq!(
            words(&old, &parties(&routers, &[("g", &["a", "c"])])),
            [
                "virtual router c is gone",
                "virtual router b is new",
                "sync group g starts anew: it has other members",
            ]
        );
    }

    #[test]
    fn a_router_that_leaves_its_group_stops_with_it_and_starts_alone() {
        let routers = [("a", 1, ""), ("b", 2, "")];
        let (old, new) = (
            parties(&routers, &[("g", &["a", "b"])]),
            parties(&routers, &[]),
        );
        let plan = plan(&old, &new);
        assert_eq!(plan.stop, [Unit::Group("g".to_owned())]);
        assert_eq!(plan.start.len(), 2);
    }
}
