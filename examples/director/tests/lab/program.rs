//! Commands of the program that end by themselves.

use std::process::Command;

use locum_lab::{Host, Lan};

use crate::Result;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What it said, which was JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.stdout).map_err(|error| format!("{error}: {self:?}"))?)
    }
}

/// Runs the program with these arguments, separated by blanks, in `host`.
pub(crate) fn director(host: &Host, arguments: &str) -> Result<Ended> {
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command.args(arguments);
    let output = host.run(move || command.output())?;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Hosts with 192.0.2.N and 2001:db8::N, N from 1 on, on one network.
pub(crate) fn network(hosts: &[&str]) -> Result<(Lan, Vec<Host>)> {
    let lan = Lan::bridge()?;
    let mut all = Vec::new();
    for (number, name) in (1..).zip(hosts) {
        let host = Host::new(name)?;
        let addresses = [
            format!("192.0.2.{number}/24").parse()?,
            format!("2001:db8::{number}/64").parse()?,
        ];
        lan.attach(&host, "eth0", &addresses)?;
        all.push(host);
    }
    Ok((lan, all))
}
