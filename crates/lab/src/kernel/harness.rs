//! Runs cases one after another and reports as libtest does.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test: its name, and what panics if it fails. See [`cases!`](crate::cases).
#[derive(Debug, Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: fn(),
}

impl Case {
    /// A case of this name.
    #[must_use]
    pub const fn new(name: &'static str, run: fn()) -> Self {
        Self { name, run }
    }
}

/// The functions as [`kernel::Case`](crate::kernel::Case)s, named by their paths.
#[macro_export]
macro_rules! cases {
    ($($case:path),* $(,)?) => {
        &[$($crate::kernel::Case::new(stringify!($case), $case)),*]
    };
}

pub(super) fn arguments() -> Arguments {
    let mut arguments = Arguments::from_args();
    // They share a kernel, its table, and its one CPU.
    arguments.test_threads = Some(1);
    arguments
}

pub(super) fn run(arguments: &Arguments, cases: &[Case]) -> ExitCode {
    let trial = |case: &Case| {
        let run = case.run;
        Trial::test(case.name, move || {
            run();
            Ok(())
        })
    };
    libtest_mimic::run(arguments, cases.iter().map(trial).collect()).exit_code()
}
