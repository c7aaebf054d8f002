//! The Linux driver.

mod announcer;
mod lease;
mod probe;
mod record;
pub(crate) mod rtnl;
mod sys;
mod table;
mod together;

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ipnet::IpNet;
use locum_netlink::{Connection, Family, Limits, Namespace, RequestError, Worker, WorkerError};

use self::announcer::Announcer;
use self::record::Record;
use self::table::{Asked, Clock, Table};
use self::together::Together;
use crate::driver::{AddressDriver, AddressError, Claim, LinkIndex, Outcome};

pub use self::announcer::Pace;
pub use self::probe::who_has;
pub use self::rtnl::ADDRESS_PROTOCOL;

/// Where and how [`NetlinkAddresses`] works.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain settings, built by callers"
)]
pub struct Options {
    /// The network namespace; by default that of the thread that starts the driver.
    pub namespace: Namespace,
    /// A directory of this process alone, emptied at boot (below `/run`), to remember in which addresses are ours.
    /// Needed before Linux 5.18 only, whose kernels cannot mark addresses: without it, an address left behind by a killed
    /// process is then taken for somebody else's.
    pub state_directory: Option<PathBuf>,
    /// How fast announcements may follow one another.
    pub pace: Pace,
}

/// Which addresses [`NetlinkAddresses::remove_leftovers`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Leftovers<'a> {
    /// Every address of the interface that carries our mark. Wrong if another process like this one may have
    /// addresses on the same interface.
    All,
    /// These only.
    Only(&'a [IpNet]),
}

/// Virtual addresses on the interfaces of one network namespace, over rtnetlink and packet sockets.
///
/// Cheap to clone. It works on two threads of its own: one changes addresses, one announces them, so that neither waits
/// for the other and nobody's async thread waits for the kernel. A request whose future is dropped before
/// it began is not made, and an announcement ends with its future.
///
/// Which addresses are ours is marked in the kernel with the protocol [`ADDRESS_PROTOCOL`]. All others are somebody
/// else's: they are never leased, changed or removed.
#[derive(Debug, Clone)]
pub struct NetlinkAddresses {
    table: Worker<Table>,
    /// What is to be made present: one look at an interface is enough for all that wait.
    together: Together,
    announcer: Worker<Announcer>,
}

impl NetlinkAddresses {
    /// Starts the driver. Needs no privilege yet: a missing one is reported by the first request.
    ///
    /// # Errors
    ///
    /// When a thread or socket cannot be made, the namespace not entered, or the state directory not read.
    pub fn start(options: Options) -> io::Result<Self> {
        Self::start_with(options, Box::new(clock), rtnl::kernel_has_marks())
    }

    fn start_with(options: Options, clock: Clock, marks: bool) -> io::Result<Self> {
        let Options {
            namespace,
            state_directory,
            pace,
        } = options;
        let table = Worker::start("addresses", &namespace, move || {
            let connection = Connection::open(Family::Route, Limits::default())?;
            let record = if marks {
                None
            } else {
                Some(Record::open(state_directory.as_deref())?)
            };
            Ok(Table::new(connection, record, clock))
        })?;
        let announcer = Worker::start("announcer", &namespace, move || {
            Ok(Announcer::new(
                Connection::open(Family::Route, Limits::default())?,
                pace,
            ))
        })?;
        Ok(Self {
            table,
            together: Together::default(),
            announcer,
        })
    }

    /// Removes addresses of ours that a process which is no more left on `link`, and returns them. To be called at start,
    /// before anything is held there.
    ///
    /// # Errors
    ///
    /// The first failure; what was removed before stays removed.
    pub async fn remove_leftovers(
        &self,
        link: LinkIndex,
        which: Leftovers<'_>,
    ) -> Result<Vec<IpNet>, AddressError> {
        let only = match which {
            Leftovers::All => None,
            Leftovers::Only(addresses) => Some(addresses.to_vec()),
        };
        self.together.end_group();
        self.table
            .run(move |table| table.remove_leftovers(link, only.as_deref()))
            .await?
    }
}

/// How often it is looked whether new IPv6 addresses are taken in, and how long is waited in between.
const LOOKS: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_micros(500);

impl NetlinkAddresses {
    /// Waits until the kernel takes in packets to the IPv6 addresses that were added, for 50 ms at most.
    /// Announced before that, an address would draw packets that nobody answers.
    async fn wait_until_taken_in(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
        answers: &[Result<Outcome, AddressError>],
    ) {
        let added = |(net, answer): (&IpNet, &Result<Outcome, AddressError>)| match net.addr() {
            IpAddr::V6(ip) if matches!(answer, Ok(Outcome::Changed)) => Some(ip),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        let added: Vec<Ipv6Addr> = addresses.iter().zip(answers).filter_map(added).collect();
        if added.is_empty() {
            return;
        }
        for _ in 0..LOOKS {
            let ips = added.clone();
            let taken_in = self
                .table
                .run(move |table| table.takes_in(link, &ips))
                .await;
            if taken_in.unwrap_or(true) {
                return;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

#[async_trait]
impl AddressDriver for NetlinkAddresses {
    async fn ensure_present(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
        claim: Claim,
    ) -> Vec<Result<Outcome, AddressError>> {
        let (group, answer) = self.together.ask(Asked {
            link,
            addresses: addresses.to_vec(),
            claim,
        });
        let together = self.together.clone();
        // Behind whatever was asked before. Another one's turn may have served it by then.
        let turn = self
            .table
            .run(move |table| together.serve(group, |asked| table.ensure_all_present(asked)))
            .await;
        let done = match turn {
            Ok(()) => answer.await.map_err(|_| WorkerError::Stopped),
            Err(error) => Err(error),
        };
        let answers =
            done.unwrap_or_else(|error| addresses.iter().map(|_| Err(error.into())).collect());
        self.wait_until_taken_in(link, addresses, &answers).await;
        answers
    }

    async fn ensure_absent(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
    ) -> Vec<Result<Outcome, AddressError>> {
        let unwanted = addresses.to_vec();
        self.together.end_group();
        let done = self
            .table
            .run(move |table| table.ensure_absent(link, &unwanted))
            .await;
        done.unwrap_or_else(|error| addresses.iter().map(|_| Err(error.into())).collect())
    }

    async fn announce(&self, link: LinkIndex, addresses: &[IpAddr]) -> Result<(), AddressError> {
        let addresses = addresses.to_vec();
        // Goes with this future: when it is dropped, the addresses may be another host's soon.
        let caller = Arc::new(());
        let watched = Arc::downgrade(&caller);
        let is_wanted = move || watched.strong_count() > 0;
        let done = self
            .announcer
            .run(move |announcer| announcer.announce(link, &addresses, is_wanted))
            .await;
        drop(caller);
        done?.map(|_| ())
    }
}

impl From<WorkerError> for AddressError {
    fn from(error: WorkerError) -> Self {
        Self::Driver(io::Error::other(error))
    }
}

impl From<RequestError> for AddressError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Kernel(error) | RequestError::NotSent(error) => into_address_error(error),
            RequestError::Interrupted | RequestError::Unknown | _ => Self::Unknown,
        }
    }
}

fn into_address_error(error: io::Error) -> AddressError {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => AddressError::Permission,
        Some(libc::ENODEV | libc::ENXIO) => AddressError::NoSuchLink,
        Some(_) => AddressError::Kernel(error),
        None => AddressError::Driver(error),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver: a lease ends in real time"
)]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
