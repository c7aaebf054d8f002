use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A moment to count from.
#[expect(clippy::disallowed_methods, reason = "time is counted from it")]
fn epoch() -> Instant {
    Instant::now()
}

fn phase(number: u16) -> Phase {
    Phase::new(7, SocketAddr::from(([192, 0, 2, 1], number)), "tcp")
}

fn timing(interval: Duration) -> Timing {
    Timing::new(interval, MS).unwrap()
}

/// Runs a schedule on, each probe taking `took` and ending at `pace`; the times when each began.
fn run(
    schedule: &mut Schedule,
    until: Instant,
    took: Duration,
    pace: Pace,
) -> BTreeMap<ProbeId, Vec<Instant>> {
    let mut times: BTreeMap<_, Vec<_>> = BTreeMap::new();
    while let Some(now) = schedule.poll_timeout().filter(|now| *now < until) {
        while let Some(id) = schedule.poll_due(now) {
            times.entry(id).or_default().push(now);
            schedule.finish(now + took, id, now, pace);
        }
    }
    times
}

fn gaps(times: &[Instant]) -> Vec<Duration> {
    let pairs = times.windows(2);
    pairs.map(|pair| pair[1].duration_since(pair[0])).collect()
}

#[test]
fn each_pace_has_its_interval() {
    let timing = timing(10 * SECOND)
        .jitter_percent(0)
        .unwrap()
        .fast_interval(SECOND)
        .unwrap()
        .down_interval(30 * SECOND)
        .unwrap();
    for (pace, interval) in [
        (Pace::Up, 10 * SECOND),
        (Pace::Moving, SECOND),
        (Pace::Down, 30 * SECOND),
    ] {
        let start = epoch();
        let mut schedule = Schedule::new(start);
        let id = schedule.insert(start, phase(1), timing, SECOND);
        let times = run(&mut schedule, start + 1000 * SECOND, 100 * MS, pace);
        let gaps = gaps(&times[&id]);
        assert!(
            gaps[1..].iter().all(|gap| *gap == interval),
            "{pace:?}: {gaps:?}"
        );
        assert!(gaps[0] >= interval / 2, "{pace:?}: {gaps:?}");
    }
}

#[test]
fn a_probe_that_could_not_be_made_is_tried_less_and_less_soon() {
    let start = epoch();
    let mut schedule = Schedule::new(start);
    let id = schedule.insert(
        start,
        phase(1),
        timing(10 * SECOND).jitter_percent(0).unwrap(),
        SECOND,
    );
    let times = run(
        &mut schedule,
        start + 100 * SECOND,
        Duration::ZERO,
        Pace::NotRun,
    );
    let gaps = gaps(&times[&id]);
    for (gap, longest) in gaps.iter().zip([1, 2, 4, 8]) {
        let longest = longest * SECOND;
        assert!((longest / 2..=longest).contains(gap), "{gaps:?}");
    }
    assert!(gaps[5..].iter().all(|gap| *gap == 10 * SECOND), "{gaps:?}");
}

#[test]
fn the_place_in_the_interval_is_found_again_after_a_fall() {
    let start = epoch();
    let timing = timing(10 * SECOND)
        .jitter_percent(0)
        .unwrap()
        .fast_interval(SECOND)
        .unwrap();
    let mut schedule = Schedule::new(start);
    let id = schedule.insert(start, phase(1), timing, SECOND);
    let before = run(&mut schedule, start + 50 * SECOND, MS, Pace::Up);
    run(&mut schedule, start + 73 * SECOND, MS, Pace::Moving);
    let after = run(&mut schedule, start + 200 * SECOND, MS, Pace::Up);
    let place = |time: &Instant| time.duration_since(start).as_nanos() % 10_000_000_000;
    assert_eq!(
        place(before[&id].last().unwrap()),
        place(after[&id].last().unwrap())
    );
}

#[test]
fn a_probe_that_came_late_does_not_move_those_behind_it() {
    let start = epoch();
    let mut schedule = Schedule::new(start);
    let timing = timing(10 * SECOND).jitter_percent(0).unwrap();
    let id = schedule.insert(start, phase(1), timing, SECOND);
    run(&mut schedule, start + 30 * SECOND, MS, Pace::Up);
    let due = schedule.poll_timeout().unwrap();
    let late = due + 7 * SECOND;
    assert_eq!(schedule.poll_due(late), Some(id));
    schedule.finish(late, id, late, Pace::Up);
    assert_eq!(schedule.poll_timeout(), Some(due + 10 * SECOND));
}

#[test]
fn what_is_removed_is_never_due_and_its_place_is_used_again() {
    let start = epoch();
    let mut schedule = Schedule::new(start);
    let first = schedule.insert(start, phase(1), timing(SECOND), SECOND);
    assert_eq!(schedule.len(), 1);
    schedule.remove(first);
    schedule.remove(first);
    assert!(schedule.is_empty());
    assert_eq!(schedule.poll_timeout(), None);

    let second = schedule.insert(start, phase(1), timing(SECOND), SECOND);
    assert_eq!(second.index(), first.index());
    assert_ne!(second, first);
    let now = start + SECOND;
    schedule.finish(now, first, now, Pace::Up);
    schedule.set_due(now, first);
    schedule.set_timing(now, first, timing(MS));
    assert_eq!(schedule.poll_due(now), Some(second));
    assert_eq!(schedule.poll_due(now), None);
    schedule.remove(second);
    schedule.finish(now, second, now, Pace::Up);
    assert_eq!(schedule.poll_timeout(), None);
}

#[test]
fn stale_entries_do_not_pile_up() {
    let start = epoch();
    let mut schedule = Schedule::new(start);
    for _ in 0..10_000 {
        let id = schedule.insert(start, phase(1), timing(SECOND), SECOND);
        schedule.remove(id);
    }
    assert!(schedule.due.len() < 100);
    assert_eq!(schedule.slots.len(), 1);
}

#[test]
fn made_due_at_once() {
    let start = epoch();
    let mut schedule = Schedule::new(start);
    let id = schedule.insert(start, phase(1), timing(60 * SECOND), 60 * SECOND);
    assert_eq!(schedule.poll_due(start), None);
    schedule.set_due(start, id);
    assert_eq!(schedule.poll_due(start), Some(id));
    schedule.set_due(start, id);
    assert_eq!(schedule.poll_due(start), None, "it is under way");
}

#[test]
fn a_timing_that_was_never_validated_panics_nowhere() {
    let start = epoch();
    let nothing = Timing {
        interval: Duration::ZERO,
        fast_interval: Duration::ZERO,
        down_interval: Duration::ZERO,
        timeout: Duration::ZERO,
        jitter_percent: u8::MAX,
        rise: NonZeroU32::MIN,
        fall: NonZeroU32::MIN,
    };
    let endless = Timing {
        interval: Duration::MAX,
        fast_interval: Duration::MAX,
        down_interval: Duration::MAX,
        ..nothing
    };
    for timing in [nothing, endless] {
        for pace in [Pace::Down, Pace::Moving, Pace::NotRun, Pace::Up] {
            let mut schedule = Schedule::new(start);
            schedule.insert(start, phase(1), timing, Duration::ZERO);
            let times = run(&mut schedule, start + SECOND, Duration::ZERO, pace);
            let count: usize = times.values().map(Vec::len).sum();
            assert!((1..=2001).contains(&count), "{count}");
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Advance(u16),
    Due(usize),
    Finish(usize, Pace),
    Insert(u16, u32),
    Remove(usize),
    Timing(usize, u32),
}

fn op() -> impl Strategy<Value = Op> {
    let pace = prop_oneof![
        Just(Pace::Down),
        Just(Pace::Moving),
        Just(Pace::NotRun),
        Just(Pace::Up)
    ];
    prop_oneof![
        5 => any::<u16>().prop_map(Op::Advance),
        1 => any::<usize>().prop_map(Op::Due),
        5 => (any::<usize>(), pace).prop_map(|(at, pace)| Op::Finish(at, pace)),
        3 => (any::<u16>(), 1_u32..100_000).prop_map(|(number, interval)| Op::Insert(number, interval)),
        1 => any::<usize>().prop_map(Op::Remove),
        1 => (any::<usize>(), 1_u32..100_000).prop_map(|(at, interval)| Op::Timing(at, interval)),
    ]
}

fn choose(ids: &[ProbeId], at: usize) -> Option<ProbeId> {
    ids.get(at.checked_rem(ids.len())?).copied()
}

proptest! {
    /// A model that knows only which probes there are and which are under way.
    #[test]
    fn never_two_under_way_and_nobody_forgotten(ops in prop::collection::vec(op(), 0..200)) {
        let start = epoch();
        let mut now = start;
        let mut schedule = Schedule::new(start);
        let (mut idle, mut under_way): (Vec<ProbeId>, Vec<ProbeId>) = Default::default();
        for op in ops {
            match op {
                Op::Advance(ms) => now += u32::from(ms) * MS,
                Op::Due(at) => {
                    if let Some(id) = choose(&idle, at) {
                        schedule.set_due(now, id);
                    }
                }
                Op::Finish(at, pace) => {
                    if let Some(id) = choose(&under_way, at) {
                        under_way.retain(|other| *other != id);
                        idle.push(id);
                        schedule.finish(now, id, now, pace);
                    }
                }
                Op::Insert(number, interval) => {
                    idle.push(schedule.insert(now, phase(number), timing(interval * MS), SECOND));
                }
                Op::Remove(at) => {
                    let all: Vec<_> = idle.iter().chain(&under_way).copied().collect();
                    if let Some(id) = choose(&all, at) {
                        idle.retain(|other| *other != id);
                        under_way.retain(|other| *other != id);
                        schedule.remove(id);
                    }
                }
                Op::Timing(at, interval) => {
                    let all: Vec<_> = idle.iter().chain(&under_way).copied().collect();
                    if let Some(id) = choose(&all, at) {
                        schedule.set_timing(now, id, timing(interval * MS));
                    }
                }
            }
            while let Some(id) = schedule.poll_due(now) {
                prop_assert!(idle.contains(&id), "due though under way or removed");
                idle.retain(|other| *other != id);
                under_way.push(id);
            }
            prop_assert_eq!(schedule.len(), idle.len() + under_way.len());
            prop_assert_eq!(schedule.poll_timeout().is_some(), !idle.is_empty());
            prop_assert!(schedule.poll_timeout().is_none_or(|due| due > now));
        }
        // In the end each comes round: no interval is longer than 100 s, with its jitter.
        let far = now + 210 * SECOND;
        while let Some(id) = schedule.poll_due(far) {
            idle.retain(|other| *other != id);
        }
        prop_assert!(idle.is_empty());
    }

    /// However long a probe takes and whatever the jitter, the next one is about an interval later.
    #[test]
    fn at_rest_the_interval_is_kept(
        interval in 1_000_u32..100_000,
        jitter in 0_u8..=50,
        took in 0_u32..1000,
        number in any::<u16>(),
    ) {
        let start = epoch();
        let interval = interval * MS;
        let timing = timing(interval).jitter_percent(jitter).unwrap();
        let mut schedule = Schedule::new(start);
        let id = schedule.insert(start, phase(number), timing, SECOND);
        let times = run(&mut schedule, start + 50 * interval, took * MS, Pace::Up);
        let times = &times[&id];
        prop_assert!((49..=51).contains(&times.len()), "{}", times.len());
        let most = interval / 100 * u32::from(jitter) * 2;
        for gap in &gaps(times)[1..] {
            prop_assert!(*gap + most >= interval && *gap <= interval + most, "{gap:?}");
        }
    }
}
