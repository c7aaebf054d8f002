//! Two services, each director master of one and backup of the other.

use locum_lab::failover::Family;
use locum_lab::site::{Method, SiteConfig};

use crate::bench::{self, PATIENCE, wait_balanced};

pub(crate) fn each_director_stands_in_for_the_other() {
    let sync = "sync = { interface = \"eth0\", id = 7 }\n";
    let config = SiteConfig::new(Method::Direct, Family::Ipv4)
        .dual_master()
        .ipvs_keys(sync);
    bench::run(&config, |bench| {
        let both = ["web1", "web2"];
        let loads = [bench.start_load(1)?, bench.start_load(2)?];
        let is_served = || {
            loads
                .iter()
                .try_for_each(|load| wait_balanced(load, &both).map(drop))
        };
        is_served()?;
        for (leaves, stays) in [(1, 2), (2, 1)] {
            bench.stop_director(leaves)?;
            for service in [1, 2] {
                bench.site.wait_master(service, stays, PATIENCE)?;
            }
            is_served()?;
            bench.start_director(leaves)?;
            for service in [1, 2] {
                bench.site.wait_master(service, service, PATIENCE)?;
            }
            is_served()?;
        }
        bench.kill_director(2)?;
        bench.site.wait_master(1, 1, PATIENCE)?;
        is_served()?;
        bench.revive_director(2)?;
        for service in [1, 2] {
            bench.site.wait_master(service, service, PATIENCE)?;
        }
        is_served()
    });
}
