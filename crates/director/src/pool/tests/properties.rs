//! What must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use locum_health::Health;
use locum_ipvs::{Op, Snapshot, Table, plan};
use proptest::prelude::*;

use super::super::server::{Duty, Standing};
use super::super::service::QuorumState;
use super::super::{Checks, Input, Pools, Slot, first_tables};
use super::support::*;
use crate::overrides::{ServerOverride, ServerWish};
use crate::site::{Initial, MassFailure, OnFailure, RealServer, Site, VirtualService};

#[derive(Debug, Clone)]
enum Step {
    Pass(Duration),
    Reload(Box<Site>),
    Report(usize, Health, Option<u32>),
    Stranger(u64),
    Sync,
    Timeout,
    Wish(Vec<ServerOverride>),
}

fn any_wish() -> impl Strategy<Value = ServerOverride> {
    let wish = prop_oneof![
        Just(ServerWish::Drain),
        Just(ServerWish::Maintenance),
        Just(ServerWish::Ready),
        (0_u32..5).prop_map(ServerWish::Weight),
    ];
    (1_u8..4, 1_u8..30, wish).prop_map(|(vip, last, wish)| ServerOverride {
        service: format!("v{vip}"),
        server: format!("s{last}"),
        wish,
    })
}

fn any_server() -> impl Strategy<Value = RealServer> {
    (1_u8..30, 0_u16..4, 0_usize..3, prop::bool::weighted(0.1)).prop_map(
        |(last, weight, checks, drains)| RealServer {
            checks: vec![check(address(last)); checks].into(),
            admin: if drains {
                crate::site::Admin::Drain
            } else {
                crate::site::Admin::Ready
            },
            ..weighing(last, weight)
        },
    )
}

fn any_service(vip: u8) -> impl Strategy<Value = VirtualService> {
    let servers = prop::collection::vec(any_server(), 0..25);
    let initial = prop::sample::select(vec![Initial::Checking, Initial::Down, Initial::Up]);
    let on_failure = prop::sample::select(vec![OnFailure::Quiesce, OnFailure::Remove]);
    let settings = (
        initial,
        on_failure,
        1_u32..6,
        0_u32..3,
        any::<bool>(),
        0_u64..30,
    );
    (servers, settings).prop_map(move |(servers, settings)| {
        let (initial, on_failure, weight, hysteresis, with_sorry, drain) = settings;
        let mut known = BTreeSet::new();
        let unique = servers.into_iter().filter(|s| known.insert(s.address()));
        VirtualService {
            initial,
            on_failure,
            quorum: quorum(weight, hysteresis),
            sorry: with_sorry.then(sorry),
            drain_timeout: Duration::from_secs(drain),
            ..service(&format!("v{vip}"), vip, unique)
        }
    })
}

fn any_site() -> impl Strategy<Value = Site> {
    let one = |vip| prop::option::weighted(0.8, any_service(vip));
    (one(1), one(2), one(3), any::<bool>()).prop_map(|(a, b, c, guarded)| {
        let mut site = site([a, b, c].into_iter().flatten());
        site.ipvs.mass_failure = guarded.then(|| MassFailure {
            at_least: 4,
            ..MassFailure::default()
        });
        site
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let health = prop::sample::select(vec![Health::Up, Health::Down]);
    prop_oneof![
        2 => (0_u64..8_000).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
        1 => any_site().prop_map(|site| Step::Reload(Box::new(site))),
        30 => (any::<prop::sample::Index>(), health, prop::option::weighted(0.1, 0_u32..5))
            .prop_map(|(index, health, weight)| Step::Report(index.index(100), health, weight)),
        1 => (1_000_000_u64..).prop_map(Step::Stranger),
        2 => Just(Step::Sync),
        1 => Just(Step::Timeout),
        2 => prop::collection::vec(any_wish(), 0..20).prop_map(Step::Wish),
    ]
}

fn take(scene: &mut Scene, step: &Step) {
    match step {
        Step::Pass(time) => scene.pass(*time),
        Step::Reload(site) => {
            scene.replace(site);
        }
        Step::Report(index, health, weight) => {
            let slots: Vec<Slot> = scene.pools.checks().map(|(slot, _, _)| slot).collect();
            if !slots.is_empty() {
                scene.report(slots[index % slots.len()], *health, *weight);
            }
        }
        Step::Stranger(slot) => {
            let before = format!("{:?}", scene.pools);
            scene.report(Slot(*slot), Health::Down, None);
            assert_eq!(format!("{:?}", scene.pools), before);
        }
        Step::Sync => scene.sync(),
        Step::Timeout => scene.pools.handle(scene.now, Input::Timeout),
        Step::Wish(wishes) => scene.pools.override_servers(scene.now, wishes),
    }
}

/// Sums that are kept are those that are counted; what is in the table is what each server deserves.
fn invariants(scene: &Scene) {
    let mut expected = BTreeSet::new();
    for (config, pool) in scene.pools.each() {
        assert_eq!(pool.servers.len(), config.servers.len());
        let servers = pool.servers(config);
        let weight: u64 = servers.map(|(one, server)| server.counted(one)).sum();
        assert_eq!(pool.weight, weight, "{}", config.name);
        let unreported: usize = pool.servers.iter().map(|server| server.unreported()).sum();
        assert_eq!(pool.unreported, unreported, "{}", config.name);
        if pool.settles.is_none() {
            let (middle, play) = (
                u64::from(config.quorum.weight.get()),
                u64::from(config.quorum.hysteresis),
            );
            match pool.state {
                QuorumState::Held => assert!(weight >= (middle.saturating_sub(play)).max(1)),
                QuorumState::Lost => assert!(weight < middle + play),
                QuorumState::Unknown => panic!("{} is settled", config.name),
            }
        }
        for (one, server) in pool.servers(config) {
            assert_eq!(server.probes.len(), one.checks.len());
            let extra = server.extra();
            assert!(!extra.held || server.standing() != Standing::Up);
            assert!(!extra.held || scene.pools.burst.until().is_some());
            let serves = extra.duty == Duty::Ready && server.standing() == Standing::Up;
            if serves && pool.state == QuorumState::Held {
                let entry = pool.entry(config, one, server);
                assert_eq!(entry, Some(server.weight(one)), "{}", one.name);
            }
        }
        let key = *config.kernel[0].key();
        let destinations = pool.destinations(config);
        expected.extend(destinations.iter().map(|one| (key, one.address())));
    }
    let departing = scene.pools.departing.values();
    expected.extend(departing.flat_map(|one| {
        let key = *one.service.key();
        let servers = one.servers.iter();
        servers.map(move |s| (key, s.destination.address()))
    }));
    let mut desired = BTreeSet::new();
    for op in plan(scene.pools.desired(), &Snapshot::default()) {
        if let Op::AddDestination(key, one) = op {
            desired.insert((key, one.address()));
        }
    }
    assert_eq!(desired, expected);
    assert!(
        scene
            .pools
            .poll_timeout()
            .is_none_or(|at| at > scene.now - SECOND)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_table_is_what_the_servers_deserve(
        first in any_site(),
        steps in prop::collection::vec(any_step(), 1..150),
    ) {
        let mut scene = Scene::new(&first);
        invariants(&scene);
        for step in &steps {
            take(&mut scene, step);
            invariants(&scene);
        }
    }

    #[test]
    fn the_same_site_again_changes_nothing(
        site in any_site(),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut scene = Scene::new(&site);
        for step in steps.iter().filter(|step| !matches!(step, Step::Reload(_))) {
            take(&mut scene, step);
        }
        let of = |scene: &Scene| {
            let checks = scene.pools.checks();
            let slots: Vec<_> = checks.map(|(slot, _, health)| (slot, health)).collect();
            (format!("{:?}", scene.pools.pools), texts(scene.pools.desired()), slots)
        };
        scene.events();
        let (before, due) = (of(&scene), scene.pools.poll_timeout());
        // One that was not read again, and one that was.
        let mut copy = site.clone();
        for service in &mut copy.services {
            *service = Arc::new(VirtualService::clone(service));
        }
        for again in [site, copy] {
            prop_assert_eq!(scene.replace(&again), Checks::Same);
            prop_assert_eq!(of(&scene), before.clone());
            // The time may have been one when nothing was due any more.
            let later = scene.pools.poll_timeout();
            prop_assert!(later.is_none() || later >= due, "{:?} after {:?}", later, due);
            prop_assert_eq!(scene.events(), Vec::<String>::new());
        }
    }

    #[test]
    fn it_is_known_whether_checks_are_others(old in any_site(), new in any_site(), half in prop::bool::ANY) {
        let mut new = new;
        if half {
            // A part of it stays.
            for (new, old) in new.services.iter_mut().zip(&old.services) {
                new.clone_from(old);
            }
        }
        let mut scene = Scene::new(&old);
        let of = |scene: &Scene| {
            let checks = scene.pools.checks();
            checks.map(|(slot, check, _)| (slot, check.clone())).collect::<BTreeMap<_, _>>()
        };
        let before = of(&scene);
        let told = scene.replace(&new);
        prop_assert_eq!(told == Checks::Same, of(&scene) == before);
    }

    #[test]
    fn services_that_have_nothing_in_common_do_not_care_who_is_first(
        site in any_site(),
        reports in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::bool::ANY),
            1..100,
        ),
    ) {
        let mut site = site;
        site.ipvs.mass_failure = None;
        let (mut mixed, mut sorted) = (Scene::new(&site), Scene::new(&site));
        let slots: Vec<Slot> = mixed.pools.checks().map(|(slot, _, _)| slot).collect();
        prop_assume!(!slots.is_empty());
        let health = |up: &bool| if *up { Health::Up } else { Health::Down };
        let mut reports: Vec<_> = reports.iter().map(|(index, up)| (*index.get(&slots), health(up))).collect();
        for (slot, health) in &reports {
            mixed.report(*slot, *health, None);
        }
        let pool_of = |slot: &Slot| sorted.pools.places.get(slot).map(|place| place.pool);
        reports.sort_by_key(|(slot, _)| std::cmp::Reverse(pool_of(slot)));
        for (slot, health) in &reports {
            sorted.report(*slot, *health, None);
        }
        prop_assert_eq!(mixed.pools.desired(), sorted.pools.desired());
    }

    /// However servers fail and come back: a failure takes a server out, puts it back and takes it out again at most,
    /// and a recovery puts it in.
    #[test]
    fn a_hold_never_oscillates(
        steps in prop::collection::vec(
            (1_u8..=20, prop::bool::weighted(0.8), 0_u64..2_000),
            1..80,
        ),
    ) {
        let mut guarded = site([web((1..=20).map(server))]);
        guarded.ipvs.mass_failure = Some(MassFailure::default());
        let mut scene = Scene::new(&guarded);
        scene.up(1..=20);
        let mut is_up = BTreeSet::from_iter(1..=20_u8);
        let mut allowed = BTreeMap::new();
        let mut tables = vec![scene.table()];
        for (server, fails, pause) in steps {
            let allowed: &mut usize = allowed.entry(server).or_default();
            if fails {
                *allowed += if is_up.remove(&server) { 3 } else { 0 };
                scene.down([server]);
            } else {
                *allowed += usize::from(is_up.insert(server));
                scene.up([server]);
            }
            tables.push(scene.table());
            scene.pass(Duration::from_millis(pause));
            tables.push(scene.table());
        }
        for _ in 0..10 {
            scene.pass(10 * SECOND);
            tables.push(scene.table());
        }
        for server in 1..=20 {
            let text = format!("{server}=1");
            let there = tables.iter().map(|table| table.split(' ').any(|one| one == text));
            let there: Vec<bool> = there.collect();
            let changes = there.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let allowed = allowed.get(&server).copied().unwrap_or_default();
            prop_assert!(changes <= allowed, "s{} changed {} times", server, changes);
            prop_assert_eq!(there.last(), Some(&is_up.contains(&server)));
        }
    }

    #[test]
    fn the_first_table_is_the_same_in_pieces(site in any_site()) {
        let now = crate::clock::now();
        let pools = Pools::new(now, &Arc::new(site.clone()), &Snapshot::default());
        let mut whole = Table::new();
        for piece in first_tables(now, &site) {
            for service in piece.services() {
                let destinations = piece.destinations(service.key()).copied();
                whole.insert(service.clone(), destinations).unwrap();
            }
        }
        prop_assert_eq!(&whole, &**pools.desired());
    }
}
