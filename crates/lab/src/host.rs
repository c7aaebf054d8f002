//! A host: an anonymous network namespace and the thread that lives in it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::linux::fs::MetadataExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipnet::IpNet;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::SockaddrStorage;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::{Child, LabError, Mac, Signal, child, require_privileges, sys, wait_until};

type Job = Box<dyn FnOnce() + Send>;

/// ESRCH.
const NO_SUCH_PROCESS: i32 = 3;

/// How long killed processes may take to go.
const KILL_BOUND: Duration = Duration::from_secs(5);

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
    pub fn output(&self, mut command: Command) -> Result<Output, LabError> {
        let shown = shown(&command);
        let output = self.run(move || {
            sys::die_with_thread(&mut command);
            command.stdin(process::Stdio::null()).output()
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

    /// Runs `ip` with these arguments, separated by blanks, and returns what it says.
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub fn ip(&self, arguments: &str) -> Result<String, LabError> {
        let mut command = Command::new("ip");
        command.args(arguments.split_whitespace());
        self.output(command)
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes `value` to a setting of the network, such as `net/ipv4/ip_forward`.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), LabError> {
        let path = format!("/proc/sys/{key}");
        let value = value.to_owned();
        self.run(move || fs::write(path, value))
            .map_err(LabError::io("write a sysctl"))
    }

    /// The addresses on its interfaces (with `lo`), each with its interface.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn addresses(&self) -> Result<Vec<(String, IpNet)>, LabError> {
        self.run(|| {
            let all = nix::ifaddrs::getifaddrs().map_err(LabError::os("list addresses"))?;
            Ok(all
                .filter_map(|each| {
                    let address = address_of(each.address.as_ref()?)?;
                    let mask = address_of(each.netmask.as_ref()?)?;
                    IpNet::with_netmask(address, mask)
                        .ok()
                        .map(|net| (each.interface_name, net))
                })
                .collect())
        })
    }

    /// Is `address` on one of its interfaces?
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses()
            .is_ok_and(|all| all.iter().any(|(_, net)| net.addr() == address))
    }

    /// The hardware address it has for neighbour `address`; `None` if it knows none.
    ///
    /// # Errors
    ///
    /// As [`ip`](Self::ip).
    pub fn neighbour(&self, address: IpAddr) -> Result<Option<Mac>, LabError> {
        let said = self.ip(&format!("neigh show {address}"))?;
        let mut words = said
            .split_whitespace()
            .skip_while(|&word| word != "lladdr")
            .skip(1);
        Ok(words.next().and_then(|word| word.parse().ok()))
    }

    /// The hardware address of its interface; `None` if there is no such interface.
    #[must_use]
    pub fn mac(&self, interface: &str) -> Option<Mac> {
        let interface = interface.to_owned();
        self.run(move || {
            let all = nix::ifaddrs::getifaddrs().ok()?;
            let mut ours = all.filter(|each| each.interface_name == interface);
            ours.find_map(|each| each.address?.as_link_addr()?.addr())
                .map(Mac::new)
        })
    }

    /// The hardware addresses of all its interfaces but `lo`.
    #[must_use]
    pub fn macs(&self) -> Vec<Mac> {
        self.run(|| {
            let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
            let macs = all.filter_map(|each| each.address?.as_link_addr()?.addr());
            macs.filter(|octets| *octets != [0; 6])
                .map(Mac::new)
                .collect()
        })
    }

    /// The processes in the host, without this one.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.0.processes()
    }

    /// Sends `signal` to every process in the host.
    ///
    /// # Errors
    ///
    /// The kernel's answer; a process that has ended meanwhile is no error.
    pub fn signal_all(&self, signal: Signal) -> Result<(), LabError> {
        self.0.signal_all(signal)
    }

    /// Kills every process in the host at once, as a crash does: all are stopped first, so that none can react to
    /// the death of another.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] if some are still there after 5 s.
    pub fn kill_all(&self) -> Result<(), LabError> {
        self.0.kill_all()
    }
}

impl Inner {
    fn processes(&self) -> Vec<u32> {
        let Ok(all) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = all
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // A zombie's namespace cannot be read: it is gone from the host already.
        let here = |pid: &u32| {
            fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| m.st_ino() == self.namespace)
        };
        pids.filter(|&pid| pid != process::id())
            .filter(here)
            .collect()
    }

    fn signal_all(&self, signal: Signal) -> Result<(), LabError> {
        for pid in self.processes() {
            match child::send(pid, signal) {
                Err(LabError::Io { source, .. })
                    if source.raw_os_error() == Some(NO_SUCH_PROCESS) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn kill_all(&self) -> Result<(), LabError> {
        self.signal_all(Signal::Stop)?;
        wait_until("killed processes to go", KILL_BOUND, || {
            let all = self.processes();
            let parents: BTreeSet<u32> = all.iter().filter_map(|&pid| parent_of(pid)).collect();
            // Children first: when a parent goes, the kernel wakes its stopped children (setpgid(2), orphaned groups).
            for pid in all.iter().filter(|pid| !parents.contains(pid)) {
                // One that has gone meanwhile is not there the next time.
                let _killed = child::send(*pid, Signal::Kill);
            }
            all.is_empty()
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

/// Moves the calling thread to a new network namespace, with a `/run` that is empty and its own; returns the thread's
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
    let inode = fs::metadata("/proc/thread-self/ns/net")
        .map_err(LabError::io("read /proc/thread-self/ns/net"))?
        .st_ino();
    Ok((this_thread(), inode))
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything; then the state and the parent.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn this_thread() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned()
}

fn address_of(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| address.ip().into()))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
