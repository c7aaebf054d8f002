//! The numbers of the protocol: what they hold, and what they refuse.

use std::time::Duration;

use locum_vrrp_wire::{AdvertInterval, IntervalError, Priority, Version, Vrid, ZeroVrid};
use proptest::prelude::*;

#[test]
fn every_vrid_but_zero_is_one() {
    assert!(matches!(Vrid::new(0), Err(ZeroVrid { .. })));
    for id in 1..=u8::MAX {
        let vrid = Vrid::try_from(id).unwrap();
        assert_eq!((vrid.get(), vrid.to_string()), (id, id.to_string()));
    }
}

#[test]
fn only_two_priorities_are_special() {
    for priority in (0..=u8::MAX).map(Priority::new) {
        assert_eq!(priority.is_stop(), priority == Priority::STOP);
        assert_eq!(priority.is_owner(), priority == Priority::OWNER);
    }
    assert!(Priority::STOP < Priority::MIN && Priority::MIN < Priority::DEFAULT);
    assert_eq!(Priority::DEFAULT.to_string(), "100");
}

#[test]
fn intervals_end_where_their_field_does() {
    assert_eq!(AdvertInterval::v2(0), Err(IntervalError::V2));
    assert_eq!(
        AdvertInterval::v2(255).unwrap().duration(),
        Duration::from_secs(255)
    );
    assert_eq!(AdvertInterval::v3(0), Err(IntervalError::V3));
    assert_eq!(
        AdvertInterval::v3(1).unwrap().duration(),
        Duration::from_millis(10)
    );
    assert_eq!(
        AdvertInterval::v3(4095).unwrap().duration(),
        Duration::from_millis(40_950)
    );
    assert_eq!(AdvertInterval::v3(4096), Err(IntervalError::V3));
}

#[test]
fn a_duration_that_does_not_fit_exactly_is_no_interval() {
    let v2 = [(0, 0), (1, 500_000_000), (1, 1), (256, 0)];
    let v3 = [(0, 0), (0, 15_000_000), (0, 10_000_001), (40, 960_000_000)];
    for (version, error, durations) in [
        (Version::V2, IntervalError::V2, v2),
        (Version::V3, IntervalError::V3, v3),
    ] {
        for (seconds, nanos) in durations {
            let duration = Duration::new(seconds, nanos);
            assert_eq!(
                AdvertInterval::from_duration(version, duration),
                Err(error),
                "{duration:?}"
            );
        }
        assert!(AdvertInterval::from_duration(version, Duration::MAX).is_err());
    }
}

proptest! {
    #[test]
    fn v2_intervals_are_their_durations(seconds in 1_u8..) {
        let interval = AdvertInterval::v2(seconds)?;
        prop_assert_eq!(interval.version(), Version::V2);
        prop_assert_eq!(interval.wire_value(), u16::from(seconds));
        prop_assert_eq!(
            AdvertInterval::from_duration(Version::V2, interval.duration()),
            Ok(interval)
        );
        prop_assert_eq!(interval.to_string(), format!("{seconds}s"));
    }

    #[test]
    fn v3_intervals_are_their_durations(centis in 1_u16..=4095) {
        let interval = AdvertInterval::v3(centis)?;
        prop_assert_eq!(interval.version(), Version::V3);
        prop_assert_eq!(interval.wire_value(), centis);
        prop_assert_eq!(
            AdvertInterval::from_duration(Version::V3, interval.duration()),
            Ok(interval)
        );
    }

    #[test]
    fn the_same_duration_is_another_interval_in_the_other_version(seconds in 1_u8..=40) {
        let duration = Duration::from_secs(u64::from(seconds));
        let [v2, v3] = [Version::V2, Version::V3]
            .map(|version| AdvertInterval::from_duration(version, duration));
        prop_assert_ne!(v2, v3);
        prop_assert_eq!(v3?.wire_value(), v2?.wire_value() * 100);
    }

    #[test]
    fn no_duration_panics(duration in any::<Duration>()) {
        for version in [Version::V2, Version::V3] {
            if let Ok(interval) = AdvertInterval::from_duration(version, duration) {
                prop_assert_eq!(interval.duration(), duration);
            }
        }
    }
}
