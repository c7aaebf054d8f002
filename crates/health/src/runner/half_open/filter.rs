//! What of the machine's traffic a raw socket gets to see: only what comes to our ports.

use std::net::IpAddr;

use socket2::SockFilter;

use super::wire::ANSWER_ROOM;

// `linux/bpf_common.h`.
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_INDEXED: u16 = 0x48;
const LOAD_INDEX_IHL: u16 = 0xb1;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// The destination port in a header of TCP.
const PORT_AT: u32 = 2;

/// A program of classic BPF that lets in what comes to one of `ports`, of which there may be 250. Of IPv4 a raw socket
/// sees the header of IP too.
pub(super) fn program(source: IpAddr, ports: &[u16]) -> Vec<SockFilter> {
    let mut program = match source {
        IpAddr::V4(_) => vec![
            SockFilter::new(LOAD_INDEX_IHL, 0, 0, 0),
            SockFilter::new(LOAD_HALF_INDEXED, 0, 0, PORT_AT),
        ],
        IpAddr::V6(_) => vec![SockFilter::new(LOAD_HALF, 0, 0, PORT_AT)],
    };
    for (place, port) in ports.iter().enumerate() {
        // Over the other comparisons and the instruction that drops.
        let distance = u8::try_from(ports.len() - place).unwrap_or(0);
        program.push(SockFilter::new(JUMP_EQUAL, distance, 0, u32::from(*port)));
    }
    let room = u32::try_from(ANSWER_ROOM).unwrap_or(u32::MAX);
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program.push(SockFilter::new(RETURN, 0, 0, room));
    program
}
