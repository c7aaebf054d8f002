//! That what a configuration says about notification is what is done.

#![expect(clippy::panic, reason = "helpers of tests fail as the tests do")]

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use locum_director::config::{self, Config};
use locum_director::notify::{MailTls, Notification, Topic};

fn load(text: &str) -> Config {
    let password = |path: &Path| match path.to_str() {
        Some("old.password") => Ok("NEVER!\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    config::load("a.toml", text, password).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn everything_is_understood() {
    let config = load(include_str!("valid/notification.toml"));
    let told = &config.notification;
    assert_eq!(
        told.fifo.as_deref(),
        Some(Path::new("/run/director/notify.fifo"))
    );

    let mail = told.mail.as_ref().expect("mail");
    assert_eq!((&*mail.host, mail.port), ("2001:db8::25", 465));
    assert_eq!(mail.tls, MailTls::Tls);
    assert_eq!(mail.from.to_string(), "Director <director@example.com>");
    assert_eq!(mail.to.len(), 2);
    assert_eq!(mail.events, BTreeSet::from([Topic::Router, Topic::Process]));
    assert_eq!(mail.digest, Duration::from_secs(60));
    assert_eq!(mail.at_most.count, 6);
    assert_eq!(mail.at_most.per, Duration::from_secs(24 * 60 * 60));
    assert!(mail.login.is_some());
    assert!(!format!("{config:?}").contains("NEVER"));

    let [hook, plain] = told.webhooks.as_slice() else {
        panic!("{:?}", told.webhooks);
    };
    assert_eq!(hook.url.to_string(), "https://hooks.example.com/a?b=c");
    assert_eq!(hook.events, BTreeSet::from([Topic::Server, Topic::Quorum]));
    let headers = hook.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(headers, [("x-site", &b"a"[..]), ("x-rack", b"7")]);
    assert!(hook.token.is_some());
    assert_eq!(hook.timeout, Duration::from_secs(3));
    assert_eq!(plain.events.len(), Topic::ALL.len());
    assert_eq!(plain.timeout, Duration::from_secs(10));

    let [(name, web)] = Vec::from_iter(&told.routers)[..] else {
        panic!("{:?}", told.routers);
    };
    assert_eq!(name, "web");
    let master = web.master.as_ref().expect("a program");
    assert_eq!(master.program, Path::new("/bin/sh"));
    assert_eq!(master.arguments, ["-c", "true"]);
    assert_eq!(master.timeout, Duration::from_secs(3));
    assert!(master.user.is_some());
    assert!(web.backup.is_some() && web.fault.is_some() && web.stop.is_some());
    assert_eq!(web.any.as_ref().expect("a program").arguments, ["x"]);
    let site = told.groups.get("site").expect("a group");
    assert!(site.any.is_some() && site.master.is_none());

    let service = told.services.get("web").expect("a service");
    assert_eq!(service.keys, ["[192.0.2.10]:udp:80", "[192.0.2.11]:udp:80"]);
    assert_eq!(service.protocol, "udp");
    let [(name, server)] = Vec::from_iter(&service.servers)[..] else {
        panic!("{:?}", service.servers);
    };
    assert_eq!(name, "192.0.2.21:80");
    assert!(server.down.is_some() && server.up.is_none());
}

#[test]
fn nobody_is_told_by_default() {
    let text = include_str!("valid/smallest.toml");
    assert_eq!(load(text).notification, Notification::default());
    let mail =
        "[mail]\nserver = \"mail.example.com\"\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n";
    let config = load(&format!("{text}\n{mail}"));
    let mail = config.notification.mail.expect("mail");
    assert_eq!((mail.tls, mail.port), (MailTls::Starttls, 587));
    assert_eq!(mail.digest, Duration::from_secs(30));
    assert_eq!((mail.at_most.count, mail.at_most.per.as_secs()), (20, 3600));
    assert!(!mail.events.contains(&Topic::Change) && mail.events.contains(&Topic::Reload));
    assert_eq!(mail.login, None);
}
