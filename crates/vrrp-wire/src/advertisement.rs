use core::net::IpAddr;

use thiserror::Error;

use crate::addresses::{Addresses, Family};
use crate::authentication::Authentication;
use crate::checksum::{ChecksumForm, Sum};
use crate::format::Format;
use crate::layout::{HEADER_LEN, TYPE_ADVERTISEMENT};
use crate::pseudo_header::PseudoHeader;
use crate::types::{AdvertInterval, Priority, Version, Vrid};
use crate::view::AdvertisementView;

/// An advertisement that can be sent: 1 to 255 addresses of one family that its version knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Advertisement {
    vrid: Vrid,
    priority: Priority,
    interval: AdvertInterval,
    /// Of the version of `interval`; [`Format::V2`] is over IPv4 only.
    format: Format,
    family: Family,
    /// Whole addresses of `family`, 1 to 255.
    addresses: Box<[u8]>,
}

/// What no advertisement can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdvertisementError {
    /// It must have an address (RFC 9568 §5.2.5).
    #[error("an advertisement needs at least one address")]
    NoAddresses,
    /// The count is one byte.
    #[error("an advertisement carries at most 255 addresses, not {0}")]
    TooManyAddresses(usize),
    /// A virtual router is of one family (RFC 9568 §5.2.9).
    #[error("the addresses of an advertisement are of one family")]
    MixedFamilies,
    /// Version 2 is for IPv4 only (RFC 3768 §1).
    #[error("VRRPv2 has no IPv6 addresses")]
    V2Ipv6,
    /// Version 3 has no authentication (RFC 9568 §9).
    #[error("VRRPv3 has no authentication")]
    V3Authentication,
    /// Only v3 over IPv4 has two forms of checksum.
    #[error("only VRRPv3 over IPv4 has a choice of checksum form")]
    FixedChecksumForm,
}

/// An advertisement of one address family for a packet of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the advertisement and its packet are of different address families")]
#[non_exhaustive]
pub struct FamilyMismatch;

impl Advertisement {
    /// An advertisement of the version of `interval`, without authentication; v3 over IPv4 has
    /// [`ChecksumForm::PseudoHeader`].
    ///
    /// The addresses keep their order. RFC 9568 §5.2.9 wants the link-local one first over IPv6: that is up
    /// to the caller.
    ///
    /// # Errors
    ///
    /// [`AdvertisementError`] if there are none, more than 255, of both families, or IPv6 ones in v2.
    pub fn new(
        vrid: Vrid,
        priority: Priority,
        interval: AdvertInterval,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Self, AdvertisementError> {
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        let Some(family) = addresses.first().map(|first| Family::of(*first)) else {
            return Err(AdvertisementError::NoAddresses);
        };
        if addresses.len() > usize::from(u8::MAX) {
            return Err(AdvertisementError::TooManyAddresses(addresses.len()));
        }
        if addresses
            .iter()
            .any(|address| Family::of(*address) != family)
        {
            return Err(AdvertisementError::MixedFamilies);
        }
        let format = match (interval.version(), family) {
            (Version::V2, Family::V4) => Format::V2 {
                authentication: Authentication::None,
            },
            (Version::V2, Family::V6) => return Err(AdvertisementError::V2Ipv6),
            (Version::V3, _) => Format::V3 {
                checksum_form: ChecksumForm::PseudoHeader,
            },
        };
        let mut bytes = Vec::with_capacity(addresses.len() * family.address_len());
        for address in addresses {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        Ok(Self {
            vrid,
            priority,
            interval,
            format,
            family,
            addresses: bytes.into(),
        })
    }

    /// The same with `authentication`.
    ///
    /// # Errors
    ///
    /// [`AdvertisementError::V3Authentication`] if it is v3 and `authentication` not [`Authentication::None`].
    pub fn with_authentication(
        mut self,
        authentication: Authentication,
    ) -> Result<Self, AdvertisementError> {
        match &mut self.format {
            Format::V2 {
                authentication: current,
            } => *current = authentication,
            Format::V3 { .. } if authentication == Authentication::None => {}
            Format::V3 { .. } => return Err(AdvertisementError::V3Authentication),
        }
        Ok(self)
    }

    /// The same with a checksum of form `checksum_form`.
    ///
    /// # Errors
    ///
    /// [`AdvertisementError::FixedChecksumForm`] if its version and family have only the other form.
    pub fn with_checksum_form(
        mut self,
        checksum_form: ChecksumForm,
    ) -> Result<Self, AdvertisementError> {
        if let (
            Format::V3 {
                checksum_form: current,
            },
            Family::V4,
        ) = (&mut self.format, self.family)
        {
            *current = checksum_form;
        }
        if self.checksum_form() == checksum_form {
            Ok(self)
        } else {
            Err(AdvertisementError::FixedChecksumForm)
        }
    }

    /// Changes the priority, for instance to [`Priority::STOP`] for the last one. Costs nothing.
    pub const fn set_priority(&mut self, priority: Priority) {
        self.priority = priority;
    }

    /// Version of the protocol.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.interval.version()
    }

    /// Which virtual router it is about.
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// The sender's priority.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Time between the sender's advertisements.
    #[must_use]
    pub const fn interval(&self) -> AdvertInterval {
        self.interval
    }

    /// How it shows that it comes from a router of the group.
    #[must_use]
    pub const fn authentication(&self) -> Authentication {
        self.format.authentication()
    }

    /// What its checksum covers.
    #[must_use]
    pub const fn checksum_form(&self) -> ChecksumForm {
        self.format.checksum_form()
    }

    /// The addresses of the virtual router, 1 to 255.
    #[must_use]
    pub const fn addresses(&self) -> Addresses<'_> {
        Addresses::new(self.family, &self.addresses)
    }

    /// Length of the message in bytes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        HEADER_LEN + self.addresses.len() + self.format.auth_data_len()
    }

    /// Appends the message, for a packet of `pseudo_header`, to `out`.
    ///
    /// What `out` holds stays: clear it to send it again. It does not allocate if `out` has
    /// [`encoded_len`](Self::encoded_len) bytes of capacity left.
    ///
    /// # Errors
    ///
    /// [`FamilyMismatch`] if the packet is of the other family than the addresses; nothing is appended.
    #[inline]
    pub fn encode_into(
        &self,
        pseudo_header: &PseudoHeader,
        out: &mut Vec<u8>,
    ) -> Result<(), FamilyMismatch> {
        if pseudo_header.family() != self.family {
            return Err(FamilyMismatch);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`new` takes at most 255 addresses"
        )]
        let count = (self.addresses.len() / self.family.address_len()) as u8;
        let [high, low] = self.interval.wire_value().to_be_bytes();
        let (version, high, auth_data) = match self.format {
            Format::V2 { authentication } => {
                let (auth_type, data) = authentication.wire();
                (2, auth_type, Some(data))
            }
            Format::V3 { .. } => (3, high, None),
        };
        let first = [
            version << 4 | TYPE_ADVERTISEMENT,
            self.vrid.get(),
            self.priority.get(),
            count,
        ];

        // Summed from where the values come from: what was just stored is slow to read again.
        let mut sum = Sum::ZERO
            .word(first)
            .word([high, low, 0, 0])
            .bytes(&self.addresses);
        if let Some(data) = &auth_data {
            sum = sum.bytes(data);
        }
        let len = self.encoded_len();
        let checksum = match self.checksum_form() {
            ChecksumForm::MessageOnly => sum.checksum(),
            ChecksumForm::PseudoHeader => pseudo_header.add_to(sum, len).checksum(),
        };

        let [version_type, vrid, priority, count] = first;
        let [checksum_high, checksum_low] = checksum;
        out.reserve(len);
        out.extend_from_slice(&[
            version_type,
            vrid,
            priority,
            count,
            high,
            low,
            checksum_high,
            checksum_low,
        ]);
        out.extend_from_slice(&self.addresses);
        if let Some(data) = &auth_data {
            out.extend_from_slice(data);
        }
        Ok(())
    }
}

/// The same advertisement, apart from what a receiver ignores.
impl From<&AdvertisementView<'_>> for Advertisement {
    fn from(view: &AdvertisementView<'_>) -> Self {
        let (format, family, addresses) = view.parts();
        Self {
            vrid: view.vrid(),
            priority: view.priority(),
            interval: view.interval(),
            format,
            family,
            addresses: addresses.into(),
        }
    }
}
