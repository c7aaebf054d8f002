//! The check by echo request, to hosts in network namespaces of their own. Needs root and `ip`.

#![cfg(feature = "icmp")]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod link;

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use locum_health::icmp::{IcmpCheck, IcmpConfig};
use locum_health::{CheckError, HealthCheck, Pass};
use locum_lab::{Host, Lan};
use socket2::{Domain, Protocol, Socket, Type};

use self::link::block_on;

/// Far more than any answer takes.
const LONG: Duration = Duration::from_secs(10);

async fn check_with(config: IcmpConfig, address: &str) -> Result<Pass, CheckError> {
    let target = SocketAddr::new(address.parse().unwrap(), 80);
    let check = IcmpCheck::new(config);
    let result = tokio::time::timeout(LONG, check.check(target)).await;
    assert!(result.is_ok(), "{address} is silent");
    result.unwrap()
}

async fn check(address: &str) -> Result<Pass, CheckError> {
    check_with(IcmpConfig::default(), address).await
}

/// A host, and a router that it reaches the rest of the world by.
struct World {
    host: Host,
    router: Host,
    _lan: Lan,
}

impl World {
    fn new() -> Self {
        let ([host, router], lan) = link::two(["host", "router"]);
        for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            router.sysctl(key, "1").unwrap();
        }
        host.ip("route add default via 192.0.2.2").unwrap();
        host.ip("route add default via fd00::2").unwrap();
        Self {
            host,
            router,
            _lan: lan,
        }
    }
}

#[test]
fn who_replies_passes() {
    let world = World::new();
    block_on(&world.host, async || {
        for address in ["127.0.0.1", "::1", "192.0.2.2", "fd00::2"] {
            assert_eq!(check(address).await.unwrap(), Pass::new(), "{address}");
        }
    });
}

/// Debian's default lets everybody use sockets that need no privileges.
#[test]
fn the_sockets_that_need_no_privileges_do_as_well() {
    let world = World::new();
    world
        .host
        .sysctl("net/ipv4/ping_group_range", "0 2147483647")
        .unwrap();
    world
        .router
        .ip("route add unreachable 198.51.100.1")
        .unwrap();
    block_on(&world.host, async || {
        for address in ["127.0.0.1", "::1", "192.0.2.2", "fd00::2"] {
            assert_eq!(check(address).await.unwrap(), Pass::new(), "{address}");
        }
        let failed = check("198.51.100.1").await;
        assert!(matches!(failed, Err(CheckError::Unreachable)), "{failed:?}");
    });
}

#[test]
fn many_at_once_get_each_its_own_reply() {
    let world = World::new();
    block_on(&world.host, async || {
        let mut probes = tokio::task::JoinSet::new();
        for address in ["192.0.2.2", "fd00::2"].repeat(50) {
            probes.spawn(check(address));
        }
        for result in probes.join_all().await {
            assert_eq!(result.unwrap(), Pass::new());
        }
    });
}

#[test]
fn what_a_router_refuses_is_unreachable() {
    // A router each: the kernel soon gets tired of telling errors to the same host.
    for route in [
        Some("unreachable"),
        Some("prohibit"),
        // The network is unreachable.
        None,
    ] {
        let world = World::new();
        let addresses = ["198.51.100.1", "2001:db8::1"];
        for address in addresses {
            if let Some(route) = route {
                let command = format!("route add {route} {address}");
                world.router.ip(&command).unwrap();
            }
        }
        block_on(&world.host, async move || {
            for address in addresses {
                let failed = check(address).await;
                assert!(
                    matches!(failed, Err(CheckError::Unreachable)),
                    "{route:?} {address}: {failed:?}"
                );
            }
        });
    }
}

/// Sends an echo request that does not get further than the first router, and waits until that has said so.
fn trace(address: IpAddr) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    socket.set_ttl_v4(1).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    // Type 8, with its sum, and an identifier and a sequence number of 1.
    let request = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];
    let to = SocketAddr::new(address, 0).into();
    socket.send_to(&request, &to).unwrap();
    let mut reply = [MaybeUninit::uninit(); 128];
    socket.recv(&mut reply).unwrap();
}

#[test]
fn errors_about_the_packets_of_others_do_not_count() {
    let world = World::new();
    // Packets go on, to nobody.
    for setting in ["all", "eth0"] {
        let key = format!("net/ipv4/conf/{setting}/send_redirects");
        world.router.sysctl(&key, "0").unwrap();
    }
    for command in [
        "route add 198.51.100.1 dev eth0",
        "neighbour add 198.51.100.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
    ] {
        world.router.ip(command).unwrap();
    }
    block_on(&world.host, async || {
        let mut probe = pin!(check("198.51.100.1"));
        for _ in 0..3 {
            // Polls the probe until nothing is left to do for it.
            tokio::select! {
                biased;
                result = &mut probe => unreachable!("{result:?}"),
                () = settled() => {}
            }
            trace("198.51.100.1".parse().unwrap());
        }
        tokio::select! {
            biased;
            result = &mut probe => unreachable!("{result:?}"),
            () = settled() => {}
        }
    });
}

/// Lets the runtime look at its sockets some times.
async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// On the loopback a reply is there when the request has been sent.
#[test]
fn who_is_silent_does_not_pass() {
    let world = World::new();
    for (key, address) in [
        ("net/ipv4/icmp_echo_ignore_all", "127.0.0.1"),
        ("net/ipv6/icmp/echo_ignore_all", "::1"),
    ] {
        world.host.sysctl(key, "1").unwrap();
        block_on(&world.host, async move || {
            let mut probe = pin!(check(address));
            tokio::select! {
                biased;
                result = &mut probe => unreachable!("{result:?}"),
                () = settled() => {}
            }
        });
    }
}

#[test]
fn what_this_machine_cannot_do_is_its_own_fault() {
    let world = World::new();
    block_on(&world.host, async || {
        let config = |change: fn(&mut IcmpConfig)| {
            let mut config = IcmpConfig::default();
            change(&mut config);
            config
        };
        for change in [
            config(|config| config.socket.source = Some([203, 0, 113, 9].into())),
            config(|config| config.socket.source = Some("::1".parse().unwrap())),
            config(|config| config.socket.device = Some("eth9".to_owned())),
        ] {
            let failed = check_with(change.clone(), "192.0.2.2").await.unwrap_err();
            assert!(failed.is_local(), "{change:?}: {failed:?}");
        }
    });
    world.host.ip("route del default via 192.0.2.2").unwrap();
    block_on(&world.host, async || {
        let failed = check("198.51.100.1").await.unwrap_err();
        assert!(failed.is_local(), "no route: {failed:?}");
    });
}

#[test]
fn source_device_and_mark_are_as_set() {
    let world = World::new();
    // Replies reach only this source, and only marked packets have a route.
    world.host.ip("address add 203.0.113.7/32 dev lo").unwrap();
    world
        .router
        .ip("route add 203.0.113.7 via 192.0.2.1")
        .unwrap();
    world
        .router
        .ip("address add 203.0.113.1/32 dev lo")
        .unwrap();
    world.host.ip("route flush default").unwrap();
    world
        .host
        .ip("route add 203.0.113.1 via 192.0.2.2 table 7")
        .unwrap();
    world.host.ip("rule add fwmark 7 lookup 7").unwrap();
    block_on(&world.host, async || {
        let mut config = IcmpConfig::default();
        config.socket.source = Some([203, 0, 113, 7].into());
        let failed = check_with(config.clone(), "203.0.113.1").await.unwrap_err();
        assert!(failed.is_local(), "{failed:?}");
        config.socket.mark = Some(7);
        check_with(config.clone(), "203.0.113.1").await.unwrap();
        // On an interface named, all is taken to be on the link (ip(7)), without any route.
        config.socket.mark = None;
        config.socket.device = Some("eth0".to_owned());
        check_with(config, "203.0.113.1").await.unwrap();
    });
}
