use locum_vrrp_wire::{
    Advertisement, AdvertisementView, Authentication, DecodeError, PseudoHeader, Version,
};

/// Bytes are an advertisement or refused; one that is read is written again as it was.
///
/// The first byte is odd for IPv6; then come the source and destination of the packet, then the message.
pub fn wire_decode(bytes: &[u8]) {
    let Some((packet, message)) = packet(bytes) else {
        return;
    };
    match AdvertisementView::new_checked(message, &packet) {
        Ok(view) => written_again_is_the_same(&view, message, &packet),
        // Nothing that libFuzzer changes has a right checksum by chance.
        Err(DecodeError::Checksum { expected, .. }) => {
            let mut mended = message.to_vec();
            mended[6..8].copy_from_slice(&expected.to_be_bytes());
            match AdvertisementView::new_checked(&mended, &packet) {
                Ok(view) => written_again_is_the_same(&view, &mended, &packet),
                Err(error) => assert!(
                    !matches!(error, DecodeError::Checksum { .. }),
                    "what is expected is wrong: {error}"
                ),
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

pub(crate) fn packet(bytes: &[u8]) -> Option<(PseudoHeader, &[u8])> {
    let (family, rest) = bytes.split_first()?;
    if family & 1 == 0 {
        let (source, rest) = rest.split_first_chunk::<4>()?;
        let (destination, rest) = rest.split_first_chunk::<4>()?;
        let (source, destination) = ((*source).into(), (*destination).into());
        let packet = PseudoHeader::V4 {
            source,
            destination,
        };
        Some((packet, rest))
    } else {
        let (source, rest) = rest.split_first_chunk::<16>()?;
        let (destination, rest) = rest.split_first_chunk::<16>()?;
        let (source, destination) = ((*source).into(), (*destination).into());
        let packet = PseudoHeader::V6 {
            source,
            destination,
        };
        Some((packet, rest))
    }
}

fn written_again_is_the_same(view: &AdvertisementView<'_>, message: &[u8], packet: &PseudoHeader) {
    assert_eq!(view.addresses().len(), usize::from(message[3]));
    assert_eq!(view.addresses().count(), view.addresses().len());

    let advertisement = Advertisement::from(view);
    let mut written = Vec::new();
    advertisement
        .encode_into(packet, &mut written)
        .expect("the same family");
    assert_eq!(written.len(), advertisement.encoded_len());

    let again = AdvertisementView::new_checked(&written, packet).expect("our own");
    // A sum that is zero both ways is taken for the first form.
    assert_eq!(
        (
            again.vrid(),
            again.priority(),
            again.interval(),
            again.authentication()
        ),
        (
            view.vrid(),
            view.priority(),
            view.interval(),
            view.authentication()
        )
    );
    assert!(again.addresses().eq(view.addresses()));
    assert_eq!(
        without_ignored(&written, view),
        without_ignored(message, view)
    );
}

/// All but the checksum, which covers what is ignored too, and what the standards say to ignore.
fn without_ignored(message: &[u8], view: &AdvertisementView<'_>) -> Vec<u8> {
    let address_len = match view.addresses().next() {
        Some(address) if address.is_ipv6() => 16,
        Some(_) | None => 4,
    };
    let mut kept = message.to_vec();
    let addresses_end = 8 + view.addresses().len() * address_len;
    let end = match (view.version(), view.authentication()) {
        (Version::V2, Authentication::Password(_)) => addresses_end + 8,
        (Version::V2, _) => addresses_end,
        (Version::V3, _) => {
            kept[4] &= 0x0f;
            addresses_end
        }
    };
    kept.truncate(end);
    kept[6..8].fill(0);
    kept
}
