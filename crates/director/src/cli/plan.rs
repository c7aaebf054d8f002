//! `director plan`.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use locum_ipvs::{Client, Limits, QueryError, Snapshot, Timeouts};
use serde_json::json;
use thiserror::Error;

use super::doctor::read;
use super::{DONE, FAILED, fail, print, style};
use crate::checker::Record;
use crate::clock;
use crate::config::{Config, Style};
use crate::diff::{self, Diff, Kind};
use crate::machine::Machine;

pub(super) const HELP: &str = "\
Examples:
  director plan -c /etc/director/director.toml
  director plan -c director.toml --json | jq '.changes | length'

It compares the kernel's IPVS table with what the director would make of it if it started now and every
check passed, and changes nothing. Lines with + are added, those with ~ changed, those with - removed.

Exit codes: 0 it could be told, whether there is something to change or not, 1 it could not, 2 the
configuration has mistakes, 3 it cannot be read.";

/// What `plan` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct PlanArguments {
    /// The configuration, TOML
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// One JSON object; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
}

/// Why nothing can be told.
#[derive(Debug, Error)]
enum PlanError {
    #[error("the interfaces of this machine cannot be read")]
    Machine(#[source] io::Error),
    #[error("the kernel's IPVS table cannot be read")]
    Table(#[source] QueryError),
}

pub(super) fn execute(arguments: &PlanArguments) -> u8 {
    let config = match read(&arguments.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let planned = compare(&config);
    let (diff, addresses) = match planned {
        Ok(planned) => planned,
        Err(error) => {
            fail(&error, cure(&error));
            return FAILED;
        }
    };
    if arguments.json {
        print(&format!("{:#}\n", to_json(&diff, &addresses)));
    } else {
        print(&to_text(&diff, &addresses, style(&io::stdout())));
    }
    DONE
}

const fn cure(error: &PlanError) -> &'static str {
    match error {
        PlanError::Table(QueryError::ModuleMissing) => {
            "`director doctor -c FILE` tells more; the virtual addresses fail over without IPVS too"
        }
        PlanError::Table(QueryError::PermissionDenied) => "run it as root",
        PlanError::Table(_) | PlanError::Machine(_) => "",
    }
}

/// An address that a virtual router takes while it is master.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    address: ipnet::IpNet,
    interface: String,
    router: String,
    here: bool,
}

fn compare(config: &Config) -> Result<(Diff, Vec<Taken>), PlanError> {
    let machine = Machine::read().map_err(PlanError::Machine)?;
    let addresses = addresses(config, &machine);
    let site = &config.site;
    // Whoever balances nothing needs no IPVS for it.
    let (snapshot, timeouts) = if site.services.is_empty() {
        (Snapshot::default(), None)
    } else {
        let (snapshot, timeouts) = ask().map_err(PlanError::Table)?;
        (snapshot, Some(timeouts))
    };
    let record = Record::open(&config.director.state_directory());
    let diff = diff::compare(
        clock::now(),
        site,
        |key| record.has(key),
        snapshot,
        timeouts,
    );
    Ok((diff, addresses))
}

fn ask() -> Result<(Snapshot, Timeouts), QueryError> {
    let mut client = Client::open(Limits::default()).map_err(QueryError::NotSent)?;
    Ok((client.snapshot()?, client.timeouts()?))
}

fn addresses(config: &Config, machine: &Machine) -> Vec<Taken> {
    let all = config.virtual_routers.iter().flat_map(|one| {
        let interface = one.router.interface();
        one.router.addresses().iter().map(move |address| Taken {
            address: *address,
            interface: interface.to_owned(),
            router: one.name.clone(),
            here: machine
                .places(address.addr())
                .any(|(place, _)| place == interface),
        })
    });
    all.collect()
}

fn to_text(diff: &Diff, addresses: &[Taken], style: Style) -> String {
    let mut text = String::new();
    let mut line = |kind: Kind, what: &str| {
        let (sign, colour) = match kind {
            Kind::Add => ('+', 32),
            Kind::Change => ('~', 33),
            Kind::Remove => ('-', 31),
        };
        let _ = match style {
            Style::Plain => writeln!(text, "{sign} {what}"),
            Style::Terminal => writeln!(text, "\x1b[{colour}m{sign} {what}\x1b[0m"),
        };
    };
    for change in &diff.changes {
        line(change.kind, &change.what);
    }
    for taken in addresses.iter().filter(|taken| !taken.here) {
        let Taken {
            address,
            interface,
            router,
            ..
        } = taken;
        let what = format!("address {address} on {interface}, while {router} is master here");
        line(Kind::Add, &what);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let [add, change, remove] =
        [Kind::Add, Kind::Change, Kind::Remove].map(|kind| diff.count(kind));
    let _ = writeln!(
        text,
        "IPVS: {add} to add, {change} to change, {remove} to remove, if every check passes"
    );
    let (here, all) = (
        addresses.iter().filter(|taken| taken.here).count(),
        addresses.len(),
    );
    let _ = writeln!(
        text,
        "addresses: {} to take as master, {here} there already",
        all - here
    );
    if diff.foreign > 0 {
        let (is, be) = if diff.foreign == 1 {
            ("1 service", "is")
        } else {
            ("services", "are")
        };
        let count = if diff.foreign == 1 {
            String::new()
        } else {
            format!("{} ", diff.foreign)
        };
        let _ = writeln!(text, "{count}{is} of others {be} left alone");
    }
    text
}

fn to_json(diff: &Diff, addresses: &[Taken]) -> serde_json::Value {
    let changes: Vec<_> = diff
        .changes
        .iter()
        .map(|change| json!({ "kind": change.kind.name(), "what": change.what }))
        .collect();
    let addresses: Vec<_> = addresses
        .iter()
        .map(|taken| {
            json!({
                "address": taken.address,
                "interface": taken.interface,
                "router": taken.router,
                "here": taken.here,
            })
        })
        .collect();
    json!({
        "schema": 1,
        "changes": changes,
        "addresses": addresses,
        "foreign_services": diff.foreign,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::machine::made_up;

    const CONFIG: &str = "[[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\n\
                          addresses = [\"192.0.2.10/24\", \"192.0.2.11/24\"]";

    #[test]
    fn addresses_are_told_apart_from_those_that_are_there() {
        let none = |_: &std::path::Path| Err(io::ErrorKind::NotFound.into());
        let config = config::load("a.toml", CONFIG, none).unwrap();
        let mut machine = made_up::machine();
        let eth0 = machine.interfaces.get_mut("eth0").unwrap();
        eth0.addresses.push(made_up::held("192.0.2.11/24"));
        let addresses = addresses(&config, &machine);
        let diff = Diff {
            foreign: 1,
            ..Diff::default()
        };
        insta::assert_snapshot!(to_text(&diff, &addresses, Style::Plain), @r"
        + address 192.0.2.10/24 on eth0, while web is master here

        IPVS: 0 to add, 0 to change, 0 to remove, if every check passes
        addresses: 1 to take as master, 1 there already
        1 service of others is left alone
        ");
        let json = to_json(&diff, &addresses);
        assert_eq!(json["addresses"][1]["here"], true);
        assert_eq!(json["schema"], 1);
    }
}
