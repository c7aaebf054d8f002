//! What holds, in the status.

use std::collections::BTreeMap;
use std::time::Instant;

use super::known::Party;
use super::{Change, Object, Overrides};
use crate::report::millis;
use crate::status::{ChangeReport, Status};

impl Overrides {
    /// Adds to a status what the operator changed.
    pub(crate) fn tell(&self, now: Instant, status: &mut Status) {
        if self.changes.is_empty() {
            return;
        }
        let mut servers = BTreeMap::new();
        for (object, change) in &self.changes {
            match object {
                Object::Priority(name) | Object::StandBy(Party::Router(name)) => {
                    let mut routers = status.routers.iter_mut();
                    if let Some(router) = routers.find(|router| router.name == *name) {
                        router.changed.push(change.report(now));
                    }
                }
                Object::Server(service, server) => {
                    servers.insert((service.as_str(), server.as_str()), change);
                }
                Object::StandBy(Party::Group(name)) => {
                    let mut groups = status.sync_groups.iter_mut();
                    if let Some(group) = groups.find(|group| group.name == *name) {
                        group.changed.push(change.report(now));
                    }
                }
            }
        }
        let services = status.site.iter_mut().flat_map(|site| &mut site.services);
        for service in services {
            for server in &mut service.servers {
                if let Some(change) = servers.get(&(service.name.as_str(), server.name.as_str())) {
                    server.changed.push(change.report(now));
                }
            }
        }
    }
}

impl Change {
    fn report(&self, now: Instant) -> ChangeReport {
        let left = |until: Instant| millis(until.saturating_duration_since(now));
        ChangeReport {
            action: self.action.to_string(),
            uid: self.uid,
            reason: self.reason.clone(),
            lapses_in_ms: self.until.map(left),
        }
    }
}
