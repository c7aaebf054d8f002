//! A process of a director dies, and the kernel's table does not.

use locum_ipvs::{Client, Limits, Role};
use locum_lab::failover::Family;
use locum_lab::site::{Method, SiteConfig};
use locum_lab::{Director, Signal, wait_until};

use crate::Result;
use crate::bench::{self, Bench, PATIENCE, wait_balanced};

pub(crate) fn a_killed_checker_changes_no_pool() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4);
    bench::run(&config, |bench| {
        let load = bench.start_load(1)?;
        wait_balanced(&load, &["web1", "web2"])?;
        let all = Some([(1, 1), (2, 1)].into());
        let director = bench.director(1)?;
        director.signal_process("checker", Signal::Kill)?;
        let mut seen = Ok(());
        wait_until("another checker", PATIENCE, || {
            match bench.site.weights(1, 1) {
                Ok(now) if now == all => {}
                other => seen = Err(format!("the table became {other:?}")),
            }
            seen.is_err() || runs_again(director, "checker", 1)
        })?;
        seen?;
        // It checks, and has the table.
        bench.lose_a_server_for_a_while(&load)
    });
}

/// A process that dies again and again is not started again at once: meanwhile this director is master of nothing, and
/// copies its connections to nobody.
pub(crate) fn a_routers_process_that_stays_away_is_no_master() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4)
        .ipvs_keys("sync = { interface = \"eth0\", id = 7 }\n");
    bench::run(&config, |bench| {
        wait_until("the daemon of a master", PATIENCE, || {
            roles(bench).is_ok_and(|roles| roles == [Role::Master])
        })?;
        let director = bench.director(1)?;
        // The first is replaced at once, the second after a second, the third after two…
        for restarts in 1..=3 {
            director.signal_process("routers", Signal::Kill)?;
            wait_until("another routers process", PATIENCE, || {
                runs_again(director, "routers", restarts)
            })?;
        }
        wait_until("the daemon of a master again", PATIENCE, || {
            roles(bench).is_ok_and(|roles| roles == [Role::Master])
        })?;
        director.signal_process("routers", Signal::Kill)?;
        wait_until("the daemon of a backup", PATIENCE, || {
            roles(bench).is_ok_and(|roles| roles == [Role::Backup])
        })?;
        if director.of_process("routers", "pid")?.is_some() {
            return Err("its successor was there before".into());
        }
        Ok(())
    });
}

fn runs_again(director: &Director, process: &str, restarts: u64) -> bool {
    let number = |field| director.of_process(process, field).ok().flatten();
    number("restarts") == Some(restarts) && number("pid").is_some()
}

/// Which synchronisation daemons director 1 runs.
fn roles(bench: &Bench) -> Result<Vec<Role>> {
    let mut client = bench
        .site
        .director(1)
        .run(|| Client::open(Limits::default()))?;
    Ok(client.daemons()?.iter().map(|daemon| daemon.role).collect())
}
