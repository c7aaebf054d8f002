//! What is simulated: the real election, or in tests one with a defect.

use std::time::Instant;

use locum_vrrp_election::{Action, Config, Election, Input, Rejected};

/// Virtual routers of one machine that are elected together. An [`Election`] is one alone.
pub trait Subject: Sized {
    /// Makes it of the configuration of each member.
    fn new(configs: &[Config]) -> Self;

    /// Takes in what happened to one member. A timeout is for all of them.
    ///
    /// # Errors
    ///
    /// As [`Election::handle`].
    fn handle(&mut self, now: Instant, member: usize, input: Input) -> Result<(), Rejected>;

    /// The next thing to do, and which member it is for.
    fn poll_action(&mut self) -> Option<(usize, Action)>;

    /// When the next timeout is due.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The election of one member.
    fn election(&self, member: usize) -> &Election;
}

impl Subject for Election {
    fn new(configs: &[Config]) -> Self {
        let [config] = configs else {
            panic!("an election is of one virtual router");
        };
        Self::new(*config)
    }

    fn handle(&mut self, now: Instant, _member: usize, input: Input) -> Result<(), Rejected> {
        self.handle(now, input)
    }

    fn poll_action(&mut self) -> Option<(usize, Action)> {
        self.poll_action().map(|action| (0, action))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout().map(|deadline| deadline.at)
    }

    fn election(&self, _member: usize) -> &Election {
        self
    }
}
