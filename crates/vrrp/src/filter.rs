//! What the kernel lets into which queue, as a program for `SO_ATTACH_FILTER`.
//!
//! A lane has two queues. One is for what looks like an advertisement for a router that lives here, and is read first;
//! the other, a short one, is for all the rest, which is only counted. So nobody can fill the first with packets that
//! are none of its business, and a busy network of other routers wakes nobody for long.

use locum_vrrp_wire::IP_TTL;
use socket2::SockFilter;

use crate::config::Family;

/// `BPF_LD | BPF_B | BPF_ABS` of linux/bpf_common.h, and so on.
const LOAD_BYTE: u16 = 0x30;
const LOAD_BYTE_AT_X: u16 = 0x50;
const LOAD_LENGTH: u16 = 0x80;
const LOAD_X_IP_HEADER_LENGTH: u16 = 0xb1;
const SUBTRACT_X: u16 = 0x1c;
const LOAD_X: u16 = 0x01;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// `SKF_NET_OFF` of linux/filter.h: from here on counts from the network header.
const NETWORK_HEADER: u32 = 0xfff0_0000;
const TTL_OF_IPV4: u32 = 8;
const HOP_LIMIT_OF_IPV6: u32 = 7;

/// The shortest advertisement without addresses (RFC 9568 §5.1).
const SHORTEST: u32 = 8;
/// Version and type (RFC 9568 §5.2.1) of the advertisements that there are.
const KINDS: [u32; 2] = [0x21, 0x31];
/// The whole packet.
const ALL: u32 = u32::MAX;

/// Which of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// What is not [`Self::Ours`].
    Others,
    /// What looks like an advertisement for one of the routers.
    Ours,
}

/// What a lane's routers listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listened {
    /// By VRID.
    pub(crate) vrids: Box<[bool; 256]>,
    /// All of them talk multicast, so that no packet may have passed a router.
    pub(crate) on_link: bool,
}

/// A program that lets nothing in.
pub(crate) fn nothing() -> [SockFilter; 1] {
    [step(RETURN, 0)]
}

/// The program of one queue of a socket of `family`: the other queue's lets in exactly what this one refuses.
pub(crate) fn program(family: Family, listened: &Listened, queue: Queue) -> Vec<SockFilter> {
    let (hit, miss) = match queue {
        Queue::Ours => (ALL, 0),
        Queue::Others => (0, ALL),
    };
    let mut program = Vec::with_capacity(64);
    // A raw IPv4 socket is given the IP header too, an IPv6 one is not. X is where the message begins.
    let ttl = match family {
        Family::Ipv4 => {
            program.push(step(LOAD_X_IP_HEADER_LENGTH, 0));
            TTL_OF_IPV4
        }
        Family::Ipv6 => {
            program.push(step(LOAD_X, 0));
            NETWORK_HEADER + HOP_LIMIT_OF_IPV6
        }
    };
    // Too short, and reading beyond its end would end the program.
    program.push(step(LOAD_LENGTH, 0));
    program.push(step(SUBTRACT_X, 0));
    refuse_unless(&mut program, JUMP_IF_AT_LEAST, SHORTEST, miss);
    if listened.on_link {
        program.push(step(LOAD_BYTE, ttl));
        refuse_unless(&mut program, JUMP_IF_EQUAL, u32::from(IP_TTL), miss);
    }
    program.push(step(LOAD_BYTE_AT_X, 0));
    let [v2, v3] = KINDS;
    program.push(jump(JUMP_IF_EQUAL, v2, 1, 0));
    refuse_unless(&mut program, JUMP_IF_EQUAL, v3, miss);
    program.push(step(LOAD_BYTE_AT_X, 1));
    for (first, last) in runs(&listened.vrids) {
        // The runs ascend: what is below this one is in none.
        refuse_unless(&mut program, JUMP_IF_AT_LEAST, first, miss);
        program.push(jump(JUMP_IF_GREATER, last, 1, 0));
        program.push(step(RETURN, hit));
    }
    program.push(step(RETURN, miss));
    program
}

fn refuse_unless(program: &mut Vec<SockFilter>, condition: u16, operand: u32, miss: u32) {
    program.push(jump(condition, operand, 1, 0));
    program.push(step(RETURN, miss));
}

const fn step(code: u16, operand: u32) -> SockFilter {
    SockFilter::new(code, 0, 0, operand)
}

/// Skips so many steps if it holds, and if not.
const fn jump(code: u16, operand: u32, holds: u8, fails: u8) -> SockFilter {
    SockFilter::new(code, holds, fails, operand)
}

/// The VRIDs as runs of numbers that follow one another, ascending.
fn runs(vrids: &[bool; 256]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (vrid, _) in (0..).zip(vrids).filter(|(_, wanted)| **wanted) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == vrid => *last = vrid,
            _ => runs.push((vrid, vrid)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrids_that_follow_one_another_are_one_run() {
        let mut vrids = [false; 256];
        for vrid in [1, 2, 3, 51, 200, 255] {
            vrids[vrid] = true;
        }
        assert_eq!(runs(&vrids), [(1, 3), (51, 51), (200, 200), (255, 255)]);
        assert!(runs(&[false; 256]).is_empty());
    }

    #[test]
    fn the_longest_program_is_one_that_the_kernel_takes() {
        let mut vrids = Box::new([false; 256]);
        for vrid in (1..256).step_by(2) {
            vrids[vrid] = true;
        }
        let listened = Listened {
            vrids,
            on_link: true,
        };
        let program = program(Family::Ipv4, &listened, Queue::Ours);
        // BPF_MAXINSNS.
        assert!(program.len() <= 4096, "{}", program.len());
    }
}
