//! Which synchronisation daemons run: they follow mastership.

use std::collections::BTreeMap;

use locum_ipvs::SyncDaemon;

use crate::site::SyncSettings;

/// The daemons that should run while `masters` tells who is master. A router that nobody has told of is not.
pub(super) fn daemons(sync: &SyncSettings, masters: &BTreeMap<String, bool>) -> Vec<SyncDaemon> {
    let is_master = |router: &String| masters.get(router).copied().unwrap_or(false);
    let mut daemons = Vec::new();
    if sync.routers.iter().any(is_master) {
        daemons.push(sync.master.clone());
    }
    if !sync.routers.iter().all(is_master) {
        daemons.push(sync.backup.clone());
    }
    daemons
}

#[cfg(test)]
mod tests {
    use locum_ipvs::{InterfaceName, Role};

    use super::*;

    #[test]
    fn daemons_follow_mastership_and_both_run_in_a_dual_master_pair() {
        let daemon = |role| SyncDaemon::new(role, InterfaceName::new("eth1").unwrap(), 51);
        let sync = SyncSettings {
            routers: vec!["web".to_owned(), "mail".to_owned()],
            master: daemon(Role::Master),
            backup: daemon(Role::Backup),
        };
        let roles = |masters: &[(&str, bool)]| -> Vec<Role> {
            let masters = masters.iter().map(|(name, is)| ((*name).to_owned(), *is));
            let daemons = daemons(&sync, &masters.collect());
            daemons.iter().map(SyncDaemon::role).collect()
        };
        assert_eq!(roles(&[]), [Role::Backup]);
        assert_eq!(roles(&[("web", false), ("mail", false)]), [Role::Backup]);
        assert_eq!(roles(&[("web", true)]), [Role::Master, Role::Backup]);
        assert_eq!(roles(&[("web", true), ("mail", true)]), [Role::Master]);
        assert_eq!(roles(&[("other", true)]), [Role::Backup]);
    }
}
