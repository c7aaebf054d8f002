//! Planned moves lose no probe of a 2 kHz stream.

use std::time::Duration;

use crate::Result;
use crate::site::{Form, Program, Router, Site, net4};

/// The machine stalled during so many tries: give up.
const TRIES: usize = 4;

/// Preemption and a planned stop, again and again until one round was free of stalls of this machine.
fn no_probe_is_lost(router: &Router) -> Result {
    let site = Site::new(2)?;
    let (high, low) = (router.clone().priority(150), router.clone().priority(100));
    let prober = site.probe(&high)?;
    let _second = site.start(2, Program::Director, &low)?;
    site.wait_owner(2, &low)?;
    site.wait_answer(&prober, 2)?;

    for _ in 0..TRIES {
        let from = prober.elapsed();
        let first = site.start(1, Program::Director, &high)?;
        site.wait_owner(1, &high)?;
        site.wait_answer(&prober, 1)?;
        first.stop()?;
        site.wait_owner(2, &low)?;
        site.wait_answer(&prober, 2)?;

        let report = prober.report_since(from);
        let lost = report.lost_in_outages();
        if lost == 0 {
            return Ok(());
        }
        assert!(
            !report.is_undisturbed(),
            "{lost} probes lost: {:?}",
            report.outages
        );
    }
    Err(format!("this machine stalled in each of {TRIES} tries").into())
}

fn addresses(count: u8) -> Vec<ipnet::IpNet> {
    (0..count).map(|index| net4(10 + index)).collect()
}

#[test]
fn at_10_ms_adverts() -> Result {
    no_probe_is_lost(&Router::new(Form::V3).interval(Duration::from_millis(10)))
}

#[test]
fn at_100_ms_adverts() -> Result {
    no_probe_is_lost(&Router::new(Form::V3))
}

#[test]
fn at_1_s_adverts() -> Result {
    no_probe_is_lost(&Router::new(Form::V2))
}

#[test]
fn with_ipv6() -> Result {
    no_probe_is_lost(&Router::new(Form::V3Ipv6))
}

#[test]
fn with_20_addresses() -> Result {
    no_probe_is_lost(&Router::new(Form::V3).vrid(51, addresses(20)))
}

#[test]
fn with_180_addresses() -> Result {
    no_probe_is_lost(&Router::new(Form::V3).vrid(51, addresses(180)))
}
