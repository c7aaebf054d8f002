use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use clap::{CommandFactory, Parser};

use super::super::Command;
use super::*;
use crate::control::{ControlSocket, Fixed};
use crate::overrides::STAND_BY;

#[derive(Debug, Parser)]
#[command(name = "director")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn parse(line: &str) -> Result<Command, String> {
    let parsed = Arguments::try_parse_from(line.split(' '));
    parsed
        .map(|arguments| arguments.command)
        .map_err(|error| error.to_string())
}

#[test]
fn lines_are_understood_or_refused() {
    for (line, valid) in [
        ("director reload", true),
        ("director reload --json --reason servers", true),
        ("director reload --for 5m", false),
        ("director drain web r1", true),
        (
            "director drain web r1 --for 30m --reason update --json",
            true,
        ),
        ("director drain web r1 --control-socket /run/a.sock", true),
        (
            "director drain web r1 --socket /run/a.sock -c a.toml",
            false,
        ),
        ("director drain web", false),
        ("director drain web r1 --for soon", false),
        ("director drain web r1 --for 30", false),
        ("director maintenance web 192.0.2.21:80", true),
        ("director ready web r1 -c a.toml", true),
        ("director weight web r1 0", true),
        ("director weight web r1 2147483647", true),
        ("director weight web r1 2147483648", false),
        ("director weight web r1 -1", false),
        ("director weight web r1", false),
        ("director priority web 1", true),
        ("director priority web 254", true),
        ("director priority web 0", false),
        ("director priority web 255", false),
        ("director failover site --for 1h", true),
        ("director failover", false),
        ("director restore web", true),
        ("director restore web --for 1h", false),
        ("director check -c a.toml --json", true),
        ("director check -c a.toml --format json --json", false),
    ] {
        let parsed = parse(line);
        assert_eq!(parsed.is_ok(), valid, "{line}: {parsed:?}");
    }
}

#[test]
fn a_fail_over_that_does_not_say_lasts_as_long_here_as_there() {
    let Ok(Command::Failover(arguments)) = parse("director failover web") else {
        panic!("it is a line")
    };
    assert_eq!(arguments.length, STAND_BY);
    assert_eq!(
        arguments.common.place.find(),
        Ok(PathBuf::from(crate::config::Director::CONTROL_SOCKET))
    );
}

#[test]
fn help_tells_all() {
    for name in [
        "reload",
        "drain",
        "maintenance",
        "ready",
        "weight",
        "priority",
        "failover",
        "restore",
    ] {
        let mut all = Arguments::command().term_width(100);
        all.build();
        let command = all.find_subcommand_mut(name).unwrap();
        insta::assert_snapshot!(name, command.render_long_help());
    }
}

#[test]
fn nobody_who_listens_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("none.sock");
    let line = format!("director drain web r1 --socket {}", socket.display());
    let Ok(Command::Drain(arguments)) = parse(&line) else {
        panic!("it is a line")
    };
    assert_eq!(drain(arguments), FAILED);
    let line = format!("director reload -c {}", socket.display());
    let Ok(Command::Reload(arguments)) = parse(&line) else {
        panic!("it is a line")
    };
    assert_eq!(reload(arguments), super::super::UNREADABLE);
}

#[test]
fn exit_codes_tell_done_refused_and_a_configuration_with_mistakes_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let socket = ControlSocket::bind(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = socket.serve(Arc::new(Fixed::default()), axum::Router::new()) => {}
                _ = ended => {}
            }
        });
    });
    for (line, code) in [
        ("drain web r1", DONE),
        ("drain web r1 --json", DONE),
        ("drain web r9", FAILED),
        ("drain web r9 --json", FAILED),
        ("failover web --for 1h", FAILED),
        ("reload", INVALID),
        ("reload --json", INVALID),
    ] {
        let whole = format!("director {line} --socket {}", path.display());
        let got = match parse(&whole) {
            Ok(Command::Drain(arguments)) => drain(arguments),
            Ok(Command::Failover(arguments)) => failover(arguments),
            Ok(Command::Reload(arguments)) => reload(arguments),
            other => panic!("{other:?}"),
        };
        assert_eq!(got, code, "{line}");
    }
    drop(end);
    server.join().unwrap();
}
