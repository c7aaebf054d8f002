//! An interval of the runner on simulated time, with checks that pass at once: all that it costs but the probes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, Throughput};
use locum_health::{
    CheckError, HealthCheck, Pass, Probe, Runner, RunnerLimits, Subscriber, Subscription, Timing,
};
use tokio::runtime::Builder;
use tokio::time::sleep;

const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Passes;

#[async_trait]
impl HealthCheck for Passes {
    async fn check(&self, _: SocketAddr) -> Result<Pass, CheckError> {
        Ok(Pass::new())
    }
}

#[expect(clippy::expect_used, reason = "constants that are valid")]
pub(crate) fn bench(criterion: &mut Criterion) {
    let timing = Timing::new(INTERVAL, Duration::from_secs(1)).expect("valid");
    let mut group = criterion.benchmark_group("health: runner");
    group.sample_size(10);
    for count in crate::TARGETS {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let subscriptions: Vec<Subscription> = (0..count)
            .map(|number| {
                let target = SocketAddr::from((Ipv4Addr::from_bits(number), 80));
                let probe = Probe::new(target, "passes", Arc::new(Passes), timing);
                Subscription::new(Subscriber(number.into()), probe)
            })
            .collect();
        let (runner, _reports) = runtime.block_on(async {
            let (runner, reports) = Runner::start(RunnerLimits::default(), 1);
            runner.set(subscriptions.clone()).expect("it runs");
            // Past the first round.
            sleep(2 * INTERVAL).await;
            (runner, reports)
        });

        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(BenchmarkId::new("interval", count), |bencher| {
            bencher.iter(|| runtime.block_on(async { sleep(INTERVAL).await }));
        });
        group.bench_function(BenchmarkId::new("set, nothing new", count), |bencher| {
            bencher.iter(|| {
                runner.set(subscriptions.clone()).expect("it runs");
                runtime.block_on(runner.totals()).expect("it runs")
            });
        });
        let totals = runtime.block_on(runner.totals()).expect("it runs");
        assert_eq!(totals.counts.passed, totals.counts.begun);
        assert!(totals.counts.passed >= count.into());
    }
    group.finish();
}
