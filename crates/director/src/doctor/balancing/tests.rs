use super::*;
use crate::doctor::Severity;
use crate::doctor::made_up::{config, facts, notable};
use crate::machine::made_up::set;

fn service(more: &str) -> Config {
    config(&format!(
        "[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\n{more}\n\
         [[virtual_service.server]]\naddress = \"192.0.2.5\"\ncheck = false\n"
    ))
}

/// The kernel's own settings.
fn with_defaults() -> Facts {
    let mut facts = facts();
    for (name, value) in [
        ("conn_reuse_mode", "1"),
        ("conntrack", "0"),
        ("expire_nodest_conn", "0"),
        ("expire_quiescent_template", "0"),
        ("sloppy_tcp", "0"),
        ("sync_threshold", "3\t50"),
    ] {
        set(&mut facts.machine, &Key::ipvs(name), value);
    }
    facts
}

#[test]
fn settings_are_judged_by_what_the_services_need() {
    let removed = (Severity::Warning, "expire-nodest-conn");
    let rows = |more: &str| notable(check(&service(more), &with_defaults()));
    assert_eq!(rows("scheduler = \"rr\""), [removed]);
    assert_eq!(rows("on_failure = \"quiesce\""), []);
    assert_eq!(
        rows("persistence = \"5m\""),
        [removed, (Severity::Warning, "expire-quiescent-template")]
    );
    assert_eq!(
        rows("scheduler = \"mh\""),
        [removed, (Severity::Warning, "sloppy-tcp")]
    );
    let mut facts = with_defaults();
    for (name, value) in [
        ("conn_reuse_mode", "0"),
        ("conntrack", "1"),
        ("expire_nodest_conn", "1"),
    ] {
        set(&mut facts.machine, &Key::ipvs(name), value);
    }
    let findings = check(&service(""), &facts);
    let reuse = findings.iter().find(|one| one.id == "conn-reuse-mode");
    assert_eq!(
        reuse.map(|one| one.cure.as_str()),
        Some("sysctl -w net.ipv4.vs.conn_reuse_mode=1")
    );
    assert_eq!(
        notable(findings),
        [
            (Severity::Warning, "conn-reuse-mode"),
            (Severity::Info, "ipvs-conntrack")
        ]
    );
}

#[test]
fn a_sync_daemon_makes_sloppy_tcp_needless_and_wants_early_copies() {
    let sync = "[ipvs]\nsync = { interface = \"eth0\", id = 51, routers = [\"web\"] }\n";
    let mh = config(&format!(
        "{sync}[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\nscheduler = \"mh\"\n\
         on_failure = \"quiesce\"\n[[virtual_service.server]]\naddress = \"192.0.2.5\"\ncheck = false\n"
    ));
    let mut facts = with_defaults();
    assert_eq!(notable(check(&mh, &facts)), []);
    set(&mut facts.machine, &Key::ipvs("sync_threshold"), "20 50");
    assert_eq!(
        notable(check(&mh, &facts)),
        [(Severity::Warning, "sync-threshold")]
    );
}

#[test]
fn a_kernel_without_ipvs_is_told_with_its_cure() {
    let mut facts = facts();
    facts.ipvs = Ipvs::Missing;
    let cure = |facts: &Facts| {
        let findings = check(&service(""), facts);
        let found = findings.into_iter().find(|one| one.id == "ipvs").unwrap();
        assert_eq!(found.severity, Severity::Error);
        found.cure
    };
    assert!(cure(&facts).starts_with("modprobe ip_vs;"));
    facts.modules.loadable = None;
    facts.modules.builtin = None;
    assert!(cure(&facts).contains("linux-image-amd64"));
    facts.ipvs = Ipvs::Denied;
    assert!(cure(&facts).contains("user namespace"));
    // Without services nobody needs it.
    assert_eq!(check(&config(""), &facts), []);
}

#[test]
fn schedulers_are_looked_for() {
    let quiesce = "on_failure = \"quiesce\"";
    let rows = |scheduler: &str, facts: &Facts| {
        let more = format!("scheduler = \"{scheduler}\"\n{quiesce}");
        notable(check(&service(&more), facts))
    };
    let mut facts = facts();
    assert_eq!(rows("wlc", &facts), []);
    assert_eq!(rows("sed", &facts), [(Severity::Error, "ipvs-modules")]);
    facts.modules.loadable = None;
    assert_eq!(rows("sed", &facts), [(Severity::Info, "ipvs-modules")]);
}

#[test]
fn a_service_that_no_virtual_router_holds_is_a_warning() {
    let lost = |address: &str| {
        let config = config(&format!(
            "[[virtual_service]]\nname = \"web\"\naddress = \"{address}:80\"\non_failure = \"quiesce\"\n\
             [[virtual_service.server]]\naddress = \"192.0.2.5\"\ncheck = false\n"
        ));
        notable(check(&config, &facts()))
    };
    assert_eq!(lost("192.0.2.10"), []);
    // The machine's own, put there by the administrator.
    assert_eq!(lost("192.0.2.1"), []);
    assert_eq!(lost("192.0.2.20"), [(Severity::Warning, "service-unheld")]);
}
