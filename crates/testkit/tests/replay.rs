//! Scenarios and transcripts are written, read, shrunk and run again.

use std::time::Instant;

use locum_vrrp_election::{Action, Config, Election, Input, Rejected};
use testkit::sim::{
    Checks, Invariant, Limits, ReplayError, Scenario, ScenarioError, Subject, explain, failing,
    shrink, transcript,
};

fn scenario(seed: u64) -> Scenario {
    Scenario::from_seed(seed, Limits::default())
}

/// Stops without waiting for its successor.
struct StopsAtOnce(Election);

impl Subject for StopsAtOnce {
    fn new(configs: &[Config]) -> Self {
        Self(<Election as Subject>::new(configs))
    }

    fn handle(&mut self, now: Instant, _member: usize, input: Input) -> Result<(), Rejected> {
        let result = self.0.handle(now, input);
        if input == Input::Shutdown {
            self.0.handle(now, input)?;
        }
        result
    }

    fn poll_action(&mut self) -> Option<(usize, Action)> {
        self.0.poll_action().map(|action| (0, action))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout().map(|deadline| deadline.at)
    }

    fn election(&self, _member: usize) -> &Election {
        &self.0
    }
}

#[test]
fn a_scenario_is_read_as_it_was_written() {
    for seed in 0..500 {
        let scenario = scenario(seed);
        let text = scenario.to_string();
        assert_eq!(text.parse(), Ok(scenario), "{text}");
    }
}

#[test]
fn what_is_no_scenario_is_refused() {
    let refused = |text: &str| text.parse::<Scenario>().expect_err("refused");
    assert_eq!(refused("locum-scenario 2"), ScenarioError::Header);
    let line = |line: &str| refused(&format!("locum-scenario 1\n{line}"));
    for text in [
        "fault 1.000000000 lasts=1.000000000 explode m1",
        "machine m2 start=0.000000000",
        "router m1.v1 version=3 interval=100",
        "seed x",
    ] {
        assert_eq!(line(text), ScenarioError::Line(2), "{text}");
    }
    // There is no machine.
    assert_eq!(
        line("fault 1.000000000 lasts=1.000000000 crash m1"),
        ScenarioError::Line(0)
    );
}

#[test]
fn a_simulation_is_run_again_from_its_transcript() {
    for seed in 0..10 {
        let scenario = scenario(seed);
        let (outcome, text) = transcript::<Election>(&scenario, Checks::all());
        assert_eq!(outcome.violation, None);
        assert_eq!(failing(&text), Ok(Some(scenario.clone())));
        assert_eq!(failing(&scenario.to_string()), Ok(Some(scenario.clone())));
        let (_, again) = transcript::<Election>(&scenario, Checks::all());
        assert_eq!(text, again);
    }
}

#[test]
fn the_inputs_of_a_transcript_lead_to_the_same_outcomes() {
    for seed in 0..30 {
        let (_, text) = transcript::<Election>(&scenario(seed), Checks::all());
        let story = explain(&text).expect("a transcript");
        assert!(story.contains(", 0 findings\n"), "seed {seed}: {story}");
    }
}

#[test]
fn an_outcome_that_is_not_the_elections_is_found() {
    let text = "\
locum-transcript 1
router web version=3 interval=100 priority=150 addresses=1 preempt=0.000000000 startup=0.000000000 missed=3 lease=auto again=5.000000000 refresh=60.000000000
0.000000000 web source 192.0.2.2 -> nothing
0.000000000 web link up -> nothing
0.000000000 web startup -> nothing
";
    let story = explain(text).expect("a transcript");
    assert!(
        story.contains("line 5 has another outcome: nothing; now it is: initialize>backup Started"),
        "{story}"
    );
    assert!(story.contains("3 events, 1 findings"), "{story}");
    assert_eq!(failing(text), Ok(None));
    let error = explain("locum-transcript 1\n0.000000000 web startup -> nothing\n");
    assert_eq!(error, Err(ReplayError::NoRouter { line: 2 }));
}

#[test]
fn a_failure_shrinks_to_what_it_takes() {
    let checks = Checks::only(Invariant::NoGap);
    let broken = (0..50).map(scenario).find(|scenario| {
        let (outcome, _) = transcript::<StopsAtOnce>(scenario, checks);
        outcome.violation.is_some() && scenario.faults.len() > 3
    });
    let broken = broken.expect("one of fifty");
    let small = shrink::<StopsAtOnce>(&broken, checks, Invariant::NoGap);
    let (outcome, text) = transcript::<StopsAtOnce>(&small, checks);
    assert_eq!(
        outcome.violation.map(|one| one.invariant),
        Some(Invariant::NoGap)
    );
    // A Master and its successor, and one of them is told to stop.
    assert_eq!(
        (small.machines.len(), small.faults.len()),
        (2, 1),
        "{small}"
    );
    assert!(text.lines().count() < 200, "{text}");
}
