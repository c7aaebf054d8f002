use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementError, AdvertisementView, Authentication,
    ChecksumForm, Password, Priority, PseudoHeader, Version, Vrid,
};

/// What is to be sent, right or wrong.
#[derive(Debug, Arbitrary)]
struct Wanted {
    vrid: u8,
    priority: u8,
    interval: Interval,
    addresses: Vec<IpAddr>,
    password: Option<Vec<u8>>,
    message_only: bool,
    source: IpAddr,
    destination: IpAddr,
    /// Which byte is damaged on the way, and how.
    damage: (u16, u8),
}

#[derive(Debug, Arbitrary)]
enum Interval {
    V2(u8),
    V3(u16),
}

/// Whatever can be built is encoded, and is decoded as it was; with one byte damaged it is refused.
pub fn wire_round_trip(bytes: &[u8]) {
    let Ok(wanted) = Wanted::arbitrary_take_rest(Unstructured::new(bytes)) else {
        return;
    };
    let Some(advertisement) = build(&wanted) else {
        return;
    };
    let Ok(packet) = PseudoHeader::new(wanted.source, wanted.destination) else {
        assert_ne!(wanted.source.is_ipv4(), wanted.destination.is_ipv4());
        return;
    };
    let mut message = vec![0xa5; 3];
    let encoded = advertisement.encode_into(&packet, &mut message);
    let fits = wanted.source.is_ipv4() == wanted.addresses[0].is_ipv4();
    assert_eq!(encoded.is_ok(), fits);
    if !fits {
        assert_eq!(message, [0xa5; 3], "nothing is written in vain");
        return;
    }
    let message = message.split_off(3);
    assert_eq!(message.len(), advertisement.encoded_len());
    let view = AdvertisementView::new_checked(&message, &packet).expect("our own");
    assert_eq!(view.vrid(), advertisement.vrid());
    assert_eq!(view.priority(), Priority::new(wanted.priority));
    assert_eq!(view.interval(), advertisement.interval());
    assert_eq!(view.authentication(), advertisement.authentication());
    assert!(view.addresses().eq(wanted.addresses.iter().copied()));
    let sent = advertisement.checksum_form();
    // Where the pseudo-header adds up to nothing, both forms are the same.
    assert!(view.checksum_form() == sent || sent == ChecksumForm::MessageOnly);

    let (index, change) = wanted.damage;
    let index = usize::from(index) % message.len();
    // The count says how far the checksum reaches, the version what it covers.
    if change != 0 && index != 0 && index != 3 {
        let mut damaged = message;
        damaged[index] ^= change;
        if let Ok(damaged) = AdvertisementView::new_checked(&damaged, &packet) {
            // The difference between the forms happens to be the damage.
            assert_ne!(damaged.checksum_form(), sent, "byte {index} was damaged");
        }
    }
}

/// The advertisement; `None` if there is none, for the right reason.
fn build(wanted: &Wanted) -> Option<Advertisement> {
    let vrid = Vrid::new(wanted.vrid).ok();
    assert_eq!(vrid.is_none(), wanted.vrid == 0);
    let interval = match wanted.interval {
        Interval::V2(seconds) => AdvertInterval::v2(seconds),
        Interval::V3(centis) => AdvertInterval::v3(centis),
    };
    let (vrid, interval) = (vrid?, interval.ok()?);
    let addresses = wanted.addresses.iter().copied();
    let advertisement =
        match Advertisement::new(vrid, Priority::new(wanted.priority), interval, addresses) {
            Ok(advertisement) => advertisement,
            Err(error) => {
                assert_eq!(Some(error), mistake(&wanted.addresses, interval.version()));
                return None;
            }
        };
    assert_eq!(mistake(&wanted.addresses, interval.version()), None);

    let password = wanted.password.as_ref().map(Password::new);
    let authentication = match password {
        Some(Ok(password)) => Authentication::Password(password),
        Some(Err(_)) | None => Authentication::None,
    };
    let v3 = interval.version() == Version::V3;
    let secret = authentication != Authentication::None;
    let advertisement = match advertisement.with_authentication(authentication) {
        Ok(advertisement) => advertisement,
        Err(error) => {
            assert!(v3 && secret && error == AdvertisementError::V3Authentication);
            return None;
        }
    };
    let form = if wanted.message_only {
        ChecksumForm::MessageOnly
    } else {
        ChecksumForm::PseudoHeader
    };
    let only = match (interval.version(), wanted.addresses[0]) {
        (Version::V2, _) => Some(ChecksumForm::MessageOnly),
        (Version::V3, IpAddr::V4(_)) => None,
        (Version::V3, IpAddr::V6(_)) => Some(ChecksumForm::PseudoHeader),
    };
    let formed = advertisement.with_checksum_form(form);
    assert_eq!(formed.is_ok(), only.is_none_or(|only| only == form));
    formed.ok()
}

fn mistake(addresses: &[IpAddr], version: Version) -> Option<AdvertisementError> {
    let v6 = |address: &IpAddr| address.is_ipv6();
    let first = addresses.first().map(v6);
    match first {
        None => Some(AdvertisementError::NoAddresses),
        Some(_) if addresses.len() > 255 => {
            Some(AdvertisementError::TooManyAddresses(addresses.len()))
        }
        Some(first) if addresses.iter().any(|address| v6(address) != first) => {
            Some(AdvertisementError::MixedFamilies)
        }
        Some(true) if version == Version::V2 => Some(AdvertisementError::V2Ipv6),
        Some(_) => None,
    }
}
