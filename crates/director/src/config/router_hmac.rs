//! `authentication = { type = "hmac" }` of a virtual router.

use std::time::Duration;

use locum_vrrp::{HmacKey, HmacKeyId, HmacKeys, HmacMode, HmacWindow};

use super::router_security::{Reader, Replay, Security};
use super::secret;
use super::section::{Entry, Report, Section};

const EXAMPLE: &str = "authentication = { type = \"hmac\", key_file = \"/etc/director/web.key\" }";
const KEYS_EXAMPLE: &str = "{ id = 1, key_file = \"/etc/director/web.1.key\" }";

const MODES: [(&str, HmacMode); 3] = [
    ("enforce", HmacMode::Enforce),
    ("permissive", HmacMode::Permissive),
    ("receive-only", HmacMode::ReceiveOnly),
];

/// A key with its id, and where the id is.
type Numbered<'t> = (HmacKeyId, HmacKey, Entry<'t>);

pub(super) fn read<'t>(
    reader: &mut Reader<'_>,
    section: &mut Section<'t>,
    entry: &Entry<'t>,
    report: &mut Report,
) -> Option<Security> {
    let keys = keys(reader, section, entry, report);
    let mode = section
        .take("mode")
        .map_or(Some(HmacMode::Enforce), |one| one.choice(&MODES, report));
    let replay = replay(section, report);
    Some(Security::Trailer {
        keys: keys?,
        mode: mode?,
        replay: replay?,
    })
}

fn keys<'t>(
    reader: &mut Reader<'_>,
    section: &mut Section<'t>,
    entry: &Entry<'t>,
    report: &mut Report,
) -> Option<HmacKeys> {
    let many = section.take("keys");
    let active = section.take("active_key");
    let all = match &many {
        Some(many) => several(reader, section, many, report)?,
        None => vec![one(reader, section, entry, report)?],
    };
    let active = match active {
        Some(active) => {
            let id: u8 = active.number(1..=255, report)?;
            let found = all.iter().position(|(key, ..)| key.get() == id);
            if found.is_none() {
                let wrong = active.wrong("there is no key with this id", "none of the keys");
                report.add(wrong.help("use the id of a key that all routers of the group have"));
            }
            found?
        }
        None if all.len() > 1 => {
            let wrong = many
                .as_ref()
                .unwrap_or(entry)
                .wrong("`active_key` is missing", "which of them signs?");
            report.add(wrong.help(
                "add active_key = ID: all keys verify, and this one signs what the router sends",
            ));
            return None;
        }
        None => 0,
    };
    choose(all, active, report)
}

/// The active one signs, the others verify only.
fn choose(mut all: Vec<Numbered<'_>>, active: usize, report: &mut Report) -> Option<HmacKeys> {
    if active >= all.len() {
        return None;
    }
    let (id, key, first) = all.swap_remove(active);
    let mut keys = Some(HmacKeys::new(id, key));
    for (id, key, place) in all {
        keys =
            match keys?.and_accept(id, key) {
                Ok(keys) => Some(keys),
                Err(error) => {
                    let wrong = place.wrong(error.to_string(), "one of them");
                    report.add(wrong.related(first.span, "the active one").help(
                        "give each key an id of its own, the same in all routers of the group",
                    ));
                    return None;
                }
            };
    }
    keys
}

fn several<'t>(
    reader: &mut Reader<'_>,
    section: &mut Section<'_>,
    many: &Entry<'t>,
    report: &mut Report,
) -> Option<Vec<Numbered<'t>>> {
    for key in ["key_file", "credential", "key_id"] {
        if let Some(other) = section.take(key) {
            let wrong = other.wrong("there are keys in `keys` already", "another one");
            report.add(wrong.help("put this one into `keys` too, or remove it"));
        }
    }
    let elements = many.elements(KEYS_EXAMPLE, report)?;
    if elements.is_empty() {
        let wrong = many.wrong("the key is missing", "no key");
        report.add(wrong.help(format!("write keys = [{KEYS_EXAMPLE}]")));
        return None;
    }
    let mut all: Vec<Numbered<'t>> = Vec::new();
    for element in &elements {
        let Some(mut section) = Section::of("`keys`", KEYS_EXAMPLE, element, report) else {
            continue;
        };
        let id = section.require("id", "1", report);
        let id = id.and_then(|entry| Some((id_of(&entry, report)?, entry)));
        let key = key(reader, &mut section, element, report);
        section.finish(report);
        if let (Some((id, place)), Some(key)) = (id, key) {
            all.push((id, key, place));
        }
    }
    (all.len() == elements.len()).then_some(all)
}

fn one<'t>(
    reader: &mut Reader<'_>,
    section: &mut Section<'t>,
    entry: &Entry<'t>,
    report: &mut Report,
) -> Option<Numbered<'t>> {
    let id = match section.take("key_id") {
        Some(entry) => id_of(&entry, report),
        None => HmacKeyId::new(1).ok(),
    };
    let key = key(reader, section, entry, report)?;
    Some((id?, key, entry.clone()))
}

fn id_of(entry: &Entry<'_>, report: &mut Report) -> Option<HmacKeyId> {
    HmacKeyId::new(entry.number(1..=255, report)?).ok()
}

fn key(
    reader: &mut Reader<'_>,
    section: &mut Section<'_>,
    entry: &Entry<'_>,
    report: &mut Report,
) -> Option<HmacKey> {
    let found = secret::key(&mut reader.files, section, entry, EXAMPLE, report)?;
    let help = "make one with `printf 'hex:%s\\n' \"$(openssl rand -hex 32)\"`, the same for all routers of the group";
    let bytes = match found.text.strip_prefix("hex:") {
        Some(digits) => {
            let bytes = from_hex(digits.trim());
            if bytes.is_none() {
                let wrong = found
                    .entry
                    .wrong("this cannot be a key", "not hexadecimal after `hex:`");
                report.add(wrong.help(help));
            }
            bytes?
        }
        None => found.text.into_bytes(),
    };
    match HmacKey::new(bytes) {
        Ok(key) => Some(key),
        Err(error) => {
            let wrong = found.entry.wrong("this cannot be a key", error.to_string());
            report.add(wrong.help(help));
            None
        }
    }
}

/// The bytes that pairs of digits are.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok();
    rest.is_empty()
        .then(|| pairs.iter().map(byte).collect())
        .flatten()
}

fn replay(section: &mut Section<'_>, report: &mut Report) -> Option<Replay> {
    let kinds = [
        ("time", Replay::Time(None)),
        ("monotonic", Replay::Monotonic),
    ];
    let kind = match section.take("anti_replay") {
        Some(entry) => entry.choice(&kinds, report),
        None => Some(Replay::Time(None)),
    };
    let Some(entry) = section.take("time_window") else {
        return kind;
    };
    let seconds = Duration::from_secs(1)..=Duration::from_secs(300);
    let length = entry.duration_within(seconds, report)?;
    let window = u16::try_from(length.as_secs())
        .ok()
        .filter(|_| length.subsec_nanos() == 0)
        .and_then(|seconds| HmacWindow::new(seconds).ok());
    match (kind?, window) {
        (Replay::Monotonic, _) => {
            let wrong = entry.wrong("no clock is compared here", "would have no effect");
            report.add(wrong.help("remove it, or use anti_replay = \"time\""));
            None
        }
        (Replay::Time(_), Some(window)) => Some(Replay::Time(Some(window))),
        (Replay::Time(_), None) => {
            let wrong = entry.wrong("`time_window` is whole seconds", "a part of a second");
            report.add(wrong.help("write it like \"5s\""));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn hexadecimal_is_pairs_of_digits() {
        assert_eq!(from_hex("00fFa0"), Some(vec![0, 0xff, 0xa0]));
        assert_eq!(from_hex(""), Some(vec![]));
        for wrong in ["0", "0g", "+1", " 1", "ü"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
