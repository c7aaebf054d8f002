//! What the cases are made of.

use std::num::NonZeroU32;
use std::process::Command;

use locum_ipvs::*;

/// A client and an empty table.
pub(crate) fn client() -> Client {
    let mut client = Client::open(Limits::default()).unwrap();
    client.apply_one(Op::Flush).unwrap();
    client
}

pub(crate) fn ipvsadm(arguments: &[&str]) -> String {
    let output = Command::new("ipvsadm").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn tcp(address: &str) -> ServiceKey {
    ServiceKey::tcp(address.parse().unwrap())
}

pub(crate) fn udp(address: &str) -> ServiceKey {
    ServiceKey::udp(address.parse().unwrap())
}

pub(crate) fn mark(family: IpFamily, mark: u32) -> ServiceKey {
    let mark = NonZeroU32::new(mark).unwrap();
    ServiceKey::FirewallMark { family, mark }
}

pub(crate) fn seconds(seconds: u32) -> Seconds {
    Seconds::new(seconds).unwrap()
}

pub(crate) fn direct(address: &str) -> Destination {
    Destination::direct(address.parse().unwrap())
}

pub(crate) fn masquerade(address: &str) -> Destination {
    Destination::masquerade(address.parse().unwrap())
}

pub(crate) fn tunnel(address: &str, tunnel: Tunnel) -> Destination {
    Destination::tunnel(address.parse().unwrap(), tunnel)
}

pub(crate) fn write(client: &mut Client, table: &Table) {
    let ops = plan(table, &client.snapshot().unwrap());
    for (op, outcome) in ops.iter().zip(client.apply(&ops)) {
        outcome.unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }
}
