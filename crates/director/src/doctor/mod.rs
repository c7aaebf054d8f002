//! What would make the site fail, with its cure: facts are gathered, findings follow from them, and nothing is changed but by
//! [`fix()`].

mod balancing;
mod facts;
mod finding;
mod fix;
mod gather;
mod listen;
#[cfg(test)]
mod made_up;
mod modules;
mod network;
mod real_server;
mod routers;
mod sockets;

pub(crate) use self::facts::Facts;
pub(crate) use self::finding::{Finding, Severity, to_json, to_text};
pub(crate) use self::fix::{Fixed, fix};
pub(crate) use self::gather::gather;
pub(crate) use self::real_server::{Place, real_server};
pub(crate) use self::sockets::Listening;

use crate::config::Config;

/// Everything there is to say about a machine that is to be a director, by subject.
pub(crate) fn director(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut findings = routers::check(config, facts);
    findings.extend(balancing::check(config, facts));
    findings.extend(network::check(config, facts));
    findings
}
