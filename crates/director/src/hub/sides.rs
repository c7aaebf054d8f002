//! The sides, wherever they run, as the hub hears them.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use super::commit::Party;
use super::programs::Programs;
use super::start::Mode;
use crate::process::{
    BeatTable, Begin, Counts, Launch, Limits, Loss, News, Nursery, Side, Supervised,
};
use crate::status::ProcessReport;
use crate::{checker, config, programs, routers};

/// A process that is killed has so long to die.
const KILLING: Duration = Duration::from_secs(1);

/// What comes from a side.
#[derive(Debug)]
pub(super) enum Heard {
    Checker(checker::Notice),
    /// It has ended.
    Lost {
        side: Side,
        how: Loss,
        /// It starts again after so long.
        again_after: Option<Duration>,
    },
    Routers(routers::Notice),
    /// It runs, and knows nothing.
    Started(Started),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    pub(super) side: Side,
    pub(super) pid: Option<u32>,
    /// It follows one that was lost.
    pub(super) restart: bool,
    /// It may be told what its predecessor was master of.
    pub(super) may_adopt: bool,
}

/// What all sides are started with.
pub(super) struct Plan<'a> {
    pub(super) mode: &'a Mode,
    pub(super) nursery: Nursery,
    /// What is known to a checker side of this process.
    pub(super) first: checker::First,
    pub(super) director: &'a config::Director,
    pub(super) checker: checker::Options,
    pub(super) routers: routers::Options,
    /// The elections are to be asked this often at least.
    pub(super) watchdog: Option<Duration>,
}

/// All sides.
#[derive(Debug)]
pub(super) struct Sides {
    checker: Supervised<checker::Order, checker::Notice>,
    routers: Supervised<routers::Order, routers::Notice>,
    programs: Programs,
    /// Those that run.
    up: BTreeSet<Side>,
    /// Those that never will again.
    over: BTreeSet<Side>,
    beats: Option<BeatTable>,
    /// The first checker side has known the first configuration from its beginning.
    pub(super) checker_knows: bool,
}

impl Sides {
    /// Starts them, but for the programs and, if it is a process, that of the virtual routers. Needs a runtime.
    pub(super) fn start(plan: Plan<'_>) -> io::Result<Self> {
        let Plan {
            mode,
            nursery,
            first,
            director,
            checker,
            routers,
            watchdog,
        } = plan;
        let checker_knows = match mode {
            Mode::Processes { .. } => nursery.checker.is_some(),
            Mode::SingleProcess => true,
        };
        let (checker, routers, programs, beats) = match mode {
            Mode::SingleProcess => (
                Supervised::thread(Side::Checker, move |orders, notices| {
                    checker::run(checker, Some(first), orders, notices);
                })?,
                Supervised::thread(Side::Routers, move |orders, notices| {
                    routers::run(routers, orders, notices);
                })?,
                Programs::start(|| {
                    Supervised::thread(Side::Programs, |orders, notices| {
                        programs::run(programs::Options::default(), orders, notices);
                    })
                }),
                None,
            ),
            Mode::Processes { log } => {
                let limits = Limits {
                    hello_interval: director.hello_interval,
                    hello_missed: director.hello_missed,
                    ..Limits::default()
                };
                let launch =
                    |side| Launch::new(side, &director.control_socket).arguments(log.clone());
                let beats = nursery.beats.map_or_else(BeatTable::new, Ok)?;
                let elections = Limits {
                    hello_interval: watchdog.map_or(limits.hello_interval, |watchdog| {
                        watchdog.min(limits.hello_interval)
                    }),
                    ..limits
                };
                let routers = launch(Side::Routers)
                    .offspring(nursery.routers)
                    .arguments(routers.arguments())
                    .arguments(director.realtime.then_some("--realtime"))
                    .beats(beats.handle()?);
                let checker = launch(Side::Checker)
                    .offspring(nursery.checker)
                    .arguments(checker.arguments());
                let programs = launch(Side::Programs);
                (
                    Supervised::process(checker, limits, Begin::AtOnce),
                    Supervised::process(routers, elections, Begin::WhenWanted),
                    Programs::start(move || {
                        Ok(Supervised::process(programs, limits, Begin::AtOnce))
                    }),
                    Some(beats),
                )
            }
        };
        Ok(Self {
            checker,
            routers,
            programs,
            up: BTreeSet::new(),
            over: BTreeSet::new(),
            beats,
            checker_knows,
        })
    }

    /// Runs what is given to it on the side of the programs, as long as the runtime lives.
    pub(super) fn programs(&self) -> programs::Programs {
        self.programs.handle.clone()
    }

    /// What comes next; never, if all have ended. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Heard {
        let (checker_is_over, routers_are_over) = (
            self.over.contains(&Side::Checker),
            self.over.contains(&Side::Routers),
        );
        let heard = tokio::select! {
            news = self.routers.recv(), if !routers_are_over => translate(Side::Routers, news, Heard::Routers),
            news = self.checker.recv(), if !checker_is_over => translate(Side::Checker, news, Heard::Checker),
            Some(heard) = self.programs.news.recv() => heard,
            else => std::future::pending().await,
        };
        match &heard {
            Heard::Lost {
                side, again_after, ..
            } => {
                self.up.remove(side);
                if again_after.is_none() {
                    self.over.insert(*side);
                }
            }
            Heard::Started(started) => {
                self.up.insert(started.side);
            }
            Heard::Checker(_) | Heard::Routers(_) => {}
        }
        heard
    }

    /// Does it run?
    pub(super) fn has(&self, party: Party) -> bool {
        self.up.contains(&party.side())
    }

    /// Has it ended for good?
    pub(super) fn is_over(&self, party: Party) -> bool {
        self.over.contains(&party.side())
    }

    /// Is one that dies started again?
    pub(super) fn are_processes(&self) -> bool {
        self.beats.is_some()
    }

    pub(super) fn checker(&self, order: checker::Order) {
        self.checker.send(order);
    }

    /// Has the process of the virtual routers begin.
    pub(super) fn want_routers(&self) {
        self.routers.want();
    }

    pub(super) fn routers(&self, order: routers::Order) {
        self.routers.send(order);
    }

    /// Has it end, killed after `patience` if it is a process.
    pub(super) fn stop(&self, party: Party, patience: Duration) {
        match party {
            Party::Checker => self.checker.stop(patience),
            Party::Routers => self.routers.stop(patience),
        }
    }

    /// Ends what still runs, if these are processes.
    pub(super) async fn kill(&mut self) {
        if !self.are_processes() {
            return;
        }
        for party in [Party::Checker, Party::Routers] {
            self.stop(party, Duration::ZERO);
        }
        let ended = async {
            while !(self.over.contains(&Side::Checker) && self.over.contains(&Side::Routers)) {
                self.next().await;
            }
        };
        // One that a signal does not end goes on, whoever waits.
        let _ = timeout(KILLING, ended).await;
    }

    /// Which of these virtual routers, in the order of configuration `generation` and with their intervals, a routers'
    /// process that has died was master of until then. That can be asked once.
    pub(super) fn last_masters(
        &self,
        generation: u64,
        routers: &[(String, Duration)],
    ) -> Vec<routers::Adopt> {
        let Some(beats) = &self.beats else {
            return Vec::new();
        };
        let numbered = routers.iter().enumerate();
        let masters = numbered
            .filter_map(|(number, (router, interval))| {
                // Whoever heard nothing for three of them has taken over.
                let advertised_ns = beats.last(generation, number, *interval * 2)?;
                Some(routers::Adopt {
                    router: router.clone(),
                    advertised_ns,
                })
            })
            .collect();
        match beats.clear() {
            Ok(()) => masters,
            Err(error) => {
                warn!(%error, "nothing is adopted: the table of beats cannot be emptied");
                Vec::new()
            }
        }
    }

    /// How the processes have done; none with threads.
    pub(super) fn processes(&self) -> Vec<ProcessReport> {
        if !self.are_processes() {
            return Vec::new();
        }
        let report = |side: Side, counts: Counts| ProcessReport {
            name: side.name().to_owned(),
            pid: counts.pid,
            answers: counts.answers,
            restarts: counts.restarts,
            kills: counts.kills,
        };
        vec![
            report(Side::Routers, self.routers.counts()),
            report(Side::Checker, self.checker.counts()),
            report(Side::Programs, self.programs.counts()),
        ]
    }
}

fn translate<N>(side: Side, news: Option<News<N>>, notice: impl FnOnce(N) -> Heard) -> Heard {
    match news {
        Some(News::Lost { how, again_after }) => Heard::Lost {
            side,
            how,
            again_after,
        },
        Some(News::Notice(told)) => notice(told),
        Some(News::Started {
            pid,
            restart,
            may_adopt,
        }) => Heard::Started(Started {
            side,
            pid,
            restart,
            may_adopt,
        }),
        None => Heard::Lost {
            side,
            how: Loss::Ended,
            again_after: None,
        },
    }
}
