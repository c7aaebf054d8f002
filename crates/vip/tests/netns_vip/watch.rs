//! The watch in a real kernel: what happens is told once, what was lost is read again.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use ipnet::IpNet;
use locum_vip::{
    AddressDriver as _, Change, Claim, Foreign, Lease, LinkIndex, LinkWatch, NetlinkAddresses,
    Options, WatchOptions,
};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::host::Host;

const SOON: Duration = Duration::from_secs(20);

fn watch(host: &Host) -> io::Result<(LinkWatch, Receiver<Change>)> {
    let namespace = host.namespace.clone();
    LinkWatch::start(WatchOptions {
        namespace,
        ..WatchOptions::default()
    })
}

/// The first change that `is_wanted`, and all before it.
async fn until(
    changes: &mut Receiver<Change>,
    is_wanted: impl Fn(&Change) -> bool,
) -> Result<Vec<Change>, Vec<Change>> {
    let mut seen = Vec::new();
    while let Ok(Some(change)) = timeout(SOON, changes.recv()).await {
        let is_last = is_wanted(&change);
        seen.push(change);
        if is_last {
            return Ok(seen);
        }
    }
    Err(seen)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_default()
}

fn added(link: LinkIndex, address: &str, ours: bool) -> Change {
    Change::AddressAdded {
        link,
        address: net(address),
        ours,
    }
}

fn removed(link: LinkIndex, address: &str, ours: bool) -> Change {
    Change::AddressRemoved {
        link,
        address: net(address),
        ours,
    }
}

#[tokio::test]
async fn an_interface_comes_changes_and_goes() {
    let host = Host::new().unwrap();
    let (watch, mut changes) = watch(&host).unwrap();
    assert_eq!(watch.link_by_name("lo").unwrap().index.get(), 1);
    assert!(watch.link_by_name("a").is_none());

    host.ip("link add name a type veth peer name b").unwrap();
    let is_a = |c: &Change| matches!(c, Change::LinkAdded(link) if link.name == "a");
    until(&mut changes, is_a).await.unwrap();
    let a = watch.link_by_name("a").unwrap();
    assert!(!a.up && !a.carrier && a.mac.is_some());

    host.ip("link set dev a up").unwrap();
    host.ip("link set dev b up").unwrap();
    let has_carrier = |c: &Change| matches!(c, Change::LinkChanged(link) if link.index == a.index && link.up && link.carrier);
    until(&mut changes, has_carrier).await.unwrap();

    host.ip("link set dev b down").unwrap();
    let has_lost_it = |c: &Change| matches!(c, Change::LinkChanged(link) if link.index == a.index && link.up && !link.carrier);
    until(&mut changes, has_lost_it).await.unwrap();

    host.ip("link set dev a down").unwrap();
    host.ip("link set dev a name c address 02:00:00:00:00:0c")
        .unwrap();
    let is_renamed = |c: &Change| {
        matches!(c, Change::LinkChanged(link)
            if link.name == "c" && link.mac == Some([2, 0, 0, 0, 0, 0x0c]))
    };
    until(&mut changes, is_renamed).await.unwrap();
    assert_eq!(watch.link_by_name("c").unwrap().index, a.index);

    host.ip("address add 192.0.2.1/24 dev c").unwrap();
    host.ip("link del dev c").unwrap();
    let is_gone = |c: &Change| matches!(c, Change::LinkRemoved(link) if link.index == a.index);
    let seen = until(&mut changes, is_gone).await.unwrap();
    assert!(
        seen.contains(&removed(a.index, "192.0.2.1/24", false)),
        "{seen:?}"
    );
    assert!(watch.link(a.index).is_none());
    assert_eq!(watch.addresses(a.index), []);
}

#[tokio::test]
async fn addresses_are_told_once_and_by_owner() {
    let (one, _two) = Host::pair().unwrap();
    one.ip("link set dev a addrgenmode none").unwrap();
    one.ip("address flush dev a").unwrap();
    let (watch, mut changes) = watch(&one).unwrap();
    let link = watch.link_by_name("a").unwrap().index;
    let namespace = one.namespace.clone();
    let driver = NetlinkAddresses::start(Options {
        namespace,
        ..Options::default()
    })
    .unwrap();
    let claim = Claim {
        lease: Lease::Permanent,
        foreign: Foreign::Refuse,
    };

    let list = [net("192.0.2.10/24"), net("2001:db8::10/64")];
    driver.ensure_present(link, &list, claim).await;
    driver.ensure_present(link, &list, claim).await;
    one.ip("address add 192.0.2.1/24 dev a").unwrap();
    let last = added(link, "192.0.2.1/24", false);
    let mut seen = until(&mut changes, |c| *c == last).await.unwrap();
    seen.retain(|c| !matches!(c, Change::LinkChanged(_)));
    let expected = [
        added(link, "192.0.2.10/24", true),
        added(link, "2001:db8::10/64", true),
        last,
    ];
    assert_eq!(seen, expected, "a renewal is no change");
    let others = || {
        let all = watch.addresses(link).into_iter();
        all.filter(|a| !a.ours)
            .map(|a| a.address)
            .collect::<Vec<_>>()
    };
    assert_eq!(others(), [net("192.0.2.1/24")]);

    one.ip("address del 192.0.2.10/24 dev a").unwrap();
    let stolen = removed(link, "192.0.2.10/24", true);
    until(&mut changes, |c| *c == stolen).await.unwrap();

    one.ip("address del 192.0.2.1/24 dev a").unwrap();
    let source_lost = removed(link, "192.0.2.1/24", false);
    until(&mut changes, |c| *c == source_lost).await.unwrap();
    assert_eq!(others(), []);
}

#[tokio::test]
async fn an_ipv6_address_is_there_when_it_can_be_used() {
    let (one, _two) = Host::pair().unwrap();
    let (watch, mut changes) = watch(&one).unwrap();
    let link = watch.link_by_name("a").unwrap().index;
    one.ip("address add fe80::1/64 dev a").unwrap();
    let usable = added(link, "fe80::1/64", false);
    until(&mut changes, |c| *c == usable).await.unwrap();
    let shown = one.ip("address show dev a to fe80::1").unwrap();
    assert!(!shown.contains("tentative"), "{shown}");
    let ours = net("fe80::1/64");
    assert!(watch.addresses(link).iter().any(|a| a.address == ours));
}

#[tokio::test]
async fn lost_events_end_in_the_true_state() {
    let (one, _two) = Host::pair().unwrap();
    one.ip("link set dev a addrgenmode none").unwrap();
    let namespace = one.namespace.clone();
    let (watch, mut changes) = LinkWatch::start(WatchOptions {
        namespace,
        receive_buffer: 16 * 1024,
    })
    .unwrap();
    let link = watch.link_by_name("a").unwrap().index;

    // Nobody reads: the queue fills, the watch stands still, the small receive buffer overflows.
    let commands = |verb: &str| {
        (0..3000).fold(String::new(), |mut text, i| {
            let _ = writeln!(text, "address {verb} 10.0.{}.{}/32 dev a", i / 250, i % 250);
            text
        })
    };
    one.ip_batch(commands("add")).unwrap();
    one.ip("address add 192.0.2.1/24 dev a").unwrap();

    let mut seen = until(&mut changes, |c| *c == Change::Resynced)
        .await
        .unwrap();
    // Losses in quick succession are possible; each ends in a new reading.
    while watch
        .addresses(link)
        .iter()
        .filter(|a| a.address.addr().is_ipv4())
        .count()
        < 3001
    {
        seen.extend(
            until(&mut changes, |c| *c == Change::Resynced)
                .await
                .unwrap(),
        );
    }
    let mut addresses: Vec<IpNet> = seen
        .iter()
        .filter_map(|change| {
            let Change::AddressAdded { address, .. } = change else {
                return None;
            };
            Some(*address)
        })
        .collect();
    let told = addresses.len();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), told, "only real differences are told");
    let first = watch.addresses(link).first().map(|a| a.address);
    assert_eq!(first, Some(net("10.0.0.0/32")), "in the kernel's order");
}

#[tokio::test]
async fn the_watch_ends_with_its_last_user() {
    let host = Host::new().unwrap();
    let (first, mut changes) = watch(&host).unwrap();
    let second = first.clone();
    drop(first);
    assert!(second.link_by_name("lo").is_some());
    drop(second);
    assert_eq!(timeout(SOON, changes.recv()).await.unwrap(), None);
}
