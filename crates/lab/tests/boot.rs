//! A booted kernel hands on what its program says and how it ends, and does not outlive whom it serves. What is booted
//! is this program, again.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "both sides of a test"
)]

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command, ExitCode, ExitStatus, Output, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use locum_lab::kernel::{Kernel, first_process};
use locum_lab::{cases, wait_until};
use nix::sys::signal::{self, SigSet};
use rustix::process::{Pid, Signal, kill_process};

/// Tells this program what to do in the kernel.
const PART: &str = "LOCUM_TEST_PART";

const BOUND: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    first_process();
    if let Ok(part) = env::var(PART) {
        return inside(&part);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trial = |(name, run): (&str, fn())| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    };
    let all: [(&str, fn()); 9] = [
        ("output_comes_out_whole", output_comes_out_whole),
        (
            "arguments_and_environment_go_in",
            arguments_and_environment_go_in,
        ),
        ("what_takes_too_long_fails", what_takes_too_long_fails),
        (
            "what_does_not_boot_shows_its_console",
            what_does_not_boot_shows_its_console,
        ),
        (
            "what_is_not_installed_is_named",
            what_is_not_installed_is_named,
        ),
        (
            "each_case_runs_in_one_of_two_kernels",
            each_case_runs_in_one_of_two_kernels,
        ),
        ("nothing_survives_its_starter", nothing_survives_its_starter),
        (
            "nothing_survives_a_starter_that_is_told_to_end",
            nothing_survives_a_starter_that_is_told_to_end,
        ),
        (
            "nothing_survives_a_starter_with_signals_held_back",
            nothing_survives_a_starter_with_signals_held_back,
        ),
    ];
    libtest_mimic::run(&arguments, all.map(trial).into()).exit_code()
}

fn inside(part: &str) -> ExitCode {
    let kernel = Kernel::new().always_booted().memory_mib(128);
    match part {
        "output" => kernel.run(|| {
            for number in 0..20_000 {
                println!("line {number}");
            }
            eprintln!("and this apart");
            7.into()
        }),
        "arguments" => kernel.environment("GREETING").run(|| {
            println!("{:?}", env::args_os().skip(1).collect::<Vec<_>>());
            println!("{:?} {:?}", env::var("GREETING_ONE"), env::var("UNSAID"));
            println!("{}", env::current_dir().unwrap().display());
            ExitCode::SUCCESS
        }),
        "module" => kernel.module("no_such_module").run(|| ExitCode::SUCCESS),
        "program" => kernel
            .program("no-such-program", "no-such-package")
            .run(|| ExitCode::SUCCESS),
        "sleep" => kernel.patience(Duration::from_secs(2)).run(sleep),
        "shares" => kernel
            .side_by_side(NonZeroUsize::MIN.saturating_add(1))
            .tests(cases![first, second, third]),
        "survive" => kernel.run(sleep),
        other => {
            eprintln!("no such part: {other}");
            ExitCode::FAILURE
        }
    }
}

fn first() {}

fn second() {
    assert_eq!(1 + 1, 3, "this one fails");
}

fn third() {}

fn sleep() -> ExitCode {
    println!("asleep");
    std::thread::sleep(BOUND);
    ExitCode::SUCCESS
}

fn play(part: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(PART, part).stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn output_comes_out_whole() {
    let output = play("output").output().unwrap();
    let (said, errors) = texts(&output);
    let expected: String = (0..20_000)
        .map(|number| format!("line {number}\n"))
        .collect();
    assert!(said == expected, "{} bytes; {errors}", said.len());
    assert_eq!(errors, "and this apart\n");
    assert_eq!(output.status.code(), Some(7));
}

fn each_case_runs_in_one_of_two_kernels() {
    let output = play("shares").output().unwrap();
    let (said, errors) = texts(&output);
    for (case, outcome) in [("first", "ok"), ("second", "FAILED"), ("third", "ok")] {
        let result =
            |line: &str| line.starts_with(&format!("test {case} ")) && line.ends_with(outcome);
        assert_eq!(
            said.lines().filter(|line| result(line)).count(),
            1,
            "{said}{errors}"
        );
    }
    assert_eq!(said.matches("test result: ").count(), 2, "{said}{errors}");
    assert!(!output.status.success());
}

fn arguments_and_environment_go_in() {
    let directory = tempfile::tempdir().unwrap();
    let output = play("arguments")
        .args(["a b", "\"", "", "--c=d"])
        .env("GREETING_ONE", "hello there")
        .env("UNSAID", "1")
        .current_dir(directory.path())
        .output()
        .unwrap();
    let (said, errors) = texts(&output);
    let expected = format!(
        "[\"a b\", \"\\\"\", \"\", \"--c=d\"]\nOk(\"hello there\") Err(NotPresent)\n{}\n",
        directory.path().display()
    );
    assert_eq!(said, expected, "{errors}");
    assert_eq!(output.status.code(), Some(0));
}

fn what_takes_too_long_fails() {
    let output = play("sleep").output().unwrap();
    let (said, errors) = texts(&output);
    assert_eq!(said, "asleep\n");
    assert!(errors.contains("not done after 2s"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

fn what_does_not_boot_shows_its_console() {
    let output = play("module").output().unwrap();
    let (said, errors) = texts(&output);
    assert_eq!(said, "");
    assert!(
        errors.contains("the kernel ended before the program"),
        "{errors}"
    );
    assert!(
        errors.contains("cannot load modules") && errors.contains("no_such_module"),
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(1));
}

fn what_is_not_installed_is_named() {
    let output = play("program").output().unwrap();
    let (said, errors) = texts(&output);
    assert_eq!(said, "");
    assert!(
        errors.contains("apt-get install") && errors.contains("no-such-package"),
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// Those whose parent is `of`, theirs, and so on.
fn descendants(of: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([of]);
    for _ in 0..4 {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(pid) = pid
                && state(pid).is_some_and(|(_, parent)| found.contains(&parent))
            {
                found.insert(pid);
            }
        }
    }
    found.remove(&of);
    found
}

/// The letter and the parent.
fn state(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    Some((rest.next()?.to_owned(), rest.next()?.parse().ok()?))
}

fn nothing_survives_its_starter() {
    let status = nothing_survives(Signal::KILL);
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
}

fn nothing_survives_a_starter_that_is_told_to_end() {
    let status = nothing_survives(Signal::TERM);
    assert_eq!(status.code(), Some(1), "it says that it was interrupted");
}

/// As under a service manager or a test runner that holds signals back, which its programs inherit.
fn nothing_survives_a_starter_with_signals_held_back() {
    let term = SigSet::from(signal::Signal::SIGTERM);
    term.thread_block().unwrap();
    let status = nothing_survives(Signal::KILL);
    term.thread_unblock().unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
}

fn nothing_survives(signal: Signal) -> ExitStatus {
    let mut starter = play("survive").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(starter.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "asleep");
    let ours = descendants(starter.id());
    assert!(!ours.is_empty());
    assert!(!ours.contains(&process::id()));
    kill_process(Pid::from_child(&starter), signal).unwrap();
    let status = starter.wait().unwrap();
    wait_until("the kernel and what runs in it to go", BOUND, || {
        // A zombie that nobody reaps is gone all the same.
        !ours
            .iter()
            .any(|&pid| state(pid).is_some_and(|(letter, _)| letter != "Z"))
    })
    .unwrap();
    status
}
