//! A router's configuration as text.

use core::fmt;
use core::num::NonZeroU8;
use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};

use super::Seconds;
use crate::config::{AnnounceSchedule, Config, ConfigError, LeasePolicy, Preempt};

/// What a [`Config`] was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever makes one has to decide about every parameter"
)]
pub struct Parameters {
    /// The version and what it advertises every.
    pub interval: AdvertInterval,
    /// How important it is at first.
    pub priority: Priority,
    /// How many addresses it holds.
    pub addresses: u16,
    /// Whether a lesser Master may be preempted.
    pub preempt: Preempt,
    /// How long after start-up no mastership is taken.
    pub startup_delay: Duration,
    /// How many advertisements may be missed.
    pub missed_adverts: NonZeroU8,
    /// How long the kernel may keep the addresses on its own.
    pub lease: LeasePolicy,
    /// When the neighbours are told again.
    pub announce: AnnounceSchedule,
}

impl From<&Config> for Parameters {
    fn from(config: &Config) -> Self {
        let Config {
            interval,
            priority,
            addresses,
            preempt,
            startup_delay,
            missed_adverts,
            lease,
            announce,
        } = *config;
        Self {
            interval,
            priority,
            addresses,
            preempt,
            startup_delay,
            missed_adverts,
            lease,
            announce,
        }
    }
}

impl TryFrom<&Parameters> for Config {
    type Error = ConfigError;

    fn try_from(parameters: &Parameters) -> Result<Self, ConfigError> {
        Self::new(parameters.interval, parameters.priority)?
            .addresses(parameters.addresses)
            .preempt(parameters.preempt)
            .startup_delay(parameters.startup_delay)
            .missed_adverts(parameters.missed_adverts)
            .announce(parameters.announce)
            .lease(parameters.lease)
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "version={} interval={} priority={} addresses={}",
            self.interval.version(),
            self.interval.wire_value(),
            self.priority,
            self.addresses
        )?;
        match self.preempt {
            Preempt::Allow { delay } => write!(f, " preempt={}", Seconds(delay))?,
            Preempt::Forbid => f.write_str(" preempt=never")?,
        }
        let startup = Seconds(self.startup_delay);
        write!(f, " startup={startup} missed={}", self.missed_adverts)?;
        match self.lease {
            LeasePolicy::Auto => f.write_str(" lease=auto")?,
            LeasePolicy::Fixed(lease) => write!(f, " lease={}", Seconds(lease))?,
            LeasePolicy::Off => f.write_str(" lease=off")?,
        }
        for (key, after) in [
            ("again", self.announce.again_after),
            ("refresh", self.announce.refresh),
        ] {
            match after {
                Some(after) => write!(f, " {key}={}", Seconds(after))?,
                None => write!(f, " {key}=never")?,
            }
        }
        Ok(())
    }
}
