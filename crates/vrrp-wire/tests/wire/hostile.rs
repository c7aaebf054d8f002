//! Broken messages: each is refused for its own reason, or means what its bytes say.

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, DecodeError, IntervalError, PseudoHeader,
    Vrid,
};

use crate::support::{self, Captured};

/// One message of every kind, by hand and captured.
fn samples() -> Vec<Captured> {
    let by_hand = [
        ("v2", "192.0.2.2"),
        ("v2-password", "192.0.2.2"),
        ("v3-ipv4-pseudo-header", "192.0.2.2"),
        ("v3-ipv4-message-only", "198.51.100.10"),
        ("v3-ipv6", "fe80::1"),
    ]
    .map(|(name, source)| Captured {
        message: support::hex(name),
        packet: support::multicast(source),
    });
    let captured = [
        "ka-v2-pass",
        "ka-v3-20vips-excluded",
        "ka-v3-unicast",
        "ka-v3-ipv6",
    ]
    .map(|name| support::pcap(name).remove(0));
    by_hand.into_iter().chain(captured).collect()
}

#[test]
fn a_flipped_bit_is_refused_or_means_what_it_says() {
    for Captured { message, packet } in samples() {
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(view) = AdvertisementView::new_checked(&flipped, &packet) {
                let encoded = support::encode(&Advertisement::from(&view), &packet);
                assert_eq!(encoded, flipped, "bit {bit} of {message:02x?}");
            }
        }
    }
}

#[test]
fn a_byte_too_few_is_truncated_a_byte_too_many_is_padding() {
    for Captured { message, packet } in samples() {
        for available in 0..message.len() {
            let needed = if available < 8 { 8 } else { message.len() };
            assert_eq!(
                AdvertisementView::new_checked(&message[..available], &packet),
                Err(DecodeError::Truncated { needed, available })
            );
        }
        let view = AdvertisementView::new_checked(&message, &packet);
        assert!(view.is_ok());
        for len in message.len()..64 {
            let mut padded = message.clone();
            padded.resize(len, 0xa5);
            assert_eq!(AdvertisementView::new_checked(&padded, &packet), view);
        }
    }
}

#[test]
fn another_source_or_destination_is_a_wrong_checksum() {
    let (message, packet) = (support::hex("v3-ipv6"), support::multicast("fe80::2"));
    let error = AdvertisementView::new_checked(&message, &packet).unwrap_err();
    assert_eq!(
        error,
        DecodeError::Checksum {
            found: 0xa478,
            expected: 0xa477
        }
    );
    assert_eq!(error.to_string(), "checksum 0xa478 where 0xa477 is right");

    let message = support::hex("v3-ipv4-pseudo-header");
    let packet = PseudoHeader::V4 {
        source: [192, 0, 2, 2].into(),
        destination: [192, 0, 2, 3].into(),
    };
    assert!(matches!(
        AdvertisementView::new_checked(&message, &packet),
        Err(DecodeError::Checksum { found: 0x312a, .. })
    ));
}

/// `message` with the bytes of `changes`, and the checksum that the error asks for.
fn corrected(message: &[u8], changes: &[(usize, u8)], packet: &PseudoHeader) -> Vec<u8> {
    let mut changed = message.to_vec();
    for (at, byte) in changes {
        changed[*at] = *byte;
    }
    if let Err(DecodeError::Checksum { expected, .. }) =
        AdvertisementView::new_checked(&changed, packet)
    {
        changed[6..8].copy_from_slice(&expected.to_be_bytes());
    }
    changed
}

#[test]
fn every_field_has_its_own_error() {
    let zero_vrid = Vrid::new(0).unwrap_err();
    let (v2_zero, v3_zero) = (AdvertInterval::v2(0), AdvertInterval::v3(0));
    assert_eq!(
        (v2_zero, v3_zero),
        (Err(IntervalError::V2), Err(IntervalError::V3))
    );

    for (name, source, changes, expected) in [
        (
            "v2",
            "192.0.2.2",
            [(0, 0x11)].as_slice(),
            DecodeError::Version(1),
        ),
        ("v3-ipv6", "fe80::1", &[(0, 0x21)], DecodeError::Version(2)),
        ("v3-ipv6", "fe80::1", &[(0, 0x41)], DecodeError::Version(4)),
        ("v2", "192.0.2.2", &[(0, 0x20)], DecodeError::Type(0)),
        ("v3-ipv6", "fe80::1", &[(0, 0x32)], DecodeError::Type(2)),
        ("v2", "192.0.2.2", &[(1, 0)], DecodeError::Vrid(zero_vrid)),
        (
            "v3-ipv6",
            "fe80::1",
            &[(1, 0)],
            DecodeError::Vrid(zero_vrid),
        ),
        ("v2", "192.0.2.2", &[(3, 0)], DecodeError::NoAddresses),
        (
            "v3-ipv4-pseudo-header",
            "192.0.2.2",
            &[(3, 0)],
            DecodeError::NoAddresses,
        ),
        ("v3-ipv6", "fe80::1", &[(3, 0)], DecodeError::NoAddresses),
        (
            "v2",
            "192.0.2.2",
            &[(5, 0)],
            DecodeError::Interval(IntervalError::V2),
        ),
        (
            "v3-ipv4-pseudo-header",
            "192.0.2.2",
            &[(4, 0xf0), (5, 0)],
            DecodeError::Interval(IntervalError::V3),
        ),
        (
            "v2",
            "192.0.2.2",
            &[(4, 3)],
            DecodeError::AuthenticationType(3),
        ),
    ] {
        let packet = support::multicast(source);
        let message = corrected(&support::hex(name), changes, &packet);
        assert_eq!(
            AdvertisementView::new_checked(&message, &packet),
            Err(expected),
            "{name}"
        );
    }
}

#[test]
fn what_a_receiver_must_ignore_is_ignored() {
    // RFC 9568 §5.2.6: reserved bits. RFC 3768 §5.3.10: authentication data of type 0.
    for (name, source, changes) in [
        ("v3-ipv6", "fe80::1", [(4, 0xf0)].as_slice()),
        ("v2", "192.0.2.2", &[(12, 0xff), (19, 0xff)]),
    ] {
        let (original, packet) = (support::hex(name), support::multicast(source));
        let message = corrected(&original, changes, &packet);
        let view = AdvertisementView::new_checked(&message, &packet).unwrap();
        assert_eq!(
            support::encode(&Advertisement::from(&view), &packet),
            original
        );
    }
}
