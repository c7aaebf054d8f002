//! Decoding with verification, and encoding, beside the least that could do the same work: hand-written for one
//! version and family, with the same checks but without types. Trust the ratios of one run, not its nanoseconds.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, MULTICAST_IPV4, MULTICAST_IPV6, Priority,
    PseudoHeader, Vrid,
};

/// The least: straight from bytes to fields and back.
mod reference {
    /// What a message says.
    #[expect(dead_code, reason = "made to be measured; black_box reads it")]
    pub(crate) struct Fields<'a> {
        vrid: u8,
        priority: u8,
        interval: u16,
        addresses: &'a [u8],
        auth: &'a [u8],
    }

    fn add(sum: u64, bytes: &[u8]) -> u64 {
        let words = bytes.as_chunks::<4>().0;
        words
            .iter()
            .fold(sum, |sum, word| sum + u64::from(u32::from_ne_bytes(*word)))
    }

    fn fold(sum: u64) -> u16 {
        let mut sum = sum;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or_default()
    }

    fn pseudo(source: &[u8], destination: &[u8], len: usize) -> u64 {
        let [high, low] = u16::try_from(len).unwrap_or_default().to_be_bytes();
        add(
            add(u64::from(u32::from_ne_bytes([0, 112, high, low])), source),
            destination,
        )
    }

    /// `N` bytes an address, `AUTH` bytes of authentication data.
    #[inline]
    pub(crate) fn decode<'a, const N: usize, const AUTH: usize>(
        bytes: &'a [u8],
        source: &[u8; N],
        destination: &[u8; N],
    ) -> Option<Fields<'a>> {
        let (&[version_type, vrid, priority, count, high, low, _, _], body) =
            bytes.split_first_chunk::<8>()?;
        let (addresses, rest) = body.split_at_checked(usize::from(count) * N)?;
        let (auth, _) = rest.split_at_checked(AUTH)?;
        let len = 8 + addresses.len() + AUTH;
        let sum = add(0, bytes.get(..len)?);
        let (expected, interval, sum) = if AUTH == 0 {
            let centis = u16::from_be_bytes([high & 0x0f, low]);
            (0x31, centis, sum + pseudo(source, destination, len))
        } else {
            (0x21, u16::from(low), sum)
        };
        let good = version_type == expected
            && vrid != 0
            && count != 0
            && interval != 0
            && (AUTH == 0 || high <= 1)
            && fold(sum) == 0xffff;
        good.then_some(Fields {
            vrid,
            priority,
            interval,
            addresses,
            auth,
        })
    }

    /// `high` and `low` are the two bytes before the checksum.
    #[inline]
    pub(crate) fn encode<const N: usize, const AUTH: usize>(
        (vrid, priority, high, low): (u8, u8, u8, u8),
        addresses: &[[u8; N]],
        source: &[u8; N],
        destination: &[u8; N],
        out: &mut Vec<u8>,
    ) {
        let version_type = if AUTH == 0 { 0x31 } else { 0x21 };
        let count = u8::try_from(addresses.len()).unwrap_or_default();
        let first = u32::from_ne_bytes([version_type, vrid, priority, count]);
        let second = u32::from_ne_bytes([high, low, 0, 0]);
        let addresses = addresses.as_flattened();
        let mut sum = add(u64::from(first) + u64::from(second), addresses);
        if AUTH == 0 {
            sum += pseudo(source, destination, 8 + addresses.len());
        }
        let [check_high, check_low] = (!fold(sum)).to_ne_bytes();
        out.extend_from_slice(&[
            version_type,
            vrid,
            priority,
            count,
            high,
            low,
            check_high,
            check_low,
        ]);
        out.extend_from_slice(addresses);
        out.extend_from_slice(&[0; AUTH]);
    }
}

/// Runs both codecs of one version and family with 1 and 20 addresses.
#[expect(clippy::expect_used, reason = "the inputs are constants")]
fn codec<const N: usize, const AUTH: usize>(
    c: &mut Criterion,
    name: &str,
    interval: AdvertInterval,
    [source, destination, address]: [[u8; N]; 3],
) where
    IpAddr: From<[u8; N]>,
{
    let packet = PseudoHeader::new(source.into(), destination.into()).expect("one family");
    let vrid = Vrid::new(51).expect("not zero");
    let [high, low] = interval.wire_value().to_be_bytes();
    let fields = (51, 150, high, low);
    for count in [1, 20] {
        let addresses = vec![address; count];
        let listed = addresses.iter().map(|address| IpAddr::from(*address));
        let sent = Advertisement::new(vrid, Priority::new(150), interval, listed)
            .expect("addresses of one family");
        let (mut message, mut minimal) = (Vec::new(), Vec::new());
        let encoded = sent.encode_into(&packet, &mut message);
        reference::encode::<N, AUTH>(fields, &addresses, &source, &destination, &mut minimal);
        assert!(
            encoded.is_ok() && message == minimal,
            "{name}: both encode the same"
        );
        assert!(
            AdvertisementView::new_checked(&message, &packet).is_ok(),
            "{name}"
        );
        let decoded = reference::decode::<N, AUTH>(&message, &source, &destination);
        assert!(decoded.is_some(), "{name}: the reference decodes it");

        let mut group = c.benchmark_group(format!("decode/{name}"));
        // Results are looked at in place: moving them would cost as much as making them.
        group.bench_function(BenchmarkId::new("locum", count), |b| {
            b.iter(|| {
                let (message, packet) = (black_box(&message), black_box(&packet));
                black_box(&AdvertisementView::new_checked(message, packet));
            });
        });
        group.bench_function(BenchmarkId::new("reference", count), |b| {
            b.iter(|| {
                let (source, destination) = (black_box(&source), black_box(&destination));
                let message = black_box(&message);
                black_box(&reference::decode::<N, AUTH>(message, source, destination));
            });
        });
        group.finish();

        let mut group = c.benchmark_group(format!("encode/{name}"));
        group.bench_function(BenchmarkId::new("locum", count), |b| {
            b.iter(|| {
                minimal.clear();
                let encoded = black_box(&sent).encode_into(black_box(&packet), &mut minimal);
                black_box(&mut minimal);
                encoded
            });
        });
        group.bench_function(BenchmarkId::new("reference", count), |b| {
            b.iter(|| {
                minimal.clear();
                let (source, destination) = (black_box(&source), black_box(&destination));
                let (fields, addresses) = (black_box(fields), black_box(&addresses));
                reference::encode::<N, AUTH>(fields, addresses, source, destination, &mut minimal);
                black_box(&mut minimal);
            });
        });
        group.finish();
    }
}

#[expect(clippy::expect_used, reason = "the inputs are constants")]
fn v2(c: &mut Criterion) {
    let addresses = [
        Ipv4Addr::new(192, 0, 2, 2),
        MULTICAST_IPV4,
        Ipv4Addr::new(192, 0, 2, 10),
    ];
    let interval = AdvertInterval::v2(1).expect("in range");
    codec::<4, 8>(c, "v2", interval, addresses.map(|address| address.octets()));
}

#[expect(clippy::expect_used, reason = "the inputs are constants")]
fn v3_ipv4(c: &mut Criterion) {
    let addresses = [
        Ipv4Addr::new(192, 0, 2, 2),
        MULTICAST_IPV4,
        Ipv4Addr::new(192, 0, 2, 10),
    ];
    let interval = AdvertInterval::v3(100).expect("in range");
    codec::<4, 0>(
        c,
        "v3-ipv4",
        interval,
        addresses.map(|address| address.octets()),
    );
}

#[expect(clippy::expect_used, reason = "the inputs are constants")]
fn v3_ipv6(c: &mut Criterion) {
    let link_local = |host| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host);
    let addresses = [link_local(2), MULTICAST_IPV6, link_local(10)];
    let interval = AdvertInterval::v3(100).expect("in range");
    codec::<16, 0>(
        c,
        "v3-ipv6",
        interval,
        addresses.map(|address| address.octets()),
    );
}

criterion_group!(benches, v2, v3_ipv4, v3_ipv6);
criterion_main!(benches);
