//! The sequence numbers of authentication headers: our own, and those of others.

use core::net::IpAddr;

use thiserror::Error;

use crate::senders::Senders;

/// The last number there is: keepalived stops there, and so do we (RFC 2402 §3.3.2: it may not cycle).
const LAST: u32 = 0xffff_fffd;
/// So many numbers are reserved at once. At an advertisement a second, a record is written each quarter of an hour.
const BLOCK: u32 = 2048;

/// What has to survive a restart, so that no number is used twice and none that was heard is believed again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two numbers, which callers write and read"
)]
pub struct AhRecord {
    /// Every number up to this one may have been used.
    pub reserved: u32,
    /// Every number up to this one has been heard from others.
    pub heard: u32,
}

/// There are no numbers left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the sequence numbers of the authentication header are used up: the key has to be changed and the record of the numbers removed, on all routers of the group at once"
)]
#[non_exhaustive]
pub struct AhExhausted;

/// Our own numbers. Receivers believe nothing that is not above all that they have sent and heard, so that these go
/// on above the highest that was heard, and over a restart above all that may have been used before.
///
/// It keeps a record of what is reserved ahead of use: whatever [`poll_record`](Self::poll_record) gives is to be
/// written where a restart finds it, and need not be waited for.
///
/// ```
/// use locum_vrrp_wire::{AhRecord, AhSequence};
///
/// let mut sequence = AhSequence::new(AhRecord::default());
/// assert_eq!(sequence.advance(), Ok(1));
/// sequence.heard(5000);
/// assert_eq!(sequence.advance(), Ok(5001));
/// // To be written; until then, a crash could bring numbers back.
/// let record = sequence.poll_record().expect("5001 is not reserved yet");
/// assert!(AhSequence::new(record).advance().is_ok_and(|next| next > 5001));
/// # Ok::<(), locum_vrrp_wire::AhExhausted>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AhSequence {
    /// The highest that was used or heard.
    highest: u32,
    heard: u32,
    reserved: u32,
}

impl AhSequence {
    /// Goes on above everything in `record`, which an earlier run left.
    #[must_use]
    pub const fn new(record: AhRecord) -> Self {
        let AhRecord { reserved, heard } = record;
        Self {
            highest: if heard > reserved { heard } else { reserved },
            heard,
            reserved,
        }
    }

    /// The next number to send.
    ///
    /// # Errors
    ///
    /// [`AhExhausted`] after about four thousand million of them.
    pub const fn advance(&mut self) -> Result<u32, AhExhausted> {
        if self.highest >= LAST {
            return Err(AhExhausted);
        }
        self.highest += 1;
        Ok(self.highest)
    }

    /// Takes note of a number in a packet that was verified.
    pub fn heard(&mut self, sequence: u32) {
        self.heard = self.heard.max(sequence);
        self.highest = self.highest.max(sequence);
    }

    /// What is to be recorded now, if anything: half a block before the numbers run out.
    #[must_use]
    pub const fn poll_record(&mut self) -> Option<AhRecord> {
        if self.highest.saturating_add(BLOCK / 2) <= self.reserved || self.reserved == u32::MAX {
            return None;
        }
        self.reserved = self.highest.saturating_add(BLOCK);
        Some(AhRecord {
            reserved: self.reserved,
            heard: self.heard,
        })
    }
}

/// The numbers of others: which of them are new.
///
/// A sender that is known must go on above its own last number, one that is not above all that were heard. So it
/// takes one advertisement of ours, which is above all of them too, to bring in a router that has lost its count.
/// At most 16 senders are told apart; of more than that, the one that was silent for longest is no longer known.
#[derive(Debug, Clone)]
pub struct AhReplay {
    highest: u32,
    senders: Senders<u32>,
}

/// A number that is not new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("sequence number {sequence} is not above {highest}")]
#[non_exhaustive]
pub struct AhReplayed {
    /// The number.
    pub sequence: u32,
    /// What it had to be above.
    pub highest: u32,
}

impl AhReplay {
    /// Believes nothing that `record` says was heard.
    #[must_use]
    pub const fn new(record: AhRecord) -> Self {
        Self {
            highest: record.heard,
            senders: Senders::new(),
        }
    }

    /// Takes note of `sequence` in a packet of `source` that was verified.
    ///
    /// # Errors
    ///
    /// [`AhReplayed`] if it is not new; nothing changes.
    pub fn accept(&mut self, source: IpAddr, sequence: u32) -> Result<(), AhReplayed> {
        let highest = self.senders.last(source).unwrap_or(self.highest);
        if sequence <= highest {
            return Err(AhReplayed { sequence, highest });
        }
        self.senders.set_last(source, sequence);
        self.highest = self.highest.max(sequence);
        Ok(())
    }
}
