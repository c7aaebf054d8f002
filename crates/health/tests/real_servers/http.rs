//! nginx, and a program that connects to it.

use std::path::Path;
use std::process::Command;

use locum_health::exec::{ExecCheck, ExecConfig};
use locum_health::http::{BodyRule, HttpCheck, HttpConfig, Page};
use locum_health::tcp::{TcpCheck, TcpConfig};
use locum_health::{BodyFault, CheckError};

use crate::package;
use crate::server::{Place, Server};

/// nginx with these servers in its configuration.
pub(crate) fn nginx(place: Place, servers: &str, ports: &[u16]) -> Server {
    let config = place.file(
        "nginx.conf",
        &format!(
            "daemon off;\n\
            user root;\n\
            error_log stderr;\n\
            pid {{here}}/nginx.pid;\n\
            events {{ }}\n\
            http {{\n\
            access_log off;\n\
            client_body_temp_path {{here}}/body;\n\
            proxy_temp_path {{here}}/proxy;\n\
            fastcgi_temp_path {{here}}/fastcgi;\n\
            uwsgi_temp_path {{here}}/uwsgi;\n\
            scgi_temp_path {{here}}/scgi;\n\
            {servers}\n\
            }}\n"
        ),
    );
    let mut command: Command = package::command("nginx", "nginx-light");
    command.arg("-p").arg(place.path()).arg("-c").arg(config);
    place.start(command, ports)
}

/// A page, a redirect to it, a status of its own, and a site by name.
fn site() -> Server {
    let place = Place::new();
    let root = place.path().join("root");
    std::fs::create_dir(&root).unwrap();
    place.file("root/index.html", "The quick brown fox\n");
    let servers = "
        server {
            listen 80 default_server;
            root {here}/root;
            location /moved { return 301 /; }
            location /broken { return 503; }
        }
        server {
            listen 80;
            server_name www.example.org;
            location / { return 200 \"by name\"; }
        }";
    nginx(place, servers, &[80])
}

fn page(path: &str, change: impl FnOnce(&mut Page)) -> HttpCheck {
    let mut page = Page::new(path);
    change(&mut page);
    let mut config = HttpConfig::default();
    config.pages = vec![page];
    HttpCheck::new(config).unwrap()
}

#[test]
fn pages_pass_by_their_status() {
    let server = site();
    server.check(80, page("/", |_| {})).unwrap();
    for (path, status) in [("/moved", 301), ("/missing", 404), ("/broken", 503)] {
        let result = server.check(80, page(path, |_| {}));
        assert!(
            matches!(result, Err(CheckError::Status(s)) if s == status),
            "{path}: {result:?}"
        );
        let wanted = page(path, |page| page.status = vec![(status, status)]);
        server.check(80, wanted).unwrap();
    }
    server.stop(80, page("/", |_| {}));
}

#[test]
fn pages_pass_by_their_body() {
    // What `md5sum` and `sha256sum` of coreutils say of the page.
    let md5 = 0xe480_132c_9dd5_3e3e_34e3_cf9f_523c_7425_u128.to_be_bytes();
    let sha256 = [
        0x35fb_7cc2_337d_10d6_18a1_bad3_5c7a_9e95_u128,
        0x7c21_3f00_d0ed_32f2_454b_2a99_a971_c0d8,
    ];
    let sha256 = sha256.map(u128::to_be_bytes).concat();
    let server = site();
    let body = |rule| page("/", |page| page.body = vec![rule]);
    for rule in [
        BodyRule::Contains("quick".to_owned()),
        BodyRule::Matches("(?m)fox$".to_owned()),
        BodyRule::MatchesNot("dog".to_owned()),
        BodyRule::Md5(md5),
        BodyRule::Sha256(sha256.try_into().unwrap()),
    ] {
        let result = server.check(80, body(rule.clone()));
        assert!(result.is_ok(), "{rule:?}: {result:?}");
    }
    for (rule, fault) in [
        (BodyRule::Contains("dog".to_owned()), BodyFault::NoMatch),
        (BodyRule::MatchesNot("fox".to_owned()), BodyFault::Unwanted),
        (BodyRule::Md5([0; 16]), BodyFault::Digest),
        (BodyRule::Sha256([0; 32]), BodyFault::Digest),
    ] {
        let result = server.check(80, body(rule.clone()));
        assert!(
            matches!(result, Err(CheckError::Body(f)) if f == fault),
            "{rule:?}: {result:?}"
        );
    }
}

#[test]
fn a_site_is_found_by_its_name() {
    let server = site();
    let mut config = HttpConfig::default();
    config.host = Some("www.example.org".to_owned());
    config.pages[0].body = vec![BodyRule::Contains("by name".to_owned())];
    server.check(80, HttpCheck::new(config).unwrap()).unwrap();
}

#[test]
fn connecting_is_enough() {
    let server = site();
    let check = TcpCheck::new(TcpConfig::default()).unwrap();
    server.check(80, check.clone()).unwrap();
    server.stop(80, check);
}

/// Bash connects by itself; Debian and Ubuntu always have it.
#[test]
fn a_program_can_look() {
    let server = site();
    assert!(Path::new("/bin/bash").is_file(), "the Debian package bash");
    let mut config = ExecConfig::new("/bin/bash");
    config.arguments = [
        "-c",
        "exec 3<>/dev/tcp/$0/$1 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q 'brown fox' <&3",
        "{address}",
        "{port}",
    ]
    .map(str::to_owned)
    .to_vec();
    let check = ExecCheck::new(config).unwrap();
    server.check(80, check.clone()).unwrap();
    let result = server.check(81, check);
    assert!(matches!(result, Err(CheckError::ExitCode(1))), "{result:?}");
}
