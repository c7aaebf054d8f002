//! `director real-server`.

use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use thiserror::Error;

use super::{DONE, FAILED, fail, print, style};
use crate::doctor::{self, Severity};
use crate::machine::Machine;
use crate::real_server::{self, ActError, Done, Method, Owner, PlanError, Record, Request};

pub(super) const HELP: &str = "\
Examples:
  director real-server up 192.0.2.10 2001:db8::10
  director real-server up 192.0.2.10 --method tunnel
  director real-server status
  director real-server down

On a web server behind the director: so that it takes in packets to the virtual address, and nobody
learns that it has it. Not needed behind a director that translates addresses (NAT).";

const UP_HELP: &str = "\
Examples:
  director real-server up 192.0.2.10
  director real-server up 192.0.2.10 --method tunnel

Direct: the address, with a prefix length of 32 or 128, on `lo`, where no neighbour is told of it:
arp_ignore 1 and arp_announce 2. Tunnel: the same on `tunl0` or `ip6tnl0`, which is made and set up,
with an rp_filter that lets the clients' packets in. All can be repeated. What fails is undone.
It does not survive a restart of the machine: call it at the start.

Exit codes: 0 it is set up, 1 it is not.";

const DOWN_HELP: &str = "\
Examples:
  director real-server down
  director real-server down 192.0.2.10

Undoes exactly what `up` did; settings go back to what they were with the last address. What was there
before, or was changed by somebody since, is left alone.

Exit codes: 0 it is undone, 1 it is not.";

const STATUS_HELP: &str = "\
Examples:
  director real-server status
  director real-server status 192.0.2.10 --json | jq '.virtual_addresses[].good'

Exit codes: 0 all is as it should be, 1 something is not, or an address that was named is not set up.";

/// What `real-server` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct RealServerArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take in packets to virtual addresses, unknown to the neighbours
    #[command(after_help = UP_HELP)]
    Up {
        /// The virtual addresses
        #[arg(value_name = "VIP", required = true, value_parser = virtual_address)]
        addresses: Vec<IpAddr>,
        /// How the director forwards to this server
        #[arg(long, value_enum, default_value = "direct")]
        method: Method,
        /// Where the addresses go instead of `lo`, `tunl0` or `ip6tnl0`
        #[arg(long, value_name = "NAME", value_parser = interface)]
        interface: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Undo it
    #[command(after_help = DOWN_HELP)]
    Down {
        /// The virtual addresses; none: all of them
        #[arg(value_name = "VIP", value_parser = virtual_address)]
        addresses: Vec<IpAddr>,
        #[command(flatten)]
        common: Common,
    },
    /// Show what is set up, and whether it is as it should be
    #[command(after_help = STATUS_HELP)]
    Status {
        /// The virtual addresses; none: all that are set up
        #[arg(value_name = "VIP", value_parser = virtual_address)]
        addresses: Vec<IpAddr>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Where it is remembered what has to be undone
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/run/director/real-server.json"
    )]
    state: PathBuf,
    /// One JSON object; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &RealServerArguments) -> u8 {
    match &arguments.action {
        Action::Up {
            addresses,
            method,
            interface,
            common,
        } => {
            let request = Request {
                addresses: addresses.clone(),
                method: *method,
                interface: interface.clone(),
            };
            finish(real_server::up(&request, &common.state), common)
        }
        Action::Down { addresses, common } => {
            finish(real_server::down(addresses, &common.state), common)
        }
        Action::Status { addresses, common } => status(addresses, common),
    }
}

fn finish(done: Result<Done, ActError>, common: &Common) -> u8 {
    match done {
        Ok(done) if common.json => {
            print(&format!("{:#}\n", to_json(&done)));
            DONE
        }
        Ok(done) => {
            print(&to_text(&done));
            DONE
        }
        Err(error) => {
            fail(&error, cure(&error));
            FAILED
        }
    }
}

fn to_text(done: &Done) -> String {
    let mut text = String::new();
    for step in &done.steps {
        let _ = writeln!(text, "{step}");
    }
    for note in &done.notes {
        let _ = writeln!(text, "note: {note}");
    }
    if done.steps.is_empty() && done.notes.is_empty() {
        text.push_str("nothing to change\n");
    }
    text
}

fn to_json(done: &Done) -> serde_json::Value {
    let steps: Vec<String> = done.steps.iter().map(ToString::to_string).collect();
    let addresses: Vec<_> = done
        .record
        .virtual_addresses
        .iter()
        .map(|(address, entry)| {
            json!({
                "address": address,
                "method": entry.method,
                "interface": entry.interface,
                "ours": entry.owner == Owner::Director,
            })
        })
        .collect();
    json!({ "schema": 1, "steps": steps, "notes": done.notes, "virtual_addresses": addresses })
}

const fn cure(error: &ActError) -> &'static str {
    match error {
        ActError::Plan(PlanError::Elsewhere { .. }) => {
            "take it off there: on a real server only the director may be known to have it"
        }
        ActError::Plan(PlanError::Prefix { .. }) => {
            "remove it, and let this command add it with a prefix length of 32 or 128"
        }
        ActError::Plan(PlanError::OtherSetup { .. }) => {
            "undo that first with `director real-server down`"
        }
        ActError::Plan(PlanError::NotSetUp(_)) => "see `director real-server status`",
        ActError::Plan(PlanError::NoSuchInterface(_)) => "create it first",
        ActError::RolledBack { .. } => {
            "it needs CAP_NET_ADMIN and a writable /proc/sys; for a tunnel the module: `modprobe ipip` or \
             `modprobe ip6_tunnel`"
        }
        ActError::Stuck { .. } => {
            "see what is wrong there, then undo the rest with `director real-server down`"
        }
        ActError::Record(_) => "as root; or name another file with --state",
        ActError::Plan(PlanError::NoSuchSetting(_)) | ActError::Machine(_) => "",
    }
}

/// Why the status cannot be told.
#[derive(Debug, Error)]
enum StatusError {
    #[error("the interfaces of this machine cannot be read")]
    Machine(#[source] io::Error),
}

fn status(addresses: &[IpAddr], common: &Common) -> u8 {
    let record = match Record::read(&common.state) {
        Ok(record) => record,
        Err(error) => {
            fail(&error, "name another file with --state");
            return FAILED;
        }
    };
    let machine = match Machine::read().map_err(StatusError::Machine) {
        Ok(machine) => machine,
        Err(error) => {
            fail(&error, "");
            return FAILED;
        }
    };
    let rows = rows(addresses, &record, &machine);
    let good = rows.iter().all(Row::is_good);
    if common.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        print(&format!(
            "{:#}\n",
            json!({ "schema": 1, "good": good, "virtual_addresses": rows })
        ));
    } else if rows.is_empty() {
        print("no virtual address is set up here\n");
    } else {
        let style = style(&io::stdout());
        let text: String = rows.iter().map(|row| row.to_text(style)).collect();
        print(&text);
    }
    if good { DONE } else { FAILED }
}

/// One virtual address, with what is wrong about it.
struct Row {
    address: IpAddr,
    set_up: Option<(Method, String, Owner)>,
    faults: Vec<doctor::Finding>,
}

fn rows(addresses: &[IpAddr], record: &Record, machine: &Machine) -> Vec<Row> {
    let known: Vec<IpAddr> = record.virtual_addresses.keys().copied().collect();
    let shown = if addresses.is_empty() {
        &known
    } else {
        addresses
    };
    let row = |&address: &IpAddr| {
        let Some(entry) = record.virtual_addresses.get(&address) else {
            return Row {
                address,
                set_up: None,
                faults: Vec::new(),
            };
        };
        let place = doctor::Place {
            address,
            method: entry.method,
            interface: entry.interface.clone(),
        };
        let mut faults = doctor::real_server(machine, &[place], None);
        faults.retain(|finding| finding.severity == Severity::Error);
        Row {
            address,
            set_up: Some((entry.method, entry.interface.clone(), entry.owner)),
            faults,
        }
    };
    shown.iter().map(row).collect()
}

impl Row {
    fn is_good(&self) -> bool {
        self.set_up.is_some() && self.faults.is_empty()
    }

    fn to_text(&self, style: crate::config::Style) -> String {
        let address = self.address;
        let Some((method, interface, owner)) = &self.set_up else {
            return format!("{address}  not set up\n");
        };
        let whose = match owner {
            Owner::Administrator => ", was there before",
            Owner::Director => "",
        };
        let state = if self.is_good() { "good" } else { "not good" };
        let head = format!("{address}  {method} on {interface}{whose}: {state}\n");
        let faults = self.faults.iter().map(|fault| fault.to_text(style));
        std::iter::once(head).chain(faults).collect()
    }

    fn to_json(&self) -> serde_json::Value {
        let (method, interface, ours) = match &self.set_up {
            Some((method, interface, owner)) => (
                json!(method),
                json!(interface),
                json!(*owner == Owner::Director),
            ),
            None => (json!(null), json!(null), json!(null)),
        };
        json!({
            "address": self.address,
            "set_up": self.set_up.is_some(),
            "good": self.is_good(),
            "method": method,
            "interface": interface,
            "ours": ours,
            "faults": self.faults,
        })
    }
}

/// Why an argument is not a virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NotVirtual {
    #[error("not an IPv4 or IPv6 address (without a prefix length)")]
    NotAnAddress,
    #[error("not an address that clients can reach")]
    NotReachable,
}

pub(super) fn virtual_address(text: &str) -> Result<IpAddr, NotVirtual> {
    let address: IpAddr = text.parse().map_err(|_| NotVirtual::NotAnAddress)?;
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    let of_its_kind = match address {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
    };
    if special || of_its_kind {
        Err(NotVirtual::NotReachable)
    } else {
        Ok(address)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the name of an interface")]
pub(super) struct NotAnInterface;

pub(super) fn interface(text: &str) -> Result<String, NotAnInterface> {
    let reserved = matches!(text, "" | "." | ".." | "all" | "default");
    let strange = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if reserved || text.len() > 15 || text.contains(strange) {
        Err(NotAnInterface)
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Style;
    use crate::machine::made_up;

    #[test]
    fn only_addresses_of_clients_are_virtual_addresses() {
        for text in ["192.0.2.10", "2001:db8::10"] {
            assert_eq!(virtual_address(text), Ok(text.parse().unwrap()));
        }
        for (text, error) in [
            ("192.0.2.10/32", NotVirtual::NotAnAddress),
            ("web", NotVirtual::NotAnAddress),
            ("0.0.0.0", NotVirtual::NotReachable),
            ("127.0.0.1", NotVirtual::NotReachable),
            ("224.0.0.18", NotVirtual::NotReachable),
            ("fe80::1", NotVirtual::NotReachable),
            ("::ffff:192.0.2.10", NotVirtual::NotReachable),
        ] {
            assert_eq!(virtual_address(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_interface_is_one_word_of_fifteen_bytes() {
        assert_eq!(interface("eth0.10"), Ok("eth0.10".to_owned()));
        for text in ["", "..", "all", "a/b", "a b", "sixteen-bytes-16"] {
            assert_eq!(interface(text), Err(NotAnInterface), "{text}");
        }
    }

    #[test]
    fn the_status_tells_good_from_bad_and_missing() {
        let vip: IpAddr = "192.0.2.10".parse().unwrap();
        let text = r#"{"schema": 1, "links": {}, "sysctls": {}, "virtual_addresses":
            {"192.0.2.10": {"method": "direct", "interface": "lo", "owner": "director"}}}"#;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        std::fs::write(&path, text).unwrap();
        let record = Record::read(&path).unwrap();
        let mut machine = made_up::machine();
        let bad = rows(&[], &record, &machine);
        assert!(!bad[0].is_good());
        let shown = bad[0].to_text(Style::Plain);
        assert!(
            shown.starts_with("192.0.2.10  direct on lo: not good\n"),
            "{shown}"
        );
        machine
            .interfaces
            .get_mut("lo")
            .unwrap()
            .addresses
            .push(made_up::held("192.0.2.10/32"));
        for (name, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
            made_up::set(&mut machine, &crate::sysctl::Key::ipv4("all", name), value);
        }
        let good = rows(&[vip], &record, &machine);
        assert!(good[0].is_good(), "{:?}", good[0].faults);
        assert_eq!(good[0].to_json()["ours"], true);
        let other = rows(&["192.0.2.11".parse().unwrap()], &record, &machine);
        assert!(!other[0].is_good());
        assert_eq!(other[0].to_text(Style::Plain), "192.0.2.11  not set up\n");
    }
}
