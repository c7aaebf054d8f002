//! What vrrpd says of itself.

use std::time::Duration;

use serde::Deserialize;
use serde::de::Error as _;

use super::Family;

/// Where vrrpd says that a virtual router is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "these are the protocol's states")]
pub enum State {
    /// It waits for the master to go.
    Backup,
    /// It takes no part.
    Initialize,
    /// It has the addresses.
    Master,
}

/// What vrrpd says of the addresses of one family of a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Where it is.
    pub state: State,
    /// The interval the master announces, as far as it knows.
    pub master_interval: Duration,
    /// How many advertisements it has heard.
    pub heard: u64,
    /// How often it has changed its state.
    pub transitions: u64,
}

#[derive(Deserialize)]
struct Entry {
    vrid: u8,
    v4: Side,
    v6: Side,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    status: State,
    master_adver_interval: u64,
    stats: Stats,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    adver_rx: u64,
    transitions: u64,
}

/// The report on one router in what `show vrrp json` says.
pub(super) fn find(json: &str, vrid: u8, family: Family) -> Result<Report, serde_json::Error> {
    let entries: Vec<Entry> = serde_json::from_str(json)?;
    let entry = entries.into_iter().find(|entry| entry.vrid == vrid);
    let entry = entry.ok_or_else(|| serde_json::Error::custom("no such virtual router"))?;
    let side = match family {
        Family::V4 => entry.v4,
        Family::V6 => entry.v6,
    };
    Ok(Report {
        state: side.status,
        master_interval: Duration::from_millis(side.master_adver_interval),
        heard: side.stats.adver_rx,
        transitions: side.stats.transitions,
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, Family, Report, State, find};

    #[test]
    fn finds_the_router_and_the_family() {
        // As vrrpd 8.4.4 answers, without what is not read here.
        let json = r#"[{"vrid":51,"version":3,
            "v4":{"status":"Master","masterAdverInterval":100,
                  "stats":{"adverTx":29,"adverRx":3,"garpTx":1,"transitions":2}},
            "v6":{"status":"Backup","masterAdverInterval":1000,
                  "stats":{"adverTx":0,"adverRx":7,"neighborAdverTx":0,"transitions":1}}}]"#;
        let v6 = Report {
            state: State::Backup,
            master_interval: Duration::from_secs(1),
            heard: 7,
            transitions: 1,
        };
        assert_eq!(find(json, 51, Family::V6).unwrap(), v6);
        let v4 = find(json, 51, Family::V4).unwrap();
        assert_eq!((v4.state, v4.heard), (State::Master, 3));
        let missing = find(json, 52, Family::V4).unwrap_err();
        assert_eq!(missing.to_string(), "no such virtual router");
    }
}
