//! An address driver without a kernel.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ipnet::IpNet;
use locum_vip::{AddressDriver, AddressError, Claim, Lease, LinkIndex, Outcome};

use crate::epoch;

/// Records calls, keeps a set, and can be told to fail or to be slow. Clones are the same driver.
#[derive(Debug, Clone, Default)]
pub struct FakeAddresses(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    calls: Vec<Call>,
    present: BTreeSet<(LinkIndex, IpNet)>,
    delay: Duration,
    failure: Option<(Operation, Failure)>,
}

/// What was asked of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the methods of the trait")]
pub enum Operation {
    /// `announce`.
    Announce,
    /// `ensure_absent`.
    EnsureAbsent,
    /// `ensure_present`.
    EnsurePresent,
}

/// Makes the error of a failing operation, which cannot be cloned.
pub type Failure = fn() -> AddressError;

/// One call that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// When.
    pub at: Instant,
    /// Of which interface.
    pub link: LinkIndex,
    /// About which addresses.
    pub addresses: Vec<IpAddr>,
    /// How they were to be held.
    pub claim: Option<Claim>,
}

impl FakeAddresses {
    /// Every call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// When `operation` was asked for.
    #[must_use]
    pub fn times(&self, operation: Operation) -> Vec<Instant> {
        let calls = &self.inner().calls;
        let of = calls.iter().filter(|call| call.operation == operation);
        of.map(|call| call.at).collect()
    }

    /// Is `address` on `link`?
    #[must_use]
    pub fn has(&self, link: LinkIndex, address: IpNet) -> bool {
        self.inner().present.contains(&(link, address))
    }

    /// Puts `address` there, as a process that is no more had left it.
    pub fn leave_behind(&self, link: LinkIndex, address: IpNet) {
        self.inner().present.insert((link, address));
    }

    /// Takes `address` away, as somebody else does.
    pub fn remove(&self, link: LinkIndex, address: IpNet) {
        self.inner().present.remove(&(link, address));
    }

    /// Every call takes so long from now on, and changes what it changes at the end.
    pub fn set_delay(&self, delay: Duration) {
        self.inner().delay = delay;
    }

    /// `operation` fails from now on, and no other one.
    pub fn fail(&self, operation: Operation, failure: Failure) {
        self.inner().failure = Some((operation, failure));
    }

    /// Nothing fails any more.
    pub fn succeed(&self) {
        self.inner().failure = None;
    }

    /// Records the call, takes its time, and says how it fails.
    async fn begin(
        &self,
        operation: Operation,
        link: LinkIndex,
        addresses: Vec<IpAddr>,
        claim: Option<Claim>,
    ) -> Option<Failure> {
        let call = Call {
            operation,
            at: epoch(),
            link,
            addresses,
            claim,
        };
        let delay = {
            let mut inner = self.inner();
            inner.calls.push(call);
            inner.delay
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let failure = self.inner().failure;
        failure
            .filter(|(failing, _)| *failing == operation)
            .map(|(_, failure)| failure)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bare(addresses: &[IpNet]) -> Vec<IpAddr> {
    addresses.iter().map(IpNet::addr).collect()
}

const fn outcome(changed: bool) -> Outcome {
    if changed {
        Outcome::Changed
    } else {
        Outcome::Unchanged
    }
}

#[async_trait]
impl AddressDriver for FakeAddresses {
    async fn ensure_present(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
        claim: Claim,
    ) -> Vec<Result<Outcome, AddressError>> {
        let operation = Operation::EnsurePresent;
        let failure = self
            .begin(operation, link, bare(addresses), Some(claim))
            .await;
        let is_past = matches!(claim.lease, Lease::Until(until) if epoch() >= until);
        let mut inner = self.inner();
        let each = addresses.iter().map(|address| match failure {
            Some(failure) => Err(failure()),
            None if is_past => Err(AddressError::Expired),
            None => Ok(outcome(inner.present.insert((link, *address)))),
        });
        each.collect()
    }

    async fn ensure_absent(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
    ) -> Vec<Result<Outcome, AddressError>> {
        let failure = self
            .begin(Operation::EnsureAbsent, link, bare(addresses), None)
            .await;
        let mut inner = self.inner();
        let each = addresses.iter().map(|address| match failure {
            Some(failure) => Err(failure()),
            None => Ok(outcome(inner.present.remove(&(link, *address)))),
        });
        each.collect()
    }

    async fn announce(&self, link: LinkIndex, addresses: &[IpAddr]) -> Result<(), AddressError> {
        let failure = self
            .begin(Operation::Announce, link, addresses.to_vec(), None)
            .await;
        failure.map_or(Ok(()), |failure| Err(failure()))
    }
}
