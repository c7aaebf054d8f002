use std::time::Duration;

use locum_vrrp_wire::{
    Advertisement, AdvertisementView, HmacFreshness, HmacHeard, HmacKey, HmacKeyId, HmacKeys,
    HmacMode, HmacRefused, HmacSequence, HmacVerifier, HmacWindow, PseudoHeader, Version,
};

use crate::wire_decode::packet;

/// Bytes are an advertisement with a trailer or without, believed as the mode says; what we sign is believed once, and
/// damaged never.
///
/// First come the mode, the seconds of our clock and which bit is damaged, then what `wire_decode` has.
pub fn wire_trailer(bytes: &[u8]) {
    let Some((&[mode, s0, s1, s2, s3, at, bit], rest)) = bytes.split_first_chunk::<7>() else {
        return;
    };
    let Some((packet, message)) = packet(rest) else {
        return;
    };
    let Ok(view) = AdvertisementView::new_checked(message, &packet) else {
        return;
    };
    let freshness = if mode & 4 == 0 {
        HmacFreshness::Monotonic
    } else {
        HmacFreshness::Window(HmacWindow::new(5).expect("up to 300"))
    };
    let mode = match mode % 3 {
        0 => HmacMode::Enforce,
        1 => HmacMode::Permissive,
        _ => HmacMode::ReceiveOnly,
    };
    let listener = Listener {
        keys: keys(),
        now: Duration::from_secs(u32::from_be_bytes([s0, s1, s2, s3]).into()),
        packet,
    };

    let mut verifier = HmacVerifier::new(mode, freshness);
    match listener.hears(&mut verifier, &view, message) {
        Ok(HmacHeard::Signed) => listener.hears_no_more(&mut verifier, &view, message),
        Ok(HmacHeard::Unsigned) => {
            assert_ne!(mode, HmacMode::Enforce);
            assert_eq!(message.len(), view.message_len());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    if view.version() == Version::V3 {
        listener.believes_what_is_signed(freshness, &Advertisement::from(&view), (at, bit));
    }
}

struct Listener {
    keys: HmacKeys,
    now: Duration,
    packet: PseudoHeader,
}

impl Listener {
    fn hears(
        &self,
        verifier: &mut HmacVerifier,
        view: &AdvertisementView<'_>,
        bytes: &[u8],
    ) -> Result<HmacHeard, HmacRefused> {
        verifier.verify(self.now, &self.keys, self.packet.source(), view, bytes)
    }

    fn hears_no_more(
        &self,
        verifier: &mut HmacVerifier,
        view: &AdvertisementView<'_>,
        bytes: &[u8],
    ) {
        let again = self.hears(verifier, view, bytes);
        assert_eq!(again, Err(HmacRefused::Replayed));
    }

    fn believes_what_is_signed(
        &self,
        freshness: HmacFreshness,
        advertisement: &Advertisement,
        (at, bit): (u8, u8),
    ) {
        let stamp = HmacSequence::new(freshness).advance(self.now);
        let mut signed = Vec::new();
        advertisement
            .encode_signed_into(&self.packet, &self.keys, stamp, &mut signed)
            .expect("the same family");
        assert_eq!(signed.len(), advertisement.signed_len());
        let view = AdvertisementView::new_checked(&signed, &self.packet).expect("our own");
        let mut verifier = HmacVerifier::new(HmacMode::Enforce, freshness);
        let heard = self.hears(&mut verifier, &view, &signed);
        assert_eq!(heard, Ok(HmacHeard::Signed));
        self.hears_no_more(&mut verifier, &view, &signed);

        let at = usize::from(at) % signed.len();
        signed[at] ^= 1 << (bit % 8);
        if let Ok(view) = AdvertisementView::new_checked(&signed, &self.packet) {
            let mut verifier = HmacVerifier::new(HmacMode::Enforce, freshness);
            let heard = self.hears(&mut verifier, &view, &signed);
            assert!(heard.is_err(), "byte {at}: {heard:?}");
        }
    }
}

/// 00 to 1f, with the id 1: that of the draft's vectors, which are in the corpus.
fn keys() -> HmacKeys {
    let key: Vec<u8> = (0..32).collect();
    HmacKeys::new(
        HmacKeyId::new(1).expect("not zero"),
        HmacKey::new(key).expect("32 bytes"),
    )
}
