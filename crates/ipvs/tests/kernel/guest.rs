//! The first process of a user-mode-linux kernel: nothing is mounted, no interface is up, no module is found.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, ExitCode};
use std::{env, path::Path, thread};

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot};

use crate::harness::fail;
use crate::uml::PATIENCE;

/// Names the file that gets the results, and has [`END`] last when the tests ended.
pub(crate) const REPORT: &str = "LOCUM_IPVS_REPORT";
/// Has the arguments, with commas between them.
pub(crate) const ARGUMENTS: &str = "LOCUM_IPVS_ARGUMENTS";
pub(crate) const END: &str = "the tests ended\n";

/// Debian keeps this kernel's modules apart from those of real machines.
const MODULES: &str = "/usr/lib/uml/modules";

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) fn run() -> ExitCode {
    // Who booted this kernel may be gone: it ends all the same.
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        power_off()
    });
    if let Err(error) = set_up().and_then(|()| test()) {
        fail(&format!("first process: {error}"));
    }
    power_off()
}

fn power_off() -> ExitCode {
    rustix::fs::sync();
    match reboot(RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("power off: {error}")),
    }
}

fn set_up() -> io::Result<()> {
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")] {
        mount(kind, target, kind, MountFlags::empty(), None)?;
    }
    find_modules(Path::new("/run/modules"))
}

/// The machine's /lib/modules may be of another kernel: ours are looked for elsewhere.
fn find_modules(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join("lib"))?;
    symlink(MODULES, root.join("lib/modules"))?;
    let loader = root.join("modprobe");
    fs::write(
        &loader,
        format!(
            "#!/bin/sh\nPATH={PATH} exec modprobe -d {} \"$@\"\n",
            root.display()
        ),
    )?;
    fs::set_permissions(&loader, Permissions::from_mode(0o755))?;
    fs::write("/proc/sys/kernel/modprobe", loader.display().to_string())
}

/// The tests run in a process of their own, whose output is the report.
fn test() -> io::Result<()> {
    let report = env::var_os(REPORT).ok_or(io::ErrorKind::NotFound)?;
    let arguments = env::var(ARGUMENTS).unwrap_or_default();
    let file = File::create(report)?;
    Command::new("/proc/self/exe")
        .args(arguments.split(',').filter(|argument| !argument.is_empty()))
        .env_clear()
        .env("PATH", PATH)
        .env(crate::INSIDE, "1")
        .stdout(file.try_clone()?)
        .status()?;
    (&file).write_all(END.as_bytes())?;
    file.sync_all()
}
