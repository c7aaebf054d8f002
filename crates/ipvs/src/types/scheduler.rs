//! Schedulers, with the flags that some of them know, and persistence engines.

use std::borrow::Cow;
use std::fmt;

use super::number::{InvalidName, module_name};

/// `IP_VS_SVC_F_SCHED1`: the fallback of both `sh` and `mh`.
const FALLBACK: u32 = 0x08;
/// `IP_VS_SVC_F_SCHED2`: the port of both `sh` and `mh`.
const PORT: u32 = 0x10;

/// How new connections are distributed. The kernel loads the module `ip_vs_NAME` by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheduler {
    name: Cow<'static, str>,
    flags: u32,
}

/// What the hashing schedulers do beyond hashing the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the two flags that the kernel's hashing schedulers have"
)]
pub struct Hashing {
    /// Chooses another destination when the one that the client hashes to has weight 0 or is full; otherwise such a
    /// client is refused.
    pub fallback: bool,
    /// Hashes the client's port as well as its address.
    pub port: bool,
}

impl Scheduler {
    /// Destination hashing.
    pub const DH: Self = Self::known("dh");
    /// Weighted fail-over: all to the destination with the highest weight.
    pub const FO: Self = Self::known("fo");
    /// Least connections.
    pub const LC: Self = Self::known("lc");
    /// Locality-based least connections.
    pub const LBLC: Self = Self::known("lblc");
    /// Locality-based least connections with replication.
    pub const LBLCR: Self = Self::known("lblcr");
    /// Maglev hashing, without fallback; see [`Scheduler::maglev`]. Linux 4.18.
    pub const MH: Self = Self::known("mh");
    /// None at all: nothing is distributed.
    pub const NONE: Self = Self::known("none");
    /// Never queue.
    pub const NQ: Self = Self::known("nq");
    /// Weighted overflow: the highest weight until it has as many connections. Linux 4.3.
    pub const OVF: Self = Self::known("ovf");
    /// Round robin.
    pub const RR: Self = Self::known("rr");
    /// Shortest expected delay.
    pub const SED: Self = Self::known("sed");
    /// Source hashing, without fallback; see [`Scheduler::source_hash`].
    pub const SH: Self = Self::known("sh");
    /// Weighted random of two choices. Linux 5.12, not built everywhere.
    pub const TWOS: Self = Self::known("twos");
    /// Weighted least connections.
    pub const WLC: Self = Self::known("wlc");
    /// Weighted round robin.
    pub const WRR: Self = Self::known("wrr");

    const fn known(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            flags: 0,
        }
    }

    /// The scheduler that the kernel calls `name`.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 15 bytes, or no name of a module.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, InvalidName> {
        let name = module_name("the name of a scheduler", name)?;
        Ok(Self { name, flags: 0 })
    }

    /// Maglev hashing (`mh`).
    #[must_use]
    pub fn maglev(hashing: Hashing) -> Self {
        Self {
            flags: hashing.flags(),
            ..Self::MH
        }
    }

    /// Source hashing (`sh`).
    #[must_use]
    pub fn source_hash(hashing: Hashing) -> Self {
        Self {
            flags: hashing.flags(),
            ..Self::SH
        }
    }

    /// Its name in the kernel.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn flags(&self) -> u32 {
        self.flags
    }
}

impl Hashing {
    const fn flags(self) -> u32 {
        let fallback = if self.fallback { FALLBACK } else { 0 };
        let port = if self.port { PORT } else { 0 };
        fallback | port
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What recognises a client by something else than its address. The kernel loads the module `ip_vs_pe_NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistenceEngine(Cow<'static, str>);

impl PersistenceEngine {
    /// The Call-ID of SIP, the only one that Linux has.
    pub const SIP: Self = Self(Cow::Borrowed("sip"));

    /// The engine that the kernel calls `name`.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 15 bytes, or no name of a module.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, InvalidName> {
        module_name("the name of a persistence engine", name).map(Self)
    }

    /// Its name in the kernel.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}
