//! `director doctor` and `director plan` on real kernels: what they find of mistakes that are made here on purpose.

use std::collections::BTreeSet;
use std::path::Path;

use locum_lab::{Director, Host, wait_until};

use crate::Result;
use crate::program::{Ended, director, network};
use crate::site::PATIENCE;

const CONFIG: &str = "/run/director.toml";

/// A virtual router of each family, VRID 51.
fn routers(vip: &str, vip6: &str) -> String {
    format!(
        "[[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\nadvert_interval = \"100ms\"\n\
         addresses = [\"{vip}/24\"]\n\
         [[virtual_router]]\nname = \"web6\"\ninterface = \"eth0\"\nvrid = 51\nadvert_interval = \"100ms\"\n\
         addresses = [\"fe80::10/64\", \"{vip6}/64\"]\n"
    )
}

fn examine(host: &Host, config: &str, more: &str) -> Result<Ended> {
    host.write(Path::new(CONFIG), config)?;
    director(host, &format!("doctor -c {CONFIG} --json {more}"))
}

/// The kinds of findings of this severity.
fn found(ended: &Ended, severity: &str) -> Result<BTreeSet<String>> {
    let json = ended.json()?;
    let findings = json
        .get("findings")
        .and_then(|all| all.as_array())
        .ok_or("no findings")?;
    let ids = findings
        .iter()
        .filter(|one| one["severity"] == severity)
        .filter_map(|one| one["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}

/// Starts the pair's other router with its own configuration, and waits until it holds its addresses.
fn start_peer(host: &Host, vip: &str, vip6: &str) -> Result<Director> {
    let program = Path::new(env!("CARGO_BIN_EXE_director"));
    let peer = Director::start(host, program, &routers(vip, vip6))?;
    for address in [vip, vip6] {
        let address = address.parse()?;
        wait_until("the other router to be master", PATIENCE, || {
            host.has_address(address)
        })?;
    }
    Ok(peer)
}

#[test]
fn the_master_of_the_pair_is_no_fault() -> Result {
    let (_lan, hosts) = network(&["us", "peer"])?;
    let [us, peer] = hosts.as_slice() else {
        return Err("two hosts".into());
    };
    let _master = start_peer(peer, "192.0.2.10", "2001:db8::10")?;
    let ended = examine(us, &routers("192.0.2.10", "2001:db8::10"), "")?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(found(&ended, "info")?, ids(["address-answered", "master"]));
    let json = ended.json()?;
    let answered = json["findings"]
        .as_array()
        .ok_or("no findings")?
        .iter()
        .filter(|one| one["id"] == "address-answered");
    assert_eq!(answered.count(), 3, "one, and two of IPv6: {json:#}");
    // On the master itself nothing is foreign.
    let ended = examine(peer, &routers("192.0.2.10", "2001:db8::10"), "")?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(found(&ended, "info")?, ids(["no-master"]));
    Ok(())
}

#[test]
fn a_foreign_router_and_a_foreign_owner_are_found() -> Result {
    let (_lan, hosts) = network(&["us", "foreign", "owner"])?;
    let [us, foreign, owner] = hosts.as_slice() else {
        return Err("three hosts".into());
    };
    let ended = examine(us, &routers("192.0.2.10", "2001:db8::10"), "")?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let _router = start_peer(foreign, "192.0.2.77", "2001:db8::77")?;
    owner.ip("address add 192.0.2.10/24 dev eth0")?;
    owner.ip("address add 2001:db8::10/64 dev eth0 nodad")?;
    let ended = examine(us, &routers("192.0.2.10", "2001:db8::10"), "")?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(
        found(&ended, "error")?,
        ids(["address-taken", "vrid-taken"])
    );
    let mac = owner.mac("eth0").ok_or("no Ethernet address")?.to_string();
    assert!(ended.stdout.contains(&mac), "{mac} in {ended:?}");
    Ok(())
}

#[test]
fn settings_are_found_and_fixed() -> Result {
    let (_lan, hosts) = network(&["us"])?;
    let us = hosts.first().ok_or("one host")?;
    let config = format!(
        "{}[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\nscheduler = \"rr\"\nforward = \"nat\"\n\
         [[virtual_service.server]]\naddress = \"192.0.2.21:80\"\ncheck = false\n",
        routers("192.0.2.10", "2001:db8::10")
    );
    us.sysctl("net/ipv4/ip_forward", "0")?;
    us.sysctl("net/ipv4/conf/all/send_redirects", "1")?;
    us.sysctl("net/ipv6/conf/eth0/disable_ipv6", "1")?;
    let ended = examine(us, &config, "")?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let has_ipvs = us.read(Path::new("/proc/thread-self/net/ip_vs")).is_ok();
    let mut errors = found(&ended, "error")?;
    assert_eq!(errors.remove("ipvs"), !has_ipvs, "{ended:?}");
    assert_eq!(errors, ids(["ip-forward", "ipv6-disabled"]));
    assert!(found(&ended, "warning")?.contains("send-redirects"));

    let ended = examine(us, &config, "--fix")?;
    assert_eq!(ended.code, Some(i32::from(!has_ipvs)), "{ended:?}");
    let mut errors = found(&ended, "error")?;
    errors.remove("ipvs");
    // The interface gets its link-local address a moment after IPv6 is switched on.
    errors.remove("no-source");
    assert_eq!(errors, ids([]), "{ended:?}");
    assert!(!found(&ended, "warning")?.contains("send-redirects"));
    let value = |path: &str| us.read(&Path::new("/proc/sys").join(path));
    assert_eq!(value("net/ipv4/ip_forward")?.trim(), "1");
    assert_eq!(value("net/ipv4/conf/all/send_redirects")?.trim(), "0");
    assert_eq!(value("net/ipv6/conf/eth0/disable_ipv6")?.trim(), "0");
    Ok(())
}

#[test]
fn a_real_server_is_examined_and_its_settings_fixed() -> Result {
    let (_lan, hosts) = network(&["server"])?;
    let server = hosts.first().ok_or("one host")?;
    server.ip("address add 192.0.2.10/32 dev lo")?;
    let ended = director(server, "doctor --json --real-server 192.0.2.10")?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(found(&ended, "error")?, ids(["arp-announce", "arp-ignore"]));
    assert_eq!(found(&ended, "warning")?, ids(["nobody-listens"]));
    let listener = server.run(|| std::net::TcpListener::bind("192.0.2.10:80"))?;
    let ended = director(server, "doctor --json --fix --real-server 192.0.2.10")?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(found(&ended, "warning")?, ids([]));
    assert!(ended.stdout.contains("192.0.2.10: 80"), "{ended:?}");
    drop(listener);
    Ok(())
}

#[test]
fn a_plan_names_the_addresses_and_says_when_there_is_no_ipvs() -> Result {
    let (_lan, hosts) = network(&["us"])?;
    let us = hosts.first().ok_or("one host")?;
    us.ip("address add 2001:db8::10/64 dev eth0 nodad")?;
    us.write(Path::new(CONFIG), &routers("192.0.2.10", "2001:db8::10"))?;
    let ended = director(us, &format!("plan -c {CONFIG}"))?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .starts_with("+ address 192.0.2.10/24 on eth0, while web is master here\n"),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .contains("2 to take as master, 1 there already"),
        "{ended:?}"
    );
    let config = format!(
        "{}[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\nscheduler = \"rr\"\n\
         [[virtual_service.server]]\naddress = \"192.0.2.21\"\ncheck = false\n",
        routers("192.0.2.10", "2001:db8::10")
    );
    us.write(Path::new(CONFIG), &config)?;
    let ended = director(us, &format!("plan -c {CONFIG} --json"))?;
    if us.read(Path::new("/proc/thread-self/net/ip_vs")).is_ok() {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.json()?["changes"].as_array().map(Vec::len), Some(2));
    } else {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("modprobe ip_vs"), "{ended:?}");
    }
    Ok(())
}
