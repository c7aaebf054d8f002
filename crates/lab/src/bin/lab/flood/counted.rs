//! What a director has counted.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Outcome;

/// Counters of the interface, which every router on it tells.
const OF_THE_LINK: &str = "link_";
/// Packets that the kernel had no room for.
pub(super) const OVERFLOWS: &str = "link_receive_queue_overflows";
/// Advertisements that were heard.
const HEARD: &str = "adverts_received";

/// At one moment, or between two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counted {
    /// What became of packets, by reason.
    pub(super) packets: BTreeMap<String, u64>,
    /// Times that a router became master.
    pub(super) became_master: u64,
    /// The state of each router.
    pub(super) states: Vec<String>,
}

impl Counted {
    /// Reads what `director status --json` says.
    pub(super) fn read(status: &Value) -> Outcome<Self> {
        let routers = status.get("routers").and_then(Value::as_array);
        let mut counted = Self::default();
        for router in routers.ok_or("the status has no routers")? {
            let state = router.get("state").and_then(Value::as_str);
            counted.states.push(state.unwrap_or_default().to_owned());
            let counters = router.get("counters").and_then(Value::as_object);
            for (name, value) in counters.ok_or("a router has no counters")? {
                let value = value.as_u64().ok_or("a counter is no number")?;
                if name.starts_with(OF_THE_LINK) {
                    // The one that was told last is the highest.
                    let known = counted.packets.entry(name.clone()).or_default();
                    *known = value.max(*known);
                } else if name.starts_with("dropped_") || name == HEARD {
                    *counted.packets.entry(name.clone()).or_default() += value;
                } else if name == "became_master" {
                    counted.became_master += value;
                }
            }
        }
        Ok(counted)
    }

    /// What came since `before`, reasons without a packet left out.
    pub(super) fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let more = |(name, value): (&String, &u64)| {
            let before = before.packets.get(name).copied().unwrap_or(0);
            Some((name.clone(), value.checked_sub(before)?)).filter(|(_, more)| *more > 0)
        };
        self.packets.iter().filter_map(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn routers_are_added_up_and_links_are_not() {
        let router = |heard, unknown| {
            json!({"state": "backup", "counters": {
                "adverts_received": heard, "adverts_sent": 7, "became_master": 1,
                "dropped_ttl": 1, "link_unknown_vrid": unknown,
            }})
        };
        let status = json!({"routers": [router(2, 10), router(3, 12)]});
        let counted = Counted::read(&status).unwrap();
        let packets = [
            ("adverts_received", 5),
            ("dropped_ttl", 2),
            ("link_unknown_vrid", 12),
        ];
        let packets: BTreeMap<String, u64> =
            packets.map(|(name, count)| (name.to_owned(), count)).into();
        assert_eq!(counted.packets, packets);
        assert_eq!(counted.became_master, 2);
        assert_eq!(counted.since(&Counted::default()), packets);
        assert!(counted.since(&counted).is_empty());
    }
}
