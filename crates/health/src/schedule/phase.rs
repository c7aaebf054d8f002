//! Where in its interval a probe has its place.

use std::net::{IpAddr, SocketAddr};

/// The place of a probe in its interval, by what it is and by who probes.
///
/// It is the same over restarts, reloads and versions, so that probes stay spread as they are; and different with
/// another seed, so that two machines do not probe a server at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Phase(u64);

impl Phase {
    /// The phase of the check named `identity` of `target`, on the machine that `seed` stands for.
    ///
    /// The hash is FNV-1a (64 bits) over the seed (little-endian), the address, the port (both big-endian) and the
    /// identity, with the finalizer of SplitMix64.
    #[must_use]
    pub fn new(seed: u64, target: SocketAddr, identity: &str) -> Self {
        let mut hash = Fnv::new();
        hash.write(&seed.to_le_bytes());
        match target.ip() {
            IpAddr::V4(address) => hash.write(&address.octets()),
            IpAddr::V6(address) => hash.write(&address.octets()),
        }
        hash.write(&target.port().to_be_bytes());
        hash.write(identity.as_bytes());
        Self(mix(hash.0))
    }

    /// Its place in a period of so many units.
    pub(super) const fn within(self, period: u64) -> u64 {
        match self.0.checked_rem(period) {
            Some(place) => place,
            None => 0,
        }
    }

    /// The number that is drawn in the `draw`th place.
    pub(super) const fn random(self, draw: u64) -> u64 {
        // The step of SplitMix64.
        mix(self
            .0
            .wrapping_add(draw.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The finalizer of SplitMix64: neighbours in, strangers out.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_is_the_published_one() {
        // From the test vectors of its authors.
        for (text, expected) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            let mut hash = Fnv::new();
            hash.write(text.as_bytes());
            assert_eq!(hash.0, expected, "{text}");
        }
    }

    #[test]
    fn splitmix_is_the_published_one() {
        // The first output for the seed 0.
        assert_eq!(Phase(0).random(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_phase_never_changes() {
        let v4 = "192.0.2.21:80".parse().unwrap();
        let v6 = "[2001:db8::21]:80".parse().unwrap();
        // Computed by another program.
        assert_eq!(Phase::new(1, v4, "tcp"), Phase(0x8ac4_4329_1857_bb1d));
        assert_eq!(Phase::new(1, v6, "tcp"), Phase(0x0bd3_f0e5_c5e8_e690));
    }

    #[test]
    fn each_part_counts() {
        let target = "192.0.2.21:80".parse().unwrap();
        let phase = Phase::new(1, target, "tcp");
        assert_ne!(phase, Phase::new(2, target, "tcp"));
        assert_ne!(phase, Phase::new(1, target, "http"));
        assert_ne!(
            phase,
            Phase::new(1, "192.0.2.21:81".parse().unwrap(), "tcp")
        );
        assert_ne!(
            phase,
            Phase::new(1, "192.0.2.22:80".parse().unwrap(), "tcp")
        );
    }
}
