//! The kernel's IPVS, its modules and its settings. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use locum_ipvs::{Scheduler, ServiceKey};

use super::facts::{Facts, Ipvs};
use super::finding::Finding;
use super::modules::Availability;
use crate::config::Config;
use crate::machine::Machine;
use crate::site::{OnFailure, Site};
use crate::sysctl::Key;

pub(super) fn check(config: &Config, facts: &Facts) -> Vec<Finding> {
    let site = &config.site;
    if site.services.is_empty() {
        return Vec::new();
    }
    let mut findings = vec![ipvs(facts)];
    findings.extend(modules(site, facts));
    if let Ipvs::Ready { .. } = facts.ipvs {
        findings.extend(settings(site, &facts.machine));
    }
    findings.extend(unheld(config, &facts.machine));
    findings
}

fn ipvs(facts: &Facts) -> Finding {
    const ID: &str = "ipvs";
    const WHY: &str =
        "Nothing is balanced without it; the virtual addresses fail over all the same.";
    match &facts.ipvs {
        Ipvs::Ready {
            version: (major, minor, patch),
        } => Finding::ok(ID, format!("the kernel has IPVS {major}.{minor}.{patch}")),
        Ipvs::Denied => Finding::error(ID, "the kernel's IPVS is not for this process")
            .why(WHY)
            .cure("run it as root, outside of a user namespace (in a container: on the host)"),
        Ipvs::Unknown(reason) => {
            Finding::error(ID, format!("the kernel's IPVS cannot be asked: {reason}")).why(WHY)
        }
        Ipvs::Missing => match facts.modules.availability("ip_vs") {
            Availability::Here | Availability::Loadable => {
                Finding::error(ID, "the kernel's IPVS is not loaded")
                    .why(WHY)
                    .cure("modprobe ip_vs; and at each boot: echo ip_vs > /etc/modules-load.d/ipvs.conf")
            }
            Availability::Absent | Availability::Unknown => {
                Finding::error(ID, "the kernel has no IPVS, and no module ip_vs was found")
                    .why(WHY)
                    .cure(
                        "boot a kernel that has it, such as a distribution's (apt install linux-image-amd64); \
                         in a container: modprobe ip_vs on the host",
                    )
            }
        },
    }
}

fn modules(site: &Site, facts: &Facts) -> Vec<Finding> {
    let kernel = || site.services.iter().flat_map(|service| &service.kernel);
    let mut wanted: BTreeSet<String> = kernel()
        .filter(|service| *service.scheduler() != Scheduler::NONE)
        .map(|service| format!("ip_vs_{}", service.scheduler().name()))
        .collect();
    wanted.extend(kernel().filter_map(|service| {
        let engine = service.settings().engine?;
        Some(format!("ip_vs_pe_{engine}"))
    }));
    let (mut good, mut absent, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for module in wanted {
        match facts.modules.availability(&module) {
            Availability::Here | Availability::Loadable => good.push(module),
            Availability::Absent => absent.push(module),
            Availability::Unknown => unknown.push(module),
        }
    }
    let mut findings = Vec::new();
    if !absent.is_empty() {
        let all = absent.join(", ");
        findings.push(
            Finding::error("ipvs-modules", format!("there is no module {all}"))
                .why("Services that need it cannot be added to the kernel's table.")
                .cure("choose another `scheduler`, or boot a kernel that has the module"),
        );
    }
    if !unknown.is_empty() {
        let all = unknown.join(", ");
        findings.push(
            Finding::info(
                "ipvs-modules",
                format!("whether there is {all} cannot be known: /lib/modules does not say"),
            )
            .why("The kernel loads it by itself when the first service needs it, if it is there."),
        );
    }
    if !good.is_empty() {
        let all = good.join(", ");
        findings.push(Finding::ok(
            "ipvs-modules",
            format!("modules that are loaded or can be: {all}"),
        ));
    }
    findings
}

/// `net.ipv4.vs`, which is there with the module.
fn settings(site: &Site, machine: &Machine) -> Vec<Finding> {
    let is = |name: &str, value: i64| machine.number(&Key::ipvs(name)) == Some(value);
    let kernel = || site.services.iter().flat_map(|service| &service.kernel);
    let mut findings = Vec::new();
    let mut wants = |name: &'static str, id: &'static str, what: &str, why: &str| {
        findings.push(
            Finding::warning(id, what)
                .why(why)
                .set([(Key::ipvs(name), "1")]),
        );
    };
    let removes = |on_failure| matches!(on_failure, OnFailure::Remove);
    let any_removed = site
        .services
        .iter()
        .any(|service| removes(service.on_failure));
    if is("expire_nodest_conn", 0) && any_removed {
        wants(
            "expire_nodest_conn",
            "expire-nodest-conn",
            "connections to a server that was removed stay in the kernel",
            "Their clients hang until they give up; with 1 they are reset, and connect to another one.",
        );
    }
    let persistent = kernel().any(|service| service.persistence().is_some());
    if is("expire_quiescent_template", 0) && persistent {
        wants(
            "expire_quiescent_template",
            "expire-quiescent-template",
            "persistent clients stay with a server whose weight is 0",
            "New connections still go to a server that drains or has failed.",
        );
    }
    if is("conn_reuse_mode", 0) {
        wants(
            "conn_reuse_mode",
            "conn-reuse-mode",
            "a client that uses a port again comes to the server it had",
            "Even if that one drains or has failed.",
        );
    }
    let maglev = kernel().any(|service| service.scheduler().name() == Scheduler::MH.name());
    if is("sloppy_tcp", 0) && maglev && site.ipvs.sync.is_none() {
        wants(
            "sloppy_tcp",
            "sloppy-tcp",
            "connections that began at the other director are refused",
            "The scheduler mh finds their server without synchronisation, but only with sloppy_tcp they survive a \
             fail-over.",
        );
    }
    if is("conntrack", 1) {
        findings.push(
            Finding::info("ipvs-conntrack", "every balanced connection is tracked by netfilter too")
                .why("It costs time and memory, and is needed only with rules of netfilter that ask for it.")
                .set([(Key::ipvs("conntrack"), "0")]),
        );
    }
    findings.extend(synchronisation(site, machine));
    if findings.is_empty() {
        findings.push(Finding::ok(
            "ipvs-settings",
            "the settings below net.ipv4.vs suit the services",
        ));
    }
    findings
}

fn synchronisation(site: &Site, machine: &Machine) -> Option<Finding> {
    site.ipvs.sync.as_ref()?;
    let key = Key::ipvs("sync_threshold");
    let value = machine.sysctls.get(&key)?;
    let packets: u32 = value.split_whitespace().next()?.parse().ok()?;
    (packets > 3).then(|| {
        Finding::warning(
            "sync-threshold",
            format!("a connection is copied to the other director after {packets} packets only"),
        )
        .why("Younger ones do not survive a fail-over.")
        .set([(key, "3 50")])
    })
}

/// Services whose address nobody takes.
fn unheld(config: &Config, machine: &Machine) -> Vec<Finding> {
    let held: BTreeSet<IpAddr> = config
        .virtual_routers
        .iter()
        .flat_map(|one| one.router.addresses())
        .map(ipnet::IpNet::addr)
        .collect();
    let mut findings = Vec::new();
    for service in &config.site.services {
        let mut lost: Vec<String> = Vec::new();
        for kernel in &service.kernel {
            if let ServiceKey::Endpoint { address, .. } = *kernel.key()
                && !held.contains(&address)
                && machine.places(address).next().is_none()
                && !lost.contains(&address.to_string())
            {
                lost.push(address.to_string());
            }
        }
        if !lost.is_empty() {
            findings.push(
                Finding::warning(
                    "service-unheld",
                    format!(
                        "{}: no virtual router takes {}",
                        service.name,
                        lost.join(", ")
                    ),
                )
                .why("Clients do not reach it, unless something else brings the address here.")
                .cure("add it to the `addresses` of a [[virtual_router]]"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests;
