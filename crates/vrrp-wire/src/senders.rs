//! What was last heard of each sender, in bounded memory.

use core::net::IpAddr;

/// So many routers of one group are told apart; a group has two or three.
const SENDERS: usize = 16;

/// The last of each sender; of those that are too many, whoever has been silent for longest is forgotten.
#[derive(Debug, Clone)]
pub(crate) struct Senders<T> {
    slots: [Option<Slot<T>>; SENDERS],
    /// Counts what was heard.
    turn: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot<T> {
    source: IpAddr,
    last: T,
    turn: u64,
}

impl<T: Copy> Senders<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [None; SENDERS],
            turn: 0,
        }
    }

    pub(crate) fn last(&self, source: IpAddr) -> Option<T> {
        let slot = self.slots.iter().flatten().find(|one| one.source == source);
        slot.map(|slot| slot.last)
    }

    /// Takes note of what `source` said last.
    pub(crate) fn set_last(&mut self, source: IpAddr, last: T) {
        self.turn += 1;
        let turn = self.turn;
        let known = |slot: &&mut Option<Slot<T>>| slot.is_some_and(|slot| slot.source == source);
        let slot = match self.slots.iter_mut().find(known) {
            Some(slot) => Some(slot),
            // An empty one has had no turn.
            None => self
                .slots
                .iter_mut()
                .min_by_key(|slot| slot.map_or(0, |slot| slot.turn)),
        };
        if let Some(slot) = slot {
            *slot = Some(Slot { source, last, turn });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    #[test]
    fn whoever_was_silent_for_longest_is_forgotten() {
        let mut senders = Senders::new();
        for number in 0..16 {
            senders.set_last(sender(number), u32::from(number));
        }
        senders.set_last(sender(0), 100);
        senders.set_last(sender(16), 16);
        assert_eq!(senders.last(sender(0)), Some(100));
        assert_eq!(senders.last(sender(1)), None);
        assert_eq!(senders.last(sender(2)), Some(2));
        assert_eq!(senders.last(sender(16)), Some(16));
    }
}
