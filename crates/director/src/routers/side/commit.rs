//! Carrying out what was prepared.

use std::collections::BTreeMap;
use std::sync::Arc;

use locum_vrrp::Event;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tracing::{error, info, warn};

use super::{Commit, Prepared, Running, Side, follow};
use crate::clock;
use crate::routers::agenda::{Next, Step};
use crate::routers::message::{Adopt, Notice};
use crate::routers::plan::Unit;
use crate::routers::steps::Did;

impl Side {
    pub(super) fn commit(&mut self, number: u64, adopt: &[Adopt]) {
        let Some(prepared) = self.prepared.take_if(|prepared| prepared.number == number) else {
            error!("a change was to be carried out that is not prepared");
            return;
        };
        let Prepared { parties, plan, .. } = prepared;
        if self.records && !parties.groups.is_empty() {
            warn!("the transcript leaves out the virtual routers in sync groups");
        }
        let adopt = adopt.iter().filter_map(
            |Adopt {
                 router,
                 advertised_ns,
             }| { Some((router.clone(), clock::at_monotonic(*advertised_ns)?)) },
        );
        self.roll
            .order(parties.order.clone(), parties.groups.clone());
        self.commit = Some(Commit {
            number,
            is_start: self.shop.parties.units.is_empty(),
            changes: plan.words.clone(),
        });
        self.agenda.add(plan, &self.shop.parties, &parties);
        if let Some(beats) = &self.shop.beats {
            beats.begin(number, &parties.order);
        }
        self.shop.adopt = Arc::new(adopt.collect::<BTreeMap<_, _>>());
        self.shop.parties = Arc::new(parties);
        self.go_on();
    }

    /// Begins the next step. The commit is over when what is left has to wait for others to leave.
    fn go_on(&mut self) {
        while self.step.is_none() {
            let wait = match self.agenda.next(&self.shop.parties) {
                Next::Do(step) => {
                    self.begin(step);
                    continue;
                }
                Next::Wait(unit) => Some(unit),
                Next::Nothing => None,
            };
            if let Some(Commit {
                number,
                mut changes,
                ..
            }) = self.commit.take()
            {
                if let Some(unit) = wait {
                    let words = format!(
                        "virtual routers change and start when {} has handed over",
                        unit.words()
                    );
                    info!("{words}");
                    changes.push(words);
                }
                self.notify(Notice::Committed { number, changes });
            }
            return;
        }
    }

    fn begin(&mut self, step: Step) {
        let (adds, work) = match step {
            Step::Stop(units) => {
                for unit in units {
                    self.leave(unit);
                }
                return;
            }
            Step::Change(names) => (false, tokio::spawn(self.shop.change(names, &self.roll))),
            Step::Start(units) => (true, tokio::spawn(self.shop.start(units))),
        };
        self.step = Some(Running {
            adds,
            is_late: self.commit.is_none(),
            work,
        });
    }

    /// Has a unit hand over, while everything else goes on.
    fn leave(&mut self, unit: Unit) {
        let (members, left) = self.roll.leaves(&unit);
        let members = members.iter();
        self.agenda.leaves(
            unit.clone(),
            members.map(|(name, member)| (name.as_str(), &member.config)),
        );
        self.leaving.spawn(async move {
            left.await;
            unit
        });
    }

    /// A unit has handed over, or cannot be waited for: an error is that it cannot go on.
    pub(super) fn left(
        &mut self,
        unit: Result<Unit, JoinError>,
        events: &mut mpsc::UnboundedReceiver<Event>,
    ) -> Result<(), String> {
        let unit = unit.map_err(|error| format!("a virtual router does not stop: {error}"))?;
        self.tell_all(events);
        self.roll.strike(&unit);
        self.agenda.left(&unit);
        self.go_on();
        Ok(())
    }

    /// Takes note of what a step did. An error is that it cannot go on.
    pub(super) fn stepped(
        &mut self,
        did: Did,
        events: &mut mpsc::UnboundedReceiver<Event>,
    ) -> Result<(), String> {
        let is_late = self.step.take().is_some_and(|step| step.is_late);
        let Did {
            changed,
            started,
            groups,
            failed,
        } = did;
        for (name, config) in changed {
            if let Some(member) = self.roll.members.get_mut(&name) {
                member.config = config;
            }
        }
        for (_, member) in &started {
            tokio::spawn(follow(member.router.watch(), self.journal.clone()));
        }
        if is_late && !started.is_empty() {
            self.notify(Notice::Joined);
        }
        self.roll.groups.extend(groups);
        self.roll.members.extend(started);
        self.tell_all(events);
        for why in failed {
            self.failed(why)?;
        }
        self.go_on();
        Ok(())
    }

    fn failed(&mut self, why: String) -> Result<(), String> {
        error!("{why}");
        match &mut self.commit {
            Some(commit) if commit.is_start => Err(why),
            Some(commit) => {
                commit.changes.push(why);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
