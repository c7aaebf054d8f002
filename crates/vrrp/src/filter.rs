//! What the kernel lets into which queue, as a program for `SO_ATTACH_FILTER`.
//!
//! A lane has two queues. One is for what looks like an advertisement for a router that lives here, and is read first;
//! the other, a shorter one, is for all the rest, which is only counted. So nobody can fill the first with packets that
//! are none of its business, and a busy network of other routers wakes nobody for long.

use locum_vrrp_wire::IP_TTL;

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

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) code: u16,
    /// So many steps are skipped if the condition holds, and if it does not.
    pub(crate) skips: (u8, u8),
    pub(crate) operand: u32,
}

/// A program that lets nothing in.
pub(crate) const NOTHING: [Step; 1] = [step(RETURN, 0)];

/// The program of one queue of a socket of `family`: the other queue's lets in exactly what this one refuses.
pub(crate) fn program(family: Family, listened: &Listened, queue: Queue) -> Vec<Step> {
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
    // Past the other kind and its refusal.
    program.push(jump(JUMP_IF_EQUAL, v2, (2, 0)));
    refuse_unless(&mut program, JUMP_IF_EQUAL, v3, miss);
    program.push(step(LOAD_BYTE_AT_X, 1));
    for (first, last) in runs(&listened.vrids) {
        // The runs ascend: what is below this one is in none.
        refuse_unless(&mut program, JUMP_IF_AT_LEAST, first, miss);
        program.push(jump(JUMP_IF_GREATER, last, (1, 0)));
        program.push(step(RETURN, hit));
    }
    program.push(step(RETURN, miss));
    program
}

fn refuse_unless(program: &mut Vec<Step>, condition: u16, operand: u32, miss: u32) {
    program.push(jump(condition, operand, (1, 0)));
    program.push(step(RETURN, miss));
}

const fn step(code: u16, operand: u32) -> Step {
    jump(code, operand, (0, 0))
}

const fn jump(code: u16, operand: u32, skips: (u8, u8)) -> Step {
    Step {
        code,
        skips,
        operand,
    }
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

    /// What the kernel does with a packet that a raw socket of `family` is given, `ttl` being in its header.
    fn run(program: &[Step], family: Family, ttl: u8, bytes: &[u8]) -> u32 {
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0);
        loop {
            let Step {
                code,
                skips,
                operand,
            } = program[at];
            at += 1;
            let holds = match code {
                RETURN => return operand,
                LOAD_X_IP_HEADER_LENGTH => {
                    x = u32::from(bytes[0] & 0x0f) * 4;
                    continue;
                }
                LOAD_X => {
                    x = operand;
                    continue;
                }
                LOAD_LENGTH => {
                    a = u32::try_from(bytes.len()).unwrap();
                    continue;
                }
                SUBTRACT_X => {
                    a = a.wrapping_sub(x);
                    continue;
                }
                LOAD_BYTE if operand >= NETWORK_HEADER => {
                    assert_eq!((family, operand - NETWORK_HEADER), (Family::Ipv6, 7));
                    a = ttl.into();
                    continue;
                }
                LOAD_BYTE | LOAD_BYTE_AT_X => {
                    let offset = if code == LOAD_BYTE {
                        operand
                    } else {
                        x + operand
                    };
                    // Beyond the end the kernel refuses.
                    let Some(byte) = bytes.get(usize::try_from(offset).unwrap()) else {
                        return 0;
                    };
                    a = (*byte).into();
                    continue;
                }
                JUMP_IF_EQUAL => a == operand,
                JUMP_IF_GREATER => a > operand,
                JUMP_IF_AT_LEAST => a >= operand,
                _ => panic!("{code:#x}"),
            };
            at += usize::from(if holds { skips.0 } else { skips.1 });
        }
    }

    fn listened(wanted: &[usize], on_link: bool) -> Listened {
        let mut vrids = Box::new([false; 256]);
        for vrid in wanted {
            vrids[*vrid] = true;
        }
        Listened { vrids, on_link }
    }

    /// Is it in the first queue? It is in the other one if not, never in both or none.
    fn is_ours(family: Family, listened: &Listened, ttl: u8, message: &[u8]) -> bool {
        // A header with options, so that the message is not where it mostly is.
        let mut packet = vec![0x46, 0, 0, 0, 0, 0, 0, 0, ttl, 112];
        packet.resize(24, 0);
        let packet = match family {
            Family::Ipv4 => [&packet, message].concat(),
            Family::Ipv6 => message.to_vec(),
        };
        let [ours, others] = [Queue::Ours, Queue::Others]
            .map(|queue| run(&program(family, listened, queue), family, ttl, &packet));
        assert_eq!(
            [ours, others]
                .iter()
                .filter(|length| **length == ALL)
                .count(),
            1
        );
        assert_eq!(
            [ours, others].iter().filter(|length| **length == 0).count(),
            1
        );
        ours == ALL
    }

    #[test]
    fn only_what_looks_like_an_advertisement_of_a_router_here_is_ours() {
        let routers = listened(&[1, 2, 3, 51, 200], true);
        for family in [Family::Ipv4, Family::Ipv6] {
            let is_ours = |ttl, message: &[u8]| is_ours(family, &routers, ttl, message);
            for (vrid, expected) in [
                (0, false),
                (1, true),
                (3, true),
                (4, false),
                (50, false),
                (51, true),
                (52, false),
                (200, true),
                (255, false),
            ] {
                for kind in [0x21, 0x31] {
                    assert_eq!(is_ours(255, &[kind, vrid, 100, 1, 0, 10, 0, 0]), expected);
                }
            }
            assert!(is_ours(
                255,
                &[0x31, 51, 100, 1, 0, 10, 0, 0, 192, 0, 2, 10]
            ));
            for kind in [0x00, 0x11, 0x22, 0x32, 0x41, 0xff] {
                assert!(!is_ours(255, &[kind, 51, 100, 1, 0, 10, 0, 0]));
            }
            assert!(!is_ours(254, &[0x31, 51, 100, 1, 0, 10, 0, 0]));
            for length in 0..8 {
                assert!(!is_ours(255, &[0x31, 51, 100, 1, 0, 10, 0, 0][..length]));
            }
        }
    }

    #[test]
    fn peers_may_be_further_away() {
        let message = [0x31, 51, 100, 1, 0, 10, 0, 0];
        assert!(is_ours(Family::Ipv4, &listened(&[51], false), 3, &message));
        assert!(is_ours(Family::Ipv6, &listened(&[51], false), 3, &message));
    }

    #[test]
    fn without_routers_nothing_is_ours() {
        let message = [0x31, 51, 100, 1, 0, 10, 0, 0];
        assert!(!is_ours(Family::Ipv4, &listened(&[], true), 255, &message));
    }

    #[test]
    fn vrids_that_follow_one_another_are_one_run() {
        let vrids = listened(&[1, 2, 3, 51, 200, 255], true).vrids;
        assert_eq!(runs(&vrids), [(1, 3), (51, 51), (200, 200), (255, 255)]);
    }

    #[test]
    fn the_longest_program_is_one_that_the_kernel_takes() {
        let odd: Vec<usize> = (1..256).step_by(2).collect();
        let program = program(Family::Ipv4, &listened(&odd, true), Queue::Ours);
        // BPF_MAXINSNS.
        assert!(program.len() <= 4096, "{}", program.len());
    }
}
