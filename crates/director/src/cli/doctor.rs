//! `director doctor`.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::real_server::{interface, virtual_address};
use super::source::{self, ReadError};
use super::{DONE, FAILED, INVALID, UNREADABLE, fail, print, print_error, style};
use crate::config::Config;
use crate::doctor::{self, Finding, Listening, Place, Severity};
use crate::machine::Machine;
use crate::real_server::Method;

pub(super) const HELP: &str = "\
Examples:
  director doctor -c /etc/director/director.toml
  director doctor -c /etc/director/director.toml --fix
  director doctor --real-server 192.0.2.10 --method tunnel
  director doctor -c director.toml --json | jq -r '.findings[] | select(.severity == \"error\") | .what'

On a director: capabilities, IPVS and its modules, settings of the kernel, interfaces; then it listens
for up to 4 s for other virtual routers with the same VRID, and asks who has the virtual addresses. It
may be run beside a running director. On a real server: whether packets to the virtual address are
taken in, and nobody learns that it has it.

Exit codes: 0 no errors (warnings and notes there may be), 1 errors were found, or it could not look,
2 the configuration has mistakes, 3 it cannot be read.";

/// What `doctor` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct DoctorArguments {
    /// This machine is to be a director with this configuration
    #[arg(
        short,
        long,
        value_name = "FILE",
        required_unless_present = "real_server",
        conflicts_with_all = ["real_server", "method", "interface"]
    )]
    config: Option<PathBuf>,
    /// This machine is to be a real server for these virtual addresses
    #[arg(long, value_name = "VIP", num_args = 1.., value_parser = virtual_address)]
    real_server: Vec<IpAddr>,
    /// How the director forwards to this real server
    #[arg(long, value_enum, default_value = "direct")]
    method: Method,
    /// Where the virtual addresses are instead of `lo`, `tunl0` or `ip6tnl0`
    #[arg(long, value_name = "NAME", value_parser = interface)]
    interface: Option<String>,
    /// Make the settings of the kernel that are named as cures, until the next boot
    #[arg(long)]
    fix: bool,
    /// One JSON object; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
}

/// Why nothing was found.
#[derive(Debug, Error)]
enum LookError {
    #[error("the interfaces of this machine cannot be read")]
    Machine(#[source] io::Error),
}

pub(super) fn execute(arguments: &DoctorArguments) -> u8 {
    let findings = match &arguments.config {
        Some(config) => match read(config) {
            Ok(config) => look_at_director(&config, arguments.fix),
            Err(code) => return code,
        },
        None => look_at_real_server(arguments),
    };
    let (findings, fixed) = match findings {
        Ok(found) => found,
        Err(error) => {
            fail(&error, "");
            return FAILED;
        }
    };
    if arguments.json {
        print(&format!("{:#}\n", doctor::to_json(&findings, &fixed)));
    } else {
        print(&doctor::to_text(&findings, &fixed, style(&io::stdout())));
    }
    if findings.iter().any(|one| one.severity == Severity::Error) {
        FAILED
    } else {
        DONE
    }
}

/// The configuration, or the exit code after its mistakes were told.
pub(super) fn read(path: &Path) -> Result<Config, u8> {
    match source::read(path) {
        Ok(config) => Ok(config),
        Err(ReadError::Invalid(diagnostics)) => {
            print_error(&diagnostics.render(style(&io::stderr())));
            Err(INVALID)
        }
        Err(error) => {
            fail(&error, "");
            Err(UNREADABLE)
        }
    }
}

type Found = (Vec<Finding>, Vec<doctor::Fixed>);

fn look_at_director(config: &Config, fix: bool) -> Result<Found, LookError> {
    let mut facts = doctor::gather(config).map_err(LookError::Machine)?;
    let findings = doctor::director(config, &facts);
    if !fix {
        return Ok((findings, Vec::new()));
    }
    let fixed = doctor::fix(&findings);
    // The network was listened to just now.
    facts.machine = Machine::read().map_err(LookError::Machine)?;
    Ok((doctor::director(config, &facts), fixed))
}

fn look_at_real_server(arguments: &DoctorArguments) -> Result<Found, LookError> {
    let method = arguments.method;
    let place = |&address: &IpAddr| Place {
        address,
        method,
        interface: arguments
            .interface
            .clone()
            .unwrap_or_else(|| method.interface(address).to_owned()),
    };
    let places: Vec<Place> = arguments.real_server.iter().map(place).collect();
    let look = || {
        let machine = Machine::read().map_err(LookError::Machine)?;
        Ok(doctor::real_server(
            &machine,
            &places,
            Some(&Listening::read()),
        ))
    };
    let findings = look()?;
    if !arguments.fix {
        return Ok((findings, Vec::new()));
    }
    let fixed = doctor::fix(&findings);
    Ok((look()?, fixed))
}
