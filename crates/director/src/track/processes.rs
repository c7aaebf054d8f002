//! Which processes of the machine are tracked ones. Pure: it is told what there is, and counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use locum_netlink::ProcessEvent;

use super::settings::TrackProcess;

/// What the kernel keeps of a process's name (`TASK_COMM_LEN`, less the zero).
const NAME: usize = 15;

/// What a process is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// As `/proc/PID/comm` has it, cut by the kernel.
    pub(super) name: String,
    /// What it runs, if that may be known.
    pub(super) program: Option<PathBuf>,
    /// The first two words of its command line: of a script the first is its interpreter.
    pub(super) words: Vec<String>,
}

/// Those that are looked for, and the processes that are them.
#[derive(Debug)]
pub(super) struct Processes {
    wanted: Vec<TrackProcess>,
    found: BTreeMap<u32, BTreeSet<usize>>,
}

impl Processes {
    pub(super) const fn new(wanted: Vec<TrackProcess>) -> Self {
        Self {
            wanted,
            found: BTreeMap::new(),
        }
    }

    /// Everything that there is, in place of what was known.
    pub(super) fn all(&mut self, processes: impl Iterator<Item = (u32, Facts)>) {
        self.found.clear();
        for (pid, facts) in processes {
            self.is(pid, Some(&facts));
        }
    }

    /// `facts` tells what a process is; `None` if it is gone.
    pub(super) fn handle(&mut self, event: ProcessEvent, facts: impl Fn(u32) -> Option<Facts>) {
        match event {
            ProcessEvent::Executed(pid) | ProcessEvent::Renamed(pid) => {
                self.is(pid, facts(pid).as_ref());
            }
            ProcessEvent::Exited(pid) => _ = self.found.remove(&pid),
            ProcessEvent::Forked { parent, child } => {
                if let Some(same) = self.found.get(&parent).cloned() {
                    self.found.insert(child, same);
                }
            }
            ProcessEvent::Lost => {}
        }
    }

    fn is(&mut self, pid: u32, facts: Option<&Facts>) {
        let wanted = self.wanted.iter().enumerate();
        let these: BTreeSet<usize> = wanted
            .filter(|(_, wanted)| facts.is_some_and(|facts| matches(&wanted.process, facts)))
            .map(|(number, _)| number)
            .collect();
        if these.is_empty() {
            self.found.remove(&pid);
        } else {
            self.found.insert(pid, these);
        }
    }

    /// How many there are of each.
    pub(super) fn running(&self) -> BTreeMap<String, u32> {
        let wanted = self.wanted.iter().enumerate();
        wanted
            .map(|(number, wanted)| {
                let these = self.found.values().filter(|these| these.contains(&number));
                let count = u32::try_from(these.count()).unwrap_or(u32::MAX);
                (wanted.name.clone(), count)
            })
            .collect()
    }
}

fn matches(wanted: &str, facts: &Facts) -> bool {
    let path = Path::new(wanted);
    if path.is_absolute() {
        return facts.program.as_deref() == Some(path)
            || facts.words.iter().any(|word| word == wanted);
    }
    if wanted.len() <= NAME {
        return facts.name == wanted;
    }
    // The kernel has cut its name.
    let named = |path: &Path| path.file_name().is_some_and(|name| name == wanted);
    facts.program.as_deref().is_some_and(named)
        || facts.words.iter().any(|word| named(Path::new(word)))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn facts(name: &str, program: &str, words: &[&str]) -> Facts {
        Facts {
            name: name.to_owned(),
            program: Some(program.into()),
            words: words.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    #[test]
    fn a_process_is_known_by_name_or_path() {
        let proxy = facts("haproxy", "/usr/sbin/haproxy", &["haproxy", "-f"]);
        let script = facts(
            "a-script-with-a",
            "/usr/bin/dash",
            &["/bin/sh", "/opt/a-script-with-a-name"],
        );
        let table = [
            ("haproxy", &proxy, true),
            ("hapro", &proxy, false),
            ("/usr/sbin/haproxy", &proxy, true),
            ("/usr/local/sbin/haproxy", &proxy, false),
            ("a-script-with-a-name", &script, true),
            ("a-script-with-a", &script, true),
            ("a-script-with-another", &script, false),
            ("/opt/a-script-with-a-name", &script, true),
        ];
        for (wanted, facts, expected) in table {
            assert_eq!(matches(wanted, facts), expected, "{wanted}");
        }
    }

    #[test]
    fn they_are_counted_as_they_come_and_go() {
        let proxy = || Some(facts("haproxy", "/usr/sbin/haproxy", &[]));
        let shell = || Some(facts("sh", "/bin/sh", &[]));
        let mut processes = Processes::new(vec![TrackProcess {
            name: "proxy".to_owned(),
            process: "haproxy".to_owned(),
            quorum: NonZeroU32::MIN,
        }]);
        processes.all(
            [(1, shell()), (2, proxy())]
                .into_iter()
                .filter_map(|(pid, facts)| Some((pid, facts?))),
        );
        let steps = [
            (
                ProcessEvent::Forked {
                    parent: 2,
                    child: 3,
                },
                proxy(),
                2,
            ),
            (
                ProcessEvent::Forked {
                    parent: 1,
                    child: 4,
                },
                shell(),
                2,
            ),
            (ProcessEvent::Executed(4), proxy(), 3),
            (ProcessEvent::Executed(3), shell(), 2),
            (ProcessEvent::Renamed(3), None, 2),
            (ProcessEvent::Lost, None, 2),
            (ProcessEvent::Exited(2), None, 1),
            (ProcessEvent::Exited(2), None, 1),
        ];
        for (event, facts, expected) in steps {
            processes.handle(event, |_| facts.clone());
            assert_eq!(processes.running()["proxy"], expected, "{event:?}");
        }
    }
}
