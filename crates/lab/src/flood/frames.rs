//! Hostile frames, built without the codec that is under test.

use std::net::Ipv4Addr;

use super::Hostile;
use crate::Mac;
use crate::random::Random;

/// 224.0.0.18, and its hardware address (RFC 1112 §6.4).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_MAC: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
/// IANA's number for VRRP.
const PROTOCOL: u8 = 112;

/// Whom the frames are to hurt.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain settings, built by callers"
)]
pub struct Target {
    /// A virtual router of version 3 and its address.
    pub v3: (u8, Ipv4Addr),
    /// One of version 2 with a password, and its address.
    pub v2: (u8, Ipv4Addr),
    /// A VRID that nobody has.
    pub foreign: u8,
    /// Who pretends to send.
    pub source: Ipv4Addr,
}

/// A frame of this kind; accepted, most would make their sender the master. `mac` is the sender's. Replays are taken
/// from the wire, not built.
pub(super) fn frame(
    kind: Hostile,
    target: &Target,
    mac: Mac,
    random: &mut Random,
) -> Option<Vec<u8>> {
    let (v3, v2) = (target.v3, target.v2);
    let good = |vrid| v3_advert(target.source, vrid, v3.1);
    let (ttl, message) = match kind {
        Hostile::Foreign => (255, good(target.foreign)),
        Hostile::Garbage => {
            let length = 8 + random.below(33);
            (255, (0..length).map(|_| byte(random)).collect())
        }
        Hostile::Replayed => return None,
        Hostile::Truncated => {
            let mut message = good(v3.0);
            let length = random.below(8);
            message.truncate(usize::try_from(length).unwrap_or(0));
            (255, message)
        }
        Hostile::WrongChecksum => {
            let mut message = good(v3.0);
            // The priority, which is not what was summed any more.
            if let Some(priority) = message.get_mut(2) {
                *priority ^= 1;
            }
            (255, message)
        }
        Hostile::WrongPassword => (255, v2_advert(v2.0, v2.1, *b"guessed\0")),
        Hostile::WrongTtl => (254, good(v3.0)),
    };
    Some(packet(mac, target.source, ttl, &message))
}

fn byte(random: &mut Random) -> u8 {
    u8::try_from(random.below(256)).unwrap_or(0)
}

/// RFC 9568 §5.2: priority 254, each 100 ms, one address.
fn v3_advert(source: Ipv4Addr, vrid: u8, address: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0x31, vrid, 254, 1, 0, 10, 0, 0];
    message.extend(address.octets());
    let length = u8::try_from(message.len()).unwrap_or(0);
    let pseudo = [source.octets(), GROUP.octets(), [0, PROTOCOL, 0, length]].concat();
    fill_in(&mut message, 6, &pseudo);
    message
}

/// RFC 2338 §5.3: priority 254, each second, one address, a password.
fn v2_advert(vrid: u8, address: Ipv4Addr, password: [u8; 8]) -> Vec<u8> {
    let mut message = vec![0x21, vrid, 254, 1, 1, 1, 0, 0];
    message.extend(address.octets());
    message.extend(password);
    fill_in(&mut message, 6, &[]);
    message
}

/// Ethernet and IPv4 before the message.
fn packet(mac: Mac, source: Ipv4Addr, ttl: u8, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + message.len()).unwrap_or(u16::MAX);
    let mut header = vec![0x45, 0xc0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0, 0, ttl, PROTOCOL, 0, 0]);
    header.extend(source.octets());
    header.extend(GROUP.octets());
    fill_in(&mut header, 10, &[]);
    let mut frame = GROUP_MAC.to_vec();
    frame.extend(mac.octets());
    frame.extend([0x08, 0x00]);
    frame.extend(header);
    frame.extend(message);
    frame
}

/// Puts the internet checksum (RFC 1071) of `more` and `bytes` at `at`, where zeroes are.
fn fill_in(bytes: &mut [u8], at: usize, more: &[u8]) {
    let words = more.chunks(2).chain(bytes.chunks(2));
    let sum: u32 = words
        .map(|word| match word {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [high] => u32::from(*high) << 8,
            _ => 0,
        })
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let checksum = !u16::try_from(folded).unwrap_or(0);
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}
