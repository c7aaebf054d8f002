//! Opposite keepalived, in both roles: each form of the protocol through the whole life of a pair.

use std::thread;
use std::time::Duration;

use locum_lab::{Prober, wait_until};

use crate::Result;
use crate::site::{Form, PATIENCE, Program, Router, Site};

/// The machine stalled during so many tries: give up.
const TRIES: usize = 4;

/// Two programs through start, take-over on death, preemption, priority 0 and nopreempt. The better one is on router 1.
fn life_of_a_pair(form: Form, better: Program, other: Program) -> Result {
    let site = Site::new(2)?;
    let (high, low) = (
        Router::new(form).priority(150),
        Router::new(form).priority(100),
    );
    let prober = site.probe(&high)?;

    // Start: the better one is master.
    let _second = site.start(2, other, &low)?;
    let first = site.start(1, better, &high)?;
    site.wait_owner(1, &high)?;
    site.wait_answer(&prober, 1)?;

    // Death: the other takes over.
    site.kill_host(1)?;
    site.wait_answer(&prober, 2)?;
    drop(first);

    // Return: the better one preempts, and only one has the addresses.
    site.revive_host(1, &high)?;
    let first = site.start(1, better, &high)?;
    site.wait_owner(1, &high)?;
    site.wait_answer(&prober, 1)?;

    // A planned stop: priority 0 is heard, and the other need not wait for three adverts.
    let capture = site.lan.capture()?;
    first.stop()?;
    let goodbye = capture
        .adverts()
        .into_iter()
        .any(|advert| advert.priority == 0);
    assert!(
        goodbye,
        "no advertisement with priority 0 was seen on the wire"
    );
    site.wait_owner(2, &low)?;
    site.wait_answer(&prober, 2)?;

    // Without preemption the incumbent stays, whoever comes.
    for _ in 0..TRIES {
        let from = prober.elapsed();
        let first = site.start(1, better, &high.clone().nopreempt())?;
        if stays_owner(&site, 2, &high)? {
            return Ok(());
        }
        // An incumbent that does not run for so long has to be taken for dead.
        assert!(
            stalled_since(&prober, from, high.interval * 2),
            "{:?} own the address",
            site.owners_of(high.vip())
        );
        first.stop()?;
        site.wait_owner(2, &low)?;
    }
    Err(format!("this machine stalled in each of {TRIES} tries").into())
}

/// Does nothing else happen for two master-down intervals? What would happen has happened by then.
fn stays_owner(site: &Site, number: u8, router: &Router) -> Result<bool> {
    let name = site.host(number)?.name();
    let bound = router.master_down() * 2;
    let changed = wait_until("another owner", bound, || {
        site.owners_of(router.vip()) != [name]
    });
    Ok(changed.is_err())
}

/// Was the prober itself kept from running for so long?
fn stalled_since(prober: &Prober, from: Duration, length: Duration) -> bool {
    let stalls = prober.report_since(from).stalls;
    stalls.iter().any(|stall| stall.length >= length)
}

macro_rules! lives {
    ($($form:ident: $director:ident, $keepalived:ident;)*) => {$(
        #[test]
        fn $director() -> Result {
            life_of_a_pair(Form::$form, Program::Director, Program::Keepalived)
        }

        #[test]
        fn $keepalived() -> Result {
            life_of_a_pair(Form::$form, Program::Keepalived, Program::Director)
        }
    )*};
}

lives! {
    V3: v3_director_is_better, v3_keepalived_is_better;
    V3Unicast: v3_unicast_director_is_better, v3_unicast_keepalived_is_better;
    V3Ipv6: v3_ipv6_director_is_better, v3_ipv6_keepalived_is_better;
    V3Ipv6Unicast: v3_ipv6_unicast_director_is_better, v3_ipv6_unicast_keepalived_is_better;
}

/// Version 2 advertises each second at most: its pairs live at the same time, or they would take minutes.
#[test]
fn in_version_2_director_is_better_or_keepalived_or_both_are_directors() {
    use Program::{Director, Keepalived};
    let lives = [
        (Form::V2, Director, Keepalived),
        (Form::V2, Keepalived, Director),
        (Form::V2Header, Director, Keepalived),
        (Form::V2Header, Keepalived, Director),
        // A keepalived that covers another part of the IP header in unicast.
        (Form::V2HeaderUnicast, Director, Keepalived),
        (Form::V2Password, Director, Keepalived),
        (Form::V2Password, Keepalived, Director),
        (Form::V2Password, Director, Director),
        (Form::V2Unicast, Director, Keepalived),
        (Form::V2Unicast, Keepalived, Director),
    ];
    thread::scope(|scope| {
        for life @ (form, better, other) in lives {
            scope.spawn(move || {
                life_of_a_pair(form, better, other)
                    .unwrap_or_else(|error| panic!("{life:?}: {error}"));
            });
        }
    });
}

/// No keepalived of Debian signs yet.
#[test]
fn two_directors_live_the_same_life_signed() -> Result {
    life_of_a_pair(Form::V3Ipv6Signed, Program::Director, Program::Director)
}

#[test]
fn two_directors_live_the_same_life() -> Result {
    life_of_a_pair(Form::V3, Program::Director, Program::Director)
}

/// Both are master while the network is split; when it is whole, the higher address stays.
fn equal_priority(one: Program, two: Program) -> Result {
    let site = Site::new(2)?;
    let router = Router::new(Form::V3);
    let prober = site.probe(&router)?;
    site.lan.partition(site.host(2)?)?;
    let _one = site.start(1, one, &router)?;
    let _two = site.start(2, two, &router)?;
    wait_until("two owners of a split network", PATIENCE, || {
        site.owners_of(router.vip()).len() == 2
    })?;
    site.lan.heal(site.host(2)?)?;
    site.wait_owner(2, &router)?;
    site.wait_answer(&prober, 2)
}

#[test]
fn on_equal_priority_the_higher_address_wins_and_it_is_keepalived() -> Result {
    equal_priority(Program::Director, Program::Keepalived)
}

#[test]
fn on_equal_priority_the_higher_address_wins_and_it_is_director() -> Result {
    equal_priority(Program::Keepalived, Program::Director)
}

#[test]
fn another_password_is_another_router() -> Result {
    let site = Site::new(2)?;
    let router = Router::new(Form::V2Password);
    let open = Router::new(Form::V2).priority(200);
    let one = site.start(1, Program::Director, &router)?;
    let _two = site.start(2, Program::Keepalived, &open)?;
    wait_until(
        "two owners that do not understand each other",
        PATIENCE,
        || site.owners_of(router.vip()).len() == 2,
    )?;
    let one = one.director()?;
    let refused = || -> Option<u64> {
        let status = one.status().ok()?;
        let counters = status.pointer("/routers/0/counters")?.as_object()?;
        counters
            .iter()
            .filter(|(name, _)| name.contains("auth"))
            .filter_map(|(_, n)| n.as_u64())
            .max()
    };
    wait_until("the refusals to be counted", PATIENCE, || {
        refused().is_some_and(|count| count > 0)
    })?;
    Ok(())
}
