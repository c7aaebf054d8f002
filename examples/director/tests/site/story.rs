//! The mission's story, for each method and both IPs.

use locum_lab::failover::Family;
use locum_lab::site::{Method, SiteConfig};

use crate::bench::{self, PATIENCE, wait_balanced};

pub(crate) fn direct_ipv4() {
    tell(Method::Direct, Family::Ipv4);
}

pub(crate) fn direct_ipv6() {
    tell(Method::Direct, Family::Ipv6);
}

pub(crate) fn nat_ipv4() {
    tell(Method::Nat, Family::Ipv4);
}

pub(crate) fn nat_ipv6() {
    tell(Method::Nat, Family::Ipv6);
}

pub(crate) fn tunnel_ipv4() {
    tell(Method::Tunnel, Family::Ipv4);
}

pub(crate) fn tunnel_ipv6() {
    tell(Method::Tunnel, Family::Ipv6);
}

fn tell(method: Method, family: Family) {
    bench::run(&SiteConfig::new(method, family), |bench| {
        let both = ["web1", "web2"];
        let load = bench.start_load(1)?;
        wait_balanced(&load, &both)?;

        bench.lose_a_server_for_a_while(&load)?;

        // The master is stopped and the service goes on; it returns and preempts.
        bench.stop_director(1)?;
        bench.site.wait_master(1, 2, PATIENCE)?;
        wait_balanced(&load, &both)?;
        if let Some(left) = bench.site.weights(1, 1)? {
            return Err(format!("the stopped director left {left:?} in its table").into());
        }
        bench.start_director(1)?;
        bench.site.wait_master(1, 1, PATIENCE)?;
        wait_balanced(&load, &both)?;

        // Its machine dies; and is back.
        bench.kill_director(1)?;
        wait_balanced(&load, &both)?;
        bench.revive_director(1)?;
        bench.site.wait_master(1, 1, PATIENCE)?;
        wait_balanced(&load, &both)?;
        bench.wait_serving(&[1, 2])
    });
}
