//! Established connections outlive their director.

use locum_lab::failover::Family;
use locum_lab::site::{Method, SiteConfig};
use locum_lab::wait_until;

use crate::Result;
use crate::bench::{self, Bench, PATIENCE};

/// A connection is copied with its third packet, and then now and then: what a director has not heard of in this time
/// after its start it will not hear of.
const PREEMPT_DELAY: &str = "preempt_delay = \"4s\"\n";

pub(crate) fn live_on_with_the_sync_daemon() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4)
        .router_keys(PREEMPT_DELAY)
        .ipvs_keys("sync = { interface = \"eth0\", id = 7 }\n");
    bench::run(&config, live_on);
}

pub(crate) fn live_on_by_their_hash_alone() {
    let config =
        SiteConfig::new(Method::Direct, Family::Ipv4).scheduler("{ name = \"mh\", port = true }");
    bench::run(&config, |bench| {
        for number in [1, 2] {
            // Packets of connections that it has not seen begin are scheduled, too.
            bench
                .site
                .director(number)
                .sysctl("net/ipv4/vs/sloppy_tcp", "1")?;
        }
        live_on(bench)
    });
}

/// What the others show is not so by itself.
pub(crate) fn break_without_either() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4);
    bench::run(&config, |bench| {
        let connection = bench.site.open_connection(1, PATIENCE)?;
        connection.wait_echoes(10, PATIENCE)?;
        bench.stop_director(1)?;
        wait_until("the connection to break", PATIENCE, || {
            connection.report().broken.is_some()
        })?;
        // A new one is welcome.
        bench
            .site
            .open_connection(1, PATIENCE)?
            .wait_echoes(10, PATIENCE)?;
        Ok(())
    });
}

/// Through a stop, a death, and the preemption after each.
fn live_on(bench: &mut Bench) -> Result {
    let connections = (0..3)
        .map(|_| bench.site.open_connection(1, PATIENCE))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let go_on = |echoes| {
        connections
            .iter()
            .try_for_each(|connection| connection.wait_echoes(echoes, PATIENCE))
    };
    // The sync daemon copies what has been seen so often.
    go_on(60)?;
    bench.stop_director(1)?;
    bench.site.wait_master(1, 2, PATIENCE)?;
    go_on(60)?;
    bench.start_director(1)?;
    bench.site.wait_master(1, 1, PATIENCE)?;
    go_on(60)?;
    bench.kill_director(1)?;
    go_on(60)?;
    bench.revive_director(1)?;
    bench.site.wait_master(1, 1, PATIENCE)?;
    Ok(go_on(60)?)
}
