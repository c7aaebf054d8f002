#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod addresses;
mod advertisement;
mod ah;
mod authentication;
mod checksum;
mod format;
mod layout;
mod pseudo_header;
mod senders;
mod trailer;
mod types;
mod view;

use core::net::{Ipv4Addr, Ipv6Addr};

pub use self::addresses::Addresses;
pub use self::advertisement::{Advertisement, AdvertisementError, FamilyMismatch};
pub use self::ah::{
    AH_IP_PROTOCOL, AhEnvelope, AhError, AhExhausted, AhKey, AhKeyLength, AhPacket, AhRecord,
    AhReplay, AhReplayed, AhSequence, NotForHeader,
};
pub use self::authentication::{Authentication, Password, PasswordLength};
pub use self::checksum::ChecksumForm;
pub use self::pseudo_header::{MixedFamilies, PseudoHeader};
pub use self::trailer::{
    DuplicateKeyId, HmacFreshness, HmacHeard, HmacKey, HmacKeyId, HmacKeyLength, HmacKeys,
    HmacMode, HmacRefused, HmacSequence, HmacStamp, HmacVerifier, HmacWindow, WindowError,
    ZeroKeyId,
};
pub use self::types::{AdvertInterval, IntervalError, Priority, Version, Vrid, ZeroVrid};
pub use self::view::{AdvertisementView, DecodeError};

/// IP protocol number, and IPv6 next header, of VRRP (RFC 9568 §5.1.1.4).
pub const IP_PROTOCOL: u8 = 112;

/// TTL or hop limit of every multicast advertisement, so that none comes from another link (RFC 9568 §5.1.1.3).
pub const IP_TTL: u8 = 255;

/// Where advertisements go over IPv4 (RFC 9568 §5.1.1.2).
pub const MULTICAST_IPV4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Where advertisements go over IPv6 (RFC 9568 §5.1.2.2).
pub const MULTICAST_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
