//! What a check says about TLS.

use std::path::{Path, PathBuf};

use locum_health::tls::{ClientCertificate, TlsConfig, Verify};

use super::check_kinds::Places;
use super::section::{Entry, Report, Section};

/// The keys.
pub(super) const KEYS: [&str; 6] = [
    "server_name",
    "verify",
    "ca_file",
    "certificate",
    "key",
    "alpn",
];

/// Reads the keys; without `server_name` it is `host`.
pub(super) fn read(
    section: &mut Section<'_>,
    host: Option<&str>,
    places: &mut Places,
    report: &mut Report,
) -> TlsConfig {
    let mut tls = TlsConfig::default();
    tls.server_name = match section.take("server_name") {
        Some(entry) => named(&entry, places, report),
        None => host.map(without_port),
    };
    let verify = section.take("verify");
    if let Some(entry) = &verify
        && entry.boolean(report) == Some(false)
    {
        tls.verify = Verify::None;
    }
    if let Some(entry) = section.take("ca_file") {
        tls.ca_file = file(&entry, places, report);
        if let (Verify::None, Some(verify)) = (tls.verify, &verify) {
            let wrong = entry.wrong("`ca_file` without verification", "would have no effect");
            report.add(
                wrong
                    .related(verify.span.clone(), "verifies nothing")
                    .help("remove one of the two lines"),
            );
        }
    }
    tls.client = client(section, places, report);
    if let Some(entry) = section.take("alpn") {
        let protocols = entry.strings("http/1.1", report);
        for (text, place) in &protocols {
            places.add(text, place);
        }
        tls.alpn = protocols.iter().map(|&(text, _)| text.to_owned()).collect();
    }
    tls
}

fn client(
    section: &mut Section<'_>,
    places: &mut Places,
    report: &mut Report,
) -> Option<ClientCertificate> {
    let certificate = section.take("certificate");
    let key = section.take("key");
    match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let certificate = file(&certificate, places, report);
            Some(ClientCertificate {
                key: file(&key, places, report)?,
                certificate: certificate?,
            })
        }
        (Some(alone), None) => {
            lonely(&alone, "key", report);
            None
        }
        (None, Some(alone)) => {
            lonely(&alone, "certificate", report);
            None
        }
    }
}

fn lonely(entry: &Entry<'_>, other: &str, report: &mut Report) {
    let message = format!("`{}` without `{other}`", entry.key);
    let wrong = entry.wrong(message, "one is of no use without the other");
    report.add(wrong.help(format!("add {other} = \"/etc/director/check.pem\"")));
}

fn named(entry: &Entry<'_>, places: &mut Places, report: &mut Report) -> Option<String> {
    let name = entry.string("www.example.com", report)?;
    places.add(name, entry);
    Some(name.to_owned())
}

fn file(entry: &Entry<'_>, places: &mut Places, report: &mut Report) -> Option<PathBuf> {
    let text = entry.string("/etc/director/ca.pem", report)?;
    let path = Path::new(text);
    if !path.is_absolute() {
        let wrong = entry.wrong("not an absolute path", "relative to what?");
        report.add(wrong.help("write the whole path, as in \"/etc/director/ca.pem\""));
        return None;
    }
    places.add(text, entry);
    Some(path.to_owned())
}

/// The name in `www.example.com:8443`.
pub(super) fn without_port(host: &str) -> String {
    match host.rsplit_once(':') {
        Some(_) if host.parse::<std::net::Ipv6Addr>().is_ok() => host,
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
    .trim_start_matches('[')
    .trim_end_matches(']')
    .to_owned()
}
