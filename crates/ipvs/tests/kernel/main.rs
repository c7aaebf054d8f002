//! The client against a real kernel: this one, in a network namespace of its own, or, where it has no IPVS, a
//! user-mode-linux kernel that this program boots with itself as the first process. Nothing of this machine is changed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is wrong"
)]

mod agree;
mod cases;
#[path = "../model/foreign.rs"]
mod foreign;
mod guest;
mod harness;
mod running;
#[path = "../model/strategies.rs"]
mod strategies;
mod support;
mod table;
mod uml;

use std::process::{self, Command, ExitCode};
use std::{env, io};

use locum_ipvs::{Client, Limits};
use locum_netlink::{Connection, Family, Request};

/// Tells the program that it is in a network namespace of its own.
const INSIDE: &str = "LOCUM_IPVS_INSIDE";

/// Tells the program that it is to be refused.
const NOBODY: &str = "LOCUM_IPVS_NOBODY";

fn main() -> ExitCode {
    if process::id() == 1 {
        guest::run()
    } else if env::var_os(NOBODY).is_some() {
        running::ask_without_privilege();
        ExitCode::SUCCESS
    } else if env::var_os(INSIDE).is_some() {
        match set_loopback_up() {
            Ok(()) => harness::run(env::args().skip(1)),
            Err(error) => harness::fail(&format!("lo: {error}")),
        }
    } else if env::args().any(|argument| argument == "--list") {
        harness::list()
    } else if Client::open(Limits::default()).is_ok_and(|mut client| client.info().is_ok()) {
        in_own_namespace()
    } else {
        uml::run(env::args().skip(1))
    }
}

/// The tests empty the table: not this machine's.
fn in_own_namespace() -> ExitCode {
    let result = env::current_exe().and_then(|program| {
        Command::new("unshare")
            .args(["--net", "--"])
            .arg(program)
            .args(env::args_os().skip(1))
            .env(INSIDE, "1")
            .status()
    });
    match result {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => harness::fail(&format!("unshare --net: {error}")),
    }
}

/// In a new kernel or namespace it is down.
fn set_loopback_up() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    // struct ifinfomsg: interface 1, flags IFF_UP, change IFF_UP.
    let header = [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    let request = Request::new(RTM_NEWLINK, 0).header(&header);
    let mut connection = Connection::open(Family::Route, Limits::default())?;
    let answers = connection.execute(&[request]);
    answers
        .into_iter()
        .try_for_each(|answer| answer.map(drop).map_err(io::Error::other))
}
