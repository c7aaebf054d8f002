//! A round of probes without any I/O: each is due, passes, and is due again.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use locum_health::{Health, Pace, Phase, ProbeId, Schedule, Timing, Tracker, Verdict};
use testkit::epoch;

const INTERVAL: Duration = Duration::from_secs(10);

#[expect(clippy::expect_used, reason = "constants that are valid")]
pub(crate) fn bench(criterion: &mut Criterion) {
    let timing = Timing::new(INTERVAL, Duration::from_secs(1)).expect("valid");
    let mut group = criterion.benchmark_group("health: schedule and tracker");
    for count in crate::TARGETS {
        let mut now = epoch();
        let mut schedule = Schedule::new(now);
        let mut trackers: Vec<(ProbeId, Tracker)> = (0..count)
            .map(|number| {
                let target = SocketAddr::from((Ipv4Addr::from_bits(number), 80));
                let phase = Phase::new(1, target, "tcp");
                let id = schedule.insert(now, phase, timing, INTERVAL);
                (id, Tracker::new(timing.rise, timing.fall, Health::Up))
            })
            .collect();
        // Nothing is removed, so that the places are in order.
        assert!(trackers.is_sorted_by_key(|(id, _)| *id));

        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                now += INTERVAL;
                for (_, tracker) in &mut trackers {
                    let Some(due) = schedule.poll_timeout() else {
                        return;
                    };
                    let due = due.max(now);
                    if let Some(id) = schedule.poll_due(due) {
                        black_box(tracker.observe(black_box(Verdict::Passed)));
                        schedule.finish(due, id, due, Pace::Up);
                    }
                }
            });
        });
        assert_eq!(schedule.len(), trackers.len());
    }
    group.finish();
}
