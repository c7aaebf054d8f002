//! A start whose table is filled before anything else is there, where no virtual router is configured.

use std::fs;
use std::path::Path;
use std::process::Command;

use locum_ipvs::{Client, Limits};
use locum_lab::{Director, Host, Signal, wait_until};

use crate::Result;
use crate::bench::PATIENCE;

/// So many that filling the table takes a while.
const SERVICES: u8 = 250;

/// A service has two servers.
const ALL: usize = 750;

/// A process of which nothing has changed when it was looked at so often waits.
const STILL: u32 = 50;

/// How often a table may be full before it is seen.
const TRIES: u8 = 20;

/// From too few for its control socket to enough for all of it; all numbers in between would take a minute more.
const DESCRIPTORS: [u16; 11] = [8, 11, 13, 14, 16, 19, 22, 25, 28, 32, 40];

fn configuration(services: u8) -> String {
    let head = "[director]\ncontrol_socket = \"/run/director/control.sock\"\n\
        [ipvs]\nreconcile_interval = \"1h\"\n"
        .to_owned();
    (1..=services).fold(head, |text, number| {
        text + &format!(
            "[[virtual_service]]\nname = \"s{number}\"\naddress = \"192.0.2.{number}:80\"\nprotocol = \"tcp\"\n\
             initial = \"up\"\nserver = [{{ address = \"198.51.100.1\" }}, {{ address = \"198.51.100.2\" }}]\n"
        )
    })
}

/// How many services and servers the kernel has.
fn entries(host: &Host) -> Result<usize> {
    let mut client = host.run(|| Client::open(Limits::default()))?;
    let table = client.snapshot()?;
    let each = table.iter().map(|service| 1 + service.destinations.len());
    Ok(each.sum())
}

/// How many services it has, which is asked for faster.
fn services(host: &Host) -> Result<usize> {
    let mut client = host.run(|| Client::open(Limits::default()))?;
    Ok(client.services()?.len())
}

fn expect(host: &Host, expected: usize, when: &str) -> Result {
    match entries(host)? {
        found if found == expected => Ok(()),
        found => Err(format!("{found} entries {when}, and not {expected}").into()),
    }
}

fn run(case: impl FnOnce(&Host) -> Result) {
    let host = Host::new("balancer").unwrap();
    case(&host).unwrap();
}

/// Each thing that it needs is missing once.
pub(crate) fn a_start_that_fails_leaves_nothing() {
    run(|host| {
        let path = Path::new("/run/director.toml");
        host.write(path, &configuration(1))?;
        let mut ran = 0;
        for descriptors in DESCRIPTORS {
            let program = env!("CARGO_BIN_EXE_director");
            let mut command = Command::new("sh");
            let script = "ulimit -n $0; exec \"$@\"";
            command.args(["-c", script, &descriptors.to_string(), program]);
            command.args(["run", "-c"]).arg(path);
            let child = host.spawn(command)?;
            wait_until("the start to be over", PATIENCE, || {
                !child.is_running() || child.log().text().contains("is running")
            })?;
            if child.is_running() {
                ran += 1;
                expect(host, 3, "while it runs")?;
            }
            child.terminate(PATIENCE)?;
            wait_until("its processes to end", PATIENCE, || {
                host.processes().is_empty()
            })?;
            let when = format!("after a start with {descriptors} descriptors");
            expect(host, 0, &format!("{when}:\n{}", child.log().text()))?;
        }
        match ran {
            0 => Err("it never ran".into()),
            _ => Ok(()),
        }
    });
}

fn start(host: &Host) -> Result<Director> {
    let program = Path::new(env!("CARGO_BIN_EXE_director"));
    Ok(Director::start(host, program, &configuration(SERVICES))?)
}

/// One whose table is being filled, for which its parent waits.
fn start_and_stop_at_the_filling(host: &Host) -> Result<Director> {
    for _ in 0..TRIES {
        let director = start(host)?;
        wait_until("the table to be begun", PATIENCE, || {
            !director.child().is_running() || services(host).is_ok_and(|services| services > 0)
        })?;
        director.child().signal(Signal::Stop)?;
        if services(host)? < usize::from(SERVICES) {
            return Ok(director);
        }
        director.child().signal(Signal::Cont)?;
        director.child().terminate(PATIENCE)?;
        wait_for_processes(host, 0)?;
    }
    Err("a table was never seen half full".into())
}

fn wait_until_filled(host: &Host) -> Result {
    Ok(wait_until("the table to be filled", PATIENCE, || {
        entries(host).is_ok_and(|entries| entries == ALL)
    })?)
}

fn wait_for_processes(host: &Host, number: usize) -> Result {
    Ok(wait_until("its processes", PATIENCE, || {
        host.processes().len() == number
    })?)
}

pub(crate) fn a_start_that_is_killed_does_not_disturb_the_next() {
    run(|host| {
        let first = start_and_stop_at_the_filling(host)?;
        wait_until_filled(host)?;
        first.child().signal(Signal::Kill)?;
        first.child().wait(PATIENCE)?;
        wait_for_processes(host, 0)?;
        expect(host, 0, "after the death of a start")?;

        let first = start_and_stop_at_the_filling(host)?;
        first.child().signal(Signal::Kill)?;
        first.child().wait(PATIENCE)?;
        let second = start(host)?;
        second.child().log().wait_for("is running", PATIENCE)?;
        wait_for_processes(host, 4)?;
        expect(host, ALL, "of the second")?;
        second.stop(PATIENCE)?;
        expect(host, 0, "after the end")
    });
}

pub(crate) fn a_start_that_is_ended_leaves_nothing() {
    run(|host| {
        for (signal, all) in [
            (Signal::Term, false),
            (Signal::Term, true),
            (Signal::Int, false),
        ] {
            let director = start_and_stop_at_the_filling(host)?;
            match all {
                true => host.signal_all(signal)?,
                false => director.child().signal(signal)?,
            }
            director.child().signal(Signal::Cont)?;
            let status = director.child().wait(PATIENCE)?;
            // It is the last of its processes that ends.
            let log = director.child().log().text();
            let when = format!("after {signal:?} to all: {all}, {status}:\n{log}");
            expect(host, 0, &when)?;
            if !status.success() {
                return Err(when.into());
            }
            wait_for_processes(host, 0)?;
        }
        Ok(())
    });
}

pub(crate) fn a_restart_changes_nothing() {
    run(|host| {
        let first = start_and_stop_at_the_filling(host)?;
        // A reload that comes too early is made when it can be.
        first.child().signal(Signal::Hup)?;
        first.child().signal(Signal::Cont)?;
        first.child().log().wait_for("is running", PATIENCE)?;
        first.child().log().wait_for("nothing changes", PATIENCE)?;
        host.kill_all()?;
        drop(first);
        for fails in [true, false] {
            let second = start(host)?;
            if fails {
                // However early it dies.
                second.child().signal(Signal::Kill)?;
                second.child().wait(PATIENCE)?;
                wait_for_processes(host, 0)?;
                expect(host, ALL, "after the death of a restart")?;
                continue;
            }
            let mut seen = Ok(());
            wait_until("the second to run", PATIENCE, || {
                seen = expect(host, ALL, "during a restart");
                seen.is_err() || second.child().log().text().contains("is running")
            })?;
            seen?;
            wait_for_processes(host, 4)?;
            expect(host, ALL, "after a restart")?;
            second.stop(PATIENCE)?;
            expect(host, 0, "after the end")?;
        }
        Ok(())
    });
}

/// Its table is there, and stays; another checker takes it over.
pub(crate) fn a_checker_that_dies_before_it_is_told_is_replaced() {
    run(|host| {
        let director = start_and_stop_at_the_filling(host)?;
        wait_until_filled(host)?;
        let parent = director.child().pid();
        let others = || host.processes().into_iter().filter(|pid| *pid != parent);
        // It has said that it is prepared, and waits: nothing changes with it.
        let (mut last, mut same) = (Vec::new(), 0);
        wait_until("the checker to wait", PATIENCE, || {
            let now: Vec<_> = others()
                .map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
                .collect();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            same >= STILL
        })?;
        for pid in others() {
            host.signal(pid, Signal::Kill)?;
        }
        director.child().signal(Signal::Cont)?;
        let log = director.child().log();
        log.wait_for("is running", PATIENCE / 2)?;
        expect(host, ALL, "after the death of a checker")?;
        wait_for_processes(host, 4)?;
        director.stop(PATIENCE)?;
        expect(host, 0, "after the end")
    });
}
