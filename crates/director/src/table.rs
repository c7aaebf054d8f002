//! The status for people.

mod site;
mod watched;

use std::fmt::Write;
use std::time::Duration;

use crate::config::Style;
use crate::status::{
    AddressReport, ChangeReport, RouterReport, StateName, Status, SyncGroupReport,
};
use crate::words::brief;

/// A table of the routers, and below it what is wrong and what was counted.
pub(crate) fn render(status: &Status, style: Style) -> String {
    let mut out = format!(
        "{} director {}, running for {} (process {})\n\n",
        status.name,
        status.version,
        brief(Duration::from_millis(status.uptime_ms)),
        status.pid
    );
    watched::processes(&mut out, status);
    if !status.routers.is_empty() || status.site.is_none() {
        routers(&mut out, status, style);
    }
    watched::trackers(&mut out, status);
    if let Some(site) = &status.site {
        if !status.routers.is_empty() {
            out.push('\n');
        }
        site::render(&mut out, site, style);
    }
    out
}

fn routers(out: &mut String, status: &Status, style: Style) {
    let header = [
        "ROUTER",
        "STATE",
        "SINCE",
        "PRIO",
        "VRID",
        "INTERFACE",
        "MASTER",
        "ADDRESSES",
    ];
    let rows: Vec<[String; 8]> = status.routers.iter().map(row).collect();
    grid(out, header, &rows, |row, column, cell| {
        match (status.routers.get(row), column, style) {
            (Some(router), 1, Style::Terminal) => coloured(router.state, &cell),
            _ => cell,
        }
    });
    if !status.sync_groups.is_empty() {
        out.push('\n');
        sync_groups(out, status, style);
    }
    details(out, status);
}

fn sync_groups(out: &mut String, status: &Status, style: Style) {
    let header = ["SYNC GROUP", "STATE", "SINCE", "MEMBERS", "HELD BACK BY"];
    let groups = &status.sync_groups;
    let row = |group: &SyncGroupReport| {
        let all = group.held_back_by.len() == group.members.len();
        let held_back = if all || group.held_back_by.is_empty() {
            "-".to_owned()
        } else {
            group.held_back_by.join(" ")
        };
        [
            group.name.clone(),
            group.state.to_string(),
            brief(Duration::from_millis(group.state_for_ms)),
            group.members.join(" "),
            held_back,
        ]
    };
    let rows: Vec<[String; 5]> = groups.iter().map(row).collect();
    grid(out, header, &rows, |row, column, cell| {
        match (groups.get(row), column, style) {
            (Some(group), 1, Style::Terminal) => coloured(group.state, &cell),
            _ => cell,
        }
    });
}

/// Rows below a header, each column as wide as its widest cell. `paint` may colour a cell, by row and column.
fn grid<const N: usize>(
    out: &mut String,
    header: [&str; N],
    rows: &[[String; N]],
    paint: impl Fn(usize, usize, String) -> String,
) {
    let mut widths = header.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(out, &header.map(str::to_owned), &widths, |_, cell| cell);
    for (index, row) in rows.iter().enumerate() {
        line(out, row, &widths, |column, cell| paint(index, column, cell));
    }
}

fn row(router: &RouterReport) -> [String; 8] {
    [
        router.name.clone(),
        router.state.to_string(),
        brief(Duration::from_millis(router.state_for_ms)),
        router.priority.to_string(),
        router.vrid.to_string(),
        router.interface.clone(),
        match &router.master {
            Some(master) if master.here => "this machine".to_owned(),
            Some(master) => format!("{} ({})", master.address, master.priority),
            None => "-".to_owned(),
        },
        addresses(&router.addresses),
    ]
}

/// Few addresses are listed, many counted.
fn addresses(all: &[AddressReport]) -> String {
    const FEW: usize = 3;
    let held = all.iter().filter(|one| one.held).count();
    let mut text = all
        .iter()
        .take(FEW)
        .map(|one| one.address.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    if all.len() > FEW {
        let _ = write!(text, " and {} more", all.len() - FEW);
    }
    match held {
        0 => format!("{text} (not held)"),
        _ if held == all.len() => format!("{text} (held)"),
        _ => format!("{text} ({held} of {} held)", all.len()),
    }
}

fn line(
    out: &mut String,
    cells: &[String],
    widths: &[usize],
    paint: impl Fn(usize, String) -> String,
) {
    let last = cells.len().saturating_sub(1);
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if column == last {
            out.push_str(cell);
        } else {
            out.push_str(&paint(column, format!("{cell:width$}")));
            out.push_str("  ");
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

fn details(out: &mut String, status: &Status) {
    for group in &status.sync_groups {
        for one in &group.changed {
            let _ = write!(out, "\n{}: CHANGED {}\n", group.name, change(one));
        }
    }
    for router in &status.routers {
        out.push('\n');
        let name = &router.name;
        if let Some(reason) = &router.reason {
            let _ = writeln!(out, "{name}: {} because {reason}", router.state);
        }
        for fault in &router.faults {
            let _ = writeln!(
                out,
                "{name}: FAULT {}\n{:indent$}  cure: {}",
                fault.message,
                "",
                fault.cure,
                indent = name.len()
            );
        }
        for one in &router.changed {
            let _ = writeln!(out, "{name}: CHANGED {}", change(one));
        }
        let count = |name: &str| router.counters.get(name).copied().unwrap_or_default();
        let _ = write!(
            out,
            "{name}: {} advertisements sent, {} received, {}",
            count("adverts_sent"),
            count("adverts_received"),
            match count("became_master") {
                0 => "never master".to_owned(),
                1 => "master once".to_owned(),
                times => format!("master {times} times"),
            }
        );
        let noteworthy = |counter: &(&String, &u64)| {
            let (name, &count) = *counter;
            let usual = [
                "adverts_sent",
                "adverts_received",
                "became_master",
                "announcements_sent",
            ];
            count > 0 && !name.starts_with("priority_zero") && !usual.contains(&name.as_str())
        };
        for (counter, count) in router.counters.iter().filter(noteworthy) {
            let _ = write!(out, ", {counter} {count}");
        }
        out.push('\n');
    }
}

/// `drain web r1 by uid 0, lapses in 5m 0s: kernel update`
fn change(report: &ChangeReport) -> String {
    let mut text = report.action.clone();
    if let Some(uid) = report.uid {
        let _ = write!(text, " by uid {uid}");
    }
    if let Some(left) = report.lapses_in_ms {
        let _ = write!(text, ", lapses in {}", brief(Duration::from_millis(left)));
    }
    if let Some(reason) = &report.reason {
        let _ = write!(text, ": {reason}");
    }
    text
}

fn coloured(state: StateName, text: &str) -> String {
    let colour = match state {
        StateName::Master => GREEN,
        StateName::Backup => 36,
        StateName::Fault => RED,
        StateName::Initialize | StateName::Preempting | StateName::Leaving => YELLOW,
    };
    in_colour(colour, text)
}

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;

fn in_colour(colour: u8, text: &str) -> String {
    format!("\x1b[{colour}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::status::{FaultReport, MasterReport};

    #[test]
    fn what_the_operator_changed_is_told() {
        let mut status = status();
        let by = |action: &str, uid, reason: Option<&str>, lapses_in_ms| ChangeReport {
            action: action.to_owned(),
            uid,
            reason: reason.map(str::to_owned),
            lapses_in_ms,
        };
        let failover = by(
            "failover web",
            Some(0),
            Some("kernel update"),
            Some(300_000),
        );
        status.routers[0].changed = vec![by("priority web 90", None, None, None), failover];
        let text = render(&status, Style::Plain);
        assert!(text.contains("\nweb: CHANGED priority web 90\n"), "{text}");
        let all = "\nweb: CHANGED failover web by uid 0, lapses in 5m 0s: kernel update\n";
        assert!(text.contains(all), "{text}");
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    }

    fn router(name: &str, state: StateName, addresses: usize) -> RouterReport {
        let address = |last: usize| AddressReport {
            address: format!("192.0.2.{}/24", 10 + last).parse().unwrap(),
            held: state == StateName::Master,
        };
        RouterReport {
            name: name.to_owned(),
            interface: "eth0".to_owned(),
            vrid: 51,
            version: 3,
            priority: 150,
            state,
            state_for_ms: 724_000,
            reason: Some("the master 192.0.2.3 (priority 100) is less important".to_owned()),
            source: Some("192.0.2.2".parse().unwrap()),
            master: Some(MasterReport {
                address: "192.0.2.2".parse().unwrap(),
                priority: 150,
                here: state == StateName::Master,
                heard_ms_ago: 0,
            }),
            addresses: (0..addresses).map(address).collect(),
            faults: Vec::new(),
            changed: Vec::new(),
            counters: BTreeMap::from([
                ("adverts_sent".to_owned(), 12),
                ("adverts_received".to_owned(), 3),
                ("became_master".to_owned(), 1),
                ("dropped_checksum".to_owned(), 2),
                ("dropped_ttl".to_owned(), 0),
            ]),
        }
    }

    fn status() -> Status {
        let mut broken = router("mail", StateName::Fault, 5);
        broken.master = None;
        broken.faults.push(FaultReport {
            kind: "link".to_owned(),
            message: "the interface eth0 does not exist, is down or has no carrier".to_owned(),
            cure: "ip link set eth0 up".to_owned(),
        });
        Status {
            schema: 1,
            name: "lb-a".to_owned(),
            version: "0.1.0".to_owned(),
            pid: 4711,
            uptime_ms: 3_600_000,
            routers: vec![
                router("web", StateName::Master, 2),
                router("database", StateName::Backup, 1),
                broken,
            ],
            sync_groups: Vec::new(),
            processes: Vec::new(),
            notifications: BTreeMap::new(),
            site: None,
            trackers: Vec::new(),
        }
    }

    fn with_groups() -> Status {
        let group = |name: &str, state, held_back_by: &[&str]| SyncGroupReport {
            name: name.to_owned(),
            members: ["web", "mail"].map(str::to_owned).to_vec(),
            state,
            state_for_ms: 724_000,
            changed: Vec::new(),
            held_back_by: held_back_by.iter().map(|&name| name.to_owned()).collect(),
        };
        Status {
            sync_groups: vec![
                group("site", StateName::Fault, &["mail"]),
                group("inside", StateName::Master, &[]),
                group("outside", StateName::Backup, &["web", "mail"]),
            ],
            ..status()
        }
    }

    #[test]
    fn the_table_has_the_sync_groups() {
        let shown = render(&with_groups(), Style::Plain);
        let groups: Vec<&str> = shown.lines().skip(7).take(4).collect();
        insta::assert_snapshot!(groups.join("\n"));
    }

    #[test]
    fn the_json_of_a_sync_group_is_stable() {
        let json = serde_json::to_string_pretty(&with_groups().sync_groups[0]).unwrap();
        insta::assert_snapshot!(json);
        let back: SyncGroupReport = serde_json::from_str(&json).unwrap();
        assert_eq!(back, with_groups().sync_groups[0]);
        // A status of a director that knows none is understood, and says nothing of them.
        let json = serde_json::to_string(&status()).unwrap();
        assert!(!json.contains("sync_groups"));
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status());
    }

    #[test]
    fn the_table_for_people() {
        insta::assert_snapshot!(render(&status(), Style::Plain));
    }

    #[test]
    fn colours_do_not_move_columns() {
        let plain = render(&status(), Style::Plain);
        let mut uncoloured = render(&status(), Style::Terminal);
        for colour in [31, 32, 33, 36, 0] {
            uncoloured = uncoloured.replace(&format!("\x1b[{colour}m"), "");
        }
        assert_eq!(uncoloured, plain);
    }

    #[test]
    fn the_json_is_stable() {
        let json = serde_json::to_string_pretty(&status().routers[2]).unwrap();
        insta::assert_snapshot!(json);
        let back: RouterReport = serde_json::from_str(&json).unwrap();
        assert_eq!(back, status().routers[2]);
    }
}
