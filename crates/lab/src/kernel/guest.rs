//! The first process of a user-mode-linux kernel: nothing is mounted, no interface is up, no module is found.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::{env, thread};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, mount};
use rustix::process::{WaitOptions, WaitStatus};
use rustix::system::{RebootCommand, reboot};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

use super::job::{self, DIRECTORY, Job};
use super::programs::PATH;
use super::{INSIDE, KernelError, native};

/// Debian keeps this kernel's modules apart from those of real machines.
const MODULES: &str = "/usr/lib/uml/modules";

/// The major number of serial lines, and the minor number of the first.
const SERIAL_LINE: (u32, u32) = (4, 64);

/// Does its work, and does not return, in the first process of a kernel that [`Kernel::run`](super::Kernel::run) has
/// booted; does nothing elsewhere. Such a program has no arguments yet: to be called before they are read.
pub fn first_process() {
    let directory = env::var_os(DIRECTORY).filter(|_| process::id() == 1);
    if let Some(directory) = directory {
        run(Path::new(&directory))
    }
}

fn run(directory: &Path) -> ! {
    if let Err(error) = work(directory) {
        // It goes to the console, which is shown when there is no outcome.
        super::fail(&error);
    }
    power_off()
}

fn power_off() -> ! {
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        super::fail(&io::Error::from(error));
    }
    // Without its first process the kernel panics, and ends.
    process::exit(1)
}

fn work(directory: &Path) -> Result<(), KernelError> {
    let job = Job::read(directory).map_err(KernelError::io("read the job"))?;
    // All this may be below /run, which is hidden soon.
    let mut outcome = File::create(job::outcome(directory))
        .map_err(KernelError::io("make a file for the outcome"))?;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")] {
        mount(kind, target, kind, MountFlags::empty(), None)
            .map_err(KernelError::io("mount /proc, /sys and /run"))?;
    }
    let output = line(0).map_err(KernelError::io("open the line for output"))?;
    let errors = line(1).map_err(KernelError::io("open the line for errors"))?;
    give_up_after(&job, &errors)?;
    find_modules(Path::new("/run/modules")).map_err(KernelError::io("find the modules"))?;
    load(&job.modules)?;
    native::set_loopback_up()?;
    let code = program(&job, &output, &errors)?;
    for line in [output, errors] {
        tcdrain(&line).map_err(KernelError::io("send the last output"))?;
    }
    writeln!(outcome, "{code}")
        .and_then(|()| outcome.sync_all())
        .map_err(KernelError::io("write the outcome"))
}

/// Who booted this kernel may be gone: it ends all the same.
fn give_up_after(job: &Job, errors: &File) -> Result<(), KernelError> {
    let patience = job.patience;
    let mut errors = errors
        .try_clone()
        .map_err(KernelError::io("start the timer"))?;
    thread::spawn(move || {
        thread::sleep(patience);
        let _said = writeln!(
            errors,
            "not done after {patience:?}: the kernel is powered off"
        );
        let _sent = tcdrain(&errors);
        power_off()
    });
    Ok(())
}

/// A serial line, which leaves what is written to it as it is.
fn line(number: u32) -> io::Result<File> {
    let path = PathBuf::from(format!("/run/line{number}"));
    let (major, minor) = SERIAL_LINE;
    let device = makedev(major, minor.saturating_add(number));
    mknodat(
        CWD,
        &path,
        FileType::CharacterDevice,
        Mode::RUSR | Mode::WUSR,
        device,
    )?;
    let line = OpenOptions::new().write(true).open(&path)?;
    let mut settings = tcgetattr(&line)?;
    settings.make_raw();
    tcsetattr(&line, OptionalActions::Now, &settings)?;
    Ok(line)
}

/// The machine's /lib/modules may be of another kernel: ours are looked for elsewhere.
fn find_modules(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join("lib"))?;
    symlink(MODULES, root.join("lib/modules"))?;
    let loader = loader();
    let script = format!(
        "#!/bin/sh\nPATH={PATH} exec modprobe -d {} \"$@\"\n",
        root.display()
    );
    fs::write(loader, script)?;
    fs::set_permissions(loader, Permissions::from_mode(0o755))?;
    fs::write("/proc/sys/kernel/modprobe", loader.display().to_string())
}

fn loader() -> &'static Path {
    Path::new("/run/modules/modprobe")
}

fn load(modules: &[String]) -> Result<(), KernelError> {
    if modules.is_empty() {
        return Ok(());
    }
    let status = Command::new(loader())
        .arg("-a")
        .arg("--")
        .args(modules)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(KernelError::Io {
            attempt: "load modules",
            source: io::Error::other(status.to_string()),
        }),
        Err(error) => Err(KernelError::io("run modprobe")(error)),
    }
}

/// Runs this program anew and returns its exit code, as a shell does.
fn program(job: &Job, output: &File, errors: &File) -> Result<u8, KernelError> {
    let temporary = Path::new("/run/tmp");
    fs::create_dir_all(temporary).map_err(KernelError::io("make a directory in /run"))?;
    let start = || -> io::Result<u32> {
        let child = Command::new("/proc/self/exe")
            .args(&job.arguments)
            .current_dir(&job.directory)
            .env_clear()
            .envs(job.environment.iter().map(|(name, value)| (name, value)))
            .env_remove(DIRECTORY)
            .env("PATH", PATH)
            .env("TMPDIR", temporary)
            .env("NO_COLOR", "1")
            .env(INSIDE, "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(errors.try_clone()?)
            .spawn()?;
        Ok(child.id())
    };
    let ours = start().map_err(KernelError::io("run the program"))?;
    loop {
        // Orphans come here, too.
        let ended = rustix::process::wait(WaitOptions::empty())
            .map_err(KernelError::io("wait for the program"))?;
        if let Some((pid, status)) = ended
            && pid.as_raw_nonzero().get().cast_unsigned() == ours
        {
            return Ok(code(status));
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let signal = || {
        status
            .terminating_signal()
            .map(|signal| signal.saturating_add(128))
    };
    let code = status.exit_status().or_else(signal);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
