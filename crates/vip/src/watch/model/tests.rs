use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::ndp::Role;

fn index(number: u32) -> LinkIndex {
    LinkIndex::new(number).unwrap()
}

fn link(number: u32, carrier: bool) -> LinkEntry {
    LinkEntry {
        index: index(number),
        name: format!("eth{number}"),
        up: true,
        carrier,
        mac: None,
        role: Role::Host,
    }
}

fn address(number: u32, last: u8, marked: bool) -> AddressEntry {
    AddressEntry {
        link: index(number),
        address: IpNet::new([192, 0, 2, last].into(), 24).unwrap(),
        marked,
        secondary: false,
        usable: true,
    }
}

#[test]
fn an_address_that_changes_hands_is_told() {
    let mut model = Model::default();
    model.put_link(link(1, true));
    model.put_address(&address(1, 10, true));
    let told = model.put_address(&address(1, 10, false));
    let address = address(1, 10, false).address;
    assert_eq!(
        told,
        [
            Change::AddressRemoved {
                link: index(1),
                address,
                ours: true
            },
            Change::AddressAdded {
                link: index(1),
                address,
                ours: false
            },
        ]
    );
}

#[test]
fn an_address_under_test_is_not_there() {
    let mut model = Model::default();
    model.put_link(link(1, true));
    let tentative = AddressEntry {
        usable: false,
        ..address(1, 10, false)
    };
    assert_eq!(model.put_address(&tentative), []);
    assert_eq!(model.put_address(&address(1, 10, false)).len(), 1);
    assert_eq!(
        model.put_address(&tentative).len(),
        1,
        "tested again after the link was down"
    );
    assert_eq!(model.addresses(index(1)), []);
    assert_eq!(model.resync(vec![link(1, true)], &[tentative]), []);
}

#[test]
fn an_address_of_an_unknown_interface_is_ignored() {
    let mut model = Model::default();
    assert_eq!(model.put_address(&address(1, 10, false)), []);
    assert_eq!(model.remove_address(&address(1, 10, false)), []);
    assert_eq!(model.remove_link(index(1)), []);
}

#[derive(Debug, Clone)]
enum Op {
    PutLink(u32, bool),
    RemoveLink(u32),
    PutAddress(u32, u8, bool),
    RemoveAddress(u32, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1_u32..4, any::<bool>()).prop_map(|(l, carrier)| Op::PutLink(l, carrier)),
        (1_u32..4).prop_map(Op::RemoveLink),
        (1_u32..4, 0_u8..6, any::<bool>()).prop_map(|(l, a, ours)| Op::PutAddress(l, a, ours)),
        (1_u32..4, 0_u8..6).prop_map(|(l, a)| Op::RemoveAddress(l, a)),
    ]
}

fn apply(model: &mut Model, op: &Op) -> Vec<Change> {
    match *op {
        Op::PutLink(l, carrier) => model.put_link(link(l, carrier)),
        Op::RemoveLink(l) => model.remove_link(index(l)),
        Op::PutAddress(l, a, ours) => model.put_address(&address(l, a, ours)),
        Op::RemoveAddress(l, a) => model.remove_address(&address(l, a, false)),
    }
}

/// What somebody believes who has only heard of the changes.
fn follow(believed: &mut Model, changes: &[Change]) {
    for change in changes {
        match change.clone() {
            Change::AddressAdded {
                link,
                address,
                ours,
            } => {
                let entry = believed.links.get_mut(&link).unwrap();
                assert!(
                    entry.addresses.iter().all(|a| a.address != address),
                    "{change:?}"
                );
                entry.addresses.push(Address {
                    address,
                    ours,
                    secondary: false,
                });
            }
            Change::AddressRemoved {
                link,
                address,
                ours,
            } => {
                let entry = believed.links.get_mut(&link).unwrap();
                let position = entry
                    .addresses
                    .iter()
                    .position(|a| a.address == address)
                    .unwrap();
                assert_eq!(entry.addresses.remove(position).ours, ours);
            }
            Change::LinkAdded(link) => {
                let entry = Entry {
                    link: link.clone(),
                    addresses: Vec::new(),
                };
                assert!(believed.links.insert(link.index, entry).is_none());
            }
            Change::LinkChanged(link) => {
                let entry = believed.links.get_mut(&link.index).unwrap();
                assert_ne!(std::mem::replace(&mut entry.link, link.clone()), link);
            }
            Change::LinkRemoved(link) => {
                let entry = believed.links.remove(&link.index).unwrap();
                assert_eq!((entry.link, entry.addresses.len()), (link, 0));
            }
            Change::Resynced => {}
        }
    }
}

fn without_order(model: &mut Model) {
    for entry in model.links.values_mut() {
        entry.addresses.sort_by_key(|a| a.address);
    }
}

/// The state as a dump would tell it.
fn dump(model: &Model) -> (Vec<LinkEntry>, Vec<AddressEntry>) {
    let links = model
        .links()
        .map(|l| link(l.index.get(), l.carrier))
        .collect();
    let addresses = model.links.iter().flat_map(|(index, entry)| {
        let to_entry = |a: &Address| {
            let IpAddr::V4(ip) = a.address.addr() else {
                panic!("only IPv4 here")
            };
            address(index.get(), ip.octets()[3], a.ours)
        };
        entry.addresses.iter().map(to_entry).collect::<Vec<_>>()
    });
    (links, addresses.collect())
}

proptest! {
    #[test]
    fn the_changes_tell_the_whole_truth(ops in vec(op(), 0..60), lost in vec(op(), 0..30)) {
        let (mut model, mut believed) = (Model::default(), Model::default());
        for op in &ops {
            let changes = apply(&mut model, op);
            follow(&mut believed, &changes);
            let again = apply(&mut model, op);
            prop_assert_eq!(again, vec![], "told twice");
        }

        let mut kernel = Model::default();
        let (links, addresses) = dump(&model);
        kernel.resync(links, &addresses);
        prop_assert_eq!(&kernel, &model);
        for op in &lost {
            apply(&mut kernel, op);
        }
        let (links, addresses) = dump(&kernel);
        let changes = model.resync(links.clone(), &addresses);
        prop_assert_eq!(&model, &kernel);
        follow(&mut believed, &changes);
        without_order(&mut believed);
        without_order(&mut model);
        prop_assert_eq!(&believed, &model);
        prop_assert_eq!(model.resync(links, &addresses), vec![]);
    }
}
