use locum_vrrp_wire::{
    Advertisement, AdvertisementView, AhEnvelope, AhError, AhKey, AhPacket, Authentication,
    PseudoHeader,
};

/// Type of service, flags and fragment offset, and the checksum, which routers may change (RFC 2402 §3.3.3.1.1).
const MUTABLE: [usize; 5] = [1, 6, 7, 10, 11];
/// Predictable in multicast only.
const TTL: usize = 8;

/// Bytes are a packet with an authentication header or refused; what can be signed is believed, and damaged it is not.
///
/// The last two bytes say which bit is damaged.
pub fn wire_header(bytes: &[u8]) {
    let Some((packet, &[at, bit])) = bytes.split_last_chunk::<2>() else {
        return;
    };
    let key = AhKey::new("s3cret12").expect("eight bytes");
    let packet = match AhPacket::new_checked(packet) {
        Ok(packet) => packet,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    if let Err(error) = packet.verify(&key) {
        assert_eq!(error, AhError::Icv);
    }
    let pseudo_header = PseudoHeader::V4 {
        source: packet.source(),
        destination: packet.destination(),
    };
    let Ok(view) = AdvertisementView::new_checked(packet.message(), &pseudo_header) else {
        return;
    };
    if view.authentication() != Authentication::Header {
        return;
    }

    let envelope = AhEnvelope {
        source: packet.source(),
        destination: packet.destination(),
        identification: packet.identification(),
        sequence: packet.sequence(),
    };
    let advertisement = Advertisement::from(&view);
    let mut signed = Vec::new();
    key.encode_into(&advertisement, &envelope, &mut signed)
        .expect("it says that a header authenticates it");
    assert_eq!(signed.len(), AhKey::encoded_len(&advertisement));
    assert_eq!(verified(&signed, &key), Ok(()));

    let at = usize::from(at) % signed.len();
    signed[at] ^= 1 << (bit % 8);
    let unnoticed = MUTABLE.contains(&at) || at == TTL && !envelope.destination.is_multicast();
    assert_eq!(verified(&signed, &key).is_ok(), unnoticed, "byte {at}");
}

fn verified(packet: &[u8], key: &AhKey) -> Result<(), AhError> {
    AhPacket::new_checked(packet)?.verify(key)
}
