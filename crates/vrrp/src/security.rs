//! How a router shows that it belongs to its group, beside the password in its advertisements.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use locum_vrrp_wire::{AhKey, AhRecord, HmacFreshness, HmacKeys, HmacMode};

/// Keeps the sequence numbers of a router that authenticates by header, so that they go on over a restart.
///
/// Both functions are called on the election's thread and must not wait: whoever writes to a disk does so elsewhere,
/// and has read it before the router is added. A record is given long before its numbers are used.
pub trait SequenceKeeper: fmt::Debug + Send + Sync {
    /// What was kept last; the default if nothing ever was.
    fn last(&self) -> AhRecord;

    /// Keeps `record` in place of what was kept before.
    fn keep(&self, record: AhRecord);
}

/// For as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct InMemory(Mutex<AhRecord>);

impl SequenceKeeper for InMemory {
    fn last(&self) -> AhRecord {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, record: AhRecord) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = record;
    }
}

/// What is around or behind the message.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    Header {
        key: AhKey,
        keeper: Arc<dyn SequenceKeeper>,
    },
    /// Nothing; the message may have a password.
    Message,
    Trailer {
        keys: HmacKeys,
        mode: HmacMode,
        freshness: HmacFreshness,
    },
}

impl Security {
    /// Are trailers checked in the same way, whatever the keys?
    pub(crate) fn is_checked_as(&self, other: &Self) -> bool {
        let how = |security: &Self| match security {
            Self::Header { .. } | Self::Message => None,
            Self::Trailer {
                mode, freshness, ..
            } => Some((*mode, *freshness)),
        };
        how(self) == how(other)
    }

    /// Is it the same, whoever keeps the sequence numbers?
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { key, .. }, Self::Header { key: other, .. }) => key == other,
            (Self::Message, Self::Message) => true,
            (
                Self::Trailer { keys, .. },
                Self::Trailer {
                    keys: other_keys, ..
                },
            ) => keys == other_keys && self.is_checked_as(other),
            (Self::Header { .. } | Self::Message | Self::Trailer { .. }, _) => false,
        }
    }

    pub(crate) const fn is_header(&self) -> bool {
        matches!(self, Self::Header { .. })
    }
}
