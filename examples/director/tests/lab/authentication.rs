//! Keys: what another one does, where none is ever seen, and numbers that go on over a crash.

use std::path::Path;
use std::process::Command;

use locum_lab::{Director, Host, Signal, wait_until};

use crate::Result;
use crate::site::{Form, Member, PATIENCE, Program, Router, Site};

fn counter(member: &Member, name: &str) -> Option<u64> {
    let status = member.director().ok()?.status().ok()?;
    status
        .pointer(&format!("/routers/0/counters/{name}"))?
        .as_u64()
}

/// Neither hears the other, and the director counts why.
fn another_key(one: &Router, two: &Router, other: Program, counted: &str) -> Result {
    let site = Site::new(2)?;
    let first = site.start(1, Program::Director, one)?;
    let _second = site.start(2, other, two)?;
    wait_until("two owners that do not hear each other", PATIENCE, || {
        site.owners_of(one.vip()).len() == 2
    })?;
    wait_until("the refusals to be counted", PATIENCE, || {
        counter(&first, counted).is_some_and(|count| count > 0)
    })?;
    let director = first.director()?;
    let shown = format!("{} {}", director.status()?, director.child().log().text());
    assert!(!shown.contains(one.key), "the key is shown: {shown}");
    Ok(())
}

#[test]
fn another_key_of_headers_is_another_router() -> Result {
    let router = Router::new(Form::V2Header);
    let other = router.clone().key("s3cret13").priority(200);
    another_key(&router, &other, Program::Keepalived, "dropped_ah_icv")
}

#[test]
fn a_router_without_headers_is_another_router() -> Result {
    let plain = Router::new(Form::V2).priority(200);
    let router = Router::new(Form::V2Header);
    another_key(
        &router,
        &plain,
        Program::Keepalived,
        "dropped_authentication",
    )
}

#[test]
fn another_key_of_signatures_is_another_router() -> Result {
    let router = Router::new(Form::V3Ipv6Signed);
    let other = router
        .clone()
        .key("another key that is long enough as well")
        .priority(200);
    another_key(&router, &other, Program::Director, "dropped_hmac_tag")
}

#[test]
fn a_key_is_read_from_a_credential() -> Result {
    let host = Host::new("router")?;
    let toml = "[[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\nversion = 2\n\
                addresses = [\"10.77.0.50/24\"]\nauthentication = { type = \"ah\", credential = \"web-key\" }\n";
    host.write(Path::new("/run/director.toml"), toml)?;
    host.write(Path::new("/run/web-key"), "s3cret12\n")?;
    let check = |credentials: Option<&str>| -> Result<(Option<i32>, String)> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
        command.args(["check", "-c", "/run/director.toml"]);
        command.env_remove("CREDENTIALS_DIRECTORY");
        command.envs(credentials.map(|directory| ("CREDENTIALS_DIRECTORY", directory)));
        let output = host.run(move || command.output())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code(), said))
    };
    assert_eq!(check(Some("/run"))?, (Some(0), String::new()));
    let (code, said) = check(None)?;
    assert!(
        code == Some(2) && said.contains("LoadCredential="),
        "{said}"
    );
    let (code, said) = check(Some("/nonexistent"))?;
    assert!(code == Some(2) && said.contains("cannot be read"), "{said}");
    Ok(())
}

/// The owner is master as soon as it starts: nobody tells it which numbers were used.
#[test]
fn a_killed_owner_is_heard_at_once_when_it_is_back() -> Result {
    let site = Site::new(2)?;
    let low = Router::new(Form::V2Header).priority(100);
    let peer = site.start(2, Program::Keepalived, &low)?;
    let Member::Keepalived(keepalived) = &peer else {
        return Err("not a keepalived".into());
    };
    let host = site.host(1)?;
    host.ip("address add 10.77.0.50/24 dev eth0")?;
    host.write(Path::new("/run/vrrp.key"), "s3cret12\n")?;
    let toml = "[director]\ncontrol_socket = \"/run/director.sock\"\n\n[[virtual_router]]\nname = \"web\"\n\
                interface = \"eth0\"\nvrid = 51\nversion = 2\npriority = 255\naddresses = [\"10.77.0.50/24\"]\n\
                lease = \"off\"\nauthentication = { type = \"ah\", key_file = \"/run/vrrp.key\" }\n";
    let program = Path::new(env!("CARGO_BIN_EXE_director"));
    let capture = site.lan.capture()?;
    let start = || -> Result<Director> {
        let director = Director::start(host, program, toml)?;
        director.wait_ready(PATIENCE)?;
        Ok(director)
    };
    let numbers = || -> Vec<u32> {
        let frames = capture.frames();
        let of_it = frames.iter().filter_map(|frame| {
            // IPv4, the authentication header, from router 1.
            let (protocol, source) = (frame.bytes.get(23)?, frame.bytes.get(26..30)?);
            let number = frame.bytes.get(42..46)?.first_chunk()?;
            (*protocol == 51 && source == [10, 77, 0, 1]).then_some(u32::from_be_bytes(*number))
        });
        of_it.collect()
    };
    let director = start()?;
    wait_until("some advertisements", PATIENCE, || numbers().len() >= 3)?;
    director.child().signal(Signal::Kill)?;
    director.child().wait(PATIENCE)?;
    drop(director);
    let before = numbers();
    let _director = start()?;
    wait_until("some more", PATIENCE, || {
        numbers().len() >= before.len() + 3
    })?;
    let all = numbers();
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    // It was down for less than the three seconds and more that the other waits.
    let log = keepalived.child().log().text();
    assert!(!log.contains("already processed"), "{log}");
    Ok(())
}
