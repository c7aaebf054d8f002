//! Plans and encoding for 40,000 destinations: 8,000 services with five each.

#![expect(clippy::expect_used, reason = "a bench ends where it is wrong")]

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use locum_ipvs::{
    Destination, Op, Scheduler, Service, ServiceKey, Snapshot, Table, Weight, plan, wire,
};

const SERVICES: u16 = 8_000;
const SERVERS: u8 = 5;
const DESTINATIONS: u64 = 40_000;

/// Every service, with servers of this weight.
fn table(weight: u16) -> Table {
    let mut table = Table::new();
    for port in 1..=SERVICES {
        let key = ServiceKey::tcp(([192, 0, 2, 10], port).into());
        let servers = (1..=SERVERS).map(|last| {
            let address = Ipv4Addr::new(10, 0, 0, last);
            Destination::direct(address.into()).weight(Weight::from(weight))
        });
        let inserted = table.insert(Service::new(key, Scheduler::WLC), servers);
        inserted.expect("each service and server is there once");
    }
    table
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ipvs plan, 40,000 destinations");
    group.throughput(Throughput::Elements(DESTINATIONS));
    let (before, after) = (table(1), table(2));
    let actual = before.to_snapshot();
    let nothing = Snapshot::default();
    for (name, desired, actual) in [
        ("no change", &before, &actual),
        ("all new", &before, &nothing),
        ("all weights", &after, &actual),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| plan(black_box(desired), black_box(actual)));
        });
    }
    group.bench_function("to_snapshot", |bencher| {
        bencher.iter(|| black_box(&before).to_snapshot());
    });
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ipvs encode");
    let ops: Vec<Op> = plan(&table(1), &Snapshot::default());
    group.throughput(Throughput::Elements(
        ops.len().try_into().unwrap_or(u64::MAX),
    ));
    group.bench_function("48,000 changes", |bencher| {
        bencher.iter(|| {
            let requests = ops
                .iter()
                .map(|op| wire::request::encode(30, black_box(op)));
            requests.map(|request| request.body().len()).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, plans, encoding);
criterion_main!(benches);
