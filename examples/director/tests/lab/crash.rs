//! A Master that dies without a word leaves no second owner behind.

use std::time::Duration;

use locum_lab::{Signal, wait_until};

use crate::Result;
use crate::site::{Form, GRANULARITY, PATIENCE, Program, Router, Site};

/// What a loaded machine may add to the bounds of the kernel.
const NOISE: Duration = Duration::from_secs(2);

#[test]
fn kill_9_leaves_no_second_owner_after_the_lease() -> Result {
    let site = Site::new(2)?;
    let (high, low) = (
        Router::new(Form::V3).priority(150),
        Router::new(Form::V3).priority(100),
    );
    let _second = site.start(2, Program::Director, &low)?;
    let first = site.start(1, Program::Director, &high)?;
    site.wait_owner(1, &high)?;
    let prober = site.probe(&high)?;
    site.wait_answer(&prober, 1)?;

    site.host(1)?.signal_all(Signal::Kill)?;
    drop(first);
    // Nobody has cut the link: the address stays for the rest of the lease, beside the successor's.
    site.wait_answer(&prober, 2)?;
    let bound = high.lease() + GRANULARITY + NOISE;
    wait_until("the lease to end", bound, || {
        site.owners_of(high.vip()) == ["router2"]
    })?;
    Ok(())
}

#[test]
fn the_last_director_alone_leaves_nothing_behind() -> Result {
    let site = Site::new(1)?;
    let router = Router::new(Form::V3Ipv6);
    let _director = site.start(1, Program::Director, &router)?;
    site.wait_owner(1, &router)?;
    site.host(1)?.signal_all(Signal::Kill)?;
    wait_until(
        "the lease to end",
        router.lease() + GRANULARITY + NOISE,
        || {
            router
                .addresses
                .iter()
                .all(|net| site.owners_of(net.addr()).is_empty())
        },
    )?;
    Ok(())
}

#[test]
fn a_restarted_director_finds_and_removes_what_its_predecessor_left() -> Result {
    let site = Site::new(2)?;
    let router = Router::new(Form::V3);
    let first = site.start(1, Program::Director, &router)?;
    site.wait_owner(1, &router)?;
    site.host(1)?.signal_all(Signal::Kill)?;
    drop(first);
    let second = site.start(2, Program::Director, &router.clone().priority(150))?;
    site.wait_owner(2, &router)?;
    let _first = site.start(1, Program::Director, &router)?;
    site.wait_owner(2, &router)?;
    second.stop()?;
    site.wait_owner(1, &router)
}

#[test]
fn an_owner_restarts_at_once() -> Result {
    let site = Site::new(2)?;
    let low = Router::new(Form::V3);
    let owner = Router::new(Form::V3).priority(255);
    let _second = site.start(2, Program::Director, &low)?;
    site.wait_owner(2, &low)?;
    let _first = site.start(1, Program::Director, &owner)?;
    site.wait_owner(1, &owner)
}

#[test]
fn a_cable_pulled_and_put_back_moves_the_address_there_and_back() -> Result {
    let site = Site::new(2)?;
    let (high, low) = (
        Router::new(Form::V3).priority(150),
        Router::new(Form::V3).priority(100),
    );
    let prober = site.probe(&high)?;
    let _second = site.start(2, Program::Director, &low)?;
    let _first = site.start(1, Program::Director, &high)?;
    site.wait_owner(1, &high)?;
    site.lan.cut(site.host(1)?)?;
    site.wait_owner(2, &low)?;
    site.wait_answer(&prober, 2)?;
    site.lan.heal(site.host(1)?)?;
    site.wait_owner(1, &high)?;
    site.wait_answer(&prober, 1)
}

#[test]
fn a_split_network_has_one_owner_again_when_it_is_whole() -> Result {
    let site = Site::new(2)?;
    let (high, low) = (
        Router::new(Form::V3).priority(150),
        Router::new(Form::V3).priority(100),
    );
    let prober = site.probe(&high)?;
    let _second = site.start(2, Program::Director, &low)?;
    let _first = site.start(1, Program::Director, &high)?;
    site.wait_owner(1, &high)?;
    site.lan.partition(site.host(1)?)?;
    wait_until("two owners", PATIENCE, || {
        site.owners_of(high.vip()).len() == 2
    })?;
    site.wait_answer(&prober, 2)?;
    site.lan.heal(site.host(1)?)?;
    site.wait_owner(1, &high)?;
    site.wait_answer(&prober, 1)
}
