//! Runs the cases one after the other and reports as libtest does.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what a test harness does"
)]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use crate::cases::CASES;

/// Runs the cases whose names contain one of `arguments`; all if there is none.
pub(crate) fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    // Options are for libtest, but for the value of one: no case is called "1".
    let filters: Vec<String> = arguments
        .into_iter()
        .filter(|argument| !argument.starts_with('-') && argument.parse::<u32>().is_err())
        .collect();
    let wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in CASES.iter().filter(|(name, _)| wanted(name)) {
        if panic::catch_unwind(AssertUnwindSafe(case)).is_ok() {
            passed += 1;
            println!("test {name} ... ok");
        } else {
            failed += 1;
            println!("test {name} ... FAILED");
        }
    }
    let skipped = CASES.len() - passed - failed;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {skipped} filtered out"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

pub(crate) fn list() -> ExitCode {
    for (name, _) in CASES {
        println!("{name}: test");
    }
    ExitCode::SUCCESS
}

pub(crate) fn fail(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}
