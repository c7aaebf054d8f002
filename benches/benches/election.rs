//! Events per second of the election, actions drained and deadline read, for one and for many virtual routers.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use locum_vrrp_election::{Action, Advert, Config, Effect, Election, Input, Link, State};
use locum_vrrp_wire::{AdvertInterval, Priority};

const ROUTERS: [u16; 3] = [1, 250, 10_000];
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const MASTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

/// Many virtual routers with the same configuration, and the time they have.
struct Routers {
    elections: Vec<Election>,
    interval: AdvertInterval,
    now: Instant,
}

impl Routers {
    #[expect(clippy::expect_used, reason = "constants that are valid")]
    #[expect(clippy::disallowed_methods, reason = "a driver of its own")]
    fn backups(count: u16) -> Self {
        let interval = AdvertInterval::v3(1).expect("10 ms");
        let config = Config::new(interval, Priority::DEFAULT).expect("100");
        let mut routers = Self {
            elections: vec![Election::new(config); count.into()],
            interval,
            now: Instant::now(),
        };
        routers.round(Duration::ZERO, Input::Link(Link::Up));
        routers.round(Duration::ZERO, Input::Source(Some(OURS)));
        routers.round(Duration::ZERO, Input::Startup);
        routers
    }

    fn masters(count: u16) -> Self {
        let mut routers = Self::backups(count);
        // Past the first announcements, in steps that keep the lease.
        for _ in 0..600 {
            routers.round(routers.interval.duration(), Input::Timeout);
        }
        routers
    }

    /// The same thing happens to each of them.
    fn round(&mut self, time: Duration, input: Input) {
        self.now += time;
        for election in &mut self.elections {
            let _refused = black_box(election.handle(self.now, black_box(input)));
            while let Some(action) = election.poll_action() {
                if let Action::Hold { id, .. } = black_box(action) {
                    let _refused = election.handle(self.now, Input::Effect(Effect::Held(id)));
                }
            }
            black_box(election.poll_timeout());
        }
    }

    fn all(&self, state: State) -> bool {
        self.elections
            .iter()
            .all(|election| election.state() == state)
    }
}

fn election(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("election");
    for count in ROUTERS {
        group.throughput(Throughput::Elements(count.into()));

        let mut backups = Routers::backups(count);
        let advert = Input::Advertisement(Advert {
            source: MASTER,
            priority: Priority::new(200),
            interval: backups.interval,
        });
        group.bench_function(BenchmarkId::new("backup hears", count), |bencher| {
            bencher.iter(|| backups.round(backups.interval.duration(), advert));
        });
        assert!(backups.all(State::Backup), "nobody took over");

        let mut masters = Routers::masters(count);
        group.bench_function(BenchmarkId::new("master advertises", count), |bencher| {
            bencher.iter(|| masters.round(masters.interval.duration(), Input::Timeout));
        });
        assert!(masters.all(State::Master), "nobody stepped back");
    }
    group.finish();
}

criterion_group!(benches, election);
criterion_main!(benches);
