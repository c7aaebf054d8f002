//! The addresses of a namespace: every decision about ours and theirs, in time and too late.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use ipnet::IpNet;
use locum_netlink::{Connection, MAX_BATCH, Request};

use super::lease::lifetime;
use super::record::Record;
use super::rtnl::{self, AddressEntry, Put};
use crate::driver::{AddressError, Claim, Foreign, LinkIndex, Outcome};

pub(crate) type Answer = Result<Outcome, AddressError>;

/// An address may appear between our look and our request: look so often.
const LOOKS: usize = 3;

/// Reads the time; tests let it jump.
pub(crate) type Clock = Box<dyn Fn() -> Instant + Send>;

pub(crate) struct Table {
    connection: Connection,
    /// Where the kernel keeps no marks.
    record: Option<Record>,
    clock: Clock,
    promotion_failed: bool,
}

/// A router's addresses that should be there.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) link: LinkIndex,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) claim: Claim,
}

/// What to do about one wanted address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Put(Put),
    Refuse,
    UseForeign,
}

/// The addresses of an interface; `marked` says which are ours, by mark or by record.
#[derive(Debug, Default)]
struct Present(BTreeMap<IpAddr, Vec<AddressEntry>>);

impl Present {
    /// With whatever prefix length: it is the same address to every neighbour.
    fn at(&self, ip: IpAddr) -> &[AddressEntry] {
        self.0.get(&ip).map(Vec::as_slice).unwrap_or_default()
    }

    fn ours_at(&self, ip: IpAddr) -> impl Iterator<Item = &AddressEntry> {
        self.at(ip).iter().filter(|entry| entry.marked)
    }

    fn step(&self, address: IpNet, foreign: Foreign) -> Step {
        let known = self.at(address.addr());
        if known.iter().any(|entry| !entry.marked) {
            return match foreign {
                Foreign::Refuse => Step::Refuse,
                Foreign::Use => Step::UseForeign,
            };
        }
        let is_there = known.iter().any(|entry| entry.address == address);
        Step::Put(if is_there { Put::Renew } else { Put::New })
    }
}

impl Table {
    pub(crate) fn new(connection: Connection, record: Option<Record>, clock: Clock) -> Self {
        Self {
            connection,
            record,
            clock,
            promotion_failed: false,
        }
    }

    /// Serves `asked` in order, with one look at each interface for all of them: the renewals of many routers come
    /// together, and to read a table of hundreds costs more than to renew an address in it.
    pub(crate) fn ensure_all_present(&mut self, asked: &[Asked]) -> Vec<Vec<Answer>> {
        let mut looks: BTreeMap<LinkIndex, Result<Present, AddressError>> = BTreeMap::new();
        let serve = |one: &Asked| {
            let look = looks.entry(one.link).or_insert_with(|| self.read(one.link));
            match look {
                Ok(present) => self.ensure_present(one, present),
                Err(error) if lifetime(one.claim.lease, (self.clock)()).is_some() => {
                    all(&one.addresses, error)
                }
                Err(_) => all(&one.addresses, &AddressError::Expired),
            }
        };
        asked.iter().map(serve).collect()
    }

    /// `first` is the first look at the interface.
    fn ensure_present(&mut self, asked: &Asked, first: &Present) -> Vec<Answer> {
        let Asked {
            link,
            addresses,
            claim,
        } = asked;
        let (link, claim) = (*link, *claim);
        let mut answers: Vec<Option<Answer>> = addresses.iter().map(|_| None).collect();
        let mut touched = Vec::new();
        for look in 0..LOOKS {
            let open: Vec<usize> = (0..)
                .zip(&answers)
                .filter(|(_, a)| a.is_none())
                .map(|(i, _)| i)
                .collect();
            if open.is_empty() || lifetime(claim.lease, (self.clock)()).is_none() {
                break;
            }
            let again = (look > 0).then(|| self.read(link)).transpose();
            let present = match &again {
                Ok(again) => again.as_ref().unwrap_or(first),
                Err(error) => {
                    for slot in answers.iter_mut().filter(|slot| slot.is_none()) {
                        *slot = Some(Err(error.duplicate()));
                    }
                    break;
                }
            };
            let mut puts = Vec::new();
            let mut seen = BTreeSet::new();
            for index in open {
                let (Some(address), Some(answer)) = (addresses.get(index), answers.get_mut(index))
                else {
                    continue;
                };
                match present.step(*address, claim.foreign) {
                    // Asked for twice: the second is answered at the next look.
                    Step::Put(_) if !seen.insert(address.addr()) => {}
                    Step::Put(put) => puts.push((index, *address, put)),
                    Step::Refuse => *answer = Some(Err(AddressError::Foreign)),
                    Step::UseForeign => *answer = Some(Ok(Outcome::Unchanged)),
                }
            }
            self.prepare(link, &puts, present);
            for chunk in puts.chunks(MAX_BATCH) {
                touched.extend(chunk.iter().map(|(index, address, _)| (*index, *address)));
                for (index, answer) in self.put(link, chunk, claim) {
                    if let Some(slot) = answers.get_mut(index) {
                        *slot = answer;
                    }
                }
            }
        }
        if lifetime(claim.lease, (self.clock)()).is_none() {
            self.take_back(link, &touched, &mut answers);
        }
        // Still open: it came and went under our eyes each time.
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or(Err(AddressError::Unknown)))
            .collect()
    }

    /// Are packets to all of these IPv6 addresses taken in? The kernel acknowledges such an address first and makes
    /// the route to it afterwards, in a work queue (`addrconf_dad_work` in its net/ipv6/addrconf.c).
    pub(crate) fn takes_in(&mut self, link: LinkIndex, addresses: &[Ipv6Addr]) -> bool {
        let requests: Vec<Request> = addresses
            .iter()
            .map(|ip| rtnl::route_to(link, *ip))
            .collect();
        let answers = self.connection.execute(&requests);
        answers.iter().all(|answer| {
            answer
                .as_ref()
                .is_ok_and(|messages| messages.iter().any(rtnl::is_local_route))
        })
    }

    pub(crate) fn ensure_absent(&mut self, link: LinkIndex, addresses: &[IpNet]) -> Vec<Answer> {
        let present = match self.read(link) {
            Ok(present) => present,
            // With the interface its addresses have gone.
            Err(AddressError::NoSuchLink) => {
                return addresses.iter().map(|_| Ok(Outcome::Unchanged)).collect();
            }
            Err(error) => return all(addresses, &error),
        };
        let asked: BTreeSet<IpAddr> = addresses.iter().map(IpNet::addr).collect();
        let ours = in_order_of_removal(asked.iter().flat_map(|ip| present.ours_at(*ip)));
        let mut deleted: BTreeMap<IpAddr, Answer> = BTreeMap::new();
        for (address, answer) in ours.iter().zip(self.delete(link, &ours)) {
            // There with two prefix lengths, it is gone when no removal failed.
            let known = deleted
                .entry(address.addr())
                .or_insert(Ok(Outcome::Unchanged));
            if known.is_ok() && !matches!(answer, Ok(Outcome::Unchanged)) {
                *known = answer;
            }
        }
        let answer = |address: &IpNet| match deleted.get(&address.addr()) {
            Some(Err(error)) => Err(error.duplicate()),
            Some(Ok(outcome)) => Ok(*outcome),
            None => Ok(Outcome::Unchanged),
        };
        addresses.iter().map(answer).collect()
    }

    pub(crate) fn remove_leftovers(
        &mut self,
        link: LinkIndex,
        only: Option<&[IpNet]>,
    ) -> Result<Vec<IpNet>, AddressError> {
        let is_leftover = |entry: &&AddressEntry| {
            entry.marked && only.is_none_or(|only| only.contains(&entry.address))
        };
        let present = self.read(link)?;
        let leftovers = in_order_of_removal(present.0.values().flatten().filter(is_leftover));
        let mut removed = Vec::new();
        for (address, answer) in leftovers.iter().zip(self.delete(link, &leftovers)) {
            if answer? == Outcome::Changed {
                removed.push(*address);
            }
        }
        Ok(removed)
    }

    fn read(&mut self, link: LinkIndex) -> Result<Present, AddressError> {
        let messages = self.connection.dump(&rtnl::dump_addresses(Some(link)))?;
        let mut present = Present::default();
        for mut entry in messages.iter().filter_map(rtnl::read_address) {
            // Before Linux 4.20 a dump cannot be limited to one interface.
            if entry.link != link {
                continue;
            }
            if let Some(record) = &self.record {
                entry.marked |= record.contains(link, entry.address);
            }
            present
                .0
                .entry(entry.address.addr())
                .or_default()
                .push(entry);
        }
        Ok(present)
    }

    /// What has to be so before new addresses come.
    fn prepare(&mut self, link: LinkIndex, puts: &[(usize, IpNet, Put)], present: &Present) {
        let is_new =
            |(_, address, put): &(usize, IpNet, Put)| (*put == Put::New).then_some(*address);
        let new: Vec<IpNet> = puts.iter().filter_map(is_new).collect();
        // With a prefix length that is no longer wanted.
        let outdated = new
            .iter()
            .flat_map(|address| present.ours_at(address.addr()));
        let outdated = in_order_of_removal(outdated);
        if !outdated.is_empty() {
            self.delete(link, &outdated);
        }
        if new.iter().any(|address| address.addr().is_ipv4()) {
            self.promote_secondaries(link);
        }
        if let Some(record) = &mut self.record {
            record.insert(link, new.into_iter());
        }
    }

    fn promote_secondaries(&mut self, link: LinkIndex) {
        for answer in self.connection.execute(&[rtnl::promote_secondaries(link)]) {
            if let Err(error) = answer
                && !self.promotion_failed
            {
                self.promotion_failed = true;
                let cause: &dyn std::error::Error = &error;
                tracing::warn!(
                    %link,
                    cause,
                    "cannot set promote_secondaries: the end of one address may take others of its subnet away"
                );
            }
        }
    }

    /// One batch. An answer of `None`: look again.
    fn put(
        &mut self,
        link: LinkIndex,
        puts: &[(usize, IpNet, Put)],
        claim: Claim,
    ) -> Vec<(usize, Option<Answer>)> {
        let Some(lifetime) = lifetime(claim.lease, (self.clock)()) else {
            return Vec::new();
        };
        let mark = self.record.is_none();
        let requests: Vec<Request> = puts
            .iter()
            .map(|(_, address, put)| rtnl::put_address(link, *address, lifetime, *put, mark))
            .collect();
        let mut refused = Vec::new();
        let answers = puts
            .iter()
            .zip(self.connection.execute(&requests))
            .map(|(put, answer)| {
                let (index, address, put) = *put;
                let answer = match answer {
                    Ok(_) => Some(Ok(match put {
                        Put::New => Outcome::Changed,
                        Put::Renew => Outcome::Unchanged,
                    })),
                    Err(error) if error.errno() == Some(libc::EEXIST) => None,
                    // addrconf_add_dev in the kernel's net/ipv6/addrconf.c.
                    Err(error)
                        if error.errno() == Some(libc::EACCES) && address.addr().is_ipv6() =>
                    {
                        Some(Err(AddressError::Ipv6Disabled))
                    }
                    Err(error) => Some(Err(AddressError::from(error))),
                };
                let is_unknown = matches!(answer, Some(Err(AddressError::Unknown)));
                if put == Put::New && !is_unknown && !matches!(answer, Some(Ok(_))) {
                    refused.push(address);
                }
                (index, answer)
            });
        let answers = answers.collect();
        if let Some(record) = &mut self.record {
            record.remove(link, refused.into_iter());
        }
        answers
    }

    /// The lease ran out before the last answer: what we did must not outlive it, and nothing new is claimed.
    fn take_back(
        &mut self,
        link: LinkIndex,
        touched: &[(usize, IpNet)],
        answers: &mut [Option<Answer>],
    ) {
        let mut late = Vec::new();
        for (index, address) in touched {
            if let Some(slot) = answers.get_mut(*index)
                && matches!(slot, Some(Ok(_) | Err(AddressError::Unknown)))
            {
                *slot = None;
                late.push(*address);
            }
        }
        for slot in answers.iter_mut().filter(|slot| slot.is_none()) {
            *slot = Some(Err(AddressError::Expired));
        }
        for (address, answer) in late.iter().zip(self.delete(link, &late)) {
            if let Err(error) = answer {
                tracing::warn!(%address, %link, cause = %error, "a late address could not be removed");
            }
        }
    }

    fn delete(&mut self, link: LinkIndex, addresses: &[IpNet]) -> Vec<Answer> {
        let requests: Vec<_> = addresses
            .iter()
            .map(|address| rtnl::delete_address(link, *address))
            .collect();
        let answers = self
            .connection
            .execute(&requests)
            .into_iter()
            .map(|answer| match answer {
                Ok(_) => Ok(Outcome::Changed),
                Err(error) => match error.errno() {
                    Some(libc::EADDRNOTAVAIL | libc::ENODEV) => Ok(Outcome::Unchanged),
                    _ => Err(AddressError::from(error)),
                },
            });
        let answers: Vec<Answer> = answers.collect();
        if let Some(record) = &mut self.record {
            let gone = addresses
                .iter()
                .zip(&answers)
                .filter(|(_, answer)| answer.is_ok());
            record.remove(link, gone.map(|(address, _)| *address));
        }
        answers
    }
}

/// A subnet's first address last: each time it goes, the kernel promotes another one, which takes half a millisecond.
fn in_order_of_removal<'a>(entries: impl Iterator<Item = &'a AddressEntry>) -> Vec<IpNet> {
    let (mut order, first): (Vec<&AddressEntry>, Vec<_>) =
        entries.partition(|entry| entry.secondary);
    order.extend(first);
    order.into_iter().map(|entry| entry.address).collect()
}

/// The same failure for each address.
fn all(addresses: &[IpNet], error: &AddressError) -> Vec<Answer> {
    addresses.iter().map(|_| Err(error.duplicate())).collect()
}
