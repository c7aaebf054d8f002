//! Messages as they come from the kernel.

use crate::attribute::{Attributes, align, attributes};

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
pub(crate) const HEADER: usize = 16;

/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE` and `NLMSG_OVERRUN`.
pub(crate) const NOOP: u16 = 1;
pub(crate) const ERROR: u16 = 2;
pub(crate) const DONE: u16 = 3;
pub(crate) const OVERRUN: u16 = 4;

/// `NLM_F_DUMP_INTR`: the table changed during the dump.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;

/// A message from the kernel: an answer, one entry of a dump, or news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl Message {
    /// A message of type `kind` with `body`, as a fake kernel would send it.
    #[must_use]
    pub const fn new(kind: u16, body: Vec<u8>) -> Self {
        Self { kind, body }
    }

    /// Its type, such as `RTM_NEWADDR`, or the number of a generic netlink family.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// All after the netlink header.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as a fixed header of `N` bytes and the attributes after it; `None` if it is shorter than that.
    #[must_use]
    pub fn split<const N: usize>(&self) -> Option<(&[u8; N], Attributes<'_>)> {
        let (header, _) = self.body.split_first_chunk::<N>()?;
        let rest = self.body.get(align(N)..).unwrap_or_default();
        Some((header, attributes(rest)))
    }
}

/// One message inside a received datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

impl Frame<'_> {
    /// The error number of an `NLMSG_ERROR` or `NLMSG_DONE` (zero: it went well); `None` if it is too short.
    pub(crate) fn errno(&self) -> Option<i32> {
        let (code, _) = self.body.split_first_chunk::<4>()?;
        Some(i32::from_ne_bytes(*code).saturating_neg())
    }

    pub(crate) fn to_message(self) -> Message {
        Message {
            kind: self.kind,
            body: self.body.to_vec(),
        }
    }
}

/// The messages of one datagram, up to the first one that does not fit.
pub(crate) struct Frames<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, _) = self.0.split_first_chunk::<HEADER>()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *head;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(Frame {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body,
        })
    }
}
