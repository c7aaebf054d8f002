//! Authentication headers, as keepalived makes them.

use std::net::{IpAddr, Ipv4Addr};

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, AhEnvelope, AhError, AhKey, AhPacket,
    AhRecord, AhReplay, AhSequence, Authentication, MULTICAST_IPV4, Priority, PseudoHeader, Vrid,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support;

const IPV4_TOS: usize = 1;
const IPV4_FRAGMENT: [usize; 2] = [6, 7];
const IPV4_TTL: usize = 8;
const IPV4_CHECKSUM: [usize; 2] = [10, 11];

fn key() -> AhKey {
    AhKey::new("s3cret12").unwrap()
}

fn advertisement(packet: &AhPacket<'_>) -> Advertisement {
    let pseudo_header = PseudoHeader::V4 {
        source: packet.source(),
        destination: packet.destination(),
    };
    let view = AdvertisementView::new_checked(packet.message(), &pseudo_header).unwrap();
    assert_eq!(view.authentication(), Authentication::Header);
    Advertisement::from(&view)
}

fn envelope(destination: Ipv4Addr) -> AhEnvelope {
    AhEnvelope {
        source: Ipv4Addr::new(192, 0, 2, 2),
        destination,
        identification: 7,
        sequence: 9,
    }
}

fn encoded(destination: Ipv4Addr) -> Vec<u8> {
    let advertisement = Advertisement::new(
        Vrid::new(51).unwrap(),
        Priority::new(150),
        AdvertInterval::v2(1).unwrap(),
        [IpAddr::from([192, 0, 2, 10])],
    )
    .and_then(|one| one.with_authentication(Authentication::Header))
    .unwrap();
    let mut out = Vec::new();
    key()
        .encode_into(&advertisement, &envelope(destination), &mut out)
        .unwrap();
    assert_eq!(out.len(), AhKey::encoded_len(&advertisement));
    out
}

fn verified(packet: &[u8], key: &AhKey) -> Result<(), AhError> {
    AhPacket::new_checked(packet)?.verify(key)
}

#[test]
fn every_packet_of_keepalived_verifies_and_encodes_to_the_same_bytes() {
    let packets = support::packets("ka-v2-ah");
    let sequences: Vec<u32> = packets
        .iter()
        .map(|bytes| {
            let packet = AhPacket::new_checked(bytes).unwrap();
            packet.verify(&key()).unwrap();
            let envelope = AhEnvelope {
                source: packet.source(),
                destination: packet.destination(),
                identification: packet.identification(),
                sequence: packet.sequence(),
            };
            let mut out = support::FILL.to_vec();
            key()
                .encode_into(&advertisement(&packet), &envelope, &mut out)
                .unwrap();
            let (before, packet) = out.split_at(support::FILL.len());
            assert_eq!(before, support::FILL);
            assert_eq!(packet, &bytes[..packet.len()]);
            assert!(bytes[packet.len()..].iter().all(|byte| *byte == 0));
            envelope.sequence
        })
        .collect();
    // The backup that takes over goes on above the master.
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn another_key_is_refused() {
    for packet in support::packets("ka-v2-ah") {
        for other in ["s3cret13", "s3cret1", "S3cret12", "x"] {
            let other = AhKey::new(other).unwrap();
            assert_eq!(verified(&packet, &other), Err(AhError::Icv));
        }
    }
}

#[test]
fn a_key_has_one_to_eight_bytes() {
    assert_eq!(AhKey::new("").unwrap_err().0, 0);
    assert_eq!(AhKey::new("123456789").unwrap_err().0, 9);
    assert!(AhKey::new("1").is_ok() && AhKey::new([0xff; 8]).is_ok());
}

#[test]
fn a_flipped_bit_is_refused_unless_routers_may_change_it() {
    for (packet, unicast) in [
        (support::packets("ka-v2-ah").remove(0), false),
        (encoded(MULTICAST_IPV4), false),
        (encoded(Ipv4Addr::new(192, 0, 2, 3)), true),
    ] {
        let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        for bit in 0..len * 8 {
            let at = bit / 8;
            let mut flipped = packet.clone();
            flipped[at] ^= 1 << (bit % 8);
            let mutable = at == IPV4_TOS
                || IPV4_FRAGMENT.contains(&at)
                || IPV4_CHECKSUM.contains(&at)
                || (unicast && at == IPV4_TTL);
            assert_eq!(verified(&flipped, &key()).is_ok(), mutable, "bit {bit}");
        }
    }
}

#[test]
fn broken_headers_are_refused_for_their_own_reason() {
    let good = encoded(MULTICAST_IPV4);
    let with = |changes: &[(usize, u8)]| {
        let mut packet = good.clone();
        for (at, value) in changes {
            packet[*at] = *value;
        }
        verified(&packet, &key()).unwrap_err()
    };
    assert_eq!(with(&[(0, 0x65)]), AhError::NotIpv4);
    assert_eq!(with(&[(0, 0x44)]), AhError::NotIpv4);
    assert_eq!(with(&[(9, 112)]), AhError::Protocol(112));
    assert_eq!(with(&[(20, 6)]), AhError::NextHeader(6));
    assert_eq!(with(&[(21, 5)]), AhError::PayloadLength(5));
    let other = Ipv4Addr::new(192, 0, 2, 3);
    assert_eq!(with(&[(27, 3)]), AhError::Spi(other));
    // Reserved, and the sequence number.
    assert_eq!(with(&[(22, 1)]), AhError::Icv);
    assert_eq!(with(&[(31, 10)]), AhError::Icv);
    for available in 0..good.len() {
        let needed = if available < 20 { 20 } else { good.len() };
        assert_eq!(
            AhPacket::new_checked(&good[..available]),
            Err(AhError::Truncated { needed, available })
        );
    }
    // A length that ends in the middle of the headers.
    assert!(matches!(with(&[(3, 43)]), AhError::Truncated { .. }));
}

#[test]
fn only_an_advertisement_that_says_so_goes_into_a_header() {
    let interval = AdvertInterval::v2(1).unwrap();
    let plain = Advertisement::new(
        Vrid::new(51).unwrap(),
        Priority::new(150),
        interval,
        [IpAddr::from([192, 0, 2, 10])],
    );
    let mut out = Vec::new();
    let refused = key().encode_into(&plain.unwrap(), &envelope(MULTICAST_IPV4), &mut out);
    assert!(refused.is_err() && out.is_empty());
}

#[test]
fn numbers_go_on_above_the_highest_that_was_heard_and_over_a_restart() {
    let mut sequence = AhSequence::new(AhRecord::default());
    let first = sequence.poll_record().unwrap();
    assert_eq!(sequence.poll_record(), None);
    assert_eq!((sequence.advance(), sequence.advance()), (Ok(1), Ok(2)));
    sequence.heard(1);
    assert_eq!(sequence.advance(), Ok(3));
    sequence.heard(10);
    assert_eq!(sequence.advance(), Ok(11));
    // A crash before anything more was recorded.
    let mut restarted = AhSequence::new(first);
    assert_eq!(restarted.advance(), Ok(first.reserved + 1));

    sequence.heard(1_000_000);
    let record = sequence.poll_record().unwrap();
    assert!(record.reserved > 1_000_000 && record.heard == 1_000_000);
    assert_eq!(sequence.poll_record(), None);
}

#[test]
fn a_record_is_written_long_before_it_is_needed_and_seldom() {
    let mut sequence = AhSequence::new(AhRecord::default());
    let (mut reserved, mut records) = (sequence.poll_record().unwrap().reserved, 1);
    for _ in 0..100_000 {
        let next = sequence.advance().unwrap();
        assert!(next + 1000 < reserved);
        if let Some(record) = sequence.poll_record() {
            assert!(record.reserved > reserved);
            reserved = record.reserved;
            records += 1;
        }
    }
    assert!(records <= 100, "{records}");
}

#[test]
fn numbers_end_where_those_of_keepalived_do() {
    let mut sequence = AhSequence::new(AhRecord::default());
    sequence.heard(0xffff_fffc);
    assert_eq!(sequence.advance(), Ok(0xffff_fffd));
    assert!(sequence.advance().is_err());
    assert!(sequence.advance().is_err());
    assert_eq!(sequence.poll_record().unwrap().reserved, u32::MAX);
    assert_eq!(sequence.poll_record(), None);
}

#[test]
fn nothing_is_believed_twice() {
    let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
    let mut replay = AhReplay::new(AhRecord {
        reserved: 5000,
        heard: 100,
    });
    assert_eq!(replay.accept(a, 100).unwrap_err().highest, 100);
    assert_eq!(replay.accept(a, 101), Ok(()));
    assert!(replay.accept(a, 101).is_err() && replay.accept(a, 50).is_err());
    // Whoever is new must be above everybody, but then each has his own count.
    assert!(replay.accept(b, 101).is_err());
    assert_eq!(replay.accept(b, 200), Ok(()));
    assert_eq!(replay.accept(a, 102), Ok(()));
    assert!(replay.accept(c, 200).is_err());
    // Those that were forgotten are not believed either.
    for number in 0..20_u8 {
        let sender = IpAddr::from([198, 51, 100, number]);
        assert_eq!(replay.accept(sender, 1000 + u32::from(number)), Ok(()));
    }
    assert!(replay.accept(a, 103).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..200), shape in any::<bool>()) {
        if shape && bytes.len() > 24 {
            let len = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            bytes[..4].copy_from_slice(&[0x45, 0, len[0], len[1]]);
            bytes[9] = 51;
            bytes[20..22].copy_from_slice(&[112, 4]);
        }
        prop_assert!(verified(&bytes, &key()).is_err());
    }

    #[test]
    fn what_is_encoded_verifies(
        key in vec(any::<u8>(), 1..=8),
        addresses in vec(any::<Ipv4Addr>(), 1..=255),
        source: Ipv4Addr,
        destination: Ipv4Addr,
        identification: u16,
        sequence: u32,
    ) {
        let key = AhKey::new(key).unwrap();
        let addresses = addresses.into_iter().map(IpAddr::V4);
        let interval = AdvertInterval::v2(1).unwrap();
        let sent = Advertisement::new(Vrid::new(1).unwrap(), Priority::DEFAULT, interval, addresses)
            .and_then(|one| one.with_authentication(Authentication::Header))
            .unwrap();
        let envelope = AhEnvelope { source, destination, identification, sequence };
        let mut out = Vec::new();
        key.encode_into(&sent, &envelope, &mut out).unwrap();
        let packet = AhPacket::new_checked(&out).unwrap();
        prop_assert_eq!(packet.verify(&key), Ok(()));
        prop_assert_eq!(packet.sequence(), sequence);
        prop_assert_eq!(packet.identification(), identification);
        prop_assert_eq!(advertisement(&packet), sent);
    }

    #[test]
    fn a_number_is_accepted_once(numbers in vec((0_u8..20, 1_u32..50), 0..200)) {
        let mut replay = AhReplay::new(AhRecord::default());
        let mut accepted = std::collections::BTreeSet::new();
        for (sender, number) in numbers {
            let sender = IpAddr::from([192, 0, 2, sender]);
            if replay.accept(sender, number).is_ok() {
                prop_assert!(accepted.insert((sender, number)));
            }
        }
    }
}
