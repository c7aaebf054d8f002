//! The site's wiring, with a table written by hand: whatever the method and the IP, requests get to every server and
//! answers back to the client. On a kernel with IPVS.

#![expect(
    clippy::unwrap_used,
    reason = "a laboratory that cannot be built fails its test"
)]

use std::process::ExitCode;
use std::time::Duration;

use locum_ipvs::Scheduler;
use locum_lab::failover::Family;
use locum_lab::site::{Method, Site, SiteConfig};
use locum_lab::{LoadConfig, cases, kernel};

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    kernel::main(cases![
        direct_v4,
        direct_v6,
        nat_v4,
        nat_v6,
        tunnel_v4,
        tunnel_v6,
        two_services_at_two_directors,
    ])
}

fn balances(method: Method, family: Family) {
    let site = Site::build(&SiteConfig::new(method, family)).unwrap();
    let mut web = site.start_web().unwrap();
    site.write_table(1, &Scheduler::RR).unwrap();
    site.add_addresses(1).unwrap();
    assert_eq!(site.masters(1), [1]);

    let load = site.start_load(1, LoadConfig::default()).unwrap();
    let report = load
        .wait_served_by(&["web1", "web2"], 40, PATIENCE)
        .unwrap();
    assert_eq!(
        (report.percent("web1"), report.percent("web2")),
        (50, 50),
        "{report}"
    );
    let connection = site.open_connection(1, PATIENCE).unwrap();
    connection.wait_echoes(5, PATIENCE).unwrap();

    web.first_mut().unwrap().stop();
    let half =
        |report: &locum_lab::LoadReport| report.failed() == 5 && report.percent("web2") == 100;
    load.wait("every other request to fail", 10, PATIENCE, half)
        .unwrap();
}

fn direct_v4() {
    balances(Method::Direct, Family::Ipv4);
}

fn direct_v6() {
    balances(Method::Direct, Family::Ipv6);
}

fn nat_v4() {
    balances(Method::Nat, Family::Ipv4);
}

fn nat_v6() {
    balances(Method::Nat, Family::Ipv6);
}

fn tunnel_v4() {
    balances(Method::Tunnel, Family::Ipv4);
}

fn tunnel_v6() {
    balances(Method::Tunnel, Family::Ipv6);
}

fn two_services_at_two_directors() {
    let config = SiteConfig::new(Method::Direct, Family::Ipv4).dual_master();
    let site = Site::build(&config).unwrap();
    let _web = site.start_web().unwrap();
    site.write_table(2, &Scheduler::RR).unwrap();
    site.wait_serving(2, 2, &[1, 2], PATIENCE).unwrap();
    site.add_addresses(2).unwrap();
    for service in [1, 2] {
        let load = site.start_load(service, LoadConfig::default()).unwrap();
        load.wait_served_by(&["web1", "web2"], 10, PATIENCE)
            .unwrap();
    }
    site.revive_director(2).unwrap();
    assert_eq!((site.masters(1), site.masters(2)), (vec![], vec![]));
    assert_eq!(site.weights(2, 1).unwrap(), None);
}
