//! When each virtual router last advertised as master, kept where it outlives the process that did.
//!
//! The parent makes a file in memory and the routers' process writes it, as memory: thousands of times a second, where a
//! system call each time would be dear. Numbers of eight bytes: first the number of the configuration, from 1 on, then for
//! each virtual router, in the order of that, the nanoseconds of CLOCK_MONOTONIC, or 0.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals};
use rustix::time::ClockId;

use crate::sys::SharedNumbers;

/// The first number and so many virtual routers at most: the file does not grow. Only what is written takes memory.
const NUMBERS: usize = 65_536;

/// The number of no configuration.
const NONE: u64 = 0;

/// The parent's end.
#[derive(Debug)]
pub(crate) struct BeatTable(File);

/// The end of the routers' process. A handle: clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Beats(Arc<Mutex<Slots>>);

/// One virtual router's.
#[derive(Debug)]
pub(crate) struct Beat {
    beats: Beats,
    router: String,
}

/// Which virtual router has which slot changes with the configuration, while routers run: so all of it is one thing.
#[derive(Debug)]
struct Slots {
    table: SharedNumbers,
    /// Where each is: at 1 and so on.
    places: HashMap<String, usize>,
}

impl BeatTable {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("locum-beats", flags)?);
        file.set_len(offset(NUMBERS))?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self(file))
    }

    /// For [`super::Launch::beats`].
    pub(crate) fn handle(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// Forgets every beat: what is adopted is adopted once.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.0.write_all_at(&NONE.to_ne_bytes(), 0)
    }

    /// When router number `router` of configuration `generation` last advertised as master, in nanoseconds of
    /// CLOCK_MONOTONIC, if it is still master as far as the table says, and that is younger than `limit`.
    ///
    /// To be asked only when the process that wrote it is reaped.
    pub(crate) fn last(&self, generation: u64, router: usize, limit: Duration) -> Option<u64> {
        let written = self.read(0)?;
        let advertised = self.read(place(router)?)?;
        let is_of_this = generation != NONE && written == generation;
        (is_of_this && is_fresh(monotonic_ns(), advertised, limit)).then_some(advertised)
    }

    fn read(&self, place: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, offset(place)).ok()?;
        Some(u64::from_ne_bytes(bytes))
    }
}

impl Beats {
    /// The table that the parent gave as standard input.
    pub(crate) fn inherited() -> io::Result<Self> {
        Self::of(io::stdin().as_fd().try_clone_to_owned()?)
    }

    fn of(table: OwnedFd) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Slots {
            table: SharedNumbers::map(&File::from(table), NUMBERS)?,
            places: HashMap::new(),
        }))))
    }

    /// From now on the slots are those of these virtual routers, in this order; those that were there before keep their
    /// beat. Called when a configuration is committed, before its new routers run.
    pub(crate) fn begin(&self, generation: u64, routers: &[String]) {
        let mut slots = self.lock();
        let beats: Vec<u64> = routers.iter().map(|router| slots.beat(router)).collect();
        // Should this process die amid what follows, none of it counts.
        slots.write(0, NONE);
        slots.places.clear();
        for (number, (router, beat)) in routers.iter().zip(beats).enumerate() {
            if let Some(place) = place(number) {
                slots.write(place, beat);
                slots.places.insert(router.clone(), place);
            }
        }
        slots.write(0, generation);
    }

    /// The handle of a virtual router. One that the configuration does not have beats for nobody.
    pub(crate) fn router(&self, router: &str) -> Beat {
        Beat {
            beats: self.clone(),
            router: router.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Held for writing to memory only; a panic elsewhere leaves nothing half written here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn of(&self, router: &str) -> Option<&AtomicU64> {
        self.table.get(*self.places.get(router)?)
    }

    fn beat(&self, router: &str) -> u64 {
        self.of(router)
            .map_or(0, |beat| beat.load(Ordering::SeqCst))
    }

    fn write(&self, place: usize, number: u64) {
        if let Some(slot) = self.table.get(place) {
            slot.store(number, Ordering::SeqCst);
        }
    }
}

impl Beat {
    fn put(&self, number: u64) {
        // One that has no slot is not adopted; the election goes on.
        if let Some(slot) = self.beats.lock().of(&self.router) {
            slot.store(number, Ordering::SeqCst);
        }
    }
}

impl locum_vrrp::Beat for Beat {
    fn advertised(&self) {
        self.put(monotonic_ns());
    }

    fn ended(&self) {
        self.put(0);
    }
}

fn place(router: usize) -> Option<usize> {
    (router < NUMBERS - 1).then(|| router + 1)
}

/// In bytes.
const fn offset(place: usize) -> u64 {
    place as u64 * 8
}

/// One of the future is no beat.
fn is_fresh(now: u64, advertised: u64, limit: Duration) -> bool {
    let age = now.checked_sub(advertised);
    advertised != 0 && age.is_some_and(|age| u128::from(age) < limit.as_nanos())
}

fn monotonic_ns() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use locum_vrrp::Beat as _;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_a_young_beat_of_the_same_configuration_counts() {
        let table = BeatTable::new().unwrap();
        let long = Duration::from_secs(3600);
        assert_eq!(table.last(7, 0, long), None, "nothing was written");
        let beats = Beats::of(table.handle().unwrap()).unwrap();
        beats.begin(7, &names(&["a", "b", "c"]));
        let (first, last) = (beats.router("a"), beats.router("c"));
        assert_eq!(table.last(7, 0, long), None, "it has never advertised");
        last.advertised();
        first.advertised();
        let told = table.last(7, 0, long).unwrap();
        assert!(told <= monotonic_ns());
        assert!(table.last(7, 2, long).unwrap() <= told);
        assert_eq!(table.last(7, 1, long), None, "another router");
        assert_eq!(table.last(7, 3, long), None, "it has no such router");
        assert_eq!(table.last(7, usize::MAX, long), None, "nor has anybody");
        assert_eq!(table.last(8, 0, long), None, "another configuration");
        assert_eq!(table.last(7, 0, Duration::ZERO), None, "too old");
        first.ended();
        assert_eq!(table.last(7, 0, long), None, "it is not master any more");
        table.clear().unwrap();
        assert_eq!(table.last(7, 2, long), None, "forgotten");
    }

    #[test]
    fn a_router_keeps_its_beat_where_another_configuration_has_it() {
        let table = BeatTable::new().unwrap();
        let long = Duration::from_secs(3600);
        let beats = Beats::of(table.handle().unwrap()).unwrap();
        beats.begin(1, &names(&["gone", "stays"]));
        let (gone, stays) = (beats.router("gone"), beats.router("stays"));
        gone.advertised();
        stays.advertised();
        let beat = table.last(1, 1, long).unwrap();
        beats.begin(2, &names(&["stays", "new"]));
        assert_eq!(table.last(2, 0, long), Some(beat));
        assert_eq!(table.last(2, 1, long), None);
        gone.advertised();
        assert_eq!(table.last(2, 1, long), None, "it is in no slot any more");
        assert_eq!(table.last(1, 0, long), None, "nor is it in the old table");
        stays.ended();
        assert_eq!(table.last(2, 0, long), None);
    }

    #[test]
    fn a_file_that_could_shrink_is_no_table() {
        let file = File::from(rustix::fs::memfd_create("beats", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(offset(NUMBERS)).unwrap();
        assert!(Beats::of(file.into()).is_err());
        let table = BeatTable::new().unwrap();
        assert!(table.0.set_len(0).is_err(), "it cannot");
    }

    #[test]
    fn the_age_is_judged_by_the_limit() {
        let limit = Duration::from_nanos(100);
        for (now, advertised, fresh) in [
            (1000, 950, true),
            (1000, 900, false),
            (1000, 901, true),
            (1000, 1000, true),
            (1000, 1001, false),
            (50, 0, false),
        ] {
            assert_eq!(is_fresh(now, advertised, limit), fresh, "{advertised}");
        }
    }
}
