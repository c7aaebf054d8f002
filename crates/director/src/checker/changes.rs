//! What another configuration changes of the virtual services, in words. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::site::{Site, VirtualService};

/// What it takes from `old` to `new`.
pub(super) fn words(old: &Site, new: &Site) -> Vec<String> {
    let (before, after) = (by_name(old), by_name(new));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone = gone.map(|name| format!("service {name} is gone"));
    let other = after
        .iter()
        .filter_map(|(name, service)| match before.get(name) {
            None => Some(format!("service {name} is new")),
            Some(was) if was != service => Some(format!("service {name} changes in place")),
            Some(_) => None,
        });
    let settings = (old.ipvs != new.ipvs).then(|| "the settings of [ipvs] change".to_owned());
    gone.chain(other).chain(settings).collect()
}

fn by_name(site: &Site) -> BTreeMap<&str, &Arc<VirtualService>> {
    let services = site.services.iter();
    services
        .map(|service| (service.name.as_str(), service))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn site(services: &[(&str, u16, &str)]) -> Site {
        let mut text = String::new();
        for (name, port, more) in services {
            text += &format!(
                "[[virtual_service]]\nname = \"{name}\"\naddress = \"192.0.2.10:{port}\"\nforward = \"direct\"\n{more}\n\
                 [virtual_service.check]\ntype = \"tcp\"\n\
                 [[virtual_service.server]]\nname = \"r1\"\naddress = \"192.0.2.20\"\n"
            );
        }
        if text.is_empty() {
            return Site::default();
        }
        load("test", &text, |_| Ok(String::new()))
            .unwrap()
            .site
            .as_ref()
            .clone()
    }

    #[test]
    fn services_come_go_and_change() {
        let old = site(&[("a", 80, ""), ("b", 81, ""), ("c", 82, "")]);
        let new = site(&[
            ("b", 81, ""),
            ("c", 82, "scheduler = \"rr\""),
            ("d", 83, ""),
        ]);
        assert_eq!(
            words(&old, &new),
            [
                "service a is gone",
                "service c changes in place",
                "service d is new"
            ]
        );
        assert!(words(&old, &old).is_empty());
        assert_eq!(words(&Site::default(), &old).len(), 3);
    }
}
