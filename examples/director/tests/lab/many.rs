//! More than one virtual router, and more than two directors.

use crate::Result;
use crate::site::{Form, Program, Router, Site, net4};

#[test]
fn a_dual_master_pair_shares_two_addresses_and_survives_either_death() -> Result {
    let site = Site::new(2)?;
    let one = |priority| {
        Router::new(Form::V3)
            .vrid(51, vec![net4(50)])
            .priority(priority)
    };
    let two = |priority| {
        Router::new(Form::V3)
            .vrid(52, vec![net4(60)])
            .priority(priority)
    };
    let first = site.start_all(1, Program::Director, &[one(150), two(100)])?;
    let _second = site.start_all(2, Program::Director, &[one(100), two(150)])?;
    site.wait_owner(1, &one(150))?;
    site.wait_owner(2, &two(150))?;

    first.stop()?;
    site.wait_owner(2, &one(150))?;
    site.wait_owner(2, &two(150))?;

    let _first = site.start_all(1, Program::Director, &[one(150), two(100)])?;
    site.wait_owner(1, &one(150))?;
    site.wait_owner(2, &two(150))?;

    site.kill_host(2)?;
    let prober = site.probe(&two(150))?;
    site.wait_answer(&prober, 1)
}

#[test]
fn of_three_directors_the_best_that_lives_is_master() -> Result {
    let site = Site::new(3)?;
    let router = |priority| Router::new(Form::V3).priority(priority);
    let prober = site.probe(&router(100))?;
    let _third = site.start(3, Program::Director, &router(100))?;
    let _second = site.start(2, Program::Director, &router(150))?;
    let first = site.start(1, Program::Director, &router(200))?;
    site.wait_owner(1, &router(200))?;

    site.kill_host(1)?;
    drop(first);
    site.wait_answer(&prober, 2)?;
    site.kill_host(2)?;
    site.wait_answer(&prober, 3)?;

    site.revive_host(1, &router(200))?;
    let first = site.start(1, Program::Director, &router(200))?;
    site.wait_answer(&prober, 1)?;
    first.stop()?;
    site.wait_answer(&prober, 3)
}

#[test]
fn one_vrid_serves_both_families_of_an_interface() -> Result {
    // A VRID is unique for each interface and family (RFC 9568 §5.2.3).
    let site = Site::new(2)?;
    let four = |priority| Router::new(Form::V3).priority(priority);
    let six = |priority| Router::new(Form::V3Ipv6).priority(priority);
    let _first = site.start_all(1, Program::Director, &[four(150), six(100)])?;
    let _second = site.start_all(2, Program::Director, &[four(100), six(150)])?;
    site.wait_owner(1, &four(150))?;
    site.wait_owner(2, &six(150))
}
