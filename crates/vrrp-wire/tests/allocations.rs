//! Decoding, and encoding into a reserved buffer, allocate nothing.

use std::net::IpAddr;

use std::time::Duration;

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, AhEnvelope, AhKey, AhPacket, AhRecord,
    AhReplay, AhSequence, Authentication, HmacFreshness, HmacHeard, HmacKey, HmacKeyId, HmacKeys,
    HmacMode, HmacSequence, HmacVerifier, HmacWindow, MULTICAST_IPV4, Priority, PseudoHeader, Vrid,
};

fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn decoding_and_encoding_allocate_nothing() {
    let (v2, v3) = (
        AdvertInterval::v2(1).unwrap(),
        AdvertInterval::v3(100).unwrap(),
    );
    let v4 = ["192.0.2.10", "192.0.2.2", "224.0.0.18"];
    let v6 = ["fe80::10", "fe80::2", "ff02::12"];
    for (interval, addresses) in [(v2, v4), (v3, v4), (v3, v6)] {
        let [address, source, destination] =
            addresses.map(|address| address.parse::<IpAddr>().unwrap());
        let packet = PseudoHeader::new(source, destination).unwrap();
        let vrid = Vrid::new(1).unwrap();
        let mut sent =
            Advertisement::new(vrid, Priority::DEFAULT, interval, [address; 20]).unwrap();
        let mut message = Vec::with_capacity(sent.encoded_len());
        let counted = allocations(|| {
            sent.set_priority(Priority::STOP);
            sent.encode_into(&packet, &mut message).unwrap();
            let view = AdvertisementView::new_checked(&message, &packet).unwrap();
            assert!(view.addresses().eq([address; 20]));
            assert_eq!(view.priority(), Priority::STOP);
        });
        assert_eq!(counted, 0, "{interval:?}");
    }
}

#[test]
fn an_authentication_header_allocates_nothing() {
    let interval = AdvertInterval::v2(1).unwrap();
    let address = IpAddr::from([192, 0, 2, 10]);
    let vrid = Vrid::new(1).unwrap();
    let sent = Advertisement::new(vrid, Priority::DEFAULT, interval, [address; 20])
        .and_then(|sent| sent.with_authentication(Authentication::Header))
        .unwrap();
    let key = AhKey::new("secret").unwrap();
    let mut packet = Vec::with_capacity(AhKey::encoded_len(&sent));
    let mut sequence = AhSequence::new(AhRecord::default());
    let mut replay = AhReplay::new(AhRecord::default());
    let counted = allocations(|| {
        let envelope = AhEnvelope {
            source: [192, 0, 2, 2].into(),
            destination: MULTICAST_IPV4,
            identification: 1,
            sequence: sequence.advance().unwrap(),
        };
        key.encode_into(&sent, &envelope, &mut packet).unwrap();
        let received = AhPacket::new_checked(&packet).unwrap();
        received.verify(&key).unwrap();
        replay.accept(address, received.sequence()).unwrap();
        assert!(replay.accept(address, received.sequence()).is_err());
    });
    assert_eq!(counted, 0);
}

#[test]
fn an_authentication_trailer_allocates_nothing() {
    let interval = AdvertInterval::v3(100).unwrap();
    let address: IpAddr = "fe80::10".parse().unwrap();
    let source: IpAddr = "fe80::2".parse().unwrap();
    let packet = PseudoHeader::new(source, "ff02::12".parse().unwrap()).unwrap();
    let vrid = Vrid::new(1).unwrap();
    let sent = Advertisement::new(vrid, Priority::DEFAULT, interval, [address; 20]).unwrap();
    let keys = HmacKeys::new(HmacKeyId::new(1).unwrap(), HmacKey::new([7; 32]).unwrap());
    let freshness = HmacFreshness::Window(HmacWindow::new(5).unwrap());
    let mut sequence = HmacSequence::new(freshness);
    let mut verifier = HmacVerifier::new(HmacMode::Enforce, freshness);
    let mut message = Vec::with_capacity(sent.signed_len());
    let now = Duration::from_secs(1_800_000_000);
    let counted = allocations(|| {
        let stamp = sequence.advance(now);
        sent.encode_signed_into(&packet, &keys, stamp, &mut message)
            .unwrap();
        let view = AdvertisementView::new_checked(&message, &packet).unwrap();
        let heard = verifier.verify(now, &keys, source, &view, &message);
        assert_eq!(heard, Ok(HmacHeard::Signed));
        let heard = verifier.verify(now, &keys, source, &view, &message);
        assert!(heard.is_err());
    });
    assert_eq!(counted, 0);
}
