//! A configuration, from the file to both sides.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{error, info, warn};

use super::commit::{Awaited, Input, Kind, Output, Party, TwoPhase};
use super::kept::Kept;
use super::sides::Started;
use super::{Hub, RunError, Stage, desk, systemd};
use crate::checker;
use crate::clock;
use crate::config::{Config, Draft, ReadError, Source};
use crate::control::{Done, Refused};
use crate::events::What;
use crate::routers;
use crate::words::chain;

/// A change that is under way.
pub(super) struct Attempt {
    number: u64,
    pub(super) machine: TwoPhase,
    /// What is in force from the first commit on.
    new: Option<Kept>,
    asked_by: Vec<desk::Answer>,
}

/// The first configuration, which waits until the sides run.
pub(super) struct First {
    bound: Duration,
    new: Kept,
    awaited: Awaited,
}

impl Hub {
    /// Has both sides take the first configuration, as soon as they run. Without virtual routers nobody waits for that side:
    /// it begins last.
    pub(super) fn start(&mut self, source: Source, config: &Config) {
        let mut needed = BTreeSet::from([Party::Checker]);
        if !config.virtual_routers.is_empty() {
            self.sides.want_routers();
            needed.insert(Party::Routers);
        }
        self.first = Some(First {
            bound: config.site.ipvs.start_bound,
            new: Kept::new(source, config),
            awaited: Awaited::new(needed),
        });
    }

    /// This side could not be started, or has died.
    pub(super) fn begin_without(&mut self, party: Party) {
        if party == Party::Checker {
            self.sides.checker_knows = false;
        }
        if let Some(first) = &mut self.first {
            first.awaited.lost(party);
            self.begin_if_ready();
        }
    }

    fn begin_with(&mut self, party: Party) {
        if let Some(first) = &mut self.first {
            first.awaited.runs(party);
            self.begin_if_ready();
        }
    }

    fn begin_if_ready(&mut self) {
        let first = self.first.take_if(|first| first.awaited.nobody());
        let Some(First { bound, new, .. }) = first else {
            return;
        };
        self.attempt(Kind::Start { bound }, new, Vec::new());
        if !self.sides.has(Party::Checker) {
            self.feed(Input::Lost(Party::Checker));
        }
        if !self.sides.has(Party::Routers) {
            // Of a configuration without virtual routers there is nothing that they could not take.
            self.feed(Input::Prepared(Party::Routers, Ok(Vec::new())));
        }
    }

    /// Tells a side that has just started everything that it has to know.
    pub(super) fn supply(&mut self, party: Party, started: &Started) {
        if self.first.is_some() {
            self.begin_with(party);
            return;
        }
        let is_decided = |attempt: &Attempt| attempt.new.is_none();
        if !self.attempt.as_ref().is_none_or(is_decided) {
            self.fresh.insert(party);
            return;
        }
        let Some(kept) = &self.kept else { return };
        let adopt = match party {
            Party::Routers if started.may_adopt => {
                self.sides.last_masters(self.generation, &kept.intervals)
            }
            Party::Routers | Party::Checker => Vec::new(),
        };
        for routers::Adopt { router, .. } in &adopt {
            info!(
                router,
                "the process that was master of it has died: another one goes on"
            );
        }
        let number = match &self.attempt {
            Some(attempt) if self.fresh.remove(&party) => attempt.number,
            Some(_) | None => self.number(),
        };
        self.supply_as(party, number, adopt);
    }

    /// Tells a side that knows nothing the configuration in force.
    fn supply_as(&mut self, party: Party, number: u64, adopt: Vec<routers::Adopt>) {
        let Some(kept) = &self.kept else { return };
        match party {
            Party::Checker => {
                let draft = Draft::Whole(kept.source.clone());
                self.sides
                    .checker(checker::Order::Prepare { number, draft });
                // Before the commit, so that nobody gets a connection whom the operator has taken out.
                self.tell_servers();
                self.tell_masters();
                self.commit_checker(number);
            }
            Party::Routers => {
                let source = kept.of_routers.clone();
                self.generation = number;
                self.sides
                    .routers(routers::Order::Prepare { number, source });
                self.sides.routers(routers::Order::Commit { number, adopt });
            }
        }
    }

    /// Reads the file again. One that cannot be read or has mistakes changes nothing.
    pub(super) fn reload(&mut self, asked_by: Option<desk::Answer>) {
        if self.attempt.is_some() || self.stage == Stage::Starting {
            self.next.get_or_insert_default().extend(asked_by);
            return;
        }
        self.reload_for(asked_by.into_iter().collect());
    }

    fn reload_for(&mut self, asked_by: Vec<desk::Answer>) {
        if self.stage != Stage::Running {
            answer(asked_by, &Err(super::NOT_NOW.to_owned()));
            return;
        }
        systemd::reloading();
        match self.read() {
            Ok(kept) => self.attempt(Kind::Reload, kept, asked_by),
            Err(why) => self.reloaded(asked_by, Err(why)),
        }
    }

    fn read(&self) -> Result<Kept, String> {
        for party in [Party::Routers, Party::Checker] {
            if !self.sides.has(party) {
                return Err(format!("the {party} process does not run"));
            }
        }
        let source = Source::open(&self.path).map_err(|error| chain(&error))?;
        let before = self.kept.as_ref().map(|kept| kept.memory.clone());
        let config = source
            .load_after(&before.unwrap_or_default())
            .map_err(|error| ReadError::from(error).to_string())?;
        if !config.warnings.is_empty() {
            warn!("{}", config.warnings);
        }
        Ok(Kept::new(source, &config))
    }

    fn attempt(&mut self, kind: Kind, new: Kept, asked_by: Vec<desk::Answer>) {
        let number = self.number();
        self.fresh.clear();
        let draft = match (self.checker_has, &self.kept) {
            (Some(of), Some(old)) => Draft::after(of, &old.source, &new.source),
            (None, None) if self.sides.checker_knows => Draft::Known,
            (None, _) | (_, None) => Draft::Whole(new.source.clone()),
        };
        self.sides
            .checker(checker::Order::Prepare { number, draft });
        if self.sides.has(Party::Routers) {
            let source = new.of_routers.clone();
            self.sides
                .routers(routers::Order::Prepare { number, source });
        }
        self.attempt = Some(Attempt {
            number,
            machine: TwoPhase::new(clock::now(), kind),
            new: Some(new),
            asked_by,
        });
    }

    /// What a side says to the change of this number.
    pub(super) fn feed_for(&mut self, number: u64, input: Input) {
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.number == number)
        {
            self.feed(input);
        }
    }

    pub(super) fn feed(&mut self, input: Input) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let number = attempt.number;
        for output in attempt.machine.handle(clock::now(), input) {
            self.carry_out(number, output);
        }
    }

    fn carry_out(&mut self, number: u64, output: Output) {
        match output {
            Output::Abort(Party::Checker) => self.sides.checker(checker::Order::Abort(number)),
            Output::Abort(Party::Routers) => self.sides.routers(routers::Order::Abort(number)),
            Output::Commit(Party::Checker) => {
                self.decided();
                if !self.sides.has(Party::Checker) {
                    // Its successor is told as part of this.
                    self.fresh.insert(Party::Checker);
                } else if self.fresh.remove(&Party::Checker) {
                    self.supply_as(Party::Checker, number, Vec::new());
                } else {
                    self.commit_checker(number);
                }
            }
            Output::Commit(Party::Routers) => {
                self.decided();
                if !self.sides.has(Party::Routers) {
                    self.fresh.insert(Party::Routers);
                    self.sides.want_routers();
                } else if self.fresh.remove(&Party::Routers) {
                    self.supply_as(Party::Routers, number, Vec::new());
                } else {
                    self.generation = number;
                    let adopt = Vec::new();
                    self.sides.routers(routers::Order::Commit { number, adopt });
                }
            }
            Output::Over(result) => self.over(result),
        }
    }

    fn commit_checker(&mut self, number: u64) {
        self.checker_has = Some(number);
        self.sides.checker(checker::Order::Commit(number));
    }

    /// There is no way back: a side that starts again gets this configuration.
    fn decided(&mut self) {
        let new = self.attempt.as_mut().and_then(|attempt| attempt.new.take());
        let Some(new) = new else { return };
        if self
            .kept
            .as_ref()
            .is_some_and(|old| old.director != new.director)
        {
            warn!("[director] has changed: that takes effect with the next start");
        }
        self.overrides.reload(&new.known);
        self.notifications.replace(new.notification.clone());
        self.trackers.replace(new.tracking.clone());
        self.kept = Some(new);
    }

    fn over(&mut self, result: Result<Vec<String>, String>) {
        let asked_by = self.attempt.take().map(|attempt| attempt.asked_by);
        if let (Ok(_), Some(kept)) = (&result, &self.kept) {
            self.verdicts
                .retain(|name, _| kept.priorities.contains_key(name));
            self.forget_those_gone();
            self.tell_masters();
            self.tell_servers();
            self.tell_routers_again();
        }
        if self.stage == Stage::Starting {
            self.started(result);
        } else {
            self.reloaded(asked_by.unwrap_or_default(), result);
        }
        if let Some(asked_by) = self.next.take() {
            self.reload_for(asked_by);
        }
    }

    fn started(&mut self, result: Result<Vec<String>, String>) {
        if let Err(why) = result {
            self.fail(RunError::Refused(why));
            return;
        }
        self.stage = Stage::Running;
        self.sides.programs().want();
        let routers = self.kept.as_ref().map_or(0, |kept| kept.priorities.len());
        info!(
            routers,
            "{} is running; `director status` tells more", self.name
        );
        systemd::ready(&self.summary());
    }

    fn reloaded(&mut self, asked_by: Vec<desk::Answer>, result: Result<Vec<String>, String>) {
        let detail = match &result {
            Ok(changes) if changes.is_empty() => "nothing changes".to_owned(),
            Ok(changes) => changes.join("; "),
            Err(why) => why.clone(),
        };
        match &result {
            Ok(_) => info!("the configuration was read again: {detail}"),
            Err(_) => {
                error!("the configuration is not taken, everything goes on as it was: {detail}");
            }
        }
        self.happened(What::Reloaded {
            ok: result.is_ok(),
            detail,
        });
        answer(asked_by, &result);
        systemd::ready(&self.summary());
    }
}

fn answer(asked_by: Vec<desk::Answer>, result: &Result<Vec<String>, String>) {
    for one in asked_by {
        let result = result.clone();
        let result = result
            .map(|changes| Done { changes })
            .map_err(|error| Refused { error });
        // Whoever asked may have gone.
        let _ = one.send(result);
    }
}
