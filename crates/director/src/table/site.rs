//! The virtual services for people.

use std::fmt::Write;
use std::time::Duration;

use super::{GREEN, RED, YELLOW, change, grid, in_colour};
use crate::config::Style;
use crate::status::{ServerReport, ServerState, ServiceReport, ServiceState, SiteReport};
use crate::words::brief;

/// So many addresses of a service are listed.
const FEW: usize = 2;

pub(super) fn render(out: &mut String, site: &SiteReport, style: Style) {
    let header = [
        "SERVICE", "STATE", "SINCE", "WEIGHT", "ACTIVE", "ADDRESS", "",
    ];
    let mut rows = Vec::new();
    let mut colours = Vec::new();
    for report in &site.services {
        rows.push(service(report));
        colours.push(match report.state {
            ServiceState::Up => GREEN,
            ServiceState::Down => RED,
            ServiceState::Checking => YELLOW,
        });
        for report in &report.servers {
            rows.push(server(report));
            colours.push(match report.state {
                ServerState::Up => GREEN,
                ServerState::Down => RED,
                ServerState::Checking
                | ServerState::Drained
                | ServerState::Draining
                | ServerState::Held
                | ServerState::Maintenance => YELLOW,
            });
        }
    }
    grid(out, header, &rows, |row, column, cell| {
        match (colours.get(row), column, style) {
            (Some(colour), 1, Style::Terminal) => in_colour(*colour, &cell),
            _ => cell,
        }
    });
    out.push('\n');
    kernel(out, site);
    let count = |name: &str| site.checks.get(name).copied().unwrap_or_default();
    let _ = writeln!(
        out,
        "checks: {} passed, {} failed, {} of no account since this machine was late or could not",
        count("passed"),
        count("failed"),
        count("lagged") + count("local_errors")
    );
}

fn service(report: &ServiceReport) -> [String; 7] {
    let mut address = report
        .kernel
        .iter()
        .take(FEW)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if report.kernel.len() > FEW {
        let _ = write!(address, " and {} more", report.kernel.len() - FEW);
    }
    let mut remark = report.scheduler.clone();
    match &report.sorry {
        Some(sorry) if sorry.active => {
            let _ = write!(remark, ", sorry server {} serves", sorry.address);
        }
        Some(_) | None => {}
    }
    [
        report.name.clone(),
        report.state.to_string(),
        String::new(),
        format!("{} of {}", report.weight, report.quorum),
        String::new(),
        address,
        remark,
    ]
}

fn server(report: &ServerReport) -> [String; 7] {
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let address = report.address.to_string();
    [
        format!("  {}", report.name),
        report.state.to_string(),
        brief(Duration::from_millis(report.state_for_ms)),
        number(report.weight),
        report.active_connections.to_string(),
        if report.name == address {
            String::new()
        } else {
            address
        },
        remark(report),
    ]
}

/// Why it is down, and what the operator changed.
fn remark(report: &ServerReport) -> String {
    let changes = report.changed.iter().map(change);
    let parts: Vec<String> = report.reason.clone().into_iter().chain(changes).collect();
    parts.join("; ")
}

fn kernel(out: &mut String, site: &SiteReport) {
    let ipvs = &site.ipvs;
    let count = |name: &str| ipvs.counters.get(name).copied().unwrap_or_default();
    let step = if ipvs.in_step {
        "is what it should be"
    } else {
        "is NOT what it should be"
    };
    let _ = write!(
        out,
        "the kernel's table {step}: {} changes in {} plans, {} of them undid what others had done",
        count("changes"),
        count("plans"),
        count("drift_repaired")
    );
    let _ = match ipvs.read_ms_ago {
        Some(ago) => writeln!(out, ", read {} ago", brief(Duration::from_millis(ago))),
        None => writeln!(out, ", never read"),
    };
    if !ipvs.daemons.is_empty() {
        let _ = writeln!(
            out,
            "synchronisation daemons that run: {}",
            ipvs.daemons.join(" and ")
        );
    }
    if let Some(fault) = &ipvs.fault {
        let _ = writeln!(out, "FAULT {}\n  cure: {}", fault.message, fault.cure);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::status::{FaultReport, IpvsReport, SorryReport};

    fn server(last: u8, state: ServerState, weight: Option<u32>) -> ServerReport {
        ServerReport {
            name: format!("web{last}"),
            address: ([192, 0, 2, last], 80).into(),
            state,
            state_for_ms: 61_000,
            weight,
            reason: (state == ServerState::Down).then(|| "connection refused".to_owned()),
            active_connections: weight.map_or(0, |_| 12),
            inactive_connections: weight.map_or(0, |_| 3),
            changed: Vec::new(),
        }
    }

    fn report() -> SiteReport {
        let counters = [("changes", 12), ("plans", 4), ("drift_repaired", 2)];
        let checks = [("passed", 990), ("failed", 9), ("lagged", 1)];
        let named = |list: &[(&str, u64)]| -> BTreeMap<String, u64> {
            let named = list
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count));
            named.collect()
        };
        SiteReport {
            ipvs: IpvsReport {
                in_step: true,
                fault: None,
                read_ms_ago: Some(3_200),
                daemons: vec!["master".to_owned()],
                counters: named(&counters),
            },
            checks: named(&checks),
            services: vec![
                ServiceReport {
                    name: "web".to_owned(),
                    kernel: (10..14)
                        .map(|last| format!("tcp 192.0.2.{last}:80"))
                        .collect(),
                    scheduler: "wlc".to_owned(),
                    state: ServiceState::Up,
                    weight: 1,
                    quorum: 1,
                    sorry: None,
                    servers: vec![
                        server(21, ServerState::Up, Some(1)),
                        server(22, ServerState::Down, None),
                        server(23, ServerState::Draining, Some(0)),
                    ],
                },
                ServiceReport {
                    name: "mail".to_owned(),
                    kernel: vec!["tcp 192.0.2.10:25".to_owned()],
                    scheduler: "rr".to_owned(),
                    state: ServiceState::Down,
                    weight: 0,
                    quorum: 1,
                    sorry: Some(SorryReport {
                        address: ([192, 0, 2, 99], 25).into(),
                        active: true,
                    }),
                    servers: vec![server(25, ServerState::Down, None)],
                },
            ],
        }
    }

    fn rendered(report: &SiteReport, style: Style) -> String {
        let mut out = String::new();
        render(&mut out, report, style);
        out
    }

    #[test]
    fn the_services_for_people() {
        insta::assert_snapshot!(rendered(&report(), Style::Plain));
    }

    #[test]
    fn a_kernel_without_ipvs_is_plain_to_see() {
        let mut report = report();
        report.services.clear();
        report.ipvs.in_step = false;
        report.ipvs.read_ms_ago = None;
        report.ipvs.daemons.clear();
        report.ipvs.fault = Some(FaultReport {
            kind: "ipvs-missing".to_owned(),
            message: "the kernel has no IPVS".to_owned(),
            cure: "modprobe ip_vs".to_owned(),
        });
        insta::assert_snapshot!(rendered(&report, Style::Plain));
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut uncoloured = rendered(&report(), Style::Terminal);
        for colour in [RED, GREEN, YELLOW, 0] {
            uncoloured = uncoloured.replace(&format!("\x1b[{colour}m"), "");
        }
        assert_eq!(uncoloured, rendered(&report(), Style::Plain));
    }
}
