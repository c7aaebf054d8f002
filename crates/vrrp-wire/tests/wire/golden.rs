//! Messages written by hand from the standards, both ways.

use std::net::IpAddr;

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementError, AdvertisementView, Authentication,
    ChecksumForm, Password, Priority, PseudoHeader, Vrid,
};

use crate::support;

fn advertisement(
    vrid: u8,
    priority: u8,
    interval: AdvertInterval,
    addresses: &[&str],
) -> Advertisement {
    let addresses = addresses
        .iter()
        .map(|address| address.parse::<IpAddr>().unwrap());
    let vrid = Vrid::new(vrid).unwrap();
    Advertisement::new(vrid, Priority::new(priority), interval, addresses).unwrap()
}

fn check(name: &str, source: &str, expected: &Advertisement) {
    let (message, packet) = (support::hex(name), support::multicast(source));
    assert_eq!(support::encode(expected, &packet), message);

    let view = AdvertisementView::new_checked(&message, &packet).unwrap();
    assert_eq!(view.version(), expected.version());
    assert_eq!(view.vrid(), expected.vrid());
    assert_eq!(view.priority(), expected.priority());
    assert_eq!(view.interval(), expected.interval());
    assert_eq!(view.authentication(), expected.authentication());
    assert_eq!(view.checksum_form(), expected.checksum_form());
    assert_eq!(view.addresses().len(), expected.addresses().len());
    assert!(view.addresses().eq(expected.addresses()));
    assert_eq!(Advertisement::from(&view), *expected);
}

#[test]
fn v2() {
    let expected = advertisement(1, 100, AdvertInterval::v2(1).unwrap(), &["192.0.2.1"]);
    check("v2", "192.0.2.2", &expected);
}

#[test]
fn v2_password() {
    let authentication = Authentication::Password(Password::new("secret").unwrap());
    let interval = AdvertInterval::v2(255).unwrap();
    let expected = advertisement(255, 254, interval, &["192.0.2.1", "192.0.2.2"])
        .with_authentication(authentication)
        .unwrap();
    check("v2-password", "192.0.2.2", &expected);
}

#[test]
fn v3_ipv4_pseudo_header() {
    let interval = AdvertInterval::v3(4095).unwrap();
    let expected = advertisement(7, 255, interval, &["192.0.2.1", "198.51.100.1"]);
    assert_eq!(expected.checksum_form(), ChecksumForm::PseudoHeader);
    check("v3-ipv4-pseudo-header", "192.0.2.2", &expected);
}

#[test]
fn v3_ipv4_message_only() {
    let expected = advertisement(51, 200, AdvertInterval::v3(100).unwrap(), &["192.0.2.100"])
        .with_checksum_form(ChecksumForm::MessageOnly)
        .unwrap();
    check("v3-ipv4-message-only", "198.51.100.10", &expected);
}

#[test]
fn v3_ipv6() {
    let interval = AdvertInterval::v3(1).unwrap();
    let mut expected = advertisement(9, 200, interval, &["fe80::9", "2001:db8::9"]);
    expected.set_priority(Priority::STOP);
    check("v3-ipv6", "fe80::1", &expected);
}

#[test]
fn the_same_sum_both_ways_counts_as_pseudo_header() {
    // The pseudo-header 255.255 - 112 - 12 adds up to the zero of ones' complement.
    let packet = PseudoHeader::V4 {
        source: [255, 255 - 112 - 12, 0, 0].into(),
        destination: [0, 0, 0, 0].into(),
    };
    let form = ChecksumForm::MessageOnly;
    let sent = advertisement(1, 1, AdvertInterval::v3(1).unwrap(), &["192.0.2.1"])
        .with_checksum_form(form)
        .unwrap();
    let message = support::encode(&sent, &packet);
    let view = AdvertisementView::new_checked(&message, &packet).unwrap();
    assert_eq!(view.checksum_form(), ChecksumForm::PseudoHeader);
    assert_eq!(
        support::encode(&Advertisement::from(&view), &packet),
        message
    );
}

#[test]
fn the_most_addresses() {
    for address in ["192.0.2.1", "fe80::1"] {
        let most = advertisement(1, 1, AdvertInterval::v3(1).unwrap(), &[address; 255]);
        let packet = support::multicast(address);
        let message = support::encode(&most, &packet);
        let view = AdvertisementView::new_checked(&message, &packet).unwrap();
        assert_eq!(view.addresses().len(), 255);
        assert_eq!(Advertisement::from(&view), most);
    }
}

#[test]
fn what_no_advertisement_can_be() {
    let new = |interval: AdvertInterval, addresses: &[&str]| {
        let addresses = addresses
            .iter()
            .map(|address| address.parse::<IpAddr>().unwrap());
        Advertisement::new(
            Vrid::new(1).unwrap(),
            Priority::DEFAULT,
            interval,
            addresses,
        )
    };
    let (v2, v3) = (
        AdvertInterval::v2(1).unwrap(),
        AdvertInterval::v3(1).unwrap(),
    );
    let (v4, v6) = ("192.0.2.1", "fe80::1");

    assert_eq!(new(v3, &[]), Err(AdvertisementError::NoAddresses));
    assert_eq!(
        new(v3, &[v4; 256]),
        Err(AdvertisementError::TooManyAddresses(256))
    );
    assert_eq!(new(v3, &[v4, v6]), Err(AdvertisementError::MixedFamilies));
    assert_eq!(new(v3, &[v6, v4]), Err(AdvertisementError::MixedFamilies));
    assert_eq!(new(v2, &[v6]), Err(AdvertisementError::V2Ipv6));

    let password = Authentication::Password(Password::new("secret").unwrap());
    for address in [v4, v6] {
        let v3 = || new(v3, &[address]).unwrap();
        let authenticated = v3().with_authentication(password);
        assert_eq!(authenticated, Err(AdvertisementError::V3Authentication));
        assert_eq!(v3().with_authentication(Authentication::None), Ok(v3()));
    }
    let fixed = |advertisement: Result<Advertisement, _>, form| {
        advertisement.unwrap().with_checksum_form(form)
    };
    let error = Err(AdvertisementError::FixedChecksumForm);
    assert_eq!(fixed(new(v2, &[v4]), ChecksumForm::PseudoHeader), error);
    assert_eq!(
        fixed(new(v2, &[v4]), ChecksumForm::MessageOnly),
        new(v2, &[v4])
    );
    assert_eq!(fixed(new(v3, &[v6]), ChecksumForm::MessageOnly), error);
    assert_eq!(
        fixed(new(v3, &[v6]), ChecksumForm::PseudoHeader),
        new(v3, &[v6])
    );
}

#[test]
fn a_packet_of_the_other_family_gets_nothing() {
    for (address, other) in [("192.0.2.1", "fe80::1"), ("fe80::1", "192.0.2.1")] {
        let sent = advertisement(1, 1, AdvertInterval::v3(1).unwrap(), &[address]);
        let mut out = support::FILL.to_vec();
        assert!(
            sent.encode_into(&support::multicast(other), &mut out)
                .is_err()
        );
        assert_eq!(out, support::FILL);
    }
}

#[test]
fn passwords_have_one_to_eight_bytes() {
    assert_eq!(Password::new("").unwrap_err().0, 0);
    assert_eq!(Password::new("123456789").unwrap_err().0, 9);
    assert_eq!(Password::new("1").unwrap().to_wire(), *b"1\0\0\0\0\0\0\0");
    assert_eq!(
        Password::new(b"12345678"),
        Ok(Password::from_wire(*b"12345678"))
    );
}

#[test]
fn debug_does_not_show_a_password() {
    let (message, packet) = (support::hex("v2-password"), support::multicast("192.0.2.2"));
    let view = AdvertisementView::new_checked(&message, &packet).unwrap();
    let shown = format!("{view:?} {:?}", Advertisement::from(&view));
    assert!(
        shown.contains("Password(..)") && !shown.contains("115"),
        "{shown}"
    );
}
