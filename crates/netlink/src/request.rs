//! Requests: a type, flags, the family's own header, attributes.

use crate::attribute::{self, align};
use crate::message;

/// `NLM_F_*` flags of a request. `NLM_F_REQUEST` and `NLM_F_ACK` are the connection's own affair.
pub mod flag {
    /// `NLM_F_REPLACE`: change an entry that exists.
    pub const REPLACE: u16 = 0x100;
    /// `NLM_F_EXCL`: fail with `EEXIST` if it exists.
    pub const EXCLUSIVE: u16 = 0x200;
    /// `NLM_F_CREATE`: make it if it does not exist.
    pub const CREATE: u16 = 0x400;
}

const NESTED: u16 = 0x8000;
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;

/// One request to the kernel, built step by step.
///
/// ```
/// use locum_netlink::Request;
///
/// const RTM_GETLINK: u16 = 18;
/// let header = [0; 16]; // struct ifinfomsg
/// let request = Request::new(RTM_GETLINK, 0).header(&header).attribute(3, b"eth0\0");
/// # let _ = request;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Request {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
    too_long: bool,
}

impl Request {
    /// A request of type `kind` with `flags` from [`flag`].
    pub const fn new(kind: u16, flags: u16) -> Self {
        Self {
            kind,
            flags,
            body: Vec::new(),
            too_long: false,
        }
    }

    /// Appends the family's fixed header (`struct ifaddrmsg`, `struct genlmsghdr`, …), padded to four bytes.
    pub fn header(mut self, bytes: &[u8]) -> Self {
        self.append(bytes);
        self
    }

    /// Appends an attribute. One of more than 65,531 bytes cannot be expressed: the request will then fail with
    /// [`RequestError::NotSent`](crate::RequestError::NotSent).
    pub fn attribute(mut self, kind: u16, payload: &[u8]) -> Self {
        let Ok(length) = u16::try_from(payload.len().saturating_add(attribute::HEADER)) else {
            self.too_long = true;
            return self;
        };
        self.body.extend_from_slice(&length.to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
        self.append(payload);
        self
    }

    /// Appends an attribute that contains those that `fill` adds.
    pub fn nested(self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let inner = fill(Self::new(0, 0));
        let too_long = self.too_long || inner.too_long;
        let outer = self.attribute(kind | NESTED, &inner.body);
        Self {
            too_long: outer.too_long || too_long,
            ..outer
        }
    }

    /// Its type, such as `RTM_NEWADDR`, or the number of a generic netlink family.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// The family's header and the attributes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn length(&self) -> usize {
        self.body.len().saturating_add(message::HEADER)
    }

    pub(crate) const fn is_too_long(&self) -> bool {
        self.too_long
    }

    pub(crate) fn write(&self, extra_flags: u16, sequence: u32, out: &mut Vec<u8>) {
        let length = u32::try_from(self.length()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_ne_bytes());
        out.extend_from_slice(&self.kind.to_ne_bytes());
        out.extend_from_slice(&(self.flags | extra_flags | REQUEST).to_ne_bytes());
        out.extend_from_slice(&sequence.to_ne_bytes());
        out.extend_from_slice(&0_u32.to_ne_bytes());
        out.extend_from_slice(&self.body);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
        self.body.resize(align(self.body.len()), 0);
    }
}
