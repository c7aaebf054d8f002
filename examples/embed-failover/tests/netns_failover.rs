//! Two of the example on one link, and the address moves. Needs root and `ip`.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use locum_lab::{Host, Lan, Signal, wait_until};

const BOUND: Duration = Duration::from_secs(10);

#[test]
fn the_address_moves_when_the_first_one_is_told_to_leave() {
    let vip: IpAddr = "192.0.2.10".parse().unwrap();
    let lan = Lan::bridge().unwrap();
    let hosts = ["a", "b"].map(|name| Host::new(name).unwrap());
    let start = |host: &Host, priority: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embed-failover"));
        command.args(["eth0", "51", "192.0.2.10/24", priority]);
        host.spawn(command).unwrap()
    };
    for (host, last) in hosts.iter().zip(1..) {
        let address = format!("192.0.2.{last}/24").parse().unwrap();
        lan.attach(host, "eth0", &[address]).unwrap();
    }
    let first = start(&hosts[0], "150");
    wait_until("the first one holds the address", BOUND, || {
        hosts[0].has_address(vip)
    })
    .unwrap();
    let _second = start(&hosts[1], "100");

    first.signal(Signal::Term).unwrap();
    wait_until("the second one holds the address", BOUND, || {
        hosts[1].has_address(vip)
    })
    .unwrap();
    assert!(first.wait(BOUND).unwrap().success());
    assert!(!hosts[0].has_address(vip));
    let log = first.log().text();
    assert!(
        log.contains("Master") && log.contains("Master to Leaving: Stopped"),
        "{log}"
    );
}
