//! `forward`: how packets get to a server.

use std::num::NonZeroU16;

use locum_ipvs::{Forward, GreChecksum, GueChecksum, Tunnel};

use super::section::{Entry, Report, Section};

const EXAMPLE: &str = "forward = { type = \"gue\", port = 6080 }";

/// The port that IANA has registered for GUE.
const GUE_PORT: NonZeroU16 = match NonZeroU16::new(6080) {
    Some(port) => port,
    None => NonZeroU16::MIN,
};

const METHODS: [(&str, Forward); 4] = [
    ("direct", Forward::Direct),
    ("nat", Forward::Masquerade),
    ("tunnel", Forward::Tunnel(Tunnel::Ipip)),
    ("local", Forward::Local),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Gre,
    Gue,
    Ipip,
}

const KINDS: [(&str, Kind); 3] = [("ipip", Kind::Ipip), ("gue", Kind::Gue), ("gre", Kind::Gre)];

/// What `forward` is called in the file.
pub(super) const fn word(forward: Forward) -> &'static str {
    match forward {
        Forward::Direct => "direct",
        Forward::Local => "local",
        Forward::Masquerade => "nat",
        Forward::Tunnel(_) | _ => "tunnel",
    }
}

/// Reads the key `forward`; `None`: it is not there, or wrong, which is noted.
pub(super) fn read(section: &mut Section<'_>, report: &mut Report) -> Option<Forward> {
    let entry = section.take("forward")?;
    if entry.value.is_str() {
        return entry.choice(&METHODS, report);
    }
    tunnel(&entry, report).map(Forward::Tunnel)
}

fn tunnel(entry: &Entry<'_>, report: &mut Report) -> Option<Tunnel> {
    if !entry.value.is_table() {
        let help = "write \"direct\", \"nat\", \"tunnel\" or \"local\", or a table for a tunnel";
        report.add(entry.mistyped("a word or a table", help));
        return None;
    }
    let mut section = Section::of("`forward`", EXAMPLE, entry, report)?;
    let kind = section
        .require("type", "\"gue\"", report)
        .and_then(|entry| entry.choice(&KINDS, report));
    let port = section.take("port");
    let checksum = section.take("checksum");
    section.finish(report);
    match kind? {
        Kind::Ipip => {
            without_effect(port, "only \"gue\" has a port", report);
            without_effect(
                checksum,
                "only \"gue\" and \"gre\" have a checksum of their own",
                report,
            );
            Some(Tunnel::Ipip)
        }
        Kind::Gre => {
            without_effect(port, "only \"gue\" has a port", report);
            let choices = [("none", GreChecksum::Off), ("on", GreChecksum::On)];
            let checksum = match checksum {
                Some(entry) => entry.choice(&choices, report)?,
                None => GreChecksum::default(),
            };
            Some(Tunnel::Gre(checksum))
        }
        Kind::Gue => {
            let port = match port {
                Some(entry) => NonZeroU16::new(entry.number(1..=u16::MAX, report)?)?,
                None => GUE_PORT,
            };
            let choices = [
                ("none", GueChecksum::Off),
                ("on", GueChecksum::On),
                ("remote", GueChecksum::Remote),
            ];
            let checksum = match checksum {
                Some(entry) => entry.choice(&choices, report)?,
                None => GueChecksum::default(),
            };
            Some(Tunnel::Gue { port, checksum })
        }
    }
}

fn without_effect(entry: Option<Entry<'_>>, why: &str, report: &mut Report) {
    if let Some(entry) = entry {
        let message = format!("`{}` in a tunnel of this type", entry.key);
        report.add(
            entry
                .wrong(message, "would have no effect")
                .help(format!("remove it, or use another `type`: {why}")),
        );
    }
}
