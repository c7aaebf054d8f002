//! What it costs to compare a table of 40,000 destinations with the kernel's, and to write what is to change.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use locum_ipvs::fake::Kernel;
use locum_ipvs::wire::request;
use locum_ipvs::{
    Client, Destination, Op, Scheduler, Service, ServiceKey, Snapshot, Table, Weight, plan,
};

const SERVICES: u16 = 4_000;
const DESTINATIONS: u8 = 10;
const ALL: u64 = 40_000;
/// Of generic netlink, as good as any.
const FAMILY: u16 = 30;

#[expect(clippy::expect_used, reason = "constants that are valid")]
fn table(weight: u16) -> Table {
    let mut table = Table::new();
    for port in 1..=SERVICES {
        let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 10), port));
        let destinations = (1..=DESTINATIONS).map(|number| {
            Destination::direct(Ipv4Addr::new(10, 0, 0, number).into()).weight(Weight::from(weight))
        });
        table
            .insert(
                Service::new(ServiceKey::tcp(address), Scheduler::WLC),
                destinations,
            )
            .expect("each once");
    }
    table
}

/// What a kernel has that was told all of `table`.
#[expect(clippy::expect_used, reason = "the fake kernel accepts what is valid")]
fn snapshot(table: &Table) -> Snapshot {
    let mut client = Client::new(Kernel::new());
    for outcome in client.apply(&plan(table, &Snapshot::default())) {
        outcome.expect("it is accepted");
    }
    client.snapshot().expect("it is read")
}

fn encoded(ops: &[Op]) -> usize {
    ops.iter()
        .map(|op| request::encode(FAMILY, op).body().len())
        .sum()
}

fn ipvs(criterion: &mut Criterion) {
    let (desired, other) = (table(1), table(2));
    let actual = snapshot(&desired);
    let empty = Snapshot::default();
    let fill = plan(&desired, &empty);
    let mut group = criterion.benchmark_group("ipvs, 40,000 destinations");
    group.throughput(Throughput::Elements(ALL)).sample_size(20);
    group.bench_function("plan: all is new", |bencher| {
        bencher.iter(|| plan(black_box(&desired), black_box(&empty)));
    });
    group.bench_function("plan: nothing to do", |bencher| {
        bencher.iter(|| plan(black_box(&desired), black_box(&actual)));
    });
    group.bench_function("plan: every weight changes", |bencher| {
        bencher.iter(|| plan(black_box(&other), black_box(&actual)));
    });
    group.bench_function("encode", |bencher| {
        bencher.iter(|| encoded(black_box(&fill)));
    });
    group.finish();
}

criterion_group!(benches, ipvs);
criterion_main!(benches);
