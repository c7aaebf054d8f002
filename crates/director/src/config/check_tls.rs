//! What a check says about TLS.

use std::path::{Path, PathBuf};

use locum_health::tls::{ClientCertificate, TlsConfig, Verify};

use super::section::{Entry, Report, Section};

const KEYS: [&str; 6] = [
    "server_name",
    "verify",
    "ca_file",
    "certificate",
    "key",
    "alpn",
];

/// Notes each key that needs TLS where there is none; `with` is the type that has it.
pub(super) fn refuse(section: &mut Section<'_>, with: &str, report: &mut Report) {
    for key in KEYS {
        if let Some(entry) = section.take_quietly(key) {
            let wrong = entry.wrong(format!("`{key}` without TLS"), "would have no effect");
            report.add(wrong.help(format!("use type = \"{with}\", or remove the line")));
        }
    }
}

/// Reads the keys; without `server_name` it is `host`.
pub(super) fn read(
    section: &mut Section<'_>,
    host: Option<&str>,
    report: &mut Report,
) -> TlsConfig {
    let mut tls = TlsConfig::default();
    tls.server_name = match section.take("server_name") {
        Some(entry) => entry.string("www.example.com", report).map(str::to_owned),
        None => host.map(without_port),
    };
    let verify = section.take("verify");
    if let Some(entry) = &verify
        && entry.boolean(report) == Some(false)
    {
        tls.verify = Verify::None;
    }
    if let Some(entry) = section.take("ca_file") {
        tls.ca_file = file(&entry, report);
        if let (Verify::None, Some(verify)) = (tls.verify, &verify) {
            let wrong = entry.wrong("`ca_file` without verification", "would have no effect");
            report.add(
                wrong
                    .related(verify.span.clone(), "verifies nothing")
                    .help("remove one of the two lines"),
            );
        }
    }
    tls.client = client(section, report);
    if let Some(entry) = section.take("alpn") {
        let protocols = entry.strings("http/1.1", report);
        tls.alpn = protocols.iter().map(|&(text, _)| text.to_owned()).collect();
    }
    tls
}

fn client(section: &mut Section<'_>, report: &mut Report) -> Option<ClientCertificate> {
    let certificate = section.take("certificate");
    let key = section.take("key");
    match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let certificate = file(&certificate, report);
            Some(ClientCertificate {
                key: file(&key, report)?,
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

fn file(entry: &Entry<'_>, report: &mut Report) -> Option<PathBuf> {
    let text = entry.string("/etc/director/ca.pem", report)?;
    let path = Path::new(text);
    if !path.is_absolute() {
        let wrong = entry.wrong("not an absolute path", "relative to what?");
        report.add(wrong.help("write the whole path, as in \"/etc/director/ca.pem\""));
        return None;
    }
    Some(path.to_owned())
}

/// The name in `www.example.com:8443`.
fn without_port(host: &str) -> String {
    match host.rsplit_once(':') {
        Some(_) if host.parse::<std::net::Ipv6Addr>().is_ok() => host,
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
    .trim_start_matches('[')
    .trim_end_matches(']')
    .to_owned()
}
