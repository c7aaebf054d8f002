//! The address task of one router: makes true what the election wants, at the speed of the address driver.
//!
//! It is told by a `watch` what should be true. That may skip steps but never the last one, and a slow driver holds up
//! nobody but itself.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use locum_vip::{AddressDriver, AddressError, Claim, Foreign, Lease, LinkIndex, Outcome};
use locum_vrrp_election::HoldId;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use crate::clock;
use crate::command::RouterId;

/// How long after a failed release it is tried again, at first and at most; doubled each time.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often a request is repeated whose answer was lost.
const LOST_ANSWERS: u8 = 3;

/// What should be true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which.
    pub(crate) addresses: Arc<[IpNet]>,
    /// Where.
    pub(crate) link: Option<LinkIndex>,
    pub(crate) leftovers: Leftovers,
    /// The addresses are on the interface until then.
    pub(crate) hold: Option<Hold>,
    /// Times that they were let go: each is carried out and reported, even if nobody had begun to hold them.
    pub(crate) releases: u64,
    /// Times that the neighbours should have been told.
    pub(crate) announce: u64,
    /// So many of them are not to be made up for: it is Master no more.
    pub(crate) hushed: u64,
    /// Changed if the addresses may have been lost and have to be looked after.
    pub(crate) recheck: u64,
}

/// What to do about addresses that an earlier process left behind, while they are not to be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Leftovers {
    #[default]
    Clear,
    /// They may be taken over in a moment.
    Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    pub(crate) until: Option<Instant>,
}

impl Hold {
    fn is_past(self) -> bool {
        self.until.is_some_and(|until| clock::now() >= until)
    }
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) router: RouterId,
    pub(crate) kind: ReportKind,
}

pub(crate) type Results = Vec<Result<Outcome, AddressError>>;

#[derive(Debug)]
pub(crate) enum ReportKind {
    /// The driver was asked to release the addresses.
    Absent(Results),
    /// These, which are none of the router's any more, could not be released. It is tried again.
    Gone(Vec<(IpNet, AddressError)>),
    /// The neighbours were told.
    Announced(Result<(), AddressError>),
    /// The driver was asked to hold the addresses.
    Present {
        id: HoldId,
        results: Results,
        /// They had been held by this hold before.
        again: bool,
        /// The lease was over when the answer came.
        late: bool,
    },
}

type Call<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Absent {
        releases: u64,
    },
    /// Of those that are none of the router's any more.
    Gone,
    Present {
        hold: Hold,
        recheck: u64,
    },
}

pub(crate) struct AddressTask {
    driver: Arc<dyn AddressDriver>,
    router: RouterId,
    addresses: Arc<[IpNet]>,
    /// None of its addresses any more, and perhaps still there; when to try again.
    gone: Vec<IpNet>,
    gone_retry: Option<Instant>,
    foreign: Foreign,
    wanted: watch::Receiver<Wanted>,
    reports: mpsc::UnboundedSender<Report>,
    link: Option<LinkIndex>,
    /// What the driver was last asked on this link, whatever came of it; nothing at first, so that leftovers of an
    /// earlier life are cleared away.
    asked: Option<Request>,
    /// The hold under which all addresses were last there.
    held: Option<HoldId>,
    announced: u64,
    hushed: u64,
    retry: Option<Instant>,
    backoff: Duration,
    lost: u8,
}

impl AddressTask {
    pub(crate) fn new(
        driver: Arc<dyn AddressDriver>,
        router: RouterId,
        foreign: Foreign,
        wanted: watch::Receiver<Wanted>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let addresses = Arc::clone(&wanted.borrow().addresses);
        Self {
            driver,
            router,
            addresses,
            gone: Vec::new(),
            gone_retry: None,
            foreign,
            wanted,
            reports,
            link: None,
            asked: None,
            held: None,
            announced: 0,
            hushed: 0,
            retry: None,
            backoff: RETRY.0,
            lost: 0,
        }
    }

    /// Runs until the router is gone.
    pub(crate) async fn run(mut self) {
        let mut call: Call<Results> = None;
        let mut calling = Request::Absent { releases: 0 };
        let mut called = Arc::clone(&self.addresses);
        let mut announcement: Call<Result<(), AddressError>> = None;
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            if wanted.link != self.link {
                self.link = wanted.link;
                self.asked = None;
                self.held = None;
                self.retry = None;
                self.gone.clear();
                self.gone_retry = None;
                call = None;
            }
            if wanted.addresses != self.addresses {
                self.change(wanted.addresses);
            }
            if std::mem::replace(&mut self.hushed, wanted.hushed) != wanted.hushed {
                self.announced = self.announced.max(wanted.hushed);
                announcement = None;
            }
            let hold = wanted.hold.filter(|hold| !hold.is_past());
            let is_held = hold.is_some_and(|hold| self.held == Some(hold.id));
            if !is_held {
                // Nobody is told of addresses that are not there, or not to be there.
                announcement = None;
                if hold.is_none() {
                    self.announced = wanted.announce;
                }
            }
            if let Some(link) = self.link {
                let Wanted {
                    releases, recheck, ..
                } = wanted;
                let request = hold.map_or(Request::Absent { releases }, |hold| Request::Present {
                    hold,
                    recheck,
                });
                let waits = hold.is_none()
                    && (wanted.leftovers == Leftovers::Keep
                        || self.retry.is_some_and(|at| clock::now() < at));
                let gone_waits = self.gone_retry.is_some_and(|at| clock::now() < at);
                if call.is_none() && !self.gone.is_empty() && !gone_waits {
                    calling = Request::Gone;
                    called = self.gone.as_slice().into();
                    call = Some(self.ask(link, calling));
                }
                if call.is_none() && self.asked != Some(request) && !waits {
                    calling = request;
                    self.asked = Some(request);
                    self.retry = None;
                    called = Arc::clone(&self.addresses);
                    call = Some(self.ask(link, request));
                }
                if is_held && announcement.is_none() && self.announced < wanted.announce {
                    self.announced = wanted.announce;
                    announcement = Some(self.announce(link, self.all()));
                }
            }
            let lease_end = hold.and_then(|hold| hold.until);
            let gone_retry = self.gone_retry.filter(|_| call.is_none());
            let wake = self
                .retry
                .into_iter()
                .chain(gone_retry)
                .chain(lease_end)
                .min();
            tokio::select! {
                biased;
                results = poll(&mut call) => {
                    call = None;
                    if calling == Request::Gone {
                        self.released(&called, results);
                    } else if !Arc::ptr_eq(&called, &self.addresses) {
                        // It was about other addresses, and these are asked for next.
                    } else if let Some(restored) = self.answered(calling, results)
                        && let Some(link) = self.link
                    {
                        let targets = if announcement.is_some() { self.all() } else { restored };
                        announcement = Some(self.announce(link, targets));
                    }
                }
                result = poll(&mut announcement) => {
                    announcement = None;
                    self.report(ReportKind::Announced(result));
                }
                () = sleep_until(wake.unwrap_or_else(clock::now).into()), if wake.is_some() => {}
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        self.end(call).await;
    }

    /// The router is gone: a last try to leave nothing behind.
    async fn end(&self, call: Call<Results>) {
        if let Some(call) = call {
            call.await;
        } else if matches!(self.asked, Some(Request::Absent { .. })) && self.retry.is_none() {
            return;
        }
        if let Some(link) = self.link {
            let all = [&*self.addresses, &*self.gone].concat();
            self.driver.ensure_absent(link, &all).await;
        }
    }

    fn change(&mut self, addresses: Arc<[IpNet]>) {
        let before = std::mem::replace(&mut self.addresses, addresses);
        self.gone.extend(before.iter());
        self.gone.retain(|gone| !self.addresses.contains(gone));
        self.gone_retry = None;
        self.asked = None;
        self.held = None;
        self.retry = None;
    }

    /// What the driver answered about those that are gone.
    fn released(&mut self, asked: &[IpNet], results: Results) {
        let mut failed = Vec::new();
        for (address, result) in asked.iter().zip(results) {
            // With another prefix length it is there again, and would be released with the old one.
            let returns = |ours: &IpNet| ours.addr() == address.addr();
            match result {
                Err(error) if !matches!(error, AddressError::NoSuchLink) => {
                    if self.addresses.iter().any(returns) {
                        self.gone.retain(|gone| gone != address);
                    }
                    failed.push((*address, error));
                }
                Ok(_) | Err(_) => self.gone.retain(|gone| gone != address),
            }
        }
        self.gone_retry = (!self.gone.is_empty()).then(|| clock::now() + RETRY.1);
        if !failed.is_empty() {
            self.report(ReportKind::Gone(failed));
        }
    }

    fn ask(
        &self,
        link: LinkIndex,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Results> + Send>> {
        let driver = Arc::clone(&self.driver);
        let addresses = match request {
            Request::Gone => Arc::from(&*self.gone),
            Request::Absent { .. } | Request::Present { .. } => Arc::clone(&self.addresses),
        };
        let foreign = self.foreign;
        Box::pin(async move {
            match request {
                Request::Absent { .. } | Request::Gone => {
                    driver.ensure_absent(link, &addresses).await
                }
                Request::Present { hold, .. } => {
                    let lease = hold.until.map_or(Lease::Permanent, Lease::Until);
                    driver
                        .ensure_present(link, &addresses, Claim { lease, foreign })
                        .await
                }
            }
        })
    }

    fn announce(
        &self,
        link: LinkIndex,
        addresses: Vec<IpAddr>,
    ) -> Pin<Box<dyn Future<Output = Result<(), AddressError>> + Send>> {
        let driver = Arc::clone(&self.driver);
        Box::pin(async move { driver.announce(link, &addresses).await })
    }

    /// Takes in what the driver answered. Returns the addresses that had been lost and are back.
    fn answered(&mut self, request: Request, results: Results) -> Option<Vec<IpAddr>> {
        let lost = results
            .iter()
            .any(|result| matches!(result, Err(AddressError::Unknown)));
        self.lost = if lost { self.lost.saturating_add(1) } else { 0 };
        if lost && self.lost < LOST_ANSWERS {
            self.asked = None;
            return None;
        }
        match request {
            Request::Gone => None,
            Request::Absent { .. } => {
                self.held = None;
                let failed = results
                    .iter()
                    .any(|result| !matches!(result, Ok(_) | Err(AddressError::NoSuchLink)));
                if failed {
                    self.asked = None;
                    self.retry = Some(clock::now() + self.backoff);
                    self.backoff = (self.backoff * 2).min(RETRY.1);
                } else {
                    self.backoff = RETRY.0;
                }
                self.report(ReportKind::Absent(results));
                None
            }
            Request::Present { hold, .. } => {
                let late = hold.is_past();
                let again = self.held == Some(hold.id);
                let all = !late && results.iter().all(Result::is_ok);
                self.held = all.then_some(hold.id);
                let restored: Vec<IpAddr> = self
                    .addresses
                    .iter()
                    .zip(&results)
                    .filter(|(_, result)| again && matches!(result, Ok(Outcome::Changed)))
                    .map(|(address, _)| address.addr())
                    .collect();
                self.report(ReportKind::Present {
                    id: hold.id,
                    results,
                    again,
                    late,
                });
                (all && !restored.is_empty()).then_some(restored)
            }
        }
    }

    fn all(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(IpNet::addr).collect()
    }

    fn report(&self, kind: ReportKind) {
        // Once the engine has ended nobody needs it.
        let _ = self.reports.send(Report {
            router: self.router,
            kind,
        });
    }
}

/// What a running call answers; waits for ever if there is none.
async fn poll<T>(call: &mut Call<T>) -> T {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
