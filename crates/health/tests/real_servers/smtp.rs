//! Exim.

use std::path::Path;

use locum_health::CheckError;
use locum_health::tcp::{TcpCheck, TcpConfig};

use crate::package;
use crate::server::{Place, Server};

/// Listens on port 25, with `more` in its configuration.
fn exim(more: &str) -> Server {
    let place = Place::new();
    let config = place.file(
        "exim.conf",
        &format!(
            "primary_hostname = mail.example\n\
            exim_path = {}\n\
            exim_user = root\n\
            exim_group = root\n\
            never_users =\n\
            keep_environment =\n\
            spool_directory = {{here}}/spool\n\
            log_file_path = {{here}}/%slog\n\
            acl_smtp_rcpt = accept\n\
            {more}\n",
            package::path("exim4", "exim4-daemon-light").display()
        ),
    );
    // Debian's Exim insists on a user that is made by installing it, whoever it runs as.
    let users = place.file(
        "passwd",
        "root:x:0:0:root:/root:/bin/sh\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        Debian-exim:x:65533:65533::/nonexistent:/usr/sbin/nologin\n",
    );
    let groups = place.file(
        "group",
        "root:x:0:\nnogroup:x:65534:\nDebian-exim:x:65533:\n",
    );
    place.cover(Path::new("/etc/passwd"), &users);
    place.cover(Path::new("/etc/group"), &groups);
    let mut command = package::command("exim4", "exim4-daemon-light");
    command
        .args(["-bdf", "-oX", "25", "-oP"])
        .arg(place.path().join("exim.pid"))
        .arg("-C")
        .arg(config);
    place.start(command, &[25])
}

fn check() -> TcpCheck {
    TcpCheck::new(TcpConfig::smtp("lb.example")).unwrap()
}

#[test]
fn exim_passes_until_it_stops() {
    let server = exim("");
    server.check(25, check()).unwrap();
    server.stop(25, check());
}

#[test]
fn exim_that_takes_no_mail_fails() {
    let server = exim("acl_smtp_helo = deny");
    let result = server.check(25, check());
    assert!(matches!(result, Err(CheckError::Status(550))), "{result:?}");
}
