//! How a probe that only connects is made.

/// The two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the check itself.
    Connection,
    /// By a SYN, as one of many.
    HalfOpen,
}

/// What a probe said of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    Failed,
    NotRun,
    Passed,
}

/// Which way is the right one for a server. The cheap one is for those that pass: what it finds failed is looked at by a
/// connection, and where connections find twice in a row that nothing was wrong, there is something in between that
/// treats the two differently, and only connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trust {
    in_doubt: bool,
    failed: u8,
}

impl Trust {
    const MAX_FAILED: u8 = 2;

    pub(super) const fn way(self) -> Way {
        if self.in_doubt || self.failed >= Self::MAX_FAILED {
            Way::Connection
        } else {
            Way::HalfOpen
        }
    }

    pub(super) fn observe(&mut self, way: Way, finding: Finding) {
        match (way, finding) {
            (Way::Connection, Finding::Failed) => {
                *self = Self {
                    in_doubt: true,
                    failed: 0,
                };
            }
            (Way::Connection, Finding::Passed) => self.in_doubt = false,
            (Way::HalfOpen, Finding::Failed) => {
                self.in_doubt = true;
                self.failed = self.failed.saturating_add(1);
            }
            (Way::HalfOpen, Finding::Passed) => *self = Self::default(),
            (Way::Connection | Way::HalfOpen, Finding::NotRun) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Finding::{Failed, NotRun, Passed};
    use super::Way::{Connection, HalfOpen};
    use super::*;

    #[test]
    fn what_failed_is_looked_at_by_a_connection() {
        let stories: [&[(Way, Finding)]; 4] = [
            // It is down, and comes back.
            &[
                (HalfOpen, Passed),
                (HalfOpen, Failed),
                (Connection, Failed),
                (Connection, NotRun),
                (Connection, Passed),
                (HalfOpen, Passed),
            ],
            // A packet was lost, now and then.
            &[
                (HalfOpen, Failed),
                (Connection, Passed),
                (HalfOpen, Passed),
                (HalfOpen, Failed),
                (Connection, Passed),
                (HalfOpen, Passed),
            ],
            // A firewall that lets only whole connections through.
            &[
                (HalfOpen, Failed),
                (Connection, Passed),
                (HalfOpen, Failed),
                (Connection, Passed),
                (Connection, Passed),
                (Connection, Passed),
            ],
            // This machine is late.
            &[(HalfOpen, NotRun), (HalfOpen, NotRun), (HalfOpen, Passed)],
        ];
        for story in stories {
            let mut trust = Trust::default();
            for (at, (way, finding)) in story.iter().enumerate() {
                assert_eq!(trust.way(), *way, "{at} of {story:?}");
                trust.observe(*way, *finding);
            }
        }
    }
}
