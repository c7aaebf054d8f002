//! What is wrong with a router, and the cure.

use std::collections::BTreeMap;

use locum_vrrp::election::Faults;
use locum_vrrp::vip::AddressError;
use locum_vrrp::{EventKind, Family, RouterConfig};

use crate::status::FaultReport;
use crate::words::chain;

/// A kind of fault. Its name is the [`FaultReport::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Addresses,
    Announcements,
    Link,
    OtherAddresses,
    Release,
    Sending,
    Source,
    Tracking,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Announcements => "announcements",
            Self::Link => "link",
            Self::OtherAddresses => "other-addresses",
            Self::Release => "release",
            Self::Sending => "sending",
            Self::Source => "source",
            Self::Tracking => "tracking",
        }
    }

    fn report(self, message: String, cure: String) -> FaultReport {
        FaultReport {
            kind: self.name().to_owned(),
            message,
            cure,
        }
    }
}

/// What events said that is still wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faulty(BTreeMap<Kind, FaultReport>);

impl Faulty {
    /// Notes what `event` says is wrong, or is well again. Returns the fault if it says one.
    pub(crate) fn note(&mut self, event: &EventKind) -> Option<FaultReport> {
        let (kind, report) = match event {
            EventKind::AddressesHeld => {
                for kind in [Kind::Addresses, Kind::Announcements] {
                    self.0.remove(&kind);
                }
                return None;
            }
            EventKind::AddressesReleased => {
                for kind in [Kind::Announcements, Kind::Release] {
                    self.0.remove(&kind);
                }
                return None;
            }
            EventKind::HoldFailed { address, error } => {
                let message = format!(
                    "{address} could not be put on the interface: {}",
                    chain(&**error)
                );
                (Kind::Addresses, (message, address_cure(error)))
            }
            EventKind::ReleaseFailed { address, error } => {
                let message = format!(
                    "{address} could not be taken off the interface: {}",
                    chain(&**error)
                );
                let cure = "it is tried again, and its lease ends; if that does not help, remove it by hand";
                (Kind::Release, (message, cure.to_owned()))
            }
            EventKind::AnnounceFailed(error) => {
                let message = format!("the neighbours could not be told: {}", chain(&**error));
                (Kind::Announcements, (message, address_cure(error)))
            }
            EventKind::SendFailed(error) => {
                let message = format!("an advertisement could not be sent: {}", chain(&**error));
                (Kind::Sending, (message, sending_cure()))
            }
            EventKind::SocketFailed(error) => {
                let message = format!(
                    "the socket for advertisements could not be opened: {}",
                    chain(&**error)
                );
                (Kind::Sending, (message, sending_cure()))
            }
            EventKind::OtherAddresses { source } => {
                let message =
                    format!("{source} advertises other addresses for this virtual router");
                let cure = "make `addresses` the same in all routers of the group";
                (Kind::OtherAddresses, (message, cure.to_owned()))
            }
            EventKind::Transition(_) => {
                // Whoever it was may have been corrected: it is said again if not.
                self.0.remove(&Kind::OtherAddresses);
                return None;
            }
            // Later kinds of events are not known to be faults.
            EventKind::AddressRestored { .. } | _ => return None,
        };
        let report = kind.report(report.0, report.1);
        self.0.insert(kind, report.clone());
        Some(report)
    }

    /// What keeps the router from taking part: its election's `faults`, explained by what events said.
    pub(crate) fn explain(&self, faults: Faults, router: &RouterConfig) -> Vec<FaultReport> {
        let mut all = self.0.clone();
        if !faults.any() {
            all.remove(&Kind::Sending);
        }
        // Remembered until they are held, since the next attempt will most likely fail the same way.
        if !faults.addresses {
            all.remove(&Kind::Addresses);
        }
        let interface = router.interface();
        let mut add = |present: bool, kind: Kind, message: String, cure: String| {
            if present {
                all.entry(kind)
                    .or_insert_with(|| kind.report(message, cure));
            }
        };
        add(
            faults.link,
            Kind::Link,
            format!("the interface {interface} does not exist, is down or has no carrier"),
            format!("ip link set {interface} up; check its cable or virtual switch with `ip link`"),
        );
        let (message, cure) = source_fault(router);
        add(faults.source && !faults.link, Kind::Source, message, cure);
        let tracked = "something that is watched failed".to_owned();
        add(
            faults.tracking,
            Kind::Tracking,
            tracked,
            "see the logs".to_owned(),
        );
        let held = "the addresses could not be held".to_owned();
        add(
            faults.addresses,
            Kind::Addresses,
            held,
            "see the logs; it is tried again".to_owned(),
        );
        let sent = "advertisements could not be sent".to_owned();
        add(faults.sending, Kind::Sending, sent, sending_cure());
        all.into_values().collect()
    }
}

fn source_fault(router: &RouterConfig) -> (String, String) {
    let interface = router.interface();
    if let Some(source) = router.configured_source() {
        return (
            format!("{interface} does not have the `source` address {source}"),
            format!("add it to {interface}, or correct `source`"),
        );
    }
    let family = router.family();
    if family == Family::Ipv6 && router.peers().is_empty() {
        return (
            format!("{interface} has no link-local IPv6 address to send from"),
            format!(
                "see `ip -6 address show {interface}`: a new address is checked for a second or two first; IPv6 may be \
                 disabled (sysctl net.ipv6.conf.{interface}.disable_ipv6)"
            ),
        );
    }
    (
        format!("{interface} has no {family} address of its own to send from"),
        format!("give {interface} an {family} address that is not one of the virtual ones"),
    )
}

fn address_cure(error: &AddressError) -> String {
    match error {
        AddressError::Foreign => {
            "remove the address from the interface, or give this router priority 255 if it owns it"
        }
        AddressError::Ipv6Disabled => {
            "set that to 0 for this interface, here and in /etc/sysctl.d; it is tried again"
        }
        AddressError::NoSuchLink => "create the interface; the address is added when it is there",
        AddressError::Permission => "run with CAP_NET_ADMIN and CAP_NET_RAW",
        AddressError::Expired => "this machine is overloaded or was paused; it is tried again",
        AddressError::Kernel(_) | AddressError::Unknown | _ => {
            "try the same with `ip address add`; it is tried again here"
        }
    }
    .to_owned()
}

fn sending_cure() -> String {
    "check the interface, its firewall and CAP_NET_RAW; it is tried again".to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use locum_vrrp::election::Config;
    use locum_vrrp::{AdvertInterval, Priority, Vrid};

    use super::*;

    fn router() -> RouterConfig {
        let election = Config::new(AdvertInterval::v3(100).unwrap(), Priority::DEFAULT).unwrap();
        let addresses = vec!["192.0.2.10/24".parse().unwrap()];
        RouterConfig::new("eth0", Vrid::new(1).unwrap(), addresses, election).unwrap()
    }

    fn kinds(reports: &[FaultReport]) -> Vec<&str> {
        reports.iter().map(|report| report.kind.as_str()).collect()
    }

    #[test]
    fn a_foreign_address_is_explained_until_the_addresses_are_held() {
        let mut faulty = Faulty::default();
        let mut faults = Faults::default();
        faults.addresses = true;
        assert_eq!(kinds(&faulty.explain(faults, &router())), ["addresses"]);
        let failed = EventKind::HoldFailed {
            address: "192.0.2.10/24".parse().unwrap(),
            error: Arc::new(AddressError::Foreign),
        };
        assert!(
            faulty
                .note(&failed)
                .unwrap()
                .message
                .starts_with("192.0.2.10/24 could not")
        );
        let explained = faulty.explain(faults, &router());
        assert_eq!(explained.len(), 1);
        assert!(explained[0].cure.contains("priority 255"), "{explained:?}");
        assert_eq!(faulty.note(&EventKind::AddressesReleased), None);
        assert_eq!(
            faulty.explain(faults, &router()),
            explained,
            "between two attempts"
        );
        assert_eq!(faulty.explain(Faults::default(), &router()), []);
        assert_eq!(faulty.note(&EventKind::AddressesHeld), None);
        let later = faulty.explain(faults, &router());
        assert_ne!(
            later, explained,
            "what was wrong then is not what is wrong now"
        );
    }

    #[test]
    fn the_cause_of_a_failure_is_told() {
        let mut faulty = Faulty::default();
        let error = AddressError::Kernel(io::Error::from_raw_os_error(28));
        let report = faulty
            .note(&EventKind::AnnounceFailed(Arc::new(error)))
            .unwrap();
        assert!(
            report.message.contains("the kernel refused: No space left"),
            "{report:?}"
        );
        let unsent = EventKind::SendFailed(Arc::new(io::Error::from_raw_os_error(101)));
        assert_eq!(faulty.note(&unsent).unwrap().kind, "sending");
        let sent_again = faulty.explain(Faults::default(), &router());
        assert_eq!(
            kinds(&sent_again),
            ["announcements"],
            "sending is over when the election says so"
        );
    }

    #[test]
    fn a_missing_source_is_not_blamed_while_the_link_is_down() {
        let mut faults = Faults::default();
        faults.link = true;
        faults.source = true;
        assert_eq!(
            kinds(&Faulty::default().explain(faults, &router())),
            ["link"]
        );
        faults.link = false;
        let explained = Faulty::default().explain(faults, &router());
        assert_eq!(kinds(&explained), ["source"]);
        assert!(
            explained[0].message.contains("no IPv4 address"),
            "{explained:?}"
        );
        let configured = router().source("192.0.2.2".parse().unwrap()).unwrap();
        let explained = Faulty::default().explain(faults, &configured);
        assert!(explained[0].message.contains("192.0.2.2"), "{explained:?}");
    }
}
