//! What can go wrong. The kernel's numbers mean different things for different commands.

use std::io;

use locum_netlink::RequestError;
use thiserror::Error;

use super::errno::{
    EAFNOSUPPORT, EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, ERANGE, ESRCH,
};
use crate::op::Op;
use crate::types::Service;
use crate::wire::reply::DecodeError;

/// Why a change was not made, or cannot be said to have been.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The service, destination or daemon to be added is there already.
    #[error("it exists already")]
    AlreadyExists,
    /// The synchronisation daemon to be stopped does not run.
    #[error("no such daemon runs")]
    DaemonNotFound,
    /// The destination is not in the service.
    #[error("the service has no such destination")]
    DestinationNotFound,
    /// The daemon's interface does not exist.
    #[error("no such network interface")]
    InterfaceNotFound,
    /// The kernel does not take the values: a destination that is not unicast, an IPv6 destination in an IPv4
    /// service without a tunnel or beside a synchronisation daemon.
    #[error("the kernel does not accept the values")]
    Invalid,
    /// Any other error of the kernel; [`io::Error::raw_os_error`] is its number.
    #[error("the kernel refused")]
    Kernel(#[source] io::Error),
    /// The kernel's answer makes no sense.
    #[error("the kernel's answer is malformed")]
    Malformed(#[source] DecodeError),
    /// The kernel has no IPVS.
    #[error("{}", MODULE_MISSING)]
    ModuleMissing,
    /// An earlier change failed in a way that makes the rest futile or unsafe.
    #[error("not attempted, since an earlier change failed")]
    NotAttempted,
    /// The request did not reach the kernel.
    #[error("the request could not be sent")]
    NotSent(#[source] io::Error),
    /// A weight or threshold that the kernel does not take.
    #[error("a number is out of range for the kernel")]
    OutOfRange,
    /// IPVS is reserved to `CAP_NET_ADMIN` in the initial user namespace.
    #[error("{}", PERMISSION_DENIED)]
    PermissionDenied,
    /// Either the scheduler or the persistence engine is unknown: the kernel does not tell which.
    #[error("the kernel has no such scheduler or no such persistence engine")]
    SchedulerOrEngineNotFound,
    /// The scheduler is unknown, and no module `ip_vs_NAME` could be loaded.
    #[error("the kernel has no such scheduler")]
    SchedulerNotFound,
    /// There is no such service.
    #[error("there is no such service")]
    ServiceNotFound,
    /// The answer was lost: the change may or may not have been made. Take a snapshot.
    #[error("the kernel's answer was lost: it may or may not have been done")]
    Unknown,
    /// The kernel is too old, or has no IPv6.
    #[error("the kernel does not support this")]
    Unsupported,
}

/// Why something could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The table changed during every attempt to read it.
    #[error("the table kept changing while it was read")]
    Changing,
    /// An error of the kernel; [`io::Error::raw_os_error`] is its number.
    #[error("the kernel refused")]
    Kernel(#[source] io::Error),
    /// The kernel's answer makes no sense.
    #[error("the kernel's answer is malformed")]
    Malformed(#[from] DecodeError),
    /// The kernel has no IPVS.
    #[error("{}", MODULE_MISSING)]
    ModuleMissing,
    /// The request did not reach the kernel.
    #[error("the request could not be sent")]
    NotSent(#[source] io::Error),
    /// IPVS is reserved to `CAP_NET_ADMIN` in the initial user namespace.
    #[error("{}", PERMISSION_DENIED)]
    PermissionDenied,
    /// There is no such service.
    #[error("there is no such service")]
    ServiceNotFound,
    /// The kernel did not answer in time, or its answer was lost.
    #[error("the kernel's answer was lost")]
    Unanswered,
}

const MODULE_MISSING: &str = "the kernel has no IPVS: load its module with `modprobe ip_vs`, \
    or boot a kernel that has one, such as a distribution's";
const PERMISSION_DENIED: &str = "the kernel wants CAP_NET_ADMIN, and in the initial user namespace";

impl ApplyError {
    /// What the kernel meant by its answer to `op`.
    pub(crate) fn of(op: &Op, error: RequestError) -> Self {
        let error = match error {
            RequestError::Kernel(error) => error,
            RequestError::NotSent(error) => return Self::NotSent(error),
            RequestError::Interrupted | RequestError::Unknown | _ => return Self::Unknown,
        };
        match (error.raw_os_error(), op) {
            (Some(EPERM), _) => Self::PermissionDenied,
            (Some(ENOENT), Op::AddService(service) | Op::EditService(service)) => {
                Self::module_of(service)
            }
            (
                Some(ENOENT),
                Op::DrainDestination(..) | Op::EditDestination(..) | Op::RemoveDestination(..),
            ) => Self::DestinationNotFound,
            (Some(ESRCH), Op::StopDaemon(_)) => Self::DaemonNotFound,
            (Some(ESRCH), _) => Self::ServiceNotFound,
            (Some(EEXIST), _) => Self::AlreadyExists,
            (Some(ENODEV), Op::StartDaemon(_)) => Self::InterfaceNotFound,
            (Some(EINVAL), _) => Self::Invalid,
            (Some(ERANGE), _) => Self::OutOfRange,
            (Some(EOPNOTSUPP | EAFNOSUPPORT), _) => Self::Unsupported,
            _ => Self::Kernel(error),
        }
    }

    fn module_of(service: &Service) -> Self {
        if service.settings().engine.is_some() {
            Self::SchedulerOrEngineNotFound
        } else {
            Self::SchedulerNotFound
        }
    }

    /// Whether later changes should not be tried: they may build on this one, or fail as well after a long wait.
    pub(crate) const fn ends_the_batch(&self) -> bool {
        matches!(
            self,
            Self::ModuleMissing | Self::NotSent(_) | Self::PermissionDenied | Self::Unknown
        )
    }
}

impl From<QueryError> for ApplyError {
    /// Of the query for the family's number, which comes before any change.
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Kernel(error) => Self::Kernel(error),
            QueryError::Malformed(error) => Self::Malformed(error),
            QueryError::ModuleMissing => Self::ModuleMissing,
            QueryError::NotSent(error) => Self::NotSent(error),
            QueryError::PermissionDenied => Self::PermissionDenied,
            QueryError::ServiceNotFound => Self::ServiceNotFound,
            // Nothing was changed: only the question was not answered.
            QueryError::Changing | QueryError::Unanswered => {
                Self::NotSent(io::ErrorKind::TimedOut.into())
            }
        }
    }
}

impl From<RequestError> for QueryError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Interrupted => Self::Changing,
            RequestError::NotSent(error) => Self::NotSent(error),
            RequestError::Kernel(error) => match error.raw_os_error() {
                Some(EPERM) => Self::PermissionDenied,
                Some(ESRCH) => Self::ServiceNotFound,
                _ => Self::Kernel(error),
            },
            RequestError::Unknown | _ => Self::Unanswered,
        }
    }
}
