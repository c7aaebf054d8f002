//! Thousands of servers, and of mistakes.

use locum_director::site::{Check, CheckKind};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{load, mistake, try_load};

#[test]
fn ten_thousand_servers_share_one_check() {
    let servers = |own: &str| {
        let mut text = String::new();
        for service in 0..100 {
            writeln!(
                text,
                "[[virtual_service]]\nname = \"s{service}\"\naddress = \"192.0.2.10:{}\"\n\
                 check = {{ type = \"http\", matches = \"o[k]\" }}",
                service + 1
            )
            .expect("a string");
            for server in 0..100 {
                writeln!(
                    text,
                    "[[virtual_service.server]]\naddress = \"10.0.{service}.{server}\"\n{own}"
                )
                .expect("a string");
            }
        }
        let config = load(&text);
        let servers = config.site.services.iter().flat_map(|each| &each.servers);
        let checks: Vec<&Check> = servers.flat_map(|server| &server.checks).collect();
        assert_eq!(checks.len(), 10_000);
        let kinds: BTreeSet<*const CheckKind> = checks
            .iter()
            .map(|check| Arc::as_ptr(&check.kind))
            .collect();
        let targets: BTreeSet<SocketAddr> = checks.iter().map(|check| check.target).collect();
        assert_eq!(targets.len(), 10_000);
        kinds.len()
    };
    assert_eq!(servers(""), 1, "that of the services");
    let own = "check = { type = \"http\", matches = \"n[o]\" }";
    assert_eq!(servers(own), 1, "each the same of its own");
}

#[test]
fn thousands_of_broken_servers_are_all_told_of() {
    let mut text = String::from("[[virtual_service]]\nname = \"a\"\naddress = \"192.0.2.10:80\"\n");
    for _ in 0..5_000 {
        text.push_str("[[virtual_service.server]]\naddress = \"192.0.2.21:80\"\nx = 1\n");
    }
    let diagnostics = try_load(&text).expect_err("broken");
    assert_eq!(
        diagnostics.len(),
        2 * 5_000 - 1,
        "the first address is right"
    );
}

#[test]
fn what_is_expanded_has_a_bound() {
    let service = |addresses: &str, servers: usize| {
        let servers: String = (0..servers)
            .map(|server| format!("{{ address = \"10.0.0.{}\" }},", server + 1))
            .collect();
        format!(
            "[[virtual_service]]\nname = \"a\"\naddresses = [{addresses}]\nserver = [{servers}]"
        )
    };
    let most = load(
        &service("\"[2001:db8::/112]:80\"", 0)
            .replace("server = []", "sorry_server = \"2001:db9::1\""),
    );
    assert_eq!(most.site.services[0].kernel.len(), 65_536);
    assert_eq!(
        mistake(&service("\"198.18.0.0/16:80\", \"198.19.0.0:80\"", 1)),
        "more than 65536 virtual addresses"
    );
    let full = load(&service("\"198.18.0.0/16:80\"", 16));
    assert_eq!(full.site.services[0].servers.len(), 16);
    assert_eq!(
        mistake(&service("\"198.18.0.0/16:80\"", 17)),
        "more than 1048576 destinations"
    );
}
