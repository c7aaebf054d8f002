#![doc = include_str!("../README.md")]

mod check;
#[cfg(any(feature = "dns", feature = "icmp"))]
mod datagram;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "exec")]
pub mod exec;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "icmp")]
pub mod icmp;
mod random;
mod runner;
mod schedule;
pub mod socket;
mod sys;
#[cfg(feature = "tcp")]
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
mod tracker;

pub use self::check::{BodyFault, CheckError, HealthCheck, Pass};
pub use self::runner::{
    Class, Counts, Probe, Report, Runner, RunnerLimits, Stopped, Subscriber, SubscriberStatus,
    Subscription, Totals,
};
pub use self::schedule::{Pace, Phase, ProbeId, Schedule, Timing, TimingError};
pub use self::socket::SocketOptions;
pub use self::tracker::{Health, Tracker, Verdict};

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_shows_the_example() {
        let example = include_str!("../examples/check.rs");
        let code = example.find("use std::error").unwrap();
        assert!(include_str!("../README.md").contains(&example[code..]));
    }
}
