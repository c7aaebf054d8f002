//! What a router sends.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use locum_vrrp_wire::{
    Advertisement, AhEnvelope, AhKey, AhSequence, HmacKeys, HmacSequence, HmacStamp,
    MULTICAST_IPV4, MULTICAST_IPV6, Priority, PseudoHeader,
};

use crate::config::{Family, RouterConfig};
use crate::security::{Security, SequenceKeeper};
use crate::transport::Carrier;

/// The packets of a router. Without authentication, they are encoded once for as long as they stay the same.
#[derive(Debug)]
pub(crate) struct Packet {
    advertisement: Advertisement,
    /// The group, or the peers.
    pub(crate) destinations: Vec<IpAddr>,
    sealed: Sealed,
    encoded_for: Option<(Priority, PseudoHeader)>,
    bytes: Vec<u8>,
}

/// What authenticates them.
#[derive(Debug)]
enum Sealed {
    Header(Header),
    Not,
    Trailer {
        keys: HmacKeys,
        sequence: HmacSequence,
        /// Of the advertisement that is being sent: the copies for all peers have the same.
        stamp: HmacStamp,
    },
}

#[derive(Debug)]
struct Header {
    key: AhKey,
    sequence: AhSequence,
    keeper: Arc<dyn SequenceKeeper>,
    identification: u16,
}

impl Packet {
    pub(crate) fn new(config: &RouterConfig) -> Self {
        let advertisement = config.advertisement().clone();
        let group = match config.family() {
            Family::Ipv4 => IpAddr::V4(MULTICAST_IPV4),
            Family::Ipv6 => IpAddr::V6(MULTICAST_IPV6),
        };
        let destinations = match config.peers() {
            [] => vec![group],
            peers => peers.iter().map(|peer| peer.address).collect(),
        };
        let (sealed, len) = match config.security() {
            Security::Header { key, keeper } => {
                let header = Header {
                    key: key.clone(),
                    sequence: AhSequence::new(keeper.last()),
                    keeper: Arc::clone(keeper),
                    identification: 0,
                };
                let len = AhKey::encoded_len(&advertisement);
                (Sealed::Header(header), len)
            }
            Security::Trailer {
                keys,
                mode,
                freshness,
            } if mode.signs() => {
                let sealed = Sealed::Trailer {
                    keys: keys.clone(),
                    sequence: HmacSequence::new(*freshness),
                    stamp: HmacStamp::from_bits(0),
                };
                (sealed, advertisement.signed_len())
            }
            Security::Message | Security::Trailer { .. } => {
                (Sealed::Not, advertisement.encoded_len())
            }
        };
        let mut packet = Self {
            advertisement,
            destinations,
            sealed,
            encoded_for: None,
            bytes: Vec::with_capacity(len),
        };
        packet.keep_record();
        packet
    }

    /// Goes on with another configuration, and with its numbers.
    pub(crate) fn reconfigure(&mut self, old: &RouterConfig, new: &RouterConfig) {
        let mut other = Self::new(new);
        match (&mut self.sealed, &mut other.sealed) {
            (Sealed::Header(before), Sealed::Header(after)) => {
                std::mem::swap(&mut before.sequence, &mut after.sequence);
                after.identification = before.identification;
            }
            (
                Sealed::Trailer {
                    sequence: before, ..
                },
                Sealed::Trailer {
                    sequence: after, ..
                },
            ) if old.security().is_checked_as(new.security()) => std::mem::swap(before, after),
            (
                Sealed::Header(_) | Sealed::Not | Sealed::Trailer { .. },
                Sealed::Header(_) | Sealed::Not | Sealed::Trailer { .. },
            ) => {}
        }
        *self = other;
    }

    /// One advertisement, to however many destinations, at `wall` since 1970. Says what it travels in.
    pub(crate) fn begin(&mut self, wall: Duration) -> Carrier {
        match &mut self.sealed {
            Sealed::Header(_) => Carrier::Header,
            Sealed::Not => Carrier::Plain,
            Sealed::Trailer {
                sequence, stamp, ..
            } => {
                *stamp = sequence.advance(wall);
                self.encoded_for = None;
                Carrier::Plain
            }
        }
    }

    pub(crate) fn encode(
        &mut self,
        priority: Priority,
        source: IpAddr,
        destination: IpAddr,
    ) -> io::Result<&[u8]> {
        let pseudo_header = PseudoHeader::new(source, destination).map_err(io::Error::other)?;
        if self.encoded_for == Some((priority, pseudo_header)) {
            return Ok(&self.bytes);
        }
        self.encoded_for = None;
        self.bytes.clear();
        self.advertisement.set_priority(priority);
        match &mut self.sealed {
            Sealed::Header(header) => {
                // Not kept: no two packets have the same number.
                header.encode_into(&self.advertisement, &pseudo_header, &mut self.bytes)?;
                return Ok(&self.bytes);
            }
            Sealed::Not => self
                .advertisement
                .encode_into(&pseudo_header, &mut self.bytes),
            Sealed::Trailer { keys, stamp, .. } => {
                self.advertisement
                    .encode_signed_into(&pseudo_header, keys, *stamp, &mut self.bytes)
            }
        }
        .map_err(io::Error::other)?;
        self.encoded_for = Some((priority, pseudo_header));
        Ok(&self.bytes)
    }

    /// Takes note of a number that somebody else used.
    pub(crate) fn heard(&mut self, sequence: u32) {
        if let Sealed::Header(header) = &mut self.sealed {
            header.sequence.heard(sequence);
            self.keep_record();
        }
    }

    /// Has the numbers kept that may be used next.
    pub(crate) fn keep_record(&mut self) {
        if let Sealed::Header(header) = &mut self.sealed
            && let Some(record) = header.sequence.poll_record()
        {
            header.keeper.keep(record);
        }
    }
}

impl Header {
    fn encode_into(
        &mut self,
        advertisement: &Advertisement,
        packet: &PseudoHeader,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let PseudoHeader::V4 {
            source,
            destination,
        } = *packet
        else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // Never zero, for which the kernel would put one of its own.
        self.identification = self.identification.checked_add(1).unwrap_or(1);
        let envelope = AhEnvelope {
            source,
            destination,
            identification: self.identification,
            sequence: self.sequence.advance().map_err(io::Error::other)?,
        };
        self.key
            .encode_into(advertisement, &envelope, out)
            .map_err(io::Error::other)
    }
}
