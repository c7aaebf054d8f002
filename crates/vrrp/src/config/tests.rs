use locum_vrrp_wire::{AdvertInterval, HmacKey, HmacKeyId, Priority};

use super::*;

fn election(version: Version) -> Config {
    let interval = match version {
        Version::V2 => AdvertInterval::v2(1),
        Version::V3 => AdvertInterval::v3(100),
    };
    Config::new(interval.expect("an interval"), Priority::DEFAULT).expect("a priority")
}

fn router(version: Version, addresses: &[&str]) -> Result<RouterConfig, RouterConfigError> {
    let addresses = addresses
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect();
    RouterConfig::new("eth0", vrid(), addresses, election(version))
}

fn vrid() -> Vrid {
    Vrid::new(1).expect("a VRID")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn addresses_that_no_router_can_have_are_refused() {
    let refused = |version, addresses: &[&str]| router(version, addresses).expect_err("refused");
    assert_eq!(
        refused(Version::V3, &[]),
        AdvertisementError::NoAddresses.into()
    );
    assert_eq!(
        refused(Version::V2, &["fd00::1/64"]),
        AdvertisementError::V2Ipv6.into()
    );
    assert_eq!(
        refused(Version::V3, &["192.0.2.1/24", "fd00::1/64"]),
        AdvertisementError::MixedFamilies.into()
    );
    assert_eq!(
        refused(Version::V3, &["192.0.2.1/24", "192.0.2.1/32"]),
        RouterConfigError::DuplicateAddress(ip("192.0.2.1"))
    );
    assert_eq!(
        refused(Version::V3, &["224.0.0.1/32"]),
        RouterConfigError::NotAHost(ip("224.0.0.1"))
    );
    let many: Vec<String> = (0..=255).map(|last| format!("192.0.2.{last}/24")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        refused(Version::V3, &many),
        AdvertisementError::TooManyAddresses(256).into()
    );
}

#[test]
fn names_that_no_interface_has_are_refused() {
    for name in ["", "a/b", "a b", "..", "sixteen-letters-"] {
        let addresses = vec!["192.0.2.1/24".parse().expect("an address")];
        let refused = RouterConfig::new(name, vrid(), addresses, election(Version::V3));
        assert_eq!(
            refused.expect_err("refused"),
            RouterConfigError::Interface(name.into())
        );
    }
}

#[test]
fn peers_and_source_are_of_the_family_and_make_sense() {
    let v4 = || router(Version::V3, &["192.0.2.1/24"]).expect("valid");
    let other = RouterConfigError::Family {
        address: ip("fd00::2"),
        family: Family::Ipv4,
    };
    assert_eq!(
        v4().unicast(vec![]).expect_err("refused"),
        RouterConfigError::NoPeers
    );
    assert_eq!(
        v4().unicast(vec![Peer::new(ip("fd00::2"))])
            .expect_err("refused"),
        other
    );
    assert_eq!(v4().source(ip("fd00::2")).expect_err("refused"), other);
    assert_eq!(
        v4().source(ip("192.0.2.1")).expect_err("refused"),
        RouterConfigError::VirtualSource(ip("192.0.2.1"))
    );
    let peer = Peer::new(ip("192.0.2.9"));
    assert_eq!(
        v4().unicast(vec![peer, peer]).expect_err("refused"),
        RouterConfigError::DuplicatePeer(peer.address)
    );
    let empty = Peer {
        min_ttl: 255,
        max_ttl: 254,
        ..peer
    };
    assert_eq!(
        v4().unicast(vec![empty]).expect_err("refused"),
        RouterConfigError::TtlBounds(peer.address)
    );
}

#[test]
fn headers_are_for_v2_and_trailers_for_v3() {
    let key = || AhKey::new("secret").expect("fits");
    let keys = || {
        let id = HmacKeyId::new(1).expect("not zero");
        HmacKeys::new(id, HmacKey::new([7; 32]).expect("fits"))
    };
    let of = |version, address| router(version, &[address]).expect("valid");
    let v2 = of(Version::V2, "192.0.2.1/24");
    assert!(!v2.has_header());
    assert!(
        v2.clone()
            .header(key(), None)
            .is_ok_and(|router| router.has_header())
    );
    assert_eq!(
        of(Version::V3, "fd00::1/64")
            .header(key(), None)
            .expect_err("refused"),
        AdvertisementError::V3Authentication.into()
    );
    let trailer =
        |router: RouterConfig| router.trailer(keys(), HmacMode::Enforce, HmacFreshness::Monotonic);
    assert_eq!(
        trailer(v2).expect_err("refused"),
        RouterConfigError::TrailerVersion
    );
    for address in ["192.0.2.1/24", "fd00::1/64"] {
        let router = trailer(of(Version::V3, address)).expect("v3 has it");
        assert!(!format!("{router:?}").contains("7, 7"));
    }
}

#[test]
fn password_is_for_v2_and_the_checksum_form_for_v3_over_ipv4() {
    let password = Password::new("secret").expect("fits");
    let of = |version, address| router(version, &[address]).expect("valid");
    assert!(of(Version::V2, "192.0.2.1/24").password(password).is_ok());
    assert_eq!(
        of(Version::V3, "192.0.2.1/24")
            .password(password)
            .expect_err("refused"),
        AdvertisementError::V3Authentication.into()
    );
    assert!(
        of(Version::V3, "192.0.2.1/24")
            .checksum(ChecksumForm::MessageOnly)
            .is_ok()
    );
    for (version, address, form) in [
        (Version::V2, "192.0.2.1/24", ChecksumForm::PseudoHeader),
        (Version::V3, "fd00::1/64", ChecksumForm::MessageOnly),
    ] {
        assert_eq!(
            of(version, address).checksum(form).expect_err("refused"),
            AdvertisementError::FixedChecksumForm.into()
        );
    }
}
