//! Asking who has an address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use locum_vip::{LinkIndex, LinkWatch, WatchOptions, who_has};

use crate::host::Host;

const ASKED: [&str; 4] = ["192.0.2.7", "192.0.2.8", "2001:db8::7", "2001:db8::8"];

#[test]
fn who_has_an_address_is_found_without_telling_anybody() {
    let (one, two) = Host::pair().unwrap();
    for command in [
        "address add 192.0.2.7/24 dev b",
        "address add 2001:db8::7/64 dev b nodad",
    ] {
        two.ip(command).unwrap();
    }
    let index = LinkIndex::new(one.index("a").unwrap()).unwrap();
    let asked: Vec<IpAddr> = ASKED.iter().map(|one| one.parse().unwrap()).collect();
    let (claims, expected) = (
        one.run(move || {
            let (watch, _changes) = LinkWatch::start(WatchOptions::default()).unwrap();
            let mac = watch.link(index).unwrap().mac.unwrap();
            who_has(index, mac, &asked, Duration::from_secs(1)).unwrap()
        })
        .unwrap(),
        two.run(|| {
            let (watch, _changes) = LinkWatch::start(WatchOptions::default()).unwrap();
            watch.link_by_name("b").unwrap().mac.unwrap()
        })
        .unwrap(),
    );
    let by_two = BTreeSet::from([expected]);
    let had: BTreeMap<IpAddr, _> = ["192.0.2.7", "2001:db8::7"]
        .map(|one| (one.parse().unwrap(), by_two.clone()))
        .into();
    assert_eq!(claims, had);
    let learned = two.ip("neigh show dev b").unwrap();
    assert!(!learned.contains("192.0.2"), "{learned}");
}
