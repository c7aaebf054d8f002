//! A process that does not run for a while: shorter than the lease nothing is lost, longer there is one owner soon.

use std::time::Duration;

use locum_lab::{Host, Signal, wait_until};

use crate::Result;
use crate::site::{GRANULARITY, Pair};

/// Stops every process on the hosts for `length`, then lets them go on.
fn freeze(hosts: &[&Host], length: Duration) -> Result {
    for host in hosts {
        host.signal_all(Signal::Stop)?;
    }
    // Nothing to wait for but time: the wait's bound is the length of the freeze.
    let _elapsed = wait_until("the end of the freeze", length, || false);
    for host in hosts {
        host.signal_all(Signal::Cont)?;
    }
    Ok(())
}

fn nothing_was_lost_since(pair: &Pair, from: Duration) {
    let report = pair.prober.report_since(from);
    let lost = report.lost_in_outages();
    assert!(
        lost == 0 || !report.is_undisturbed(),
        "{lost} probes lost: {:?}, answered by {:?}",
        report.outages,
        report.responders
    );
}

#[test]
fn of_the_master_shorter_than_the_lease_loses_nothing() -> Result {
    let pair = Pair::start()?;
    let from = pair.prober.elapsed();
    freeze(&[pair.site.host(1)?], Duration::from_secs(1))?;
    pair.is_whole_again()?;
    nothing_was_lost_since(&pair, from);
    Ok(())
}

#[test]
fn of_the_backup_shorter_than_the_lease_loses_nothing() -> Result {
    let pair = Pair::start()?;
    let from = pair.prober.elapsed();
    freeze(&[pair.site.host(2)?], Duration::from_secs(1))?;
    pair.is_whole_again()?;
    nothing_was_lost_since(&pair, from);
    Ok(())
}

#[test]
fn of_both_shorter_than_the_lease_loses_nothing() -> Result {
    let pair = Pair::start()?;
    let from = pair.prober.elapsed();
    freeze(
        &[pair.site.host(1)?, pair.site.host(2)?],
        Duration::from_secs(1),
    )?;
    pair.is_whole_again()?;
    nothing_was_lost_since(&pair, from);
    Ok(())
}

#[test]
fn of_the_master_longer_than_the_lease_ends_with_one_owner() -> Result {
    let pair = Pair::start()?;
    freeze(&[pair.site.host(1)?], pair.high.lease() + GRANULARITY * 2)?;
    pair.is_whole_again()
}

#[test]
fn of_both_longer_than_the_lease_ends_with_one_owner() -> Result {
    let pair = Pair::start()?;
    freeze(
        &[pair.site.host(1)?, pair.site.host(2)?],
        pair.high.lease() + GRANULARITY * 2,
    )?;
    pair.is_whole_again()
}
