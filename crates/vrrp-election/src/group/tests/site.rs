//! Machines with a group each, on as many LANs as the group has members, in simulated time: a driver and a kernel for
//! each, and on each LAN one client who sends to whoever announced last among those it can hear.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use super::super::SyncGroup;
use crate::config::Config;
use crate::election::tests::support::epoch;
use crate::interface::{Action, Advert, Effect, HoldId, Input, Link, State};

/// How long a packet takes.
pub(super) const LATENCY: Duration = Duration::from_micros(200);
/// How long it takes to add an address.
const ADDING: Duration = Duration::from_micros(500);

#[derive(Debug)]
struct Machine {
    configs: Vec<Config>,
    group: SyncGroup,
    powered: bool,
    frozen: bool,
    /// What happened on which LAN, and is not read yet.
    inbox: VecDeque<(usize, Input)>,
    /// On each LAN.
    ports: Vec<Port>,
}

#[derive(Debug, Clone)]
struct Port {
    address: IpAddr,
    link: Link,
    /// Since when, or from when on, the kernel has the address, and until when.
    kernel: Option<Held>,
    /// An announcement waits for the address.
    announce: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    id: HoldId,
    from: Instant,
    until: Option<Instant>,
    reported: bool,
}

#[derive(Debug)]
pub(super) struct Site {
    pub(super) now: Instant,
    machines: Vec<Machine>,
    flying: BTreeMap<(Instant, u64), (usize, usize, Advert)>,
    packets: u64,
    /// Of 256 packets from one machine to another on one LAN, this many are lost.
    pub(super) loss: BTreeMap<(usize, usize, usize), u8>,
    random: u64,
    /// Whom the client of each LAN sends to.
    clients: Vec<Option<usize>>,
    /// Since when some machine has been Master of some LANs only, and the longest that this lasted.
    half_since: Vec<Option<Instant>>,
    pub(super) longest_half: Duration,
}

impl Site {
    /// One machine for each of `configs`, which has one for each LAN. The machines' addresses are as high as the
    /// `rank` of each on each LAN.
    pub(super) fn new(
        configs: &[Vec<Config>],
        rank: impl Fn(usize, usize) -> u8,
        seed: u64,
    ) -> Self {
        let lans = configs[0].len();
        let machine = |(number, configs): (usize, &Vec<Config>)| {
            let port = |lan| Port {
                address: IpAddr::from([192, 0, 2, rank(number, lan)]),
                link: Link::Up,
                kernel: None,
                announce: false,
            };
            let ports: Vec<Port> = (0..lans).map(port).collect();
            Machine {
                group: fresh(epoch(), configs, &ports),
                configs: configs.clone(),
                powered: true,
                frozen: false,
                inbox: VecDeque::new(),
                ports,
            }
        };
        Self {
            now: epoch(),
            machines: configs.iter().enumerate().map(machine).collect(),
            flying: BTreeMap::new(),
            packets: 0,
            loss: BTreeMap::new(),
            random: seed | 1,
            clients: vec![None; lans],
            half_since: vec![None; configs.len()],
            longest_half: Duration::ZERO,
        }
    }

    pub(super) fn lans(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn len(&self) -> usize {
        self.machines.len()
    }

    pub(super) fn startup(&mut self, machine: usize) {
        self.with(machine, |now, group| group.startup(now));
    }

    pub(super) fn shutdown(&mut self, machine: usize) {
        self.with(machine, |now, group| group.shutdown(now));
    }

    /// Its process does not run, and its kernel does.
    pub(super) fn freeze(&mut self, machine: usize) {
        self.machines[machine].frozen = true;
    }

    /// Deadlines are served first, then what has been received.
    pub(super) fn thaw(&mut self, machine: usize) {
        if !core::mem::take(&mut self.machines[machine].frozen) {
            return;
        }
        self.with(machine, |now, group| group.handle_timeout(now));
        while let Some((lan, input)) = self.machines[machine].inbox.pop_front() {
            self.input(machine, lan, input);
        }
    }

    /// The machine is gone, and its addresses with it.
    pub(super) fn power_off(&mut self, machine: usize) {
        let off = &mut self.machines[machine];
        off.powered = false;
        off.frozen = false;
        off.inbox.clear();
        for port in &mut self.machines[machine].ports {
            port.kernel = None;
            port.announce = false;
        }
    }

    /// It boots and starts.
    pub(super) fn power_on(&mut self, machine: usize) {
        let off = &mut self.machines[machine];
        if !off.powered {
            off.powered = true;
            off.group = fresh(self.now, &off.configs, &off.ports);
            self.startup(machine);
        }
    }

    pub(super) fn link(&mut self, machine: usize, lan: usize, link: Link) {
        self.machines[machine].ports[lan].link = link;
        self.input(machine, lan, Input::Link(link));
    }

    /// Nothing gets from one machine to another on this LAN.
    pub(super) fn cut(&mut self, lan: usize, from: usize, to: usize) {
        self.loss.insert((lan, from, to), u8::MAX);
    }

    /// Every link is up, every packet arrives, and every machine runs.
    pub(super) fn heal(&mut self) {
        self.loss.clear();
        for machine in 0..self.len() {
            self.power_on(machine);
            self.thaw(machine);
            self.startup(machine);
            for lan in 0..self.lans() {
                self.link(machine, lan, Link::Up);
            }
        }
    }

    pub(super) fn state(&self, machine: usize) -> State {
        self.machines[machine].group.state()
    }

    /// Who is Master on a LAN.
    pub(super) fn masters(&self, lan: usize) -> Vec<usize> {
        (0..self.len())
            .filter(|machine| self.is_master(*machine, lan))
            .collect()
    }

    fn is_master(&self, machine: usize, lan: usize) -> bool {
        let machine = &self.machines[machine];
        machine.powered && machine.group.members()[lan].state() == State::Master
    }

    /// Who has the address of a LAN.
    pub(super) fn owners(&self, lan: usize) -> Vec<usize> {
        (0..self.len())
            .filter(|machine| self.has_address(*machine, lan))
            .collect()
    }

    fn has_address(&self, machine: usize, lan: usize) -> bool {
        let machine = &self.machines[machine];
        let here = |held: Held| held.from <= self.now && held.until.is_none_or(|t| self.now < t);
        machine.powered && machine.ports[lan].kernel.is_some_and(here)
    }

    /// Does somebody answer whom the client of this LAN sends to?
    pub(super) fn is_served(&self, lan: usize) -> bool {
        self.clients[lan].is_some_and(|machine| {
            self.has_address(machine, lan) && self.machines[machine].ports[lan].link == Link::Up
        })
    }

    pub(super) fn all_served(&self) -> bool {
        (0..self.lans()).all(|lan| self.is_served(lan))
    }

    /// The one machine that is Master of everything and has every address, while nobody else has or is any.
    pub(super) fn whole(&self) -> Option<usize> {
        let mut masters = (0..self.lans()).map(|lan| self.masters(lan));
        let [master] = masters.next()?[..] else {
            return None;
        };
        let alone = (0..self.lans())
            .all(|lan| self.masters(lan) == [master] && self.owners(lan) == [master]);
        alone.then_some(master)
    }

    /// Lets `time` pass, and calls `check` after everything that happens.
    pub(super) fn run(&mut self, time: Duration, mut check: impl FnMut(&Self)) {
        let end = self.now + time;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.happen();
            self.measure();
            check(self);
        }
        self.now = end;
        self.measure();
        check(self);
    }

    /// When it becomes true, at most `time` from now.
    pub(super) fn until(&mut self, time: Duration, is: impl Fn(&Self) -> bool) -> Option<Duration> {
        let mut when = None;
        let start = self.now;
        self.run(time, |site| {
            if when.is_none() && is(site) {
                when = Some(site.now - start);
            }
        });
        when
    }

    fn measure(&mut self) {
        for machine in 0..self.len() {
            let up = (0..self.lans())
                .filter(|lan| self.is_master(machine, *lan))
                .count();
            // One that does not run serves no deadline.
            let runs = !self.machines[machine].frozen;
            let is_half = runs && up > 0 && up < self.lans();
            self.half_since[machine] =
                is_half.then(|| self.half_since[machine].unwrap_or(self.now));
            if let Some(since) = self.half_since[machine] {
                self.longest_half = self.longest_half.max(self.now - since);
            }
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let running = self.machines.iter();
        let running = running.filter(|machine| machine.powered && !machine.frozen);
        let deadlines = running.filter_map(|machine| Some(machine.group.poll_timeout()?.at));
        let kernels = self.machines.iter().flat_map(|machine| {
            machine.ports.iter().filter_map(|port| {
                let held = port.kernel?;
                let ready = (!held.reported && !machine.frozen).then_some(held.from);
                ready.into_iter().chain(held.until).min()
            })
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
            let (machine, lan, advert) = entry.remove();
            if self.machines[machine].ports[lan].link == Link::Up {
                self.input(machine, lan, Input::Advertisement(advert));
            }
        }
        for machine in 0..self.len() {
            for lan in 0..self.lans() {
                self.kernel_works(machine, lan);
            }
            let deadline = self.machines[machine].group.poll_timeout();
            if deadline.is_some_and(|deadline| deadline.at <= self.now) {
                self.with(machine, |now, group| group.handle_timeout(now));
            }
        }
    }

    fn kernel_works(&mut self, machine: usize, lan: usize) {
        let frozen = self.machines[machine].frozen;
        let port = &mut self.machines[machine].ports[lan];
        let Some(held) = &mut port.kernel else {
            return;
        };
        if held.until.is_some_and(|until| until <= self.now) {
            port.kernel = None;
        } else if held.from <= self.now && !held.reported && !frozen {
            held.reported = true;
            let id = held.id;
            if core::mem::take(&mut port.announce) {
                self.announce(machine, lan);
            }
            self.input(machine, lan, Input::Effect(Effect::Held(id)));
        }
    }

    /// The client of a LAN hears everybody whose link is up.
    fn announce(&mut self, machine: usize, lan: usize) {
        if self.machines[machine].ports[lan].link == Link::Up {
            self.clients[lan] = Some(machine);
        }
    }

    fn input(&mut self, machine: usize, lan: usize, input: Input) {
        if self.machines[machine].frozen {
            self.machines[machine].inbox.push_back((lan, input));
            return;
        }
        self.with(machine, |now, group| {
            // What is refused is refused.
            let _refused = group.handle(now, lan, input);
        });
    }

    fn with(&mut self, machine: usize, act: impl FnOnce(Instant, &mut SyncGroup)) {
        if !self.machines[machine].powered || self.machines[machine].frozen {
            return;
        }
        act(self.now, &mut self.machines[machine].group);
        while let Some((lan, action)) = self.machines[machine].group.poll_action() {
            self.carry_out(machine, lan, action);
        }
    }

    fn carry_out(&mut self, machine: usize, lan: usize, action: Action) {
        let now = self.now;
        match action {
            Action::Advertise(priority) => {
                let sender = &self.machines[machine];
                let advert = Advert {
                    source: sender.ports[lan].address,
                    priority,
                    interval: sender.configs[lan].interval(),
                };
                if sender.ports[lan].link == Link::Down {
                    return;
                }
                for other in (0..self.len()).filter(|other| *other != machine) {
                    if !self.is_lost(lan, machine, other) {
                        self.packets += 1;
                        let key = (now + LATENCY, self.packets);
                        self.flying.insert(key, (other, lan, advert));
                    }
                }
            }
            Action::Hold { id, until } => {
                let port = &mut self.machines[machine].ports[lan];
                let from = port.kernel.map_or(now + ADDING, |held| held.from);
                port.kernel = Some(Held {
                    id,
                    from,
                    until,
                    reported: false,
                });
            }
            Action::Release => {
                let port = &mut self.machines[machine].ports[lan];
                port.kernel = None;
                port.announce = false;
            }
            Action::Announce => {
                if self.has_address(machine, lan) {
                    self.announce(machine, lan);
                } else {
                    self.machines[machine].ports[lan].announce = true;
                }
            }
            Action::Transition(_) => {}
        }
    }

    fn is_lost(&mut self, lan: usize, from: usize, to: usize) -> bool {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let loss = self.loss.get(&(lan, from, to)).copied().unwrap_or(0);
        loss == u8::MAX || self.random.to_le_bytes()[3] < loss
    }
}

fn fresh(now: Instant, configs: &[Config], ports: &[Port]) -> SyncGroup {
    let mut group = SyncGroup::new(configs.iter().copied()).expect("a group");
    for (lan, port) in ports.iter().enumerate() {
        for input in [Input::Link(port.link), Input::Source(Some(port.address))] {
            group.handle(now, lan, input).expect("accepted");
        }
    }
    group
}
