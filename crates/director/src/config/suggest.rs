//! What somebody who mistyped a word may have meant.

/// The one of `known` that `word` is most likely a misspelling of.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let tolerated = folded.chars().count().div_ceil(3);
    known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(&folded, candidate), candidate))
        .filter(|&(distance, _)| distance <= tolerated)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` and `c`.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "none".to_owned(),
    }
}

/// What a keyword of keepalived.conf is called here.
pub(super) fn from_keepalived(word: &str) -> Option<&'static str> {
    Some(match word {
        "advert_int" => "`advert_interval`, as in advert_interval = \"1s\"",
        "auth_pass" | "auth_type" => {
            "`authentication`, as in authentication = { type = \"password\", password = \"secret\" }"
        }
        "down_timer_adverts" => "`missed_adverts`",
        "garp_master_delay" => "announce = { again_after = \"5s\" }",
        "garp_master_refresh" => "announce = { refresh = \"60s\" }",
        "mcast_src_ip" | "unicast_src_ip" => "`source`",
        "nopreempt" => "preempt = false",
        "state" => "left out: the priority decides who starts as master",
        "unicast_peer" => "`peers`, as in peers = [{ address = \"192.0.2.3\" }]",
        "virtual_ipaddress" => "`addresses`, as in addresses = [\"192.0.2.10/24\"]",
        "virtual_router_id" => "`vrid`",
        "vrrp_instance" => "`name`",
        "vrrp_version" => "`version`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = [
            "vrid",
            "priority",
            "advert_interval",
            "preempt",
            "preempt_delay",
        ];
        assert_eq!(nearest("prioritty", &known), Some("priority"));
        assert_eq!(nearest("advert-interval", &known), Some("advert_interval"));
        assert_eq!(nearest("Vrid", &known), Some("vrid"));
        assert_eq!(nearest("preemt", &known), Some("preempt"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(list(&[]), "none");
    }
}
