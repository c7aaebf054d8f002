//! The client for a thread that may wait.

use std::collections::BTreeMap;
use std::io;

use locum_netlink::{Connection, Family, Limits, Message, Request, RequestError};

use super::errno::ENOENT;
use super::error::QueryError;
use super::transport::Transport;
use crate::table::{ActualService, Snapshot};
use crate::types::{
    DestinationEntry, Info, ServiceEntry, ServiceKey, ServiceSettings, SyncDaemonEntry, Timeouts,
};
use crate::wire::reply::{self, DecodeError};
use crate::wire::request;

/// A snapshot is tried so often while somebody else changes the table.
const MAX_SNAPSHOTS: usize = 4;

/// The kernel's IPVS, in the network namespace in which the client was opened.
///
/// Every method waits for the kernel, which may take 100 ms to load a scheduler's module; [`AsyncClient`] is for
/// callers that must not. The client looks for IPVS when it is first asked something, and again when the module was
/// loaded anew.
///
/// [`AsyncClient`]: crate::AsyncClient
#[derive(Debug)]
pub struct Client<T = Connection> {
    pub(super) transport: T,
    pub(super) family: Option<u16>,
}

impl Client {
    /// Opens a netlink socket in the network namespace of the calling thread. Whether the kernel has IPVS shows later.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn open(limits: Limits) -> io::Result<Self> {
        Connection::open(Family::Generic, limits).map(Self::new)
    }
}

impl<T: Transport> Client<T> {
    /// A client over `transport`.
    pub const fn new(transport: T) -> Self {
        Self {
            transport,
            family: None,
        }
    }

    /// What carries the requests.
    #[cfg(feature = "fake")]
    pub const fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Every service with its destinations. Begins anew, a few times, when services changed meanwhile.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn snapshot(&mut self) -> Result<Snapshot, QueryError> {
        let mut entries = self.services()?;
        for _ in 0..MAX_SNAPSHOTS {
            let mut services = BTreeMap::new();
            for service in entries {
                let destinations = self.dump_destinations(&service.key)?.into();
                let actual = ActualService {
                    service,
                    destinations,
                };
                services.insert(actual.service.key, Box::new(actual));
            }
            // The kernel resumes a dump by position: what others add or delete makes it skip or repeat services.
            let later = self.dump(request::services, |message| {
                let ServiceEntry { key, settings, .. } = reply::service(message)?;
                Ok((key, settings))
            })?;
            if are_the_same(&services, later) {
                return Ok(Snapshot { services });
            }
            entries = self.services()?;
        }
        Err(QueryError::Changing)
    }

    /// Every service.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, QueryError> {
        self.dump(request::services, reply::service)
    }

    /// One service.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn service(&mut self, key: &ServiceKey) -> Result<ServiceEntry, QueryError> {
        let message = self.get(|family| request::service(family, key))?;
        Ok(reply::service(&message)?)
    }

    /// Every destination of a service.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn destinations(&mut self, key: &ServiceKey) -> Result<Vec<DestinationEntry>, QueryError> {
        let entries = self.dump_destinations(key)?;
        if entries.is_empty() {
            // The kernel answers the same for a service that is not there.
            self.service(key)?;
        }
        Ok(entries)
    }

    fn dump_destinations(&mut self, key: &ServiceKey) -> Result<Vec<DestinationEntry>, QueryError> {
        self.dump(
            |family| request::destinations(family, key),
            |message| reply::destination(message, key.family()),
        )
    }

    /// The synchronisation daemons that run: none, one of either role, or both.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn daemons(&mut self) -> Result<Vec<SyncDaemonEntry>, QueryError> {
        self.dump(request::daemons, reply::daemon)
    }

    /// How long the kernel remembers connections.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn timeouts(&mut self) -> Result<Timeouts, QueryError> {
        Ok(reply::timeouts(&self.get(request::timeouts)?)?)
    }

    /// What the kernel's IPVS is.
    ///
    /// # Errors
    ///
    /// Any [`QueryError`].
    pub fn info(&mut self) -> Result<Info, QueryError> {
        Ok(reply::info(&self.get(request::info)?)?)
    }

    pub(super) fn family(&mut self) -> Result<u16, QueryError> {
        if let Some(family) = self.family {
            return Ok(family);
        }
        let message = match self.execute_one(request::family()) {
            Err(error) if error.errno() == Some(ENOENT) => return Err(QueryError::ModuleMissing),
            answer => answer?,
        };
        let family = reply::family_id(&message.ok_or(DecodeError::Truncated)?)?;
        self.family = Some(family);
        Ok(family)
    }

    fn get(&mut self, build: impl Fn(u16) -> Request) -> Result<Message, QueryError> {
        let message = self.query(|client, family| client.execute_one(build(family)))?;
        Ok(message.ok_or(DecodeError::Truncated)?)
    }

    /// Each message is read as it comes: a large table is in memory once.
    fn dump<E>(
        &mut self,
        build: impl Fn(u16) -> Request,
        read: impl Fn(&Message) -> Result<E, DecodeError>,
    ) -> Result<Vec<E>, QueryError> {
        let dumped = self.query(|client, family| {
            let read = |message| read(&message);
            client.transport.dump_as(&build(family), read)
        })?;
        Ok(dumped.into_iter().collect::<Result<_, _>>()?)
    }

    /// No query fails with `ENOENT` but for a family that is gone.
    fn query<R>(
        &mut self,
        ask: impl Fn(&mut Self, u16) -> Result<R, RequestError>,
    ) -> Result<R, QueryError> {
        let family = self.family()?;
        match ask(self, family) {
            Err(error) if error.errno() == Some(ENOENT) => {
                self.family = None;
                let renewed = self.family()?;
                Ok(ask(self, renewed)?)
            }
            answer => Ok(answer?),
        }
    }

    fn execute_one(&mut self, request: Request) -> Result<Option<Message>, RequestError> {
        let answer = self.transport.execute(&[request]).pop();
        let messages = answer.unwrap_or(Err(RequestError::Unknown))?;
        Ok(messages.into_iter().next())
    }
}

/// A list may have a service twice, and miss another for it.
fn are_the_same(
    services: &BTreeMap<ServiceKey, Box<ActualService>>,
    list: Vec<(ServiceKey, ServiceSettings)>,
) -> bool {
    let by_key: BTreeMap<ServiceKey, ServiceSettings> = list.into_iter().collect();
    let read = services
        .iter()
        .map(|(key, actual)| (key, &actual.service.settings));
    by_key.iter().eq(read)
}
