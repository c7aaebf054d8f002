//! What no other test can bring about: time that jumps, and kernels without marks. Needs root and `ip`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::driver::{Foreign, Lease};

#[expect(
    dead_code,
    reason = "shared with the integration tests, which use all of it"
)]
#[path = "../../tests/netns_vip/host.rs"]
mod host;

use self::host::Host;

const ADDRESSES: [&str; 2] = ["192.0.2.10/24", "2001:db8::10/64"];

fn nets() -> [IpNet; 2] {
    ADDRESSES.map(|text| text.parse().unwrap())
}

fn host() -> (Host, LinkIndex) {
    let host = Host::new().unwrap();
    host.ip("link add name a type veth peer name b").unwrap();
    host.ip("link set dev a up").unwrap();
    let link = LinkIndex::new(host.index("a").unwrap()).unwrap();
    (host, link)
}

fn options(host: &Host) -> Options {
    Options {
        namespace: host.namespace.clone(),
        ..Options::default()
    }
}

/// A clock that stands still for so many readings and is then an hour later.
fn jumping(start: Instant, readings: usize) -> Clock {
    let count = AtomicUsize::new(0);
    Box::new(move || {
        let is_late = count.fetch_add(1, Ordering::Relaxed) >= readings;
        if is_late {
            start + Duration::from_secs(3600)
        } else {
            start
        }
    })
}

fn holds(host: &Host) -> usize {
    let shown = host.ip("-o address show dev a").unwrap();
    ADDRESSES
        .iter()
        .filter(|address| shown.contains(**address))
        .count()
}

#[tokio::test]
async fn a_late_request_brings_nothing_back() {
    // Whenever the lease runs out: before the request, between look and request, before the answer.
    let mut outcomes = Vec::new();
    for readings in 0..5 {
        for present in [false, true] {
            let (host, link) = host();
            let start = clock();
            let claim = Claim {
                lease: Lease::Until(start + Duration::from_secs(60)),
                foreign: Foreign::Refuse,
            };
            if present {
                let on_time = NetlinkAddresses::start(options(&host)).unwrap();
                on_time.ensure_present(link, &nets(), claim).await;
                assert_eq!(holds(&host), 2);
            }
            let late = jumping(start, readings);
            let driver = NetlinkAddresses::start_with(options(&host), late, true).unwrap();
            let answers = driver.ensure_present(link, &nets(), claim).await;
            let expired = answers
                .iter()
                .filter(|a| matches!(a, Err(AddressError::Expired)))
                .count();
            match expired {
                0 => assert!(answers.iter().all(Result::is_ok) && holds(&host) == 2),
                2 if !present => assert_eq!(holds(&host), 0, "after {readings} readings"),
                // Never sent: the address is still as leased before. Sent and answered late: removed.
                2 => assert!([0, 2].contains(&holds(&host))),
                _ => panic!("{answers:?}"),
            }
            outcomes.push((readings, present, expired, holds(&host)));
        }
    }
    assert!(
        outcomes.contains(&(0, true, 2, 2)),
        "nothing was sent: {outcomes:?}"
    );
    assert!(
        outcomes.contains(&(2, true, 2, 0)),
        "a late answer means removal: {outcomes:?}"
    );
    assert!(
        outcomes.contains(&(4, false, 0, 2)),
        "all in time: {outcomes:?}"
    );
}

#[tokio::test]
async fn a_late_request_leaves_what_is_not_ours() {
    let (host, link) = host();
    host.ip("address add 192.0.2.10/24 dev a").unwrap();
    let start = clock();
    for readings in 0..4 {
        let claim = Claim {
            lease: Lease::Until(start + Duration::from_secs(60)),
            foreign: Foreign::Refuse,
        };
        let late = jumping(start, readings);
        let driver = NetlinkAddresses::start_with(options(&host), late, true).unwrap();
        driver.ensure_present(link, &nets(), claim).await;
        assert!(
            host.ip("address show dev a")
                .unwrap()
                .contains("192.0.2.10/24")
        );
    }
}

#[tokio::test]
async fn without_marks_a_record_tells_what_is_ours() {
    let state = tempfile::tempdir().unwrap();
    let (host, link) = host();
    let claim = Claim {
        lease: Lease::Permanent,
        foreign: Foreign::Refuse,
    };
    host.ip("address add 192.0.2.1/24 dev a").unwrap();
    let start = |directory: Option<PathBuf>| {
        let options = Options {
            state_directory: directory,
            ..options(&host)
        };
        NetlinkAddresses::start_with(options, Box::new(clock), false).unwrap()
    };
    let recorded = || start(Some(state.path().to_owned()));

    let first = recorded();
    let outcomes = |answers: Vec<Result<Outcome, AddressError>>| {
        answers.into_iter().map(Result::ok).collect::<Vec<_>>()
    };
    let changed = [Some(Outcome::Changed); 2];
    let unchanged = [Some(Outcome::Unchanged); 2];
    assert_eq!(
        outcomes(first.ensure_present(link, &nets(), claim).await),
        changed
    );
    assert_eq!(
        outcomes(first.ensure_present(link, &nets(), claim).await),
        unchanged
    );
    drop(first);

    let forgetful = start(None);
    let answers = forgetful.ensure_present(link, &nets(), claim).await;
    assert!(
        answers
            .iter()
            .all(|a| matches!(a, Err(AddressError::Foreign))),
        "{answers:?}"
    );
    assert_eq!(
        outcomes(forgetful.ensure_absent(link, &nets()).await),
        unchanged
    );
    assert_eq!(holds(&host), 2);

    let successor = recorded();
    assert_eq!(
        outcomes(successor.ensure_present(link, &nets(), claim).await),
        unchanged
    );
    assert_eq!(
        successor
            .remove_leftovers(link, Leftovers::All)
            .await
            .unwrap(),
        nets()
    );
    assert_eq!(holds(&host), 0);
    let record = std::fs::read_to_string(state.path().join("addresses")).unwrap();
    assert_eq!(record, "", "nothing is ours any more");
}
