//! An election allocates when it is made, and never again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use locum_vrrp_election::{Action, Advert, Config, Effect, Election, Input, Link, State};
use locum_vrrp_wire::{AdvertInterval, Priority};

fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

/// Hands in `input`, and reports each hold as done.
fn handle(election: &mut Election, now: Instant, input: Input) {
    election.handle(now, input).unwrap();
    while let Some(action) = election.poll_action() {
        if let Action::Hold { id, .. } = action {
            election
                .handle(now, Input::Effect(Effect::Held(id)))
                .unwrap();
        }
    }
}

/// Serves `count` deadlines, each when it is due.
fn deadlines(election: &mut Election, now: &mut Instant, count: usize) {
    for _ in 0..count {
        *now = election.poll_timeout().unwrap().at;
        handle(election, *now, Input::Timeout);
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn a_life_of_a_router_allocates_nothing() {
    let interval = AdvertInterval::v3(10).unwrap();
    let mut election = Election::new(Config::new(interval, Priority::DEFAULT).unwrap());
    let host = |host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
    let heard = |priority| {
        Input::Advertisement(Advert {
            source: host(2),
            priority: Priority::new(priority),
            interval,
        })
    };
    #[expect(clippy::disallowed_methods, reason = "where time starts, once")]
    let mut now = Instant::now();

    let counted = allocations(|| {
        handle(&mut election, now, Input::Link(Link::Up));
        handle(&mut election, now, Input::Source(Some(host(1))));
        handle(&mut election, now, Input::Startup);
        for _ in 0..1000 {
            now += Duration::from_millis(100);
            handle(&mut election, now, heard(200));
        }
        assert_eq!(election.state(), State::Backup);
        handle(&mut election, now, heard(0));
        deadlines(&mut election, &mut now, 1000);
        assert_eq!(election.state(), State::Master);
        handle(&mut election, now, heard(50));
        handle(&mut election, now, heard(200));
        deadlines(&mut election, &mut now, 100);
        assert_eq!(election.state(), State::Master);
        handle(&mut election, now, Input::Shutdown);
        handle(&mut election, now, Input::Shutdown);
        assert_eq!(election.state(), State::Initialize);
    });
    assert_eq!(counted, 0);
    assert_eq!(election.stats().adverts_received, 1003);
}
