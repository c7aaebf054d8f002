//! Rise and fall: from single probes to a state.

use std::num::NonZeroU32;

/// What is known of a server by one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever counts servers must know all three"
)]
pub enum Health {
    /// Not checked yet.
    #[default]
    Unknown,
    /// Works.
    Up,
    /// Does not.
    Down,
}

/// How one probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "what could not be probed is no verdict"
)]
pub enum Verdict {
    /// The server answered as it should.
    Passed,
    /// It did not.
    Failed,
}

impl Verdict {
    const fn means(self) -> Health {
        match self {
            Self::Passed => Health::Up,
            Self::Failed => Health::Down,
        }
    }
}

/// Counts results in a row, and decides by them whether a server is up.
///
/// The first result ever decides at once. After that it takes `rise` passes in a row to bring it up and `fall` failures
/// in a row to bring it down.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use locum_health::{Health, Tracker, Verdict};
///
/// let two = NonZeroU32::new(2).ok_or("zero")?;
/// let mut tracker = Tracker::new(two, two, Health::Unknown);
/// assert_eq!(tracker.observe(Verdict::Passed), Some(Health::Up));
/// assert_eq!(tracker.observe(Verdict::Failed), None);
/// assert_eq!(tracker.observe(Verdict::Failed), Some(Health::Down));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    rise: NonZeroU32,
    fall: NonZeroU32,
    health: Health,
    /// How many results in a row spoke against `health`.
    against: u32,
}

impl Tracker {
    /// Believes `initial` before the first result.
    #[must_use]
    pub const fn new(rise: NonZeroU32, fall: NonZeroU32, initial: Health) -> Self {
        Self {
            rise,
            fall,
            health: initial,
            against: 0,
        }
    }

    /// Takes in a result, and answers the new state if that changes it.
    pub fn observe(&mut self, verdict: Verdict) -> Option<Health> {
        let says = verdict.means();
        if says == self.health {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        let needed = match self.health {
            Health::Unknown => 1,
            Health::Up => self.fall.get(),
            Health::Down => self.rise.get(),
        };
        if self.against < needed {
            return None;
        }
        self.health = says;
        self.against = 0;
        Some(says)
    }

    /// The state now.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Whether the state is known, and the last result spoke for it.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.against == 0 && !matches!(self.health, Health::Unknown)
    }

    /// Changes how many results decide. What was counted stays; the next result decides by it.
    pub const fn set_thresholds(&mut self, rise: NonZeroU32, fall: NonZeroU32) {
        self.rise = rise;
        self.fall = fall;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Verdict::{Failed, Passed};
    use super::*;

    fn count(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn verdict(passed: bool) -> Verdict {
        if passed { Passed } else { Failed }
    }

    #[test]
    fn results_in_a_row_decide() {
        use Health::{Down, Unknown, Up};
        let table: &[(&str, Health, &[Verdict], Health, bool)] = &[
            ("nothing yet", Unknown, &[], Unknown, false),
            ("the first pass", Unknown, &[Passed], Up, true),
            ("the first failure", Unknown, &[Failed], Down, true),
            ("inherited", Up, &[], Up, true),
            ("inherited, fails", Up, &[Failed], Up, false),
            ("inherited, fails again", Up, &[Failed; 2], Up, false),
            ("falls", Up, &[Failed; 3], Down, true),
            (
                "not in a row",
                Up,
                &[Failed, Failed, Passed, Failed, Failed],
                Up,
                false,
            ),
            ("rising", Down, &[Passed], Down, false),
            ("rises", Down, &[Passed; 2], Up, true),
            (
                "rise is not fall",
                Down,
                &[Passed, Failed, Passed],
                Down,
                false,
            ),
            ("recovers", Up, &[Failed, Passed], Up, true),
        ];
        for (name, initial, verdicts, health, settled) in table {
            let mut tracker = Tracker::new(count(2), count(3), *initial);
            for verdict in *verdicts {
                tracker.observe(*verdict);
            }
            assert_eq!(tracker.health(), *health, "{name}");
            assert_eq!(tracker.is_settled(), *settled, "{name}");
        }
    }

    #[test]
    fn a_lower_threshold_decides_with_the_next_result() {
        let mut tracker = Tracker::new(count(2), count(9), Health::Up);
        for _ in 0..5 {
            assert_eq!(tracker.observe(Failed), None);
        }
        tracker.set_thresholds(count(2), count(3));
        assert_eq!(tracker.health(), Health::Up);
        assert_eq!(tracker.observe(Failed), Some(Health::Down));
    }

    proptest! {
        #[test]
        fn only_a_full_row_changes_the_state(
            rise in 1_u32..6,
            fall in 1_u32..6,
            results in prop::collection::vec(any::<bool>(), 0..200),
        ) {
            let mut tracker = Tracker::new(count(rise), count(fall), Health::Unknown);
            for (index, passed) in results.iter().enumerate() {
                let before = tracker.health();
                let changed = tracker.observe(verdict(*passed));
                let row = results[..=index].iter().rev().take_while(|other| *other == passed).count();
                let needed = match before {
                    Health::Unknown => 1,
                    Health::Up => fall,
                    Health::Down => rise,
                };
                let against = verdict(*passed).means() != before;
                prop_assert_eq!(changed.is_some(), against && row >= needed as usize);
                prop_assert_eq!(changed.unwrap_or(before), tracker.health());
                prop_assert_ne!(changed, Some(before));
                prop_assert_eq!(tracker.is_settled(), changed.is_some() || !against);
            }
        }
    }
}
