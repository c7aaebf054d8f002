//! A Master that dies without a word leaves no second owner behind.

use std::time::Duration;

use locum_lab::{Signal, wait_until};

use crate::Result;
use crate::site::{Form, GRANULARITY, PATIENCE, Pair, Program, Router, Site};

/// What a loaded machine may add to the bounds of the kernel.
const NOISE: Duration = Duration::from_secs(2);

#[test]
fn kill_9_leaves_no_second_owner_after_the_lease() -> Result {
    let pair = Pair::start()?;
    let Pair {
        site, high, prober, ..
    } = &pair;
    site.host(1)?.signal_all(Signal::Kill)?;
    // Nobody has cut the link: the address stays for the rest of the lease, beside the successor's.
    site.wait_answer(prober, 2)?;
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
fn a_restarted_director_removes_what_its_predecessor_left() -> Result {
    let site = Site::new(1)?;
    let router = Router::new(Form::V3);
    let first = site.start(1, Program::Director, &router)?;
    site.wait_owner(1, &router)?;
    site.host(1)?.signal_all(Signal::Kill)?;
    drop(first);
    let second = site.start(1, Program::Director, &router)?;
    let log = second.director()?.child().log();
    log.wait_for("a process that died left it behind", PATIENCE)?;
    site.wait_owner(1, &router)
}

#[test]
fn an_owner_takes_its_address_back_from_a_lesser_master() -> Result {
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
    let pair = Pair::start()?;
    let Pair {
        site, high, prober, ..
    } = &pair;
    site.lan.cut(site.host(1)?)?;
    site.wait_owner(2, high)?;
    site.wait_answer(prober, 2)?;
    site.lan.heal(site.host(1)?)?;
    pair.is_whole_again()
}

#[test]
fn a_split_network_has_one_owner_again_when_it_is_whole() -> Result {
    let pair = Pair::start()?;
    let Pair {
        site, high, prober, ..
    } = &pair;
    site.lan.partition(site.host(1)?)?;
    wait_until("two owners", PATIENCE, || {
        site.owners_of(high.vip()).len() == 2
    })?;
    site.wait_answer(prober, 2)?;
    site.lan.heal(site.host(1)?)?;
    pair.is_whole_again()
}
