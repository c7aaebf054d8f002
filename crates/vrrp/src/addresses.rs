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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where.
    pub(crate) link: Option<LinkIndex>,
    /// The addresses are on the interface until then.
    pub(crate) hold: Option<Hold>,
    /// Times that they were let go: each is carried out and reported, even if nobody had begun to hold them.
    pub(crate) releases: u64,
    /// Times that the neighbours should have been told.
    pub(crate) announce: u64,
    /// Changed if the addresses may have been lost and have to be looked after.
    pub(crate) recheck: u64,
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
    Absent { releases: u64 },
    Present { hold: Hold, recheck: u64 },
}

pub(crate) struct AddressTask {
    driver: Arc<dyn AddressDriver>,
    router: RouterId,
    addresses: Arc<[IpNet]>,
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
    retry: Option<Instant>,
    backoff: Duration,
    lost: u8,
}

impl AddressTask {
    pub(crate) fn new(
        driver: Arc<dyn AddressDriver>,
        router: RouterId,
        addresses: Arc<[IpNet]>,
        foreign: Foreign,
        wanted: watch::Receiver<Wanted>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        Self {
            driver,
            router,
            addresses,
            foreign,
            wanted,
            reports,
            link: None,
            asked: None,
            held: None,
            announced: 0,
            retry: None,
            backoff: RETRY.0,
            lost: 0,
        }
    }

    /// Runs until the router is gone.
    pub(crate) async fn run(mut self) {
        let mut call: Call<Results> = None;
        let mut calling = Request::Absent { releases: 0 };
        let mut announcement: Call<Result<(), AddressError>> = None;
        loop {
            let wanted = *self.wanted.borrow_and_update();
            if wanted.link != self.link {
                self.link = wanted.link;
                self.asked = None;
                self.held = None;
                self.retry = None;
                call = None;
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
                let waits = hold.is_none() && self.retry.is_some_and(|at| clock::now() < at);
                if call.is_none() && self.asked != Some(request) && !waits {
                    calling = request;
                    self.asked = Some(request);
                    self.retry = None;
                    call = Some(self.ask(link, request));
                }
                if is_held && announcement.is_none() && self.announced < wanted.announce {
                    self.announced = wanted.announce;
                    announcement = Some(self.announce(link, self.all()));
                }
            }
            let lease_end = hold.and_then(|hold| hold.until);
            let wake = self.retry.into_iter().chain(lease_end).min();
            tokio::select! {
                biased;
                results = poll(&mut call) => {
                    call = None;
                    if let Some(restored) = self.answered(calling, results)
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
            self.driver.ensure_absent(link, &self.addresses).await;
        }
    }

    fn ask(
        &self,
        link: LinkIndex,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Results> + Send>> {
        let driver = Arc::clone(&self.driver);
        let addresses = Arc::clone(&self.addresses);
        let foreign = self.foreign;
        Box::pin(async move {
            match request {
                Request::Absent { .. } => driver.ensure_absent(link, &addresses).await,
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
