//! For all advertisements, and for all bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, Authentication, ChecksumForm, DecodeError,
    Password, Priority, PseudoHeader, Version, Vrid,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support;

fn packet_v4() -> impl Strategy<Value = PseudoHeader> {
    (any::<Ipv4Addr>(), any::<Ipv4Addr>()).prop_map(|(source, destination)| PseudoHeader::V4 {
        source,
        destination,
    })
}

fn packet_v6() -> impl Strategy<Value = PseudoHeader> {
    (any::<Ipv6Addr>(), any::<Ipv6Addr>()).prop_map(|(source, destination)| PseudoHeader::V6 {
        source,
        destination,
    })
}

fn new(
    vrid: u8,
    priority: u8,
    interval: AdvertInterval,
    addresses: Vec<impl Into<IpAddr>>,
) -> Advertisement {
    let addresses = addresses.into_iter().map(Into::into);
    let vrid = Vrid::new(vrid).unwrap();
    Advertisement::new(vrid, Priority::new(priority), interval, addresses).unwrap()
}

fn authentication() -> impl Strategy<Value = Authentication> {
    prop_oneof![
        Just(Authentication::None),
        Just(Authentication::Header),
        any::<[u8; 8]>().prop_map(|data| Authentication::Password(Password::from_wire(data))),
    ]
}

fn v2() -> impl Strategy<Value = Advertisement> {
    (
        1_u8..,
        any::<u8>(),
        1_u8..,
        vec(any::<Ipv4Addr>(), 1..=255),
        authentication(),
    )
        .prop_map(|(vrid, priority, seconds, addresses, authentication)| {
            new(
                vrid,
                priority,
                AdvertInterval::v2(seconds).unwrap(),
                addresses,
            )
            .with_authentication(authentication)
            .unwrap()
        })
}

fn v3_ipv4() -> impl Strategy<Value = Advertisement> {
    let form = prop_oneof![
        Just(ChecksumForm::PseudoHeader),
        Just(ChecksumForm::MessageOnly)
    ];
    (
        1_u8..,
        any::<u8>(),
        1_u16..=4095,
        vec(any::<Ipv4Addr>(), 1..=255),
        form,
    )
        .prop_map(|(vrid, priority, centis, addresses, form)| {
            new(
                vrid,
                priority,
                AdvertInterval::v3(centis).unwrap(),
                addresses,
            )
            .with_checksum_form(form)
            .unwrap()
        })
}

fn v3_ipv6() -> impl Strategy<Value = Advertisement> {
    (
        1_u8..,
        any::<u8>(),
        1_u16..=4095,
        vec(any::<Ipv6Addr>(), 1..=255),
    )
        .prop_map(|(vrid, priority, centis, addresses)| {
            new(
                vrid,
                priority,
                AdvertInterval::v3(centis).unwrap(),
                addresses,
            )
        })
}

fn sent() -> impl Strategy<Value = (Advertisement, PseudoHeader)> {
    prop_oneof![
        (v2(), packet_v4()),
        (v3_ipv4(), packet_v4()),
        (v3_ipv6(), packet_v6())
    ]
}

/// Bytes that get as far as possible: a first byte and a count that fit, then anything.
fn plausible() -> impl Strategy<Value = (Vec<u8>, PseudoHeader)> {
    let first = prop_oneof![4 => Just(0x21_u8), 4 => Just(0x31), 1 => any::<u8>()];
    let packet = prop_oneof![packet_v4(), packet_v6()];
    let tail = vec(prop_oneof![Just(0), Just(1), any::<u8>()], 6..100);
    (first, any::<u8>(), any::<u8>(), 0_u8..6, tail, packet).prop_map(
        |(first, vrid, priority, count, tail, packet)| {
            (
                [first, vrid, priority, count]
                    .into_iter()
                    .chain(tail)
                    .collect(),
                packet,
            )
        },
    )
}

proptest! {
    #[test]
    fn decoding_undoes_encoding((sent, packet) in sent(), padding in vec(any::<u8>(), 0..40)) {
        let mut message = support::encode(&sent, &packet);
        message.extend(padding);
        let view = AdvertisementView::new_checked(&message, &packet)?;
        prop_assert_eq!(view.version(), sent.version());
        prop_assert_eq!(view.authentication(), sent.authentication());
        prop_assert!(view.addresses().eq(sent.addresses()));
        prop_assert_eq!(Advertisement::from(&view), sent);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), packet in packet_v4()) {
        prop_assert!(AdvertisementView::new_checked(&bytes, &packet).is_err());
    }

    /// With the right checksum, what is decoded is what the bytes say but for what a receiver ignores.
    #[test]
    fn encoding_undoes_decoding((mut bytes, packet) in plausible()) {
        if let Err(DecodeError::Checksum { found, expected }) =
            AdvertisementView::new_checked(&bytes, &packet)
        {
            prop_assert_ne!(found, expected);
            bytes[6..8].copy_from_slice(&expected.to_be_bytes());
        }
        let decoded = match AdvertisementView::new_checked(&bytes, &packet) {
            Ok(view) => Advertisement::from(&view),
            Err(error) => {
                let checksum = matches!(error, DecodeError::Checksum { .. });
                prop_assert!(!checksum, "{}", error);
                return Ok(());
            }
        };
        let message = support::encode(&decoded, &packet);
        bytes.truncate(message.len());
        // RFC 9568 §5.2.6: reserved bits. RFC 3768 §5.3.10: authentication data of type 0.
        match (decoded.version(), decoded.authentication()) {
            (Version::V3, _) => bytes[4] &= 0x0f,
            (Version::V2, Authentication::None) => bytes[message.len() - 8..].fill(0),
            (Version::V2, _) => {}
        }
        bytes[6..8].copy_from_slice(&message[6..8]);
        prop_assert_eq!(&message, &bytes);
        let again = AdvertisementView::new_checked(&message, &packet)?;
        prop_assert_eq!(Advertisement::from(&again), decoded);
    }
}
