//! A plan leads from any table to any other, gently.

use std::collections::BTreeSet;

use locum_ipvs::fake::Kernel;
use locum_ipvs::*;
use proptest::prelude::*;

use crate::strategies;

/// A kernel that has `table`.
fn kernel_with(table: &Table) -> Client<Kernel> {
    let mut client = Client::new(Kernel::new());
    let ops = plan(table, &client.snapshot().unwrap());
    for (op, outcome) in ops.iter().zip(client.apply(&ops)) {
        outcome.unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }
    client
}

/// The services of `snapshot` with a destination that `counts`.
fn served(snapshot: &Snapshot, counts: impl Fn(&DestinationEntry) -> bool) -> BTreeSet<ServiceKey> {
    let with = snapshot
        .iter()
        .filter(|actual| actual.destinations.values().any(&counts));
    with.map(|actual| actual.service.key).collect()
}

proptest! {
    #[test]
    fn a_table_reads_as_the_kernel_would_tell_it(table in strategies::table()) {
        let told = kernel_with(&table).snapshot().unwrap();
        prop_assert_eq!(table.to_snapshot(), told);
    }

    #[test]
    fn a_plan_makes_the_table_and_then_there_is_nothing_to_do(
        before in strategies::table(),
        after in strategies::table(),
    ) {
        let mut client = kernel_with(&before);
        let ops = plan(&after, &client.snapshot().unwrap());
        for (op, outcome) in ops.iter().zip(client.apply(&ops)) {
            prop_assert!(outcome.is_ok(), "{:?}: {:?}", op, outcome);
        }
        let result = client.snapshot().unwrap();
        prop_assert_eq!(plan(&after, &result), vec![]);
        prop_assert_eq!(result, kernel_with(&after).snapshot().unwrap());
    }

    #[test]
    fn no_step_leaves_a_service_empty_that_need_not_be(
        before in strategies::table(),
        after in strategies::table(),
    ) {
        let mut client = kernel_with(&before);
        let start = client.snapshot().unwrap();
        let end = kernel_with(&after).snapshot().unwrap();
        let any = |_: &DestinationEntry| true;
        let in_use = |entry: &DestinationEntry| entry.settings.weight > 0;
        let never_empty: BTreeSet<_> = served(&start, any).intersection(&served(&end, any)).copied().collect();
        let never_idle: BTreeSet<_> =
            served(&start, in_use).intersection(&served(&end, in_use)).copied().collect();
        for op in plan(&after, &start) {
            client.apply_one(op).unwrap();
            let now = client.transport().snapshot();
            prop_assert!(served(&now, any).is_superset(&never_empty));
            prop_assert!(served(&now, in_use).is_superset(&never_idle));
        }
    }

    #[test]
    fn what_stays_is_never_deleted(before in strategies::table(), after in strategies::table()) {
        let start = kernel_with(&before).snapshot().unwrap();
        let end = kernel_with(&after).snapshot().unwrap();
        for op in plan(&after, &start) {
            if let Op::RemoveService(key) = op {
                prop_assert!(end.get(&key).is_none());
            }
            if let Op::RemoveDestination(key, identity) = op {
                prop_assert!(!end.get(&key).unwrap().destinations.contains_key(&identity));
            }
        }
    }

    #[test]
    fn a_drained_destination_stays_until_it_may_go(
        before in strategies::table(),
        after in strategies::table(),
    ) {
        let mut client = kernel_with(&before);
        let start = client.snapshot().unwrap();
        let drain = |_: &ServiceKey, _: &DestinationEntry| Removal::Drain;
        for op in plan_with(&after, &start, drain) {
            client.apply_one(op).unwrap();
        }
        let drained = client.snapshot().unwrap();
        let end = kernel_with(&after).snapshot().unwrap();
        for actual in start.iter() {
            let key = actual.service.key;
            let Some(wanted) = end.get(&key) else {
                prop_assert!(drained.get(&key).is_none());
                continue;
            };
            for (identity, entry) in &actual.destinations {
                let now = drained.get(&key).unwrap().destinations.get(identity).unwrap();
                if !wanted.destinations.contains_key(identity) {
                    prop_assert_eq!(now.settings.weight, 0);
                    prop_assert_eq!(now.settings.forward, entry.settings.forward);
                    prop_assert_eq!(now.settings.tunnel_port, entry.settings.tunnel_port);
                }
            }
        }
        prop_assert_eq!(plan_with(&after, &drained, drain), vec![], "draining is not repeated");
        for op in plan(&after, &drained) {
            client.apply_one(op).unwrap();
        }
        prop_assert_eq!(client.snapshot().unwrap(), end);
    }
}

fn site(servers: u32) -> Table {
    let mut table = Table::new();
    for service in 0..servers / 5 {
        let mark = std::num::NonZeroU32::new(service + 1).unwrap();
        let key = ServiceKey::FirewallMark {
            family: IpFamily::V4,
            mark,
        };
        let servers =
            (0..5).map(|n| Destination::direct(std::net::Ipv4Addr::from(0x0a00_0001 + n).into()));
        table
            .insert(Service::new(key, Scheduler::WLC), servers)
            .unwrap();
    }
    table
}

#[test]
fn forty_thousand_destinations_are_one_change_each() {
    let table = site(40_000);
    let mut client = kernel_with(&table);
    let start = client.snapshot().unwrap();
    assert_eq!(plan(&table, &start), []);
    assert_eq!(plan(&table, &Snapshot::default()).len(), 8_000 + 40_000);
    assert_eq!(
        plan(&Table::new(), &start).len(),
        8_000,
        "a service takes its destinations along"
    );
}

#[test]
fn another_ones_services_are_left_alone() {
    let mine = site(5);
    let mut client = kernel_with(&site(10));
    let mut snapshot = client.snapshot().unwrap();
    assert_eq!(plan(&mine, &snapshot).len(), 1);
    let first = snapshot.iter().next().unwrap().service.key;
    snapshot.retain(|actual| actual.service.key == first);
    assert_eq!(plan(&mine, &snapshot), []);
}
