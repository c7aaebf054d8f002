//! A host: an anonymous network namespace and the thread that lives in it.

mod network;
mod processes;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::linux::fs::MetadataExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::{Child, LabError, require_privileges, sys};

type Job = Box<dyn FnOnce() + Send>;

/// A host with a network stack and a `/run` of its own: anonymous namespaces that a thread of this process lives in.
///
/// They have no name anywhere, so they go with their last process, even after SIGKILL. Clones are the same host; when
/// the last one goes, every process in it is killed.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: String,
    thread_id: u32,
    namespace: u64,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.0.name).finish()
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Host {}

impl Host {
    /// A new host, which has nothing but `lo`, up, and no duplicate address detection on interfaces to come.
    /// The name is for people only.
    ///
    /// # Errors
    ///
    /// [`LabError::Privilege`] with what to do about it, or the kernel's answer.
    pub fn new(name: &str) -> Result<Self, LabError> {
        require_privileges()?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("host {name}"))
            .spawn(move || {
                let entered = enter_new_namespace();
                let failed = entered.is_err();
                if ready.send(entered).is_err() || failed {
                    return;
                }
                for job in queue {
                    job();
                }
            });
        let thread = thread.map_err(LabError::io("start a thread"))?;
        let gone = || LabError::Io {
            attempt: "start a host",
            source: io::ErrorKind::BrokenPipe.into(),
        };
        let (thread_id, namespace) = started.recv().map_err(|_| gone())??;
        let host = Self(Arc::new(Inner {
            name: name.to_owned(),
            thread_id,
            namespace,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        }));
        for (key, value) in [
            ("net/ipv6/conf/default/accept_dad", "0"),
            ("net/ipv6/conf/default/accept_ra", "0"),
            ("net/ipv6/conf/default/router_solicitations", "0"),
        ] {
            host.sysctl(key, value)?;
        }
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its thread, by which `ip link … netns` finds the namespace.
    pub(crate) fn thread_id(&self) -> u32 {
        self.0.thread_id
    }

    /// Runs `job` on the host's thread and waits for it: sockets it opens live in the host. A panic in it goes on
    /// in the caller. Jobs run one after another; for one that takes long, see [`thread`](Self::thread).
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        if this_thread() == self.0.thread_id {
            return job();
        }
        let (sender, receiver) = mpsc::channel();
        let boxed: Job = Box::new(move || {
            let result = panic::catch_unwind(AssertUnwindSafe(job));
            // The caller waits for it.
            let _heard = sender.send(result);
        });
        let jobs = self
            .0
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        #[expect(
            clippy::expect_used,
            reason = "the thread ends only when the last Host is dropped"
        )]
        jobs.expect("the host is alive")
            .send(boxed)
            .expect("the host's thread takes jobs");
        #[expect(clippy::expect_used, reason = "the job above always answers")]
        match receiver.recv().expect("the job answers") {
            Ok(value) => value,
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// Runs `job` on a thread of its own in the host: an event loop, or anything that takes long.
    ///
    /// # Errors
    ///
    /// The kernel's answer if no thread can be started.
    pub fn thread<T: Send + 'static>(
        &self,
        name: &str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, LabError> {
        let builder = thread::Builder::new().name(name.to_owned());
        // A new thread starts in the namespace of the one that makes it.
        self.run(move || builder.spawn(job))
            .map_err(LabError::io("start a thread"))
    }

    /// Starts a program in the host.
    ///
    /// # Errors
    ///
    /// The kernel's answer: most often that there is no such program.
    pub fn spawn(&self, command: Command) -> Result<Child, LabError> {
        self.run(move || Child::start(command))
            .map_err(LabError::io("start a program"))
    }

    /// A new directory under the host's own `/run`, which only it sees and which goes with it.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, LabError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/run/locum-lab/{name}-{number}"));
        let ours = directory.clone();
        self.run(move || fs::create_dir_all(ours))
            .map_err(LabError::io("make a directory"))?;
        Ok(directory)
    }

    /// Writes a file as the host sees it: below `/run`, only it does.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), LabError> {
        let (path, text) = (path.to_owned(), text.to_owned());
        self.run(move || fs::write(path, text))
            .map_err(LabError::io("write a file"))
    }

    /// Reads a file as the host sees it.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub fn read(&self, path: &Path) -> Result<String, LabError> {
        let path = path.to_owned();
        self.run(move || fs::read_to_string(path))
            .map_err(LabError::io("read a file"))
    }

    /// Runs a program in the host to its end.
    ///
    /// # Errors
    ///
    /// The kernel's answer, or [`LabError::Command`] if it ends with anything but success.
    pub fn output(&self, command: Command) -> Result<Output, LabError> {
        self.output_of(command, None)
    }

    /// The same for a program that reads `input`, no more than fits into a pipe (64 KiB).
    fn output_of(&self, mut command: Command, input: Option<Vec<u8>>) -> Result<Output, LabError> {
        let shown = shown(&command);
        let output = self.run(move || {
            sys::die_with_thread(&mut command);
            let stdin = if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            };
            let mut child = command
                .stdin(stdin)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
                // One that has failed already reads no more, and says why.
                let _written = stdin.write_all(&input);
            }
            child.wait_with_output()
        });
        let output = output.map_err(LabError::io("run a program"))?;
        if output.status.success() {
            return Ok(output);
        }
        let stderr = String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned();
        Err(LabError::Command {
            command: shown,
            status: output.status,
            stderr,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In vain only if a process hangs in the kernel.
        let _gone = self.kill_all();
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // With the thread go the programs it started (PR_SET_PDEATHSIG), and with them the namespace.
            let _ended = thread.join();
        }
    }
}

/// Moves the calling thread to a new network namespace, with a `/run` that is empty and its own and a `/sys` that shows it; returns the thread's
/// id and the namespace's inode.
fn enter_new_namespace() -> Result<(u32, u64), LabError> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(LabError::os("make namespaces"))?;
    // Else this machine would see what is mounted here.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(LabError::os("make mounts private"))?;
    mount(
        "locum-lab",
        "/run",
        "tmpfs",
        MountFlags::NODEV | MountFlags::NOSUID,
        None,
    )
    .map_err(LabError::os("mount a /run"))?;
    // It shows the interfaces of the namespace that it is mounted in.
    let alone = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("sysfs", "/sys", "sysfs", alone, None).map_err(LabError::os("mount a /sys"))?;
    let inode = fs::metadata("/proc/thread-self/ns/net")
        .map_err(LabError::io("read /proc/thread-self/ns/net"))?
        .st_ino();
    Ok((this_thread(), inode))
}

fn this_thread() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned()
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
