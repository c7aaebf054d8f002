//! `director real-server` on real kernels: what it does, that it undoes it, and that nobody learns of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use locum_lab::Host;
use locum_vip::{LinkWatch, WatchOptions, who_has};

use crate::Result;
use crate::program::{director, network};
use crate::site::PATIENCE;

const VIP: &str = "192.0.2.10";
const VIP6: &str = "2001:db8::10";

/// Everything that the command may change: settings, addresses and interfaces.
fn picture(host: &Host) -> Result<String> {
    let mut settings = host.run(|| {
        let mut all = Vec::new();
        for interface in fs::read_dir("/proc/sys/net/ipv4/conf")? {
            for file in fs::read_dir(interface?.path())? {
                let path = file?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with("arp_") || name == "rp_filter" {
                    all.push(format!("{} {}", path.display(), fs::read_to_string(&path)?));
                }
            }
        }
        std::io::Result::Ok(all)
    })?;
    settings.sort_unstable();
    let addresses = host.ip("-oneline address show")?;
    let links = host.ip("-oneline link show")?;
    Ok(format!("{}{addresses}{links}", settings.concat()))
}

/// Does a neighbour that asks learn the address of somebody who has `address`?
fn answered(client: &Host, address: &str) -> Result<bool> {
    let address: IpAddr = address.parse()?;
    let claims = client.run(move || {
        let (watch, _changes) = LinkWatch::start(WatchOptions::default())?;
        let link = watch
            .link_by_name("eth0")
            .ok_or(std::io::ErrorKind::NotFound)?;
        let mac = link.mac.ok_or(std::io::ErrorKind::NotFound)?;
        who_has(link.index, mac, &[address], Duration::from_secs(1))
    })?;
    Ok(claims.contains_key(&address))
}

/// Sends `client`'s packets to `address` to `server`, as a director does, and has them answered by TCP.
fn served(client: &Host, server: &Host, address: &str) -> Result {
    let target = SocketAddr::new(address.parse()?, 8080);
    let mac = server.mac("eth0").ok_or("no Ethernet address")?;
    client.ip(&format!("neigh replace {address} lladdr {mac} dev eth0"))?;
    let any = if target.is_ipv4() {
        "0.0.0.0:8080"
    } else {
        "[::]:8080"
    };
    let listener = server.run(move || TcpListener::bind(any))?;
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"hello")
    });
    let heard = client.run(move || {
        let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        std::io::Result::Ok(heard)
    })?;
    assert_eq!(heard, "hello");
    answering.join().map_err(|_| "the server panicked")??;
    client.ip(&format!("neigh del {address} dev eth0"))?;
    Ok(())
}

#[test]
fn a_real_server_takes_packets_in_and_nobody_learns_that_it_has_the_address() -> Result {
    let (_lan, hosts) = network(&["client", "server"])?;
    let [client, server] = hosts.as_slice() else {
        return Err("two hosts".into());
    };
    // What happens without it.
    server.ip(&format!("address add {VIP}/32 dev lo"))?;
    assert!(answered(client, VIP)?, "else this shows nothing");
    server.ip(&format!("address del {VIP}/32 dev lo"))?;
    let before = picture(server)?;

    let up = director(server, &format!("real-server up {VIP} {VIP6}"))?;
    assert_eq!(up.code, Some(0), "{up:?}");
    assert!(
        up.stdout.ends_with(&format!("add {VIP6} to lo\n")),
        "{up:?}"
    );
    let status = director(server, "real-server status")?;
    assert_eq!(status.code, Some(0), "{status:?}");
    let doctor = director(server, &format!("doctor --real-server {VIP} {VIP6}"))?;
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    for address in [VIP, VIP6] {
        assert!(!answered(client, address)?, "{address}");
        served(client, server, address)?;
    }
    let again = director(server, &format!("real-server up {VIP} {VIP6}"))?;
    assert_eq!(again.stdout, "nothing to change\n", "{again:?}");

    let down = director(server, "real-server down --json")?;
    assert_eq!(down.code, Some(0), "{down:?}");
    let down = down.json()?;
    assert_eq!(down["virtual_addresses"], serde_json::json!([]));
    assert_eq!(picture(server)?, before);
    assert!(
        server
            .read(Path::new("/run/director/real-server.json"))
            .is_err(),
        "the record is gone"
    );
    Ok(())
}

#[test]
fn settings_go_back_with_the_last_address_and_an_administrators_address_stays() -> Result {
    let host = Host::new("server")?;
    host.ip("address add 192.0.2.12/32 dev lo")?;
    host.sysctl("net/ipv4/conf/all/arp_announce", "1")?;
    let before = picture(&host)?;
    for address in [VIP, "192.0.2.11", "192.0.2.12"] {
        let up = director(&host, &format!("real-server up {address}"))?;
        assert_eq!(up.code, Some(0), "{up:?}");
    }
    for address in [VIP, "192.0.2.12", "192.0.2.11"] {
        let announce = host.read(Path::new("/proc/sys/net/ipv4/conf/all/arp_announce"))?;
        assert_eq!(announce.trim(), "2", "before {address}");
        let down = director(&host, &format!("real-server down {address}"))?;
        assert_eq!(down.code, Some(0), "{down:?}");
    }
    assert_eq!(picture(&host)?, before);
    let twice = director(&host, &format!("real-server down {VIP}"))?;
    assert_eq!(twice.code, Some(1), "{twice:?}");
    assert!(twice.stderr.contains("was not set up here"), "{twice:?}");
    Ok(())
}

#[test]
fn a_failure_leaves_everything_as_it_was() -> Result {
    let host = Host::new("server")?;
    host.sysctl("net/ipv6/conf/lo/disable_ipv6", "1")?;
    let before = picture(&host)?;
    // The IPv4 address and its settings come first.
    let up = director(&host, &format!("real-server up {VIP} {VIP6}"))?;
    assert_eq!(up.code, Some(1), "{up:?}");
    assert!(
        up.stderr.contains(&format!(
            "cannot add {VIP6} to lo; everything is as it was before"
        )),
        "{up:?}"
    );
    assert_eq!(picture(&host)?, before);
    let status = director(&host, "real-server status")?;
    assert_eq!(status.stdout, "no virtual address is set up here\n");
    Ok(())
}

#[test]
fn a_tunnels_interface_is_switched_on_and_its_reverse_path_loosened() -> Result {
    let host = Host::new("server")?;
    // Any interface takes the place of tunl0, whose module not every kernel has.
    host.ip("link add tunnel type veth peer name other")?;
    // The first time it comes up, it gets a queueing discipline that it keeps.
    host.ip("link set tunnel up")?;
    host.ip("link set tunnel down")?;
    host.sysctl("net/ipv4/conf/all/rp_filter", "1")?;
    let before = picture(&host)?;
    let up = director(
        &host,
        &format!("real-server up {VIP} --method tunnel --interface tunnel"),
    )?;
    assert_eq!(up.code, Some(0), "{up:?}");
    let reverse = host.read(Path::new("/proc/sys/net/ipv4/conf/tunnel/rp_filter"))?;
    assert_eq!(reverse.trim(), "2");
    let status = director(&host, &format!("real-server status {VIP} --json"))?;
    assert_eq!(status.code, Some(0), "{status:?}");
    // Somebody makes it strict again.
    host.sysctl("net/ipv4/conf/tunnel/rp_filter", "1")?;
    let status = director(&host, "real-server status --json")?;
    assert_eq!(status.code, Some(1), "{status:?}");
    let faults = &status.json()?["virtual_addresses"][0]["faults"];
    assert_eq!(faults[0]["id"], "rp-filter", "{faults}");
    let up = director(
        &host,
        &format!("real-server up {VIP} --method tunnel --interface tunnel"),
    )?;
    assert_eq!(up.code, Some(0), "{up:?}");
    let down = director(&host, "real-server down")?;
    assert_eq!(down.code, Some(0), "{down:?}");
    assert_eq!(picture(&host)?, before);
    Ok(())
}
