//! Boots a kernel that has IPVS as a process of this machine, with this very program as its first process.

#![expect(clippy::print_stdout, reason = "hands on what the tests print")]

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;
use std::{env, fs, io};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::guest::{ARGUMENTS, END, REPORT};
use crate::harness::fail;

const KERNEL: &str = "linux.uml";

const MISSING: &str = "this kernel has no IPVS, and there is no user-mode-linux, whose kernel has.\n\
    Install it: apt-get install --no-install-recommends user-mode-linux kmod ipvsadm";

/// A boot takes 5 seconds, the tests about as long; a busy machine many times that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

const POLL: Duration = Duration::from_millis(50);

pub(crate) fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let (Some(kernel), Some(_), Some(_)) = (find(KERNEL), find("modprobe"), find("ipvsadm")) else {
        return fail(MISSING);
    };
    match boot(&kernel, arguments) {
        Ok(code) => code,
        Err(error) => fail(&format!("{KERNEL}: {error}")),
    }
}

fn boot(kernel: &Path, arguments: impl IntoIterator<Item = String>) -> io::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let console = directory.path().join("console");
    let report = directory.path().join("report");
    let program = env::current_exe()?;
    let arguments: Vec<String> = arguments.into_iter().collect();
    let mut kernel = Command::new(kernel)
        .args([
            "mem=256M",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "rw",
        ])
        .args(["con=null", "con0=fd:0,fd:1", "quiet", "panic=-1"])
        .arg(format!("init={}", program.display()))
        .arg(format!("uml_dir={}/", directory.path().display()))
        // What the kernel does not know, it puts in the environment of the first process.
        .arg(format!("{REPORT}={}", report.display()))
        .arg(format!("{ARGUMENTS}={}", arguments.join(",")))
        .stdin(Stdio::null())
        .stdout(File::create(&console)?)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let ended = wait(&mut kernel)?;
    let report = fs::read_to_string(&report).unwrap_or_default();
    if let (true, Some(text)) = (ended, report.strip_suffix(END)) {
        print!("{text}");
        if text.contains("test result: ok.") {
            return Ok(ExitCode::SUCCESS);
        }
    } else {
        print!("{report}");
        println!(
            "the kernel ended too early, or not in {} s",
            PATIENCE.as_secs()
        );
    }
    println!("--- console\n{}", read_lossy(&console));
    Ok(ExitCode::FAILURE)
}

/// False if the kernel had to be killed.
fn wait(kernel: &mut Child) -> io::Result<bool> {
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        if kernel.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(POLL);
    }
    // The kernel's own processes are in its group.
    if let Some(group) = i32::try_from(kernel.id()).ok().and_then(Pid::from_raw) {
        kill_process_group(group, Signal::KILL)?;
    }
    kernel.wait()?;
    Ok(false)
}

fn read_lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The program `name`, also where only root looks.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}
