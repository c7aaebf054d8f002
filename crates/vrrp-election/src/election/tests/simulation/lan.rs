//! Routers on a LAN in simulated time: a driver and a kernel for each, and one client who sends to whoever announced
//! last among those it can hear.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::super::super::Election;
use super::super::support::epoch;
use crate::config::Config;
use crate::interface::{Action, Advert, Effect, HoldId, Input, Link, State};

/// How long a packet takes.
pub(super) const LATENCY: Duration = Duration::from_micros(200);

/// One machine. Its kernel answers for the addresses whether its process runs or not.
#[derive(Debug)]
struct Machine {
    election: Election,
    address: IpAddr,
    powered: bool,
    frozen: bool,
    /// Received, and not read yet.
    inbox: VecDeque<Advert>,
    /// Since when, or from when on, the kernel has the addresses, and until when.
    kernel: Option<Addresses>,
    /// An announcement waits for the addresses.
    announce: bool,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    id: HoldId,
    from: Instant,
    until: Option<Instant>,
    reported: bool,
}

#[derive(Debug)]
pub(super) struct Lan {
    pub(super) now: Instant,
    machines: Vec<Machine>,
    flying: BTreeMap<(Instant, u64), (usize, Advert)>,
    packets: u64,
    /// Adding all addresses takes this long.
    pub(super) adding: Duration,
    /// Of 256 packets, this many are lost.
    pub(super) loss: u8,
    /// Machines of different sides do not hear each other. The client is on side 0.
    pub(super) side: Vec<u8>,
    random: u64,
    /// Whom the client sends to.
    client: Option<usize>,
}

impl Lan {
    pub(super) fn new(configs: &[Config], seed: u64) -> Self {
        let machine = |(host, config): (u8, &Config)| {
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
            let mut election = Election::new(*config);
            for input in [Input::Link(Link::Up), Input::Source(Some(address))] {
                election.handle(epoch(), input).expect("accepted");
            }
            Machine {
                election,
                address,
                powered: true,
                frozen: false,
                inbox: VecDeque::new(),
                kernel: None,
                announce: false,
            }
        };
        Self {
            now: epoch(),
            machines: (1..).zip(configs).map(machine).collect(),
            flying: BTreeMap::new(),
            packets: 0,
            adding: Duration::from_micros(500),
            loss: 0,
            side: vec![0; configs.len()],
            random: seed | 1,
            client: None,
        }
    }

    pub(super) fn input(&mut self, router: usize, input: Input) {
        if self.machines[router].frozen || !self.machines[router].powered {
            return;
        }
        // What is refused is refused; the packets of others are none of our business here.
        let _refused = self.machines[router].election.handle(self.now, input);
        while let Some(action) = self.machines[router].election.poll_action() {
            self.carry_out(router, action);
        }
    }

    pub(super) fn freeze(&mut self, router: usize) {
        self.machines[router].frozen = true;
    }

    /// Deadlines are served first, then what has been received.
    pub(super) fn thaw(&mut self, router: usize) {
        if !core::mem::take(&mut self.machines[router].frozen) {
            return;
        }
        self.input(router, Input::Timeout);
        while let Some(advert) = self.machines[router].inbox.pop_front() {
            self.input(router, Input::Advertisement(advert));
        }
    }

    /// The machine is gone, and its addresses with it.
    pub(super) fn power_off(&mut self, router: usize) {
        self.machines[router].powered = false;
        self.machines[router].kernel = None;
    }

    pub(super) fn state(&self, router: usize) -> State {
        self.machines[router].election.state()
    }

    pub(super) fn masters(&self) -> Vec<usize> {
        (0..self.machines.len())
            .filter(|router| self.machines[*router].powered)
            .filter(|router| self.state(*router) == State::Master)
            .collect()
    }

    pub(super) fn owners(&self) -> Vec<usize> {
        (0..self.machines.len())
            .filter(|router| self.has_addresses(*router))
            .collect()
    }

    /// Does somebody answer whom the client sends to?
    pub(super) fn client_is_served(&self) -> bool {
        self.client
            .is_some_and(|router| self.has_addresses(router) && self.side[router] == 0)
    }

    fn has_addresses(&self, router: usize) -> bool {
        self.machines[router]
            .kernel
            .is_some_and(|held| held.from <= self.now && held.until.is_none_or(|t| self.now < t))
    }

    /// Lets `time` pass, and calls `check` after everything that happens.
    pub(super) fn run(&mut self, time: Duration, mut check: impl FnMut(&Self)) {
        let end = self.now + time;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.happen();
            check(self);
        }
        self.now = end;
        check(self);
    }

    fn next_event(&self) -> Option<Instant> {
        let running = |machine: &&Machine| machine.powered && !machine.frozen;
        let deadlines = self.machines.iter().filter(running);
        let deadlines =
            deadlines.filter_map(|machine| machine.election.poll_timeout().map(|next| next.at));
        let kernels = self.machines.iter().filter_map(|machine| {
            let held = machine.kernel?;
            let ready = (!held.reported && !machine.frozen).then_some(held.from);
            ready.into_iter().chain(held.until).min()
        });
        let packets = self.flying.keys().next().map(|(at, _)| *at);
        deadlines.chain(kernels).chain(packets).min()
    }

    fn happen(&mut self) {
        while let Some(entry) = self
            .flying
            .first_entry()
            .filter(|next| next.key().0 <= self.now)
        {
            let (router, advert) = entry.remove();
            if self.machines[router].frozen {
                self.machines[router].inbox.push_back(advert);
            } else {
                self.input(router, Input::Advertisement(advert));
            }
        }
        for router in 0..self.machines.len() {
            self.kernel_works(router);
            let deadline = self.machines[router].election.poll_timeout();
            if deadline.is_some_and(|deadline| deadline.at <= self.now) {
                self.input(router, Input::Timeout);
            }
        }
    }

    fn kernel_works(&mut self, router: usize) {
        let machine = &mut self.machines[router];
        let Some(held) = &mut machine.kernel else {
            return;
        };
        if held.until.is_some_and(|until| until <= self.now) {
            machine.kernel = None;
        } else if held.from <= self.now && !held.reported && !machine.frozen {
            held.reported = true;
            let id = held.id;
            if core::mem::take(&mut machine.announce) {
                self.announce(router);
            }
            self.input(router, Input::Effect(Effect::Held(id)));
        }
    }

    fn announce(&mut self, router: usize) {
        if self.side[router] == 0 {
            self.client = Some(router);
        }
    }

    fn carry_out(&mut self, router: usize, action: Action) {
        match action {
            Action::Advertise(priority) => {
                let advert = Advert {
                    source: self.machines[router].address,
                    priority,
                    interval: self.machines[router].election.config().interval(),
                };
                for other in (0..self.machines.len()).filter(|other| *other != router) {
                    if self.side[other] == self.side[router] && !self.is_lost() {
                        self.packets += 1;
                        let at = self.now + LATENCY;
                        self.flying.insert((at, self.packets), (other, advert));
                    }
                }
            }
            Action::Hold { id, until } => {
                let from = match self.machines[router].kernel {
                    Some(held) => held.from,
                    None => self.now + self.adding,
                };
                self.machines[router].kernel = Some(Addresses {
                    id,
                    from,
                    until,
                    reported: false,
                });
            }
            Action::Release => {
                self.machines[router].kernel = None;
                self.machines[router].announce = false;
            }
            Action::Announce => {
                if self.has_addresses(router) {
                    self.announce(router);
                } else {
                    self.machines[router].announce = true;
                }
            }
            Action::Transition(_) => {}
        }
    }

    fn is_lost(&mut self) -> bool {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.to_le_bytes()[3] < self.loss
    }
}
