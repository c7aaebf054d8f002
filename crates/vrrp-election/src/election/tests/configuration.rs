//! What a configuration may hold.

use core::time::Duration;

use locum_vrrp_wire::Priority;

use super::support::{BELOW, Router, advert, config, delayed, v3};
use crate::config::{AnnounceSchedule, Config, ConfigError, LeasePolicy};
use crate::interface::{State, Timer};

#[test]
fn nobody_is_configured_with_priority_zero() {
    let zero = Config::new(v3(100), Priority::STOP);
    assert_eq!(zero, Err(ConfigError::PriorityZero));
}

#[test]
fn no_duration_is_too_long() {
    let endless = config(150)
        .startup_delay(Duration::MAX)
        .preempt(delayed(Duration::MAX))
        .announce(AnnounceSchedule {
            again_after: Some(Duration::MAX),
            refresh: Some(Duration::MAX),
        })
        .lease(LeasePolicy::Fixed(Duration::MAX))
        .expect("long enough");
    let mut router = Router::started(endless);
    router.does(advert(BELOW, 100));
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.state(), State::Backup);

    let mut router = Router::master(endless.startup_delay(Duration::ZERO));
    router.run(Duration::from_secs(10));
    assert_eq!(router.state(), State::Master);
}
