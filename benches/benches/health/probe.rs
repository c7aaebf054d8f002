//! Real probes over loopback, each of a target of its own, so many at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use locum_health::HealthCheck;
use locum_health::http::{HttpCheck, HttpConfig};
use locum_health::tcp::{TcpCheck, TcpConfig};
use locum_health::tls::TlsConfig;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::server::{NAME, Servers};

const AT_ONCE: u32 = 64;

#[expect(clippy::expect_used, reason = "constants that are valid")]
pub(crate) fn bench(criterion: &mut Criterion) {
    let servers = Servers::start();
    let tcp = TcpCheck::new(TcpConfig::default()).expect("valid");
    let http = HttpCheck::new(HttpConfig::default()).expect("valid");
    let mut tls = TlsConfig::default();
    tls.server_name = Some(NAME.to_owned());
    tls.ca_file = Some(servers.ca_file.clone());
    let mut config = TcpConfig::default();
    config.tls = Some(tls);
    let tls = TcpCheck::new(config).expect("valid");

    let mut group = criterion.benchmark_group("health: probes");
    group.sample_size(10);
    for count in crate::TARGETS {
        measure(&mut group, "TCP", &tcp, servers.tcp, count);
        measure(&mut group, "HTTP", &http, servers.http, count);
    }
    // At about a millisecond each, more would only take longer.
    measure(&mut group, "TLS", &tls, servers.tls, 100);
    group.finish();
}

fn measure<C: HealthCheck + Clone + 'static>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    check: &C,
    port: u16,
    count: u32,
) {
    #[expect(clippy::expect_used, reason = "this machine can do that")]
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let check: Arc<dyn HealthCheck> = Arc::new(check.clone());
    group.throughput(Throughput::Elements(count.into()));
    group.bench_function(BenchmarkId::new(name, count), |bencher| {
        bencher.iter(|| round(&runtime, &check, port, count));
    });
}

/// Probes each target once.
fn round(runtime: &Runtime, check: &Arc<dyn HealthCheck>, port: u16, count: u32) {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number);
            let target = SocketAddr::from((address, port));
            let check = Arc::clone(check);
            if tasks.len() >= AT_ONCE as usize {
                passed(tasks.join_next().await);
            }
            tasks.spawn(async move { check.check(target).await });
        }
        while let Some(result) = tasks.join_next().await {
            passed(Some(result));
        }
    });
}

#[expect(
    clippy::expect_used,
    reason = "or what was measured is not what is meant"
)]
fn passed<T, E: std::fmt::Debug>(result: Option<Result<Result<T, E>, tokio::task::JoinError>>) {
    result
        .expect("under way")
        .expect("no panic")
        .expect("passes");
}
