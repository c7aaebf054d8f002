//! A kernel that has IPVS, for tests and programs that need one: this one where it can, else a user-mode-linux kernel
//! that is booted as a process of this machine, with its files, and with the very same program as its first process.
//!
//! A test binary with `harness = false` in `Cargo.toml`:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use locum_lab::{Host, cases, kernel};
//!
//! fn main() -> ExitCode {
//!     kernel::main(cases![a_host_has_its_name])
//! }
//!
//! fn a_host_has_its_name() {
//!     assert_eq!(Host::new("a").unwrap().name(), "a");
//! }
//! ```
//!
//! Filters, `--exact`, `--skip`, `--list` and `--nocapture` are those of libtest, also for nextest (which boots a
//! kernel for each case). Cases run one after another, in one kernel: each begins with what the last one left of IPVS
//! in this namespace, and finds a new one in each [`Host`](crate::Host). A panic fails a case.
//!
//! Anything but the defaults, and needed programs, are said with [`Kernel`]:
//!
//! ```no_run
//! # use std::process::ExitCode;
//! use std::time::Duration;
//! use locum_lab::cases;
//! use locum_lab::kernel::Kernel;
//!
//! fn main() -> ExitCode {
//!     Kernel::new()
//!         .patience(Duration::from_secs(600))
//!         .program("ipvsadm", "ipvsadm")
//!         .tests(cases![it_balances])
//! }
//! # fn it_balances() {}
//! ```
//!
//! A program that is no test calls [`first_process`] before anything else, and [`Kernel::run`] where it needs IPVS:
//!
//! ```no_run
//! # use std::process::ExitCode;
//! use locum_lab::kernel::{Kernel, first_process};
//!
//! fn main() -> ExitCode {
//!     first_process();
//!     // Arguments are read here: the program inside has the same.
//!     Kernel::new().memory_mib(1024).run(|| ExitCode::SUCCESS)
//! }
//! ```
//!
//! # Inside
//!
//! The program has the same arguments, working directory and files (those of the machine: they can be written!), root's
//! privileges, one CPU, `lo` up, and of the environment what [`Kernel::environment`] says. `/proc`, `/sys` and `/run` are
//! the kernel's own; `TMPDIR` is below `/run`. The kernel loads modules when they are asked for: links and schedulers need
//! nothing else. What is written comes out here at once, standard output apart from standard error; the exit code is
//! handed on. No more is needed of this machine than the programs `linux.uml` and `modprobe`, not even root.
//!
//! On a kernel with IPVS the program runs where it is, as root, in a network namespace of its own.

mod boot;
mod guest;
mod harness;
mod interrupt;
mod job;
mod native;
mod programs;
mod shares;

use std::env;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;

pub use self::guest::first_process;
pub use self::harness::Case;
use self::programs::Program;
use self::shares::Share;

/// Tells the program that it is where IPVS is.
const INSIDE: &str = "LOCUM_KERNEL_INSIDE";

/// Tells the program that what it writes comes out on a terminal.
const TERMINAL: &str = "LOCUM_KERNEL_TERMINAL";

/// Does standard output come out on a terminal in the end? In a booted kernel it is a serial line, whatever comes after it.
#[must_use]
pub fn output_is_terminal() -> bool {
    match env::var_os(INSIDE) {
        Some(_) => env::var_os(TERMINAL).is_some(),
        None => io::stdout().is_terminal(),
    }
}

/// Why there is no kernel with IPVS, or what became of it.
#[derive(Debug, Error)]
#[non_exhaustive]
enum KernelError {
    /// It was booted and did not run the program to its end.
    #[error("the kernel ended before the program in it did; its console:\n{console}")]
    Died {
        /// The last lines.
        console: String,
    },
    /// A signal asked this process to end.
    #[error("interrupted: the kernel was killed")]
    Interrupted,
    #[error("cannot {attempt}")]
    Io {
        attempt: &'static str,
        #[source]
        source: io::Error,
    },
    /// What is missing can be installed.
    #[error("{}", programs::cure(missing))]
    Missing { missing: Vec<Program> },
    /// It had to be killed.
    #[error("the kernel was killed: it had not ended after {patience:?}; its console:\n{console}")]
    Overdue {
        patience: Duration,
        /// The last lines.
        console: String,
    },
}

impl KernelError {
    fn io<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            attempt,
            source: source.into(),
        }
    }
}

/// Runs the cases where IPVS is, as [`Kernel::tests`] with the defaults does. The `main` of a test binary.
#[must_use]
pub fn main(cases: &[Case]) -> ExitCode {
    Kernel::new().tests(cases)
}

/// Which kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Booted,
    RunningIfItCan,
}

/// What a program needs of the kernel with IPVS.
#[derive(Debug, Clone)]
pub struct Kernel {
    choice: Choice,
    environment: Vec<String>,
    memory_mib: u32,
    modules: Vec<String>,
    patience: Duration,
    programs: Vec<Program>,
    side_by_side: NonZeroUsize,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl Kernel {
    /// 512 MiB, the modules `ipv6` and `ip_vs` beside those that the kernel loads by itself, four minutes, and of the environment what begins
    /// with `CARGO`, `LOCUM_`, `NEXTEST`, `PROPTEST_` or `RUST_`.
    #[must_use]
    pub fn new() -> Self {
        let environment = ["CARGO", "LOCUM_", "NEXTEST", "PROPTEST_", "RUST_"];
        Self {
            choice: Choice::RunningIfItCan,
            environment: environment.map(str::to_owned).into(),
            memory_mib: 512,
            // Nothing asks for them by name: their settings in /proc/sys would be missing.
            modules: ["ipv6", "ip_vs"].map(str::to_owned).into(),
            patience: Duration::from_secs(240),
            programs: Vec::new(),
            side_by_side: NonZeroUsize::MIN,
        }
    }

    /// Boots a kernel even where the running one has IPVS.
    #[must_use]
    pub const fn always_booted(mut self) -> Self {
        self.choice = Choice::Booted;
        self
    }

    /// Hands on the variables whose names begin so, too.
    #[must_use]
    pub fn environment(mut self, prefix: &str) -> Self {
        self.environment.push(prefix.to_owned());
        self
    }

    /// So much memory, of which only what is used is taken from this machine.
    #[must_use]
    pub const fn memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = memory;
        self
    }

    /// Loads a module before the program starts, which the kernel would not load by itself.
    #[must_use]
    pub fn module(mut self, name: &str) -> Self {
        self.modules.push(name.to_owned());
        self
    }

    /// How long a booted kernel may take in all; then it is powered off, and the program has failed.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Fails with the cure, before anything is booted, if there is no such program. `package` is Debian's name of what
    /// it is in.
    #[must_use]
    pub fn program(mut self, name: &'static str, package: &'static str) -> Self {
        self.programs.push(Program { name, package });
        self
    }

    /// Shares the cases of [`tests`](Self::tests) out among so many kernels where kernels are booted, unless some are
    /// asked for by name. They run at the same time, as far as this machine has processors; what is written of the second
    /// comes out after the first.
    #[must_use]
    pub const fn side_by_side(mut self, kernels: NonZeroUsize) -> Self {
        self.side_by_side = kernels;
        self
    }

    /// Runs the cases where IPVS is, and reports as libtest does. The arguments are libtest's.
    #[must_use]
    pub fn tests(&self, cases: &[Case]) -> ExitCode {
        first_process();
        let arguments = harness::arguments();
        if arguments.list {
            return harness::run(&arguments, cases);
        }
        if let Some(share) = Share::own() {
            let cases = share.pick(cases);
            return self.run(|| harness::run(&arguments, &cases));
        }
        let kernels = shares::count(self.side_by_side);
        if arguments.filter.is_none() && kernels > NonZeroUsize::MIN && self.must_boot() {
            return shares::run(kernels).unwrap_or_else(|error| fail(&error));
        }
        self.run(|| harness::run(&arguments, cases))
    }

    fn must_boot(&self) -> bool {
        let inside = env::var_os(INSIDE).is_some();
        !inside && (self.choice == Choice::Booted || !native::has_ipvs())
    }

    /// Runs `inside` where IPVS is: in this process, or in one that has the same arguments and comes to this same call in
    /// another kernel. Says on standard error why, and fails, if that cannot be.
    ///
    /// To be called while this process has a single thread, for that is what moves to another network namespace.
    #[must_use]
    pub fn run(&self, inside: impl FnOnce() -> ExitCode) -> ExitCode {
        let outcome = if env::var_os(INSIDE).is_some() {
            Ok(inside())
        } else if self.must_boot() {
            boot::run(self)
        } else {
            programs::require(&self.programs)
                .and_then(|()| native::enter())
                .map(|()| inside())
        };
        outcome.unwrap_or_else(|error| fail(&error))
    }
}

#[expect(clippy::print_stderr, reason = "the end of a program")]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
