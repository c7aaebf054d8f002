//! Boots a user-mode-linux kernel and hands on what the program in it writes.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process_group};

use super::interrupt::Interrupt;
use super::job::{self, Job};
use super::{Kernel, KernelError, TERMINAL, programs};
use crate::{sys, wait_until};

const KERNEL: &str = "linux.uml";

/// How much longer than the program a kernel may take that ends by itself.
const GRACE: Duration = Duration::from_secs(20);

/// So many lines of the console are shown if something goes wrong.
const TAIL: usize = 60;

pub(super) fn run(kernel: &Kernel) -> Result<ExitCode, KernelError> {
    let mut needed = programs::BOOT.to_vec();
    needed.extend(&kernel.programs);
    programs::require(&needed)?;
    let scratch = tempfile::tempdir().map_err(KernelError::io("make a temporary directory"))?;
    prepare(kernel, scratch.path()).map_err(KernelError::io("write what the kernel reads"))?;
    let mut running =
        Running::start(kernel, scratch.path()).map_err(KernelError::io("start the kernel"))?;
    let end = running.wait(kernel.patience.saturating_add(GRACE));
    let console = running.finish();
    match end {
        End::Interrupted => return Err(KernelError::Interrupted),
        End::Itself => {}
        End::Overdue => {
            let patience = kernel.patience;
            return Err(KernelError::Overdue { patience, console });
        }
    }
    let outcome = fs::read_to_string(job::outcome(scratch.path())).unwrap_or_default();
    match outcome.trim_end().parse::<u8>() {
        Ok(code) => Ok(code.into()),
        Err(_) => Err(KernelError::Died { console }),
    }
}

fn prepare(kernel: &Kernel, scratch: &Path) -> io::Result<()> {
    let handed_on = |(name, _): &(std::ffi::OsString, std::ffi::OsString)| {
        let name = name.to_string_lossy();
        kernel
            .environment
            .iter()
            .any(|prefix| name.starts_with(prefix.as_str()))
    };
    let terminal = super::output_is_terminal().then(|| (TERMINAL.into(), "1".into()));
    let job = Job {
        arguments: env::args_os().skip(1).collect(),
        directory: env::current_dir()?,
        environment: env::vars_os().filter(handed_on).chain(terminal).collect(),
        modules: kernel.modules.clone(),
        patience: kernel.patience,
    };
    job.write(scratch)?;
    // The kernel's command line has its own idea of blanks and quotation marks: it gets a path without them.
    symlink(env::current_exe()?, scratch.join("init"))
}

/// How a kernel ended.
enum End {
    /// It was killed, for this process is to end.
    Interrupted,
    Itself,
    /// It was killed, for it had not ended in time.
    Overdue,
}

/// A kernel and the threads that read what comes out of it.
struct Running {
    kernel: Child,
    interrupt: Interrupt,
    output: [JoinHandle<()>; 2],
    console: JoinHandle<String>,
}

impl Running {
    fn start(kernel: &Kernel, scratch: &Path) -> io::Result<Self> {
        let (output, output_end) = io::pipe()?;
        let (errors, errors_end) = io::pipe()?;
        let (console, console_end) = io::pipe()?;
        let mut command = Command::new(programs::find(KERNEL).unwrap_or_else(|| KERNEL.into()));
        command
            .arg(format!("mem={}M", kernel.memory_mib))
            .args([
                "root=/dev/root",
                "rootfstype=hostfs",
                "rootflags=/",
                "rw",
                "quiet",
                "panic=-1",
            ])
            // Three descriptors, three ways out: what is standard input elsewhere is written to here.
            .args([
                "con=null",
                "con0=null,fd:1",
                "ssl=null",
                "ssl0=null,fd:0",
                "ssl1=null,fd:2",
            ])
            .arg(format!("init={}/init", scratch.display()))
            .arg(format!("uml_dir={}/", scratch.display()))
            // What the kernel does not know, it puts in the environment of the first process.
            .arg(format!("{}={}", job::DIRECTORY, scratch.display()))
            .env("TMPDIR", memory_directory(kernel.memory_mib, scratch))
            .stdin(output_end)
            .stdout(console_end)
            .stderr(errors_end);
        sys::die_with_thread_as_group(&mut command);
        let kernel = command.spawn()?;
        // Else our copies of the pipes' ends would keep them open.
        drop(command);
        // Only now: a program inherits what is held back. And before the threads, which must not get it either.
        let interrupt = Interrupt::catch()?;
        Ok(Self {
            kernel,
            interrupt,
            output: [
                thread::spawn(move || hand_on(output, io::stdout())),
                thread::spawn(move || hand_on(errors, io::stderr())),
            ],
            console: thread::spawn(move || tail(console)),
        })
    }

    fn wait(&mut self, patience: Duration) -> End {
        let mut end = End::Overdue;
        // Overdue is what it is if that time passes.
        let _waited = wait_until("the kernel to end", patience, || {
            if matches!(self.kernel.try_wait(), Ok(Some(_))) {
                end = End::Itself;
            } else if self.interrupt.came() {
                end = End::Interrupted;
            }
            !matches!(end, End::Overdue)
        });
        // What runs in the kernel are processes in its group.
        if let Some(group) = i32::try_from(self.kernel.id()).ok().and_then(Pid::from_raw) {
            // None is left, most often.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        let _reaped = self.kernel.wait();
        end
    }

    /// The end of what was on the console, when all that the program wrote has been handed on.
    fn finish(self) -> String {
        for thread in self.output {
            // It does not panic.
            let _done = thread.join();
        }
        self.console.join().unwrap_or_default()
    }
}

fn hand_on(mut from: PipeReader, mut to: impl Write) {
    let mut buffer = [0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        // Whoever does not read on does not care; the kernel runs on to its end.
        let _written = to.write_all(bytes).and_then(|()| to.flush());
    }
}

fn tail(console: PipeReader) -> String {
    let mut last = VecDeque::new();
    for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
        last.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        if last.len() > TAIL {
            last.pop_front();
        }
    }
    Vec::from(last).join("\n")
}

/// Where the kernel keeps its memory: where that is none of the disk's business, if there is room.
fn memory_directory(mib: u32, otherwise: &Path) -> PathBuf {
    let shared = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(shared)
        .map(|status| status.f_bavail.saturating_mul(status.f_frsize) >> 20);
    if room.is_ok_and(|room| room >= u64::from(mib)) {
        shared.to_owned()
    } else {
        otherwise.to_owned()
    }
}
