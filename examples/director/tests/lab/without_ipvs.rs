//! A configuration with virtual services where the kernel has no IPVS.

use std::path::Path;

use locum_ipvs::{Client, Limits, QueryError};
use locum_lab::failover::Family;
use locum_lab::site::{Method, Site, SiteConfig};
use locum_lab::wait_until;

use crate::Result;
use crate::site::PATIENCE;

#[test]
fn the_pair_goes_on_and_says_what_is_missing() -> Result {
    let site = Site::build(&SiteConfig::new(Method::Direct, Family::Ipv4))?;
    let _web = site.start_web()?;
    let has_ipvs = site.director(1).run(|| {
        let asked = Client::open(Limits::default()).map(|mut client| client.info());
        Ok::<_, std::io::Error>(!matches!(asked?, Err(QueryError::ModuleMissing)))
    })?;
    let program = Path::new(env!("CARGO_BIN_EXE_director"));
    let second = site.start_director(2, program)?;
    let first = site.start_director(1, program)?;
    site.wait_master(1, 1, PATIENCE)?;
    for director in [&first, &second] {
        director.wait_ready(PATIENCE)?;
        // Where there is IPVS, the same pair has to be in step with it.
        let expected = if has_ipvs { None } else { Some("ipvs-missing") };
        wait_until("the kernel to be asked", PATIENCE, || {
            director.status().is_ok_and(|status| {
                let kind = status.pointer("/site/ipvs/fault/kind");
                let in_step = status.pointer("/site/ipvs/in_step");
                kind.and_then(serde_json::Value::as_str) == expected
                    && in_step.and_then(serde_json::Value::as_bool) == Some(has_ipvs)
            })
        })?;
        if !has_ipvs {
            director
                .child()
                .log()
                .wait_for("modprobe ip_vs", PATIENCE)?;
        }
    }
    first.stop(PATIENCE)?;
    site.wait_master(1, 2, PATIENCE)?;
    drop(first);
    let _first = site.start_director(1, program)?;
    Ok(site.wait_master(1, 1, PATIENCE)?)
}
