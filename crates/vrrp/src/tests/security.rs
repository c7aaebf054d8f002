//! Routers that authenticate by header, and by trailer.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use locum_vrrp_election::{Config, State};
use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AhEnvelope, AhKey, AhPacket, AhRecord, Authentication,
    HmacFreshness, HmacKey, HmacKeyId, HmacKeys, HmacMode, HmacSequence, HmacWindow, Priority,
    PseudoHeader, Vrid,
};

use super::lan::{Lan, TestNode, counted, election, millis, pass, router, seconds, until};
use crate::clock;
use crate::config::{Peer, RouterConfig};
use crate::node::Router;
use crate::security::SequenceKeeper;
use crate::status::{DropCounters, EventKind};
use crate::transport::Carrier;

const GROUP: &str = "224.0.0.18";
const OTHER: &str = "192.0.2.9";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Remembers what it was told to keep.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<AhRecord>>);

impl SequenceKeeper for Kept {
    fn last(&self) -> AhRecord {
        let kept = self.0.lock().expect("no test panicked with it");
        kept.last().copied().unwrap_or_default()
    }

    fn keep(&self, record: AhRecord) {
        self.0
            .lock()
            .expect("no test panicked with it")
            .push(record);
    }
}

fn v2(vrid: u8, priority: u8) -> RouterConfig {
    let interval = AdvertInterval::v2(1).expect("an interval");
    let election = Config::new(interval, Priority::new(priority)).expect("a priority");
    router(vrid, election)
}

fn ah_key(text: &str) -> AhKey {
    AhKey::new(text).expect("fits")
}

fn with_header(priority: u8, keeper: &Arc<Kept>) -> RouterConfig {
    v2(51, priority)
        .header(ah_key("s3cret12"), Some(Arc::clone(keeper) as _))
        .expect("v2 has it")
}

/// Numbers that `node` has sent, in order.
fn numbers(lan: &Lan, node: &TestNode) -> Vec<u32> {
    let sent = lan.sent_by(node);
    let numbers = sent.iter().map(|sent| {
        assert_eq!(sent.carrier, Carrier::Header);
        let packet = AhPacket::new_checked(&sent.message).expect("a header");
        packet.verify(&ah_key("s3cret12")).expect("our key");
        assert_ne!(packet.identification(), 0);
        packet.sequence()
    });
    numbers.collect()
}

/// A packet of somebody else.
fn packet(key: &str, sequence: u32, priority: u8) -> Vec<u8> {
    let advertisement = v2(51, 100).advertisement().clone();
    let mut advertisement = advertisement
        .with_authentication(Authentication::Header)
        .expect("v2 has it");
    advertisement.set_priority(Priority::new(priority));
    let envelope = AhEnvelope {
        source: OTHER.parse().expect("an address"),
        destination: GROUP.parse().expect("an address"),
        identification: 1,
        sequence,
    };
    let mut out = Vec::new();
    ah_key(key)
        .encode_into(&advertisement, &envelope, &mut out)
        .expect("it says so");
    out
}

#[tokio::test(start_paused = true)]
async fn numbers_go_on_from_router_to_router_and_over_a_restart() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let keeper = Arc::<Kept>::default();
    let on_a = a.add(with_header(150, &keeper)).await;
    let on_b = b.add(with_header(100, &Arc::default())).await;
    until(&on_a, State::Master).await;
    pass(seconds(10)).await;
    assert_eq!(on_b.status().state, State::Backup);
    assert_eq!(on_b.status().dropped, DropCounters::default());
    let first = numbers(&lan, &a);
    assert!(
        first
            .iter()
            .copied()
            .eq(1..=u32::try_from(first.len()).expect("few"))
    );

    on_a.stop().await;
    until(&on_b, State::Master).await;
    pass(seconds(10)).await;
    let last = numbers(&lan, &a).last().copied();
    let of_b = numbers(&lan, &b);
    assert_eq!(of_b.first().copied(), last.map(|last| last + 1));

    // Above all that its own record says may have been used.
    let reserved = keeper.last().reserved;
    let on_a = a.add(with_header(150, &keeper)).await;
    until(&on_a, State::Master).await;
    until(&on_b, State::Backup).await;
    pass(seconds(10)).await;
    let of_a = numbers(&lan, &a);
    let again = of_a.iter().position(|number| *number > reserved);
    assert_eq!(again, of_a.iter().position(|number| Some(*number) > last));
    assert!(of_a.is_sorted_by(|one, next| one < next));
    for router in [on_a, on_b] {
        assert_eq!(router.status().dropped, DropCounters::default());
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_are_reserved_before_they_are_used() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let keeper = Arc::<Kept>::default();
    let on_a = a.add(with_header(150, &keeper)).await;
    let reserved = || keeper.last().reserved;
    assert!(reserved() > 1000);
    a.inject_header(OTHER, GROUP, packet("s3cret12", 70_000, 200));
    pass(seconds(1)).await;
    assert!(reserved() > 71_000, "while it is Backup");
    assert_eq!(keeper.last().heard, 70_000);
    until(&on_a, State::Master).await;
    pass(seconds(3000)).await;
    let sent = numbers(&lan, &a);
    assert_eq!(sent.first(), Some(&70_001));
    assert!(sent.last().is_some_and(|last| *last < reserved()));
    assert!(keeper.0.lock().expect("no panic").len() < 8);
}

#[tokio::test(start_paused = true)]
async fn only_a_new_packet_with_the_key_is_heard() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(with_header(100, &Arc::default())).await;
    let mut changed = packet("s3cret12", 4, 200);
    *changed.last_mut().expect("not empty") ^= 1;
    let mut cut = packet("s3cret12", 5, 200);
    cut.truncate(30);
    for packet in [
        packet("other", 1, 200),
        packet("s3cret12", 2, 200),
        packet("s3cret12", 2, 255),
        packet("s3cret12", 1, 255),
        packet("s3cret12", 3, 200),
        changed,
        cut,
    ] {
        a.inject_header(OTHER, GROUP, packet);
    }
    // Of authentication type 2, but without what proves it.
    let message = AhPacket::new_checked(&packet("s3cret12", 9, 200))
        .expect("a header")
        .message()
        .to_vec();
    a.inject(OTHER, GROUP, 255, message);
    // Authenticated, and not VRRP.
    let mut foreign = packet("s3cret12", 9, 200);
    foreign[20] = 89;
    a.inject_header(OTHER, GROUP, foreign);
    pass(millis(1)).await;
    let status = counted(&a, &on_a).await;
    let expected = DropCounters {
        ah_icv: 2,
        ah_replayed: 2,
        authentication: 1,
        ..DropCounters::default()
    };
    assert_eq!((status.dropped, status.link.malformed), (expected, 1));
    assert_eq!(status.stats.adverts_received, 2);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_has_lost_its_count_is_heard_after_it_has_heard_us() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(with_header(100, &Arc::default())).await;
    let on_b = b.add(with_header(150, &Arc::default())).await;
    until(&on_b, State::Master).await;
    pass(seconds(30)).await;
    b.cut(true);
    on_b.stop().await;
    until(&on_a, State::Master).await;
    // With an empty record, and deaf until it is master by itself.
    let on_b = b.add(with_header(150, &Arc::default())).await;
    until(&on_b, State::Master).await;
    b.cut(false);
    until(&on_a, State::Backup).await;
    pass(seconds(10)).await;
    assert_eq!(on_a.status().state, State::Backup);
    assert_eq!(on_b.status().state, State::Master);
    assert!(on_a.status().dropped.ah_replayed <= 1);
}

#[tokio::test(start_paused = true)]
async fn unicast_has_a_number_for_each_peer() {
    let lan = Lan::default();
    let nodes = [
        lan.node("192.0.2.1"),
        lan.node("192.0.2.2"),
        lan.node("192.0.2.3"),
    ];
    let mut routers = Vec::new();
    for (node, priority) in nodes.iter().zip([150, 100, 50]) {
        let others = nodes.iter().filter(|other| other.address != node.address);
        let peers = others.map(|other| Peer::new(other.address)).collect();
        let config = with_header(priority, &Arc::default());
        routers.push(node.add(config.unicast(peers).expect("valid")).await);
    }
    until(&routers[0], State::Master).await;
    pass(seconds(10)).await;
    for backup in &routers[1..] {
        assert_eq!(backup.status().state, State::Backup);
        assert_eq!(backup.status().dropped, DropCounters::default());
    }
    let sent = numbers(&lan, &nodes[0]);
    assert!(sent.len() >= 20 && sent.is_sorted_by(|one, next| one < next));
}

#[tokio::test(start_paused = true)]
async fn a_socket_for_headers_that_cannot_be_opened_is_a_fault_of_those_that_need_it() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let plain = a.add(v2(52, 100)).await;
    until(&plain, State::Backup).await;
    a.fail_opens(3);
    let mut events = a.node.events();
    let on_a = a.add(with_header(100, &Arc::default())).await;
    pass(millis(10)).await;
    assert_eq!(
        (on_a.status().state, on_a.status().faults.link),
        (State::Fault, true)
    );
    assert_eq!(plain.status().state, State::Backup);
    pass(seconds(3)).await;
    assert_eq!(on_a.status().state, State::Backup);
    let mut said = Vec::new();
    while let Ok(event) = events.try_recv() {
        if matches!(event.kind, EventKind::SocketFailed(_)) {
            said.push(event.router);
        }
    }
    assert_eq!(said, [on_a.name()]);
    assert_eq!(a.sockets_opened(), 2);
}

fn hmac_keys(active: u8, other: Option<u8>) -> HmacKeys {
    let id = |id| HmacKeyId::new(id).expect("not zero");
    let key = |id| HmacKey::new([id; 32]).expect("fits");
    let keys = HmacKeys::new(id(active), key(active));
    match other {
        Some(other) => keys.and_accept(id(other), key(other)).expect("another id"),
        None => keys,
    }
}

fn window() -> HmacFreshness {
    HmacFreshness::Window(HmacWindow::new(5).expect("a window"))
}

fn with_trailer(priority: u8, keys: HmacKeys, mode: HmacMode) -> RouterConfig {
    router(51, election(priority))
        .trailer(keys, mode, window())
        .expect("v3 has it")
}

/// Messages of somebody else, signed with `key` at `offset` seconds from now.
fn signed(key: u8, offset: i64) -> Vec<u8> {
    let interval = AdvertInterval::v3(100).expect("an interval");
    let vrid = Vrid::new(51).expect("a VRID");
    let sent = Advertisement::new(vrid, Priority::new(200), interval, [ip("192.0.2.10")]);
    let pseudo_header = PseudoHeader::new(ip(OTHER), ip(GROUP)).expect("one family");
    let now = clock::wall();
    let apart = Duration::from_secs(offset.unsigned_abs());
    let at = if offset < 0 { now - apart } else { now + apart };
    let stamp = HmacSequence::new(HmacFreshness::Monotonic).advance(at);
    let mut out = Vec::new();
    sent.expect("valid")
        .encode_signed_into(&pseudo_header, &hmac_keys(key, None), stamp, &mut out)
        .expect("one family");
    out
}

#[tokio::test(start_paused = true)]
async fn only_what_is_signed_and_fresh_is_heard() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a
        .add(with_trailer(100, hmac_keys(1, None), HmacMode::Enforce))
        .await;
    let good = signed(1, 0);
    let with = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        message
    };
    let mut wrong_key = signed(2, 0);
    wrong_key[13] = 1;
    for message in [
        good[..12].to_vec(),
        with(12, 9),
        signed(1, -3600),
        signed(1, 3600),
        signed(2, 0),
        wrong_key,
        good.clone(),
        good.clone(),
    ] {
        a.inject(OTHER, GROUP, 255, message);
    }
    pass(millis(1)).await;
    let expected = DropCounters {
        hmac_missing: 1,
        hmac_malformed: 1,
        hmac_stale: 2,
        hmac_unknown_key: 1,
        hmac_tag: 1,
        hmac_replayed: 1,
        ..DropCounters::default()
    };
    assert_eq!(counted(&a, &on_a).await.dropped, expected);
    assert_eq!(on_a.status().stats.adverts_received, 1);
}

/// Both nodes for some seconds with these configurations; the first one is better.
async fn together(configs: [RouterConfig; 2]) -> [Router; 2] {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let [on_a, on_b] = configs;
    let (on_a, on_b) = (a.add(on_a).await, b.add(on_b).await);
    pass(seconds(10)).await;
    [on_a, on_b]
}

#[tokio::test(start_paused = true)]
async fn trailers_are_introduced_step_by_step() {
    let keys = || hmac_keys(1, None);
    let plain = |priority| router(51, election(priority));
    let mode = |priority, mode| with_trailer(priority, keys(), mode);
    for (better, other, agree) in [
        (plain(150), mode(100, HmacMode::ReceiveOnly), true),
        (mode(150, HmacMode::ReceiveOnly), plain(100), true),
        (
            mode(150, HmacMode::ReceiveOnly),
            mode(100, HmacMode::Permissive),
            true,
        ),
        (
            mode(150, HmacMode::Permissive),
            mode(100, HmacMode::ReceiveOnly),
            true,
        ),
        (
            mode(150, HmacMode::Permissive),
            mode(100, HmacMode::Enforce),
            true,
        ),
        (
            mode(150, HmacMode::Enforce),
            mode(100, HmacMode::Permissive),
            true,
        ),
        (plain(150), mode(100, HmacMode::Enforce), false),
    ] {
        let [on_a, on_b] = together([better, other]).await;
        assert_eq!(on_a.status().state, State::Master);
        let expected = if agree { State::Backup } else { State::Master };
        assert_eq!(on_b.status().state, expected, "{:?}", on_b.status());
        assert_eq!(on_b.status().dropped.hmac_missing > 0, !agree);
    }
}

#[tokio::test(start_paused = true)]
async fn unsigned_advertisements_are_counted_while_they_are_believed() {
    let plain = router(51, election(150));
    let permissive = with_trailer(100, hmac_keys(1, None), HmacMode::Permissive);
    let [_, on_b] = together([plain, permissive]).await;
    let status = on_b.status();
    assert!(status.dropped.unsigned > 5);
    assert_eq!(status.dropped.unsigned, status.stats.adverts_received);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_changed_without_a_gap() {
    for keys in [
        [hmac_keys(1, None), hmac_keys(1, Some(2))],
        [hmac_keys(2, Some(1)), hmac_keys(1, Some(2))],
        [hmac_keys(2, None), hmac_keys(2, Some(1))],
    ] {
        let [on_a, on_b] = keys;
        let [on_a, on_b] = together([
            with_trailer(150, on_a, HmacMode::Enforce),
            with_trailer(100, on_b, HmacMode::Enforce),
        ])
        .await;
        assert_eq!(on_a.status().state, State::Master);
        assert_eq!(on_b.status().state, State::Backup);
        assert_eq!(on_b.status().dropped, DropCounters::default());
    }
}

#[tokio::test(start_paused = true)]
async fn no_key_is_shown_by_anything() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let header = v2(51, 100)
        .header(ah_key("KEYKEYKE"), None)
        .expect("v2 has it");
    let key = HmacKey::new([b'K'; 32]).expect("fits");
    let keys = HmacKeys::new(HmacKeyId::new(1).expect("not zero"), key);
    let trailer = router(52, election(100)).trailer(keys, HmacMode::Enforce, window());
    let trailer = trailer.expect("v3 has it");
    let mut shown = format!("{header:?} {trailer:?}");
    let mut events = a.node.events();
    for config in [header, trailer] {
        let router = a.add(config).await;
        until(&router, State::Master).await;
        shown += &format!("{router:?} {:?}", router.status());
    }
    shown += &format!("{:?}", a.node);
    while let Ok(event) = events.try_recv() {
        shown += &format!("{event:?}");
    }
    // As text, and as the bytes of a slice.
    assert!(!shown.contains("KEY") && !shown.contains("KKK") && !shown.contains("75, 75"));
    assert!(shown.contains("AhKey(..)") && shown.contains("HmacKey(..)"));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_headers_go_on_over_another_configuration() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    // Each has a keeper of its own, which knows of no number.
    let config = |priority| {
        v2(51, priority)
            .header(ah_key("s3cret12"), None)
            .expect("v2 has it")
    };
    let (on_a, on_b) = (a.add(config(150)).await, b.add(config(100)).await);
    until(&on_a, State::Master).await;
    pass(seconds(3)).await;
    on_a.reconfigure(config(160)).await.expect("in place");
    on_b.reconfigure(config(110)).await.expect("in place");
    pass(seconds(10)).await;
    let numbers = numbers(&lan, &a);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(on_b.status().state, State::Backup);
    assert_eq!(on_b.status().dropped.ah_replayed, 0);
}

#[tokio::test(start_paused = true)]
async fn keys_are_changed_in_place() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let config = |priority, keys| with_trailer(priority, keys, HmacMode::Enforce);
    let on_a = a.add(config(150, hmac_keys(1, None))).await;
    let on_b = b.add(config(100, hmac_keys(1, None))).await;
    until(&on_a, State::Master).await;
    for keys in [
        hmac_keys(1, Some(2)),
        hmac_keys(2, Some(1)),
        hmac_keys(2, None),
    ] {
        for (router, priority) in [(&on_b, 100), (&on_a, 150)] {
            let config = config(priority, keys.clone());
            router.reconfigure(config).await.expect("in place");
        }
        pass(seconds(5)).await;
        assert_eq!(on_a.status().state, State::Master);
        assert_eq!(on_b.status().state, State::Backup);
    }
    assert_eq!(on_a.status().stats.became_master, 1);
    assert_eq!(on_b.status().stats.became_master, 0);
}
