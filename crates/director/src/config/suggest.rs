//! What somebody who mistyped a word may have meant.

/// The key among `known` that `word` is most likely a misspelling of.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    closest(&word.to_ascii_lowercase().replace('-', "_"), known)
}

/// The one of `known` that `word` is most likely a misspelling of.
pub(crate) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let tolerated = word.chars().count().div_ceil(3);
    known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
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
    router_word(word)
        .or_else(|| service_word(word))
        .or_else(|| check_word(word))
        .or_else(|| notification_word(word))
}

fn router_word(word: &str) -> Option<&'static str> {
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
        "init_fail" => "init = \"down\"",
        "track_interface" => "`track`, as in track = [{ interface = \"eth1\", weight = -20 }]",
        "unicast_peer" => "`peers`, as in peers = [{ address = \"192.0.2.3\" }]",
        "virtual_ipaddress" => "`addresses`, as in addresses = [\"192.0.2.10/24\"]",
        "virtual_router_id" => "`vrid`",
        "vrrp_instance" => "`name`",
        "vrrp_script" => "[[track_script]]",
        "vrrp_sync_group" => "[[sync_group]]",
        "vrrp_track_file" => "[[track_file]]",
        "vrrp_track_process" => "[[track_process]]",
        "vrrp_version" => "`version`",
        _ => return None,
    })
}

fn service_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "alpha" => "left out: a server serves after its first check; see `initial`",
        "flag-1" | "flag-2" | "mh-fallback" | "mh-port" | "sh-fallback" | "sh-port" => {
            "scheduler = { name = \"mh\", fallback = true, port = true }"
        }
        "ha_suspend" => "left out: each director checks, so that either can take over at once",
        "hysteresis" => "quorum = { weight = 3, hysteresis = 1 }",
        "inhibit_on_failure" => "on_failure = \"quiesce\"",
        "ip_family" => "`family`, as in family = \"ipv6\"",
        "lb_algo" | "lvs_sched" => "`scheduler`, as in scheduler = \"wlc\"",
        "lb_kind" | "lvs_method" => "`forward`, as in forward = \"direct\"",
        "lthreshold" | "uthreshold" => "thresholds = { upper = 1000, lower = 800 }",
        "lvs_flush" => "foreign = \"remove\" in [ipvs]",
        "lvs_flush_on_stop" | "lvs_flush_onstop" => "on_stop = \"remove\" in [ipvs], the default",
        "lvs_sync_daemon" => "`sync` in [ipvs], as in sync = { interface = \"eth1\", id = 51 }",
        "lvs_timeouts" => "`timeouts` in [ipvs], as in timeouts = { tcp = \"15m\" }",
        "notify_down" | "quorum_down" => "notify = { down = [\"/path/to/program\"] }",
        "notify_up" | "quorum_up" => "notify = { up = [\"/path/to/program\"] }",
        "omega" => "left out: nothing is run at the stop",
        "ops" => "one_packet = true",
        "persistence_engine" => "persistence = { engine = \"sip\" }",
        "persistence_granularity" => "persistence = { timeout = \"5m\", prefix = 24 }",
        "persistence_timeout" => "`persistence`, as in persistence = \"5m\"",
        "real_server" => "[[virtual_service.server]]",
        "sorry_server_lvs_method" => {
            "sorry_server = { address = \"192.0.2.99:80\", forward = \"nat\" }"
        }
        "virtual_server" => "[[virtual_service]]",
        "virtual_server_group" => {
            "`addresses` of a [[virtual_service]], as in addresses = [\"192.0.2.16-192.0.2.19:80\"]"
        }
        _ => return None,
    })
}

fn check_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "BFD_CHECK" | "FILE_CHECK" | "UDP_CHECK" => {
            "check = { type = \"exec\", program = [\"/path/to/program\", \"{address}\", \"{port}\"] }"
        }
        "DNS_CHECK" => "check = { type = \"dns\" }",
        "HTTP_GET" => "check = { type = \"http\", path = \"/\" }",
        "MISC_CHECK" => "check = { type = \"exec\", program = [\"/path/to/program\"] }",
        "PING_CHECK" => "check = { type = \"icmp\" }",
        "SMTP_CHECK" => "check = { type = \"smtp\" }",
        "SSL_GET" => "check = { type = \"https\", path = \"/\" }",
        "TCP_CHECK" => "check = { type = \"tcp\" }",
        "bind_if" => "`device` of the check",
        "bindto" => "`source` of the check",
        "connect_ip" => "`address` of the check",
        "connect_port" => "`port` of the check",
        "connect_timeout" | "misc_timeout" => "`timeout` of the check",
        "delay_before_retry" => "`fast_interval` of the check",
        "delay_loop" => {
            "`interval` of the check, as in check = { type = \"tcp\", interval = \"5s\" }"
        }
        "digest" => "`md5` of the page",
        "enable_sni" => "left out: the name is always sent; see `server_name`",
        "fwmark" => "`mark`",
        "misc_dynamic" => "dynamic_weight = true in the check",
        "misc_path" => "`program`, as in program = [\"/path/to/program\", \"argument\"]",
        "nb_get_retry" | "retry" => "`fall` of the check: how many failures in a row (1 more)",
        "regex" => "`matches` of the page",
        "regex_no_match" => "`matches_not` of the page",
        "sni_name" => "`server_name` of the check",
        "status_code" => "`status` of the page, as in status = [200, \"300-399\"]",
        "url" => "`path` of the check, or `pages`, as in pages = [{ path = \"/\" }]",
        "virtualhost" => "`host` of the check",
        "warmup" => "left out: first checks are always spread",
        _ => return None,
    })
}

fn notification_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "lvs_notify_fifo" | "notify_fifo" | "vrrp_notify_fifo" => {
            "`fifo` in [notify], as in fifo = \"/run/director/notify.fifo\""
        }
        "notification_email" => "`to` in [mail], as in to = [\"ops@example.com\"]",
        "notification_email_from" => "`from` in [mail]",
        "notify_backup" => "notify = { backup = [\"/path/to/program\"] }",
        "notify_fault" => "notify = { fault = [\"/path/to/program\"] }",
        "notify_master" => "notify = { master = [\"/path/to/program\"] }",
        "notify_stop" => "notify = { stop = [\"/path/to/program\"] }",
        "smtp_alert" => "`events` in [mail], as in events = [\"router\", \"server\"]",
        "smtp_server" => "`server` in [mail], as in server = \"mail.example.com:587\"",
        _ => return None,
    })
}

/// What a word that keepalived or ipvsadm has for a value is here.
pub(super) fn value_from_keepalived(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "dr" | "gate" | "gatewaying" | "route" => "direct",
        "masq" | "masquerade" => "nat",
        "tun" => "tunnel",
        "inet" => "ipv4",
        "inet6" => "ipv6",
        "http_get" => "http",
        "misc" | "misc_check" | "script" => "exec",
        "ping" => "icmp",
        "ssl" | "ssl_get" => "https",
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
