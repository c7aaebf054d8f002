//! Which modules the kernel has, as modprobe(8) would find them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The modules of the running kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Modules {
    /// Those in use; built-in ones are not among them.
    pub(crate) loaded: BTreeSet<String>,
    /// Those in the kernel itself; `None` if there is no list.
    pub(crate) builtin: Option<BTreeSet<String>>,
    /// Those that can be loaded; `None` if there is no list.
    pub(crate) loadable: Option<BTreeSet<String>>,
}

/// Whether the kernel has a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// No list has it, and the lists are there.
    Absent,
    /// It is at work.
    Here,
    /// It can be loaded, which the kernel does by itself when it needs it.
    Loadable,
    /// It is not loaded, and there are no lists.
    Unknown,
}

impl Modules {
    /// Reads the kernel's list and those of its release.
    pub(crate) fn read() -> Self {
        let loaded = fs::read_to_string("/proc/modules").unwrap_or_default();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let directory = Path::new("/lib/modules").join(release.trim());
        let list = |name: &str| fs::read_to_string(directory.join(name)).ok();
        Self {
            loaded: loaded
                .lines()
                .filter_map(|line| line.split_whitespace().next())
                .map(str::to_owned)
                .collect(),
            builtin: list("modules.builtin").map(|text| names(&text)),
            loadable: list("modules.dep").map(|text| names(&text)),
        }
    }

    /// Is there `module`?
    pub(crate) fn availability(&self, module: &str) -> Availability {
        let has = |list: &Option<BTreeSet<String>>| list.as_ref().map(|all| all.contains(module));
        match (has(&self.builtin), has(&self.loadable)) {
            _ if self.loaded.contains(module) => Availability::Here,
            (Some(true), _) => Availability::Here,
            (_, Some(true)) => Availability::Loadable,
            (Some(false), Some(false)) => Availability::Absent,
            (None, _) | (_, None) => Availability::Unknown,
        }
    }
}

/// The names in a list of paths, such as `kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: kernel/…`.
fn names(list: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let path = line.split(':').next()?;
        let file = path.rsplit('/').next()?;
        let name = file.split(".ko").next()?;
        // The kernel takes the two for the same.
        Some(name.replace('-', "_"))
    };
    list.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_the_lists() {
        let mut modules = Modules {
            loaded: BTreeSet::from(["ip_vs".to_owned()]),
            builtin: Some(names("kernel/net/netfilter/ipvs/ip_vs_rr.ko\n")),
            loadable: Some(names(
                "kernel/net/netfilter/ipvs/ip_vs_wlc.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz\n\
                 kernel/net/ipv4/tcp-odd.ko:\n",
            )),
        };
        let found = ["ip_vs", "ip_vs_rr", "ip_vs_wlc", "tcp_odd", "ip_vs_mh"]
            .map(|name| modules.availability(name));
        assert_eq!(
            found,
            [
                Availability::Here,
                Availability::Here,
                Availability::Loadable,
                Availability::Loadable,
                Availability::Absent,
            ]
        );
        modules.builtin = None;
        assert_eq!(modules.availability("ip_vs_mh"), Availability::Unknown);
        assert_eq!(modules.availability("ip_vs_wlc"), Availability::Loadable);
    }
}
