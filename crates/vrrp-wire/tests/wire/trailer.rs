//! Authentication trailers: the vectors of draft-cassen-vrrp-auth-hmac, and what must not be believed.

use std::net::IpAddr;
use std::time::Duration;

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, ChecksumForm, HmacFreshness, HmacHeard,
    HmacKey, HmacKeyId, HmacKeys, HmacMode, HmacRefused, HmacSequence, HmacStamp, HmacVerifier,
    HmacWindow, Priority, PseudoHeader, Vrid,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support;

/// When the vectors were signed, less half a second.
const SIGNED: Duration = Duration::from_secs(0x6800_0000);
const STAMP: HmacStamp = HmacStamp::from_bits(0x6800_0000_8000_0000);

fn id(id: u8) -> HmacKeyId {
    HmacKeyId::new(id).unwrap()
}

fn key(fill: u8) -> HmacKey {
    HmacKey::new([fill; 32]).unwrap()
}

/// 00 to 1f, with the id 1.
fn keys() -> HmacKeys {
    let key: Vec<u8> = (0..32).collect();
    HmacKeys::new(id(1), HmacKey::new(key).unwrap())
}

fn window(seconds: u16) -> HmacFreshness {
    HmacFreshness::Window(HmacWindow::new(seconds).unwrap())
}

fn verifier(mode: HmacMode) -> HmacVerifier {
    HmacVerifier::new(mode, window(5))
}

fn packet(source: &str, destination: &str) -> PseudoHeader {
    PseudoHeader::new(source.parse().unwrap(), destination.parse().unwrap()).unwrap()
}

fn advertisement(virtual_address: &str, form: ChecksumForm) -> Advertisement {
    let virtual_address: IpAddr = virtual_address.parse().unwrap();
    let interval = AdvertInterval::v3(100).unwrap();
    Advertisement::new(
        Vrid::new(51).unwrap(),
        Priority::new(200),
        interval,
        [virtual_address],
    )
    .and_then(|one| one.with_checksum_form(form))
    .unwrap()
}

/// Both vectors: the bytes, the packet and the advertisement.
fn vectors() -> [(Vec<u8>, PseudoHeader, Advertisement); 2] {
    [
        (
            support::hex("v3-ipv4-signed"),
            packet("198.51.100.10", "198.51.100.20"),
            advertisement("192.0.2.100", ChecksumForm::MessageOnly),
        ),
        (
            support::hex("v3-ipv6-signed"),
            packet("fe80::10", "fe80::20"),
            advertisement("fe80::100", ChecksumForm::PseudoHeader),
        ),
    ]
}

/// What `verifier` says of `bytes`, which arrive in `packet` at `now`.
fn hear(
    verifier: &mut HmacVerifier,
    now: Duration,
    keys: &HmacKeys,
    bytes: &[u8],
    packet: &PseudoHeader,
) -> Result<HmacHeard, HmacRefused> {
    let Ok(view) = AdvertisementView::new_checked(bytes, packet) else {
        panic!("not a message: {bytes:02x?}");
    };
    verifier.verify(now, keys, packet.source(), &view, bytes)
}

fn signed(stamp: HmacStamp, keys: &HmacKeys, packet: &PseudoHeader) -> Vec<u8> {
    let [(_, _, v4), (_, _, v6)] = vectors();
    let advertisement = match packet {
        PseudoHeader::V4 { .. } => v4,
        PseudoHeader::V6 { .. } => v6,
    };
    let mut out = support::FILL.to_vec();
    advertisement
        .encode_signed_into(packet, keys, stamp, &mut out)
        .unwrap();
    let message = out.split_off(support::FILL.len());
    assert_eq!(out, support::FILL);
    assert_eq!(message.len(), advertisement.signed_len());
    message
}

fn at(seconds: u64) -> Duration {
    SIGNED + Duration::from_secs(seconds)
}

fn stamp_at(now: Duration) -> HmacStamp {
    HmacSequence::new(HmacFreshness::Monotonic).advance(now)
}

#[test]
fn the_vectors_of_the_draft_verify_and_encode_to_the_same_bytes() {
    for (bytes, packet, expected) in vectors() {
        let view = AdvertisementView::new_checked(&bytes, &packet).unwrap();
        assert_eq!(Advertisement::from(&view), expected);
        assert_eq!(view.message_len() + 28, bytes.len());
        for freshness in [HmacFreshness::Monotonic, window(1)] {
            let mut verifier = HmacVerifier::new(HmacMode::Enforce, freshness);
            let heard = hear(&mut verifier, SIGNED, &keys(), &bytes, &packet);
            assert_eq!(heard, Ok(HmacHeard::Signed));
        }
        assert_eq!(signed(STAMP, &keys(), &packet), bytes);
    }
}

/// Flips every bit, puts the checksum right where it covers it, and says whether the verifier still believes it.
#[test]
fn a_flipped_bit_is_refused() {
    for (bytes, packet, _) in vectors() {
        for bit in 0..bytes.len() * 8 {
            let at = bit / 8;
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (bit % 8);
            let decodable = corrected(&flipped, &packet);
            let Ok(view) = AdvertisementView::new_checked(&decodable, &packet) else {
                continue;
            };
            let refused = verifier(HmacMode::Permissive).verify(
                SIGNED,
                &keys(),
                packet.source(),
                &view,
                &flipped,
            );
            // The tag does not cover the checksum, which the kernel may compute.
            assert_eq!(refused.is_ok(), (6..8).contains(&at), "bit {bit}");
        }
        let view = AdvertisementView::new_checked(&bytes, &packet).unwrap();
        let other = "192.0.2.9".parse().unwrap();
        let refused = verifier(HmacMode::Enforce).verify(SIGNED, &keys(), other, &view, &bytes);
        assert_eq!(refused, Err(HmacRefused::Tag), "another source");
    }
}

/// The same with the checksum that decoding expects.
fn corrected(bytes: &[u8], packet: &PseudoHeader) -> Vec<u8> {
    use locum_vrrp_wire::DecodeError;
    let mut bytes = bytes.to_vec();
    if let PseudoHeader::V6 { .. } = packet {
        // Without the trailer: what decoding names as right is the checksum of the message alone.
        bytes.truncate(24);
    }
    if let Err(DecodeError::Checksum { expected, .. }) =
        AdvertisementView::new_checked(&bytes, packet)
    {
        bytes[6..8].copy_from_slice(&expected.to_be_bytes());
    }
    bytes
}

#[test]
fn every_refusal_has_its_reason() {
    let [(bytes, packet, _), _] = vectors();
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        hear(
            &mut verifier(HmacMode::Enforce),
            SIGNED,
            &keys(),
            &bytes,
            &packet,
        )
    };
    assert_eq!(with(12, 2), Err(HmacRefused::Malformed));
    assert_eq!(with(14, 1), Err(HmacRefused::Malformed));
    assert_eq!(with(13, 2), Err(HmacRefused::UnknownKey(2)));
    assert_eq!(with(27, 1), Err(HmacRefused::Tag), "the counter");
    assert_eq!(with(39, 0), Err(HmacRefused::Tag));
    assert_eq!(
        with(16, 0x67),
        Err(HmacRefused::Stale {
            ahead: -0x0100_0000
        })
    );
    for len in 13..bytes.len() {
        let cut = &bytes[..len];
        let refused = hear(
            &mut verifier(HmacMode::Permissive),
            SIGNED,
            &keys(),
            cut,
            &packet,
        );
        assert_eq!(refused, Err(HmacRefused::Malformed));
    }
    let mut longer = bytes.clone();
    longer.push(0);
    let refused = hear(
        &mut verifier(HmacMode::Permissive),
        SIGNED,
        &keys(),
        &longer,
        &packet,
    );
    assert_eq!(refused, Err(HmacRefused::Malformed));
    let other = HmacKeys::new(id(1), key(7));
    let refused = hear(
        &mut verifier(HmacMode::Enforce),
        SIGNED,
        &other,
        &bytes,
        &packet,
    );
    assert_eq!(refused, Err(HmacRefused::Tag));
}

#[test]
fn the_mode_decides_about_those_without_a_trailer() {
    for (bytes, packet, unsigned) in vectors() {
        let mut plain = Vec::new();
        unsigned.encode_into(&packet, &mut plain).unwrap();
        for (mode, expected, signs) in [
            (HmacMode::Enforce, Err(HmacRefused::Missing), true),
            (HmacMode::Permissive, Ok(HmacHeard::Unsigned), true),
            (HmacMode::ReceiveOnly, Ok(HmacHeard::Unsigned), false),
        ] {
            let mut verifier = verifier(mode);
            assert_eq!(mode.signs(), signs);
            assert_eq!(
                hear(&mut verifier, SIGNED, &keys(), &plain, &packet),
                expected
            );
            assert_eq!(
                hear(&mut verifier, SIGNED, &keys(), &bytes, &packet),
                Ok(HmacHeard::Signed)
            );
            let mut wrong = bytes.clone();
            *wrong.last_mut().unwrap() ^= 1;
            let wrong = packet_checksum(wrong, &packet);
            assert_eq!(
                hear(&mut verifier, SIGNED, &keys(), &wrong, &packet),
                Err(HmacRefused::Tag),
                "{mode:?}"
            );
        }
    }
}

/// Puts a flipped lowest bit of the last byte right in the checksum of IPv6, which covers it.
fn packet_checksum(mut bytes: Vec<u8>, packet: &PseudoHeader) -> Vec<u8> {
    if let PseudoHeader::V6 { .. } = packet {
        let found = u16::from_be_bytes([bytes[6], bytes[7]]);
        let right = [found.wrapping_add(1), found.wrapping_sub(1)]
            .into_iter()
            .find(|checksum| {
                bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
                AdvertisementView::new_checked(&bytes, packet).is_ok()
            });
        assert!(right.is_some());
    }
    bytes
}

#[test]
fn an_advertisement_is_believed_once_and_only_while_it_is_fresh() {
    for (bytes, packet, _) in vectors() {
        let hear_at =
            |verifier: &mut HmacVerifier, now| hear(verifier, now, &keys(), &bytes, &packet);
        let mut verifier = verifier(HmacMode::Enforce);
        assert_eq!(hear_at(&mut verifier, at(5)), Ok(HmacHeard::Signed));
        assert_eq!(hear_at(&mut verifier, at(5)), Err(HmacRefused::Replayed));
        assert_eq!(
            hear_at(&mut verifier, at(6)),
            Err(HmacRefused::Stale { ahead: -6 })
        );
        let early = SIGNED - Duration::from_secs(6);
        assert_eq!(
            hear_at(&mut verifier, early),
            Err(HmacRefused::Stale { ahead: 6 })
        );
        // Without clocks, only what was heard before counts.
        let mut verifier = HmacVerifier::new(HmacMode::Enforce, HmacFreshness::Monotonic);
        let much_later = at(1_000_000);
        assert_eq!(hear_at(&mut verifier, much_later), Ok(HmacHeard::Signed));
        assert_eq!(
            hear_at(&mut verifier, much_later),
            Err(HmacRefused::Replayed)
        );
    }
}

#[test]
fn each_sender_has_its_own_count() {
    let [a, b] = ["192.0.2.2", "192.0.2.3"].map(|source| packet(source, "224.0.0.18"));
    let mut verifier = verifier(HmacMode::Enforce);
    for (now, packet, believed) in [(2, &a, true), (1, &b, true), (1, &a, false), (2, &b, true)] {
        let bytes = signed(stamp_at(at(now)), &keys(), packet);
        let heard = hear(&mut verifier, at(2), &keys(), &bytes, packet);
        assert_eq!(heard.is_ok(), believed, "{now} {packet:?}: {heard:?}");
    }
}

#[test]
fn a_key_is_changed_without_a_gap() {
    let source = packet("192.0.2.2", "224.0.0.18");
    let old = || HmacKeys::new(id(1), key(1));
    let both = |active: u8, other: u8| {
        HmacKeys::new(id(active), key(active))
            .and_accept(id(other), key(other))
            .unwrap()
    };
    let new = || HmacKeys::new(id(2), key(2));
    // Each step of one of two routers, while the other has made it or not.
    for (sender, receiver, believed) in [
        (old(), both(1, 2), true),
        (both(1, 2), old(), true),
        (both(2, 1), both(1, 2), true),
        (both(1, 2), both(2, 1), true),
        (new(), both(2, 1), true),
        (both(2, 1), new(), true),
        (new(), old(), false),
    ] {
        let bytes = signed(STAMP, &sender, &source);
        let heard = hear(
            &mut verifier(HmacMode::Enforce),
            SIGNED,
            &receiver,
            &bytes,
            &source,
        );
        assert_eq!(heard.is_ok(), believed, "{heard:?}");
    }
    let twice = HmacKeys::new(id(1), key(1)).and_accept(id(1), key(2));
    assert_eq!(twice.unwrap_err().0, id(1));
}

#[test]
fn keys_and_windows_have_their_bounds() {
    for len in [0, 31, 65] {
        assert_eq!(HmacKey::new(vec![1; len]).unwrap_err().0, len);
    }
    assert!(HmacKey::new([1; 32]).is_ok() && HmacKey::new([1; 64]).is_ok());
    assert!(HmacKeyId::new(0).is_err() && HmacKeyId::new(255).is_ok());
    assert!(HmacWindow::new(0).is_err() && HmacWindow::new(301).is_err());
    assert_eq!(HmacWindow::new(300).unwrap().seconds(), 300);
    for (millis, seconds) in [(100, 5), (1000, 5), (2000, 6), (2010, 7), (40_950, 123)] {
        let window = HmacWindow::for_interval(Duration::from_millis(millis));
        assert_eq!(window.seconds(), seconds);
    }
}

#[test]
fn no_key_is_ever_shown() {
    let keys = HmacKeys::new(id(1), HmacKey::new([b'K'; 32]).unwrap())
        .and_accept(id(2), HmacKey::new([b'K'; 40]).unwrap())
        .unwrap();
    let shown = format!("{keys:?} {keys:#?}");
    assert!(shown.contains("HmacKey(..)") && !shown.contains("KK") && !shown.contains("75"));
}

#[test]
fn stamps_follow_the_clock_and_always_go_on() {
    let mut sequence = HmacSequence::new(window(5));
    let first = sequence.advance(SIGNED + Duration::from_millis(500));
    assert_eq!(first, STAMP);
    let next = sequence.advance(SIGNED + Duration::from_millis(500));
    assert_eq!(next.to_bits(), STAMP.to_bits() + 1);
    // Put back by less than the window, and by more.
    let next = sequence.advance(SIGNED - Duration::from_secs(4));
    assert_eq!(next.to_bits(), STAMP.to_bits() + 2);
    let reset = sequence.advance(SIGNED - Duration::from_secs(6));
    assert_eq!(reset, stamp_at(SIGNED - Duration::from_secs(6)));

    let mut sequence = HmacSequence::new(HmacFreshness::Monotonic);
    let first = sequence.advance(SIGNED);
    let next = sequence.advance(Duration::ZERO);
    assert_eq!(next.to_bits(), first.to_bits() + 1);
}

#[test]
fn a_sender_whose_clock_was_put_right_is_believed_again() {
    let source = packet("192.0.2.2", "224.0.0.18");
    let mut verifier = HmacVerifier::new(HmacMode::Enforce, window(5));
    let (mut sequence, ahead) = (HmacSequence::new(window(5)), at(5));
    let bytes = signed(sequence.advance(ahead), &keys(), &source);
    assert!(hear(&mut verifier, SIGNED, &keys(), &bytes, &source).is_ok());
    // Its clock goes back by 10 s, and ours is in between.
    let bytes = signed(
        sequence.advance(at(0) - Duration::from_secs(5)),
        &keys(),
        &source,
    );
    let refused = hear(&mut verifier, at(0), &keys(), &bytes, &source);
    assert_eq!(refused, Err(HmacRefused::Replayed));
    let bytes = signed(sequence.advance(at(11)), &keys(), &source);
    assert!(hear(&mut verifier, at(11), &keys(), &bytes, &source).is_ok());
}

#[test]
fn stamps_go_on_across_2106() {
    let source = packet("192.0.2.2", "224.0.0.18");
    let end = Duration::from_secs(u64::from(u32::MAX));
    let mut sequence = HmacSequence::new(window(5));
    let mut verifier = HmacVerifier::new(HmacMode::Enforce, window(5));
    let mut last = None;
    for second in 0..4 {
        let now = end + Duration::from_secs(second);
        let bytes = signed(sequence.advance(now), &keys(), &source);
        assert!(hear(&mut verifier, now, &keys(), &bytes, &source).is_ok());
        if let Some(last) = last.replace(bytes) {
            let refused = hear(&mut verifier, now, &keys(), &last, &source);
            assert_eq!(refused, Err(HmacRefused::Replayed));
        }
    }
}

proptest! {
    #[test]
    fn no_trailer_panics_or_is_believed(
        trailer in vec(any::<u8>(), 0..64),
        now: u64,
        seconds in 1_u16..=300,
        shape in any::<bool>(),
    ) {
        let [(bytes, packet, _), _] = vectors();
        let mut bytes = bytes[..12].to_vec();
        bytes.extend(&trailer);
        if shape && bytes.len() > 16 {
            bytes[12..16].copy_from_slice(&[1, 1, 0, 0]);
        }
        let view = AdvertisementView::new_checked(&bytes, &packet).unwrap();
        for freshness in [HmacFreshness::Monotonic, window(seconds)] {
            let mut verifier = HmacVerifier::new(HmacMode::Enforce, freshness);
            let now = Duration::from_secs(now);
            prop_assert!(verifier.verify(now, &keys(), packet.source(), &view, &bytes).is_err());
            // Bytes that are not those of the view.
            prop_assert!(verifier.verify(now, &keys(), packet.source(), &view, &trailer).is_err());
        }
    }

    #[test]
    fn what_is_signed_is_believed_once(
        steps in vec((0_u64..3000, 0_u8..3), 1..40),
        v6: bool,
    ) {
        let sources = if v6 { ["fe80::1", "fe80::2", "fe80::3"] } else { ["192.0.2.1", "192.0.2.2", "192.0.2.3"] };
        let group = if v6 { "ff02::12" } else { "224.0.0.18" };
        let mut verifier = verifier(HmacMode::Enforce);
        let mut sequences = [(); 3].map(|()| HmacSequence::new(window(5)));
        let mut now = SIGNED;
        for (millis, sender) in steps {
            now += Duration::from_millis(millis);
            let sender = usize::from(sender);
            let packet = packet(sources[sender], group);
            let bytes = signed(sequences[sender].advance(now), &keys(), &packet);
            prop_assert_eq!(hear(&mut verifier, now, &keys(), &bytes, &packet), Ok(HmacHeard::Signed));
            prop_assert_eq!(hear(&mut verifier, now, &keys(), &bytes, &packet), Err(HmacRefused::Replayed));
        }
    }
}
