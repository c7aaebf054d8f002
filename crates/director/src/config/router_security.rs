//! `authentication` of a virtual router.

use std::path::Path;

use locum_vrrp::{Password, Version};

use super::document::ReadFile;
use super::section::{Entry, Report, Section};

const EXAMPLE: &str =
    "authentication = { type = \"password\", password_file = \"/etc/director/web.password\" }";

#[derive(Clone, Copy)]
enum Kind {
    Ah,
    Hmac,
    Password,
}

const KINDS: [(&str, Kind); 3] = [
    ("password", Kind::Password),
    ("ah", Kind::Ah),
    ("hmac", Kind::Hmac),
];

pub(super) fn password(
    section: &mut Section<'_>,
    version: Version,
    file: ReadFile<'_>,
    report: &mut Report,
) -> Option<Password> {
    let entry = section.take("authentication")?;
    let mut section = Section::of("`authentication`", EXAMPLE, &entry, report)?;
    let kind_entry = section.require("type", "\"password\"", report);
    let kind = kind_entry
        .as_ref()
        .and_then(|entry| entry.choice(&KINDS, report));
    let inline = section.take("password");
    let in_file = section.take("password_file");
    // What belongs to a kind that is not supported yet would only be noise.
    if !matches!(kind, Some(Kind::Ah | Kind::Hmac)) {
        section.finish(report);
    }
    let kind_entry = kind_entry?;
    match kind? {
        Kind::Password if version == Version::V3 => {
            let wrong = kind_entry.wrong("version 3 has no password", "version 2 only");
            report.add(
                wrong.help(
                    "remove `authentication`, or use version = 2 in all routers of the group",
                ),
            );
            None
        }
        Kind::Password => secret(&entry, inline, in_file, file, report),
        Kind::Ah | Kind::Hmac => {
            let wrong = kind_entry.wrong(
                "this authentication is not supported yet",
                "only \"password\" so far",
            );
            report.add(wrong.help(
                "remove `authentication`, and let a firewall keep strangers out; a peer that insists on it \
                 would not be understood",
            ));
            None
        }
    }
}

fn secret(
    entry: &Entry<'_>,
    inline: Option<Entry<'_>>,
    in_file: Option<Entry<'_>>,
    file: ReadFile<'_>,
    report: &mut Report,
) -> Option<Password> {
    match (inline, in_file) {
        (Some(inline), None) => {
            let password = inline.string("secret", report)?;
            checked(&inline, password, report)
        }
        (None, Some(in_file)) => {
            let path = in_file.string("/etc/director/web.password", report)?;
            match file(Path::new(path)) {
                Ok(text) => checked(&in_file, text.trim_end_matches(['\r', '\n']), report),
                Err(error) => {
                    let wrong = in_file.wrong("the password cannot be read", error.to_string());
                    report.add(wrong.help("put the password on the first line of this file"));
                    None
                }
            }
        }
        (Some(inline), Some(in_file)) => {
            let wrong = inline.wrong("there are two passwords", "the first");
            report.add(
                wrong
                    .related(in_file.span, "the second")
                    .help("remove one of them"),
            );
            None
        }
        (None, None) => {
            let wrong = entry.wrong(
                "the password is missing",
                "neither `password` nor `password_file`",
            );
            report.add(wrong.help(format!("write {EXAMPLE}")));
            None
        }
    }
}

fn checked(entry: &Entry<'_>, password: &str, report: &mut Report) -> Option<Password> {
    match Password::new(password) {
        Ok(password) => Some(password),
        Err(error) => {
            let wrong = entry.wrong("this cannot be a password", error.to_string());
            report.add(wrong.help("use 1 to 8 bytes; keepalived uses the first 8 of a longer one"));
            None
        }
    }
}
