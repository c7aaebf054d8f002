//! The kernel's table is what it should be, whoever changes it, and whatever becomes of the director.

use std::process::Command;

use locum_lab::failover::Family;
use locum_lab::site::{Method, SiteConfig};
use locum_lab::{Signal, wait_until};

use crate::bench::{self, PATIENCE, wait_balanced};

pub(crate) fn an_emptied_table_is_filled_again() {
    let config =
        SiteConfig::new(Method::Direct, Family::Ipv4).ipvs_keys("reconcile_interval = \"1s\"\n");
    bench::run(&config, |bench| {
        let load = bench.start_load(1)?;
        wait_balanced(&load, &["web1", "web2"])?;
        let director = bench.director(1)?;
        let mark = director.child().log().mark();
        let before = drifts(&director.status()?);
        let mut empty = Command::new("ipvsadm");
        empty.arg("-C");
        bench.site.director(1).output(empty)?;
        bench.wait_serving(&[1, 2])?;
        director
            .child()
            .log()
            .wait_after(mark, "repaired", PATIENCE)?;
        let after = drifts(&director.status()?);
        if after <= before {
            return Err(format!("{before} repairs were counted before, {after} after").into());
        }
        wait_balanced(&load, &["web1", "web2"])?;
        Ok(())
    });
}

/// How many repairs the director has counted.
fn drifts(status: &serde_json::Value) -> u64 {
    let counted = status.pointer("/site/ipvs/counters/drift_repaired");
    counted.and_then(serde_json::Value::as_u64).unwrap_or(0)
}

pub(crate) fn a_stop_leaves_nothing_and_a_crash_everything() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4);
    bench::run(&config, |bench| {
        let all = [(1, 1), (2, 1)].into();
        bench.site.director(1).signal_all(Signal::Kill)?;
        let left = bench.site.weights(1, 1)?;
        if left.as_ref() != Some(&all) {
            return Err(format!("the crashed director left {left:?} in its table").into());
        }
        bench.start_director(1)?;
        // Until it has made up its mind, and after.
        let mut missing = None;
        wait_until("the director to be master again", PATIENCE, || {
            let now = bench.site.weights(1, 1).ok().flatten();
            if now.as_ref() != Some(&all) {
                missing = Some(now);
            }
            missing.is_some() || bench.site.masters(1) == [1]
        })?;
        if let Some(missing) = missing {
            return Err(format!("a restart went through {missing:?}").into());
        }
        bench.stop_director(1)?;
        let left = bench.site.weights(1, 1)?;
        match left {
            None => Ok(()),
            Some(left) => Err(format!("the stopped director left {left:?} in its table").into()),
        }
    });
}

pub(crate) fn a_reload_changes_servers_and_a_bad_file_nothing() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4);
    bench::run(&config, |bench| {
        let load = bench.start_load(1)?;
        wait_balanced(&load, &["web1", "web2"])?;
        let director = bench.director(1)?;
        let one = config.clone().servers(1).director_toml(1);
        director.reload(&one)?;
        // It may finish its connections first, with weight 0.
        wait_until("a server to leave the table", PATIENCE, || {
            bench.site.weights(1, 1).ok().flatten() == Some([(1, 1)].into())
        })?;
        wait_balanced(&load, &["web1"])?;
        let mark = director.child().log().mark();
        director.reload("[[virtual_service]]\nname = 1\n")?;
        let log = director.child().log();
        log.wait_after(mark, "everything goes on as it was", PATIENCE)?;
        wait_balanced(&load, &["web1"])?;
        director.reload(&config.director_toml(1))?;
        bench.site.wait_serving(1, 1, &[1, 2], PATIENCE)?;
        let report = wait_balanced(&load, &["web1", "web2"])?;
        match load.finish().failed() {
            0 => Ok(()),
            failed => Err(format!("{failed} requests failed; the last: {report}").into()),
        }
    });
}
