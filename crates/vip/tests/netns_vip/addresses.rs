//! Addresses in a real kernel: leased, marked, renewed, and never somebody else's.

use std::time::{Duration, Instant};

use ipnet::IpNet;
use locum_netlink::{Connection, Family, Limits, Message, Request, flag};
use locum_vip::{
    ADDRESS_PROTOCOL, AddressDriver as _, AddressError, Claim, Foreign, Lease, Leftovers,
    LinkIndex, NetlinkAddresses, Options, Outcome,
};

use crate::host::Host;

const PERMANENT: Claim = Claim {
    lease: Lease::Permanent,
    foreign: Foreign::Refuse,
};

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's leases run in real time"
)]
fn now() -> Instant {
    Instant::now()
}

fn leased(time: Duration) -> Claim {
    Claim {
        lease: Lease::Until(now() + time),
        foreign: Foreign::Refuse,
    }
}

/// A host with the link `a`, up and with carrier, and a driver there.
fn host() -> std::io::Result<(Host, LinkIndex, NetlinkAddresses)> {
    let host = Host::new()?;
    host.ip("link add name a type veth peer name b")?;
    host.ip("link set dev a up")?;
    host.ip("link set dev b up")?;
    let link = link(&host, "a")?;
    let driver = driver(&host)?;
    Ok((host, link, driver))
}

fn link(host: &Host, name: &str) -> std::io::Result<LinkIndex> {
    LinkIndex::new(host.index(name)?).ok_or_else(|| std::io::Error::other("index 0"))
}

fn driver(host: &Host) -> std::io::Result<NetlinkAddresses> {
    let namespace = host.namespace.clone();
    NetlinkAddresses::start(Options {
        namespace,
        ..Options::default()
    })
}

const IFA_PROTO: u16 = 11;

/// How many addresses carry our mark (which Debian 12's `ip` does not show).
fn marked(host: &Host) -> std::io::Result<usize> {
    let dumped = host.run(|| {
        let mut connection = Connection::open(Family::Route, Limits::default())?;
        let dump = Request::new(22, 0).header(&[0; 8]);
        connection.dump(&dump).map_err(std::io::Error::other)
    })?;
    let has_mark = |message: &&Message| {
        let (_, mut attributes) = message.split::<8>()?;
        Some(attributes.any(|a| a.kind() == IFA_PROTO && a.u8() == Some(ADDRESS_PROTOCOL)))
    };
    Ok(dumped?
        .iter()
        .filter(|message| has_mark(message) == Some(true))
        .count())
}

/// Adds `ip`/24 as another program with a mark of its own would.
fn add_with_protocol(
    host: &Host,
    link: LinkIndex,
    ip: [u8; 4],
    protocol: u8,
) -> std::io::Result<()> {
    let mut header = [2, 24, 0, 0, 0, 0, 0, 0];
    header
        .iter_mut()
        .skip(4)
        .zip(link.get().to_ne_bytes())
        .for_each(|(to, from)| *to = from);
    let request = Request::new(20, flag::CREATE | flag::EXCLUSIVE)
        .header(&header)
        .attribute(2, &ip)
        .attribute(1, &ip)
        .attribute(IFA_PROTO, &[protocol]);
    host.run(move || {
        let mut connection = Connection::open(Family::Route, Limits::default())?;
        let answers = connection.execute(&[request]);
        answers
            .into_iter()
            .try_for_each(|a| a.map(|_| ()).map_err(std::io::Error::other))
    })?
}

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().filter_map(|text| text.parse().ok()).collect()
}

/// `Ok` outcomes as a short text, errors as their debug form.
fn summary(answers: &[Result<Outcome, AddressError>]) -> String {
    let words = answers.iter().map(|answer| match answer {
        Ok(outcome) => format!("{outcome:?}"),
        Err(error) => format!("{error:?}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_address_lives_as_long_as_its_lease() {
    let (host, link, driver) = host().unwrap();
    let all = nets(&[
        "192.0.2.10/24",
        "198.51.100.1/32",
        "2001:db8::10/64",
        "2001:db8:1::1/128",
    ]);
    let long = leased(Duration::from_secs(3600));
    let added = driver.ensure_present(link, &all, long).await;
    assert_eq!(summary(&added), "Changed Changed Changed Changed");

    let renewed = driver.ensure_present(link, &all, long).await;
    assert_eq!(summary(&renewed), "Unchanged Unchanged Unchanged Unchanged");

    assert_eq!(marked(&host).unwrap(), 4);
    let shown = host.ip("-d -o address show dev a").unwrap();
    let line = |address: &str| {
        shown
            .lines()
            .find(|line| line.contains(address))
            .unwrap_or_default()
            .to_owned()
    };
    for address in [
        "192.0.2.10/24",
        "198.51.100.1/32",
        "2001:db8::10/64",
        "2001:db8:1::1/128",
    ] {
        let line = line(address);
        assert!(
            line.contains("valid_lft 3") && !line.contains("forever"),
            "{line}"
        );
        assert!(!line.contains("tentative"), "{line}");
        let is_host = address.ends_with("/32") || address.ends_with("/128");
        assert_eq!(line.contains("noprefixroute"), is_host, "{line}");
        let is_v6 = address.contains("::");
        assert_eq!(line.contains("nodad"), is_v6, "{line}");
        assert_eq!(line.contains("deprecated"), is_v6, "{line}");
        assert_eq!(line.contains("preferred_lft 0sec"), is_v6, "{line}");
    }
    // A renewal without its flags would have grown one for each host address.
    let routes = host.ip("route show").unwrap() + &host.ip("-6 route show").unwrap();
    assert!(
        !routes.contains("2001:db8:1::1 ") && !routes.contains("198.51.100.1"),
        "{routes}"
    );
    assert!(
        routes.contains("192.0.2.0/24") && routes.contains("2001:db8::/64"),
        "{routes}"
    );

    let renewed = driver
        .ensure_present(link, &all, leased(Duration::from_secs(2)))
        .await;
    assert_eq!(summary(&renewed), "Unchanged Unchanged Unchanged Unchanged");
    // The kernel takes up to 1.25 s longer than the two seconds.
    let deadline = now() + Duration::from_secs(10);
    while marked(&host).unwrap() > 0 {
        assert!(now() < deadline, "still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_the_administrator_added_is_left_alone() {
    let (host, link, driver) = host().unwrap();
    host.ip("address add 192.0.2.1/24 dev a").unwrap();
    host.ip("address add 2001:db8::1/64 dev a nodad").unwrap();
    add_with_protocol(&host, link, [192, 0, 2, 2], 18).unwrap();
    let before = host.ip("-o address show dev a").unwrap();

    let same = nets(&[
        "192.0.2.1/24",
        "192.0.2.1/32",
        "2001:db8::1/64",
        "192.0.2.2/24",
    ]);
    let refused = driver
        .ensure_present(link, &same, leased(Duration::from_secs(60)))
        .await;
    assert_eq!(summary(&refused), "Foreign Foreign Foreign Foreign");

    let owner = Claim {
        foreign: Foreign::Use,
        ..leased(Duration::from_secs(60))
    };
    let used = driver.ensure_present(link, &same, owner).await;
    assert_eq!(summary(&used), "Unchanged Unchanged Unchanged Unchanged");

    let kept = driver.ensure_absent(link, &same).await;
    assert_eq!(summary(&kept), "Unchanged Unchanged Unchanged Unchanged");
    assert_eq!(
        driver.remove_leftovers(link, Leftovers::All).await.unwrap(),
        []
    );
    assert_eq!(host.ip("-o address show dev a").unwrap(), before);
}

#[tokio::test]
async fn one_refused_address_does_not_stop_the_others() {
    let (host, link, driver) = host().unwrap();
    host.ip("address add 192.0.2.2/24 dev a").unwrap();
    let list = nets(&[
        "192.0.2.1/24",
        "192.0.2.2/24",
        "192.0.2.3/24",
        "192.0.2.1/24",
    ]);
    let answers = driver.ensure_present(link, &list, PERMANENT).await;
    assert_eq!(summary(&answers), "Changed Foreign Changed Unchanged");
}

#[tokio::test]
async fn the_first_address_of_a_subnet_goes_alone() {
    let (host, link, driver) = host().unwrap();
    let list = nets(&["192.0.2.10/24", "192.0.2.11/24", "192.0.2.12/24"]);
    driver.ensure_present(link, &list, PERMANENT).await;
    let removed = driver.ensure_absent(link, &list[..1]).await;
    assert_eq!(summary(&removed), "Changed");
    let shown = host.ip("-4 address show dev a").unwrap();
    assert!(!shown.contains("192.0.2.10/"), "{shown}");
    assert!(
        shown.contains("192.0.2.11/") && shown.contains("192.0.2.12/"),
        "{shown}"
    );
}

#[tokio::test]
async fn removal_can_be_repeated() {
    let (_host, link, driver) = host().unwrap();
    let list = nets(&["192.0.2.10/24", "2001:db8::10/64"]);
    driver.ensure_present(link, &list, PERMANENT).await;
    let twice = nets(&["192.0.2.10/24", "2001:db8::10/64", "192.0.2.10/24"]);
    let first = driver.ensure_absent(link, &twice).await;
    assert_eq!(summary(&first), "Changed Changed Changed");
    assert_eq!(
        summary(&driver.ensure_absent(link, &list).await),
        "Unchanged Unchanged"
    );
}

#[tokio::test]
async fn an_address_taken_away_by_somebody_is_put_back() {
    let (host, link, driver) = host().unwrap();
    let list = nets(&["192.0.2.10/24", "192.0.2.11/24"]);
    driver.ensure_present(link, &list, PERMANENT).await;
    host.ip("address del 192.0.2.10/24 dev a").unwrap();
    let answers = driver.ensure_present(link, &list, PERMANENT).await;
    assert_eq!(summary(&answers), "Changed Unchanged");
}

#[tokio::test]
async fn another_prefix_length_replaces_ours() {
    let (host, link, driver) = host().unwrap();
    let old = nets(&["192.0.2.10/24", "2001:db8::10/64"]);
    driver.ensure_present(link, &old, PERMANENT).await;
    let new = nets(&["192.0.2.10/32", "2001:db8::10/128"]);
    let answers = driver.ensure_present(link, &new, PERMANENT).await;
    assert_eq!(summary(&answers), "Changed Changed");
    let shown = host.ip("address show dev a").unwrap();
    assert!(
        shown.contains("192.0.2.10/32") && shown.contains("2001:db8::10/128"),
        "{shown}"
    );
    assert!(
        !shown.contains("192.0.2.10/24") && !shown.contains("2001:db8::10/64"),
        "{shown}"
    );
    let removed = driver.ensure_absent(link, &old).await;
    assert_eq!(
        summary(&removed),
        "Changed Changed",
        "the same addresses to every neighbour"
    );
    assert_eq!(marked(&host).unwrap(), 0);
}

#[tokio::test]
async fn a_lost_interface_is_a_fact_of_its_own() {
    let (host, link, driver) = host().unwrap();
    let list = nets(&["192.0.2.10/24", "2001:db8::10/64"]);
    driver.ensure_present(link, &list, PERMANENT).await;
    host.ip("link del dev a").unwrap();
    let answers = driver.ensure_present(link, &list, PERMANENT).await;
    assert_eq!(summary(&answers), "NoSuchLink NoSuchLink");
    assert_eq!(
        summary(&driver.ensure_absent(link, &list).await),
        "Unchanged Unchanged"
    );
}

#[tokio::test]
async fn many_addresses_come_and_go_at_once() {
    let (_host, link, driver) = host().unwrap();
    let list: Vec<IpNet> = (1..=180)
        .map(|i| {
            if i % 2 == 0 {
                format!("10.1.0.{i}/24")
            } else {
                format!("fd00::{i:x}/64")
            }
        })
        .map(|text| text.parse().unwrap())
        .collect();
    let claim = leased(Duration::from_secs(60));
    let count = |answers: Vec<Result<Outcome, AddressError>>, outcome| {
        answers
            .iter()
            .filter(|a| a.as_ref().is_ok_and(|o| *o == outcome))
            .count()
    };
    assert_eq!(
        count(
            driver.ensure_present(link, &list, claim).await,
            Outcome::Changed
        ),
        180
    );
    assert_eq!(
        count(
            driver.ensure_present(link, &list, claim).await,
            Outcome::Unchanged
        ),
        180
    );
    assert_eq!(
        count(driver.ensure_absent(link, &list).await, Outcome::Changed),
        180
    );
}

#[tokio::test]
async fn leftovers_of_a_dead_process_are_found() {
    let (host, link, driver) = host().unwrap();
    host.ip("address add 192.0.2.1/24 dev a").unwrap();
    let list = nets(&["192.0.2.10/24", "192.0.2.11/24", "2001:db8::10/64"]);
    driver.ensure_present(link, &list, PERMANENT).await;
    drop(driver);

    let successor = self::driver(&host).unwrap();
    let only = successor
        .remove_leftovers(link, Leftovers::Only(&list[..1]))
        .await
        .unwrap();
    assert_eq!(only, list[..1]);
    // Adopting is the other thing a successor may do.
    let adopted = successor
        .ensure_present(link, &list[1..2], leased(Duration::from_secs(60)))
        .await;
    assert_eq!(summary(&adopted), "Unchanged");
    let shown = host.ip("-4 -o address show dev a to 192.0.2.11").unwrap();
    assert!(shown.contains("sec preferred_lft"), "leased now: {shown}");

    let mut rest = successor
        .remove_leftovers(link, Leftovers::All)
        .await
        .unwrap();
    rest.sort();
    assert_eq!(rest, list[1..]);
    let shown = host.ip("address show dev a").unwrap();
    assert!(shown.contains("192.0.2.1/24"), "{shown}");
    assert_eq!(marked(&host).unwrap(), 0);
}

#[tokio::test]
async fn nothing_is_done_after_the_lease() {
    let (host, link, driver) = host().unwrap();
    let past = Claim {
        lease: Lease::Until(now()),
        foreign: Foreign::Refuse,
    };
    let answers = driver
        .ensure_present(link, &nets(&["192.0.2.10/24"]), past)
        .await;
    assert_eq!(summary(&answers), "Expired");
    assert!(
        !host
            .ip("address show dev a")
            .unwrap()
            .contains("192.0.2.10")
    );
}

#[tokio::test]
async fn ipv6_switched_off_is_named() {
    let (host, link, driver) = host().unwrap();
    let setting = "/proc/sys/net/ipv6/conf/a/disable_ipv6";
    host.run(move || std::fs::write(setting, "1"))
        .unwrap()
        .unwrap();
    let list = nets(&["2001:db8::10/64", "192.0.2.10/24"]);
    let answers = driver.ensure_present(link, &list, PERMANENT).await;
    assert_eq!(summary(&answers), "Ipv6Disabled Changed");
}

#[tokio::test]
async fn a_missing_capability_is_named() {
    let (host, link, _) = host().unwrap();
    let namespace = host.namespace.clone();
    // Capabilities belong to threads; those of the driver inherit the lack of them.
    let thread = std::thread::spawn(move || {
        namespace.enter().unwrap();
        let none = rustix::thread::CapabilitySets {
            effective: rustix::thread::CapabilitySet::empty(),
            permitted: rustix::thread::CapabilitySet::empty(),
            inheritable: rustix::thread::CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none).unwrap();
        NetlinkAddresses::start(Options::default()).unwrap()
    });
    let powerless = thread.join().unwrap();
    let answers = powerless
        .ensure_present(link, &nets(&["192.0.2.10/24"]), PERMANENT)
        .await;
    assert_eq!(summary(&answers), "Permission");
    let announced = powerless
        .announce(link, &["192.0.2.10".parse().unwrap()])
        .await;
    assert!(
        matches!(announced, Err(AddressError::Permission)),
        "{announced:?}"
    );
}

/// The kernel acknowledges an IPv6 address before it takes in packets to it.
#[tokio::test]
async fn new_ipv6_addresses_are_taken_in_when_the_answer_comes() -> std::io::Result<()> {
    let (host, link, driver) = host()?;
    for round in 0..20 {
        let ips = [format!("fd77::{round:x}"), format!("fe80::77:{round:x}")];
        let nets: Vec<IpNet> = ips
            .iter()
            .map(|ip| format!("{ip}/64").parse().unwrap())
            .collect();
        for answer in driver.ensure_present(link, &nets, PERMANENT).await {
            assert_eq!(answer.unwrap(), Outcome::Changed);
        }
        for ip in &ips {
            let route = host.ip(&format!("-6 route get {ip} oif a"))?;
            assert!(route.starts_with("local"), "round {round}: {route}");
        }
    }
    Ok(())
}
