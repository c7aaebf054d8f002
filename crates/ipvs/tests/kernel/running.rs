//! What runs in the kernel: packets, daemons, timeouts, modules; and what it refuses.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::num::{NonZeroU8, NonZeroU16};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use locum_ipvs::*;

use crate::support::{client, direct, ipvsadm, seconds, tcp, tunnel, udp};

pub(crate) fn a_fresh_kernel_has_its_defaults() {
    let mut client = client();
    assert_eq!(client.info().unwrap().version.0, 1);
    let timeouts = client.timeouts().unwrap();
    let expected = [900, 120, 300].map(Duration::from_secs);
    assert_eq!([timeouts.tcp, timeouts.tcp_fin, timeouts.udp], expected);
    assert_eq!(client.snapshot().unwrap(), Snapshot::default());
    assert_eq!(client.daemons().unwrap(), []);
}

pub(crate) fn errors_are_told_apart() {
    let mut client = client();
    let web = tcp("192.0.2.10:80");
    let add_web = Op::AddService(Service::new(web, Scheduler::WLC));
    client.apply_one(add_web.clone()).unwrap();
    client
        .apply_one(Op::AddDestination(web, direct("10.0.0.1")))
        .unwrap();
    let other = tcp("192.0.2.11:80");
    let scheduler = Scheduler::new("nosuch").unwrap();
    let engine = PersistenceEngine::new("nosuch").unwrap();
    let with_engine = Service::new(web, Scheduler::WLC).persistence_engine(engine);
    let absent = direct("10.0.0.9");
    let nowhere = InterfaceName::new("nosuch").unwrap();
    let outcomes = client.apply(&[
        add_web,
        Op::AddService(Service::new(other, scheduler)),
        Op::EditService(with_engine),
        Op::EditService(Service::new(other, Scheduler::WLC)),
        Op::RemoveService(other),
        Op::Zero(Some(other)),
        Op::AddDestination(other, absent),
        Op::AddDestination(web, direct("10.0.0.1")),
        Op::EditDestination(web, absent),
        Op::RemoveDestination(web, absent.key(&web)),
        Op::AddDestination(web, direct("224.0.0.1")),
        Op::AddDestination(web, direct("fd00::1")),
        Op::StartDaemon(SyncDaemon::new(Role::Master, nowhere, 1)),
        Op::StopDaemon(Role::Master),
    ]);
    let names: Vec<String> = outcomes
        .iter()
        .map(|outcome| format!("{:?}", outcome.as_ref().unwrap_err()))
        .collect();
    let expected = [
        "AlreadyExists",
        "SchedulerNotFound",
        "SchedulerOrEngineNotFound",
        "ServiceNotFound",
        "ServiceNotFound",
        "ServiceNotFound",
        "ServiceNotFound",
        "AlreadyExists",
        "DestinationNotFound",
        "DestinationNotFound",
        "Invalid",
        "Invalid",
        "InterfaceNotFound",
        "DaemonNotFound",
    ];
    assert_eq!(names, expected);
    assert!(matches!(
        client.service(&other),
        Err(QueryError::ServiceNotFound)
    ));
    assert!(matches!(
        client.destinations(&other),
        Err(QueryError::ServiceNotFound)
    ));
    assert_eq!(client.destinations(&web).unwrap().len(), 1);
}

pub(crate) fn daemons_start_and_stop() {
    let mut client = client();
    let lo = || InterfaceName::new("lo").unwrap();
    let master = SyncDaemon::new(Role::Master, lo(), 7).max_length(1400);
    let backup = SyncDaemon::new(Role::Backup, lo(), 9)
        .max_length(1400)
        .group("224.0.0.99".parse().unwrap())
        .unwrap()
        .port(NonZeroU16::new(9000).unwrap())
        .ttl(NonZeroU8::new(3).unwrap());
    client.apply_one(Op::StartDaemon(master.clone())).unwrap();
    client.apply_one(Op::StartDaemon(backup)).unwrap();
    let again = client.apply_one(Op::StartDaemon(master));
    assert!(matches!(again, Err(ApplyError::AlreadyExists)));

    let mut daemons = client.daemons().unwrap();
    daemons.sort_by_key(|daemon| daemon.role);
    let [backup, master] = &daemons[..] else {
        panic!("{daemons:?}")
    };
    assert_eq!(
        (backup.role, backup.sync_id, backup.port, backup.ttl),
        (Role::Backup, 9, 9000, 3)
    );
    assert_eq!(backup.group, Some("224.0.0.99".parse().unwrap()));
    assert_eq!(
        (master.role, master.sync_id, master.port, master.ttl),
        (Role::Master, 7, 8848, 1)
    );
    assert_eq!(master.group, Some("224.0.0.81".parse().unwrap()));
    assert_eq!((master.interface.as_str(), master.max_length), ("lo", 1400));
    let listed = ipvsadm(&["-Ln", "--daemon"]);
    assert!(listed.contains("master sync daemon (mcast=lo, syncid=7, maxlen=1400, group=224.0.0.81, port=8848, ttl=1)"), "{listed}");
    assert!(listed.contains("backup sync daemon (mcast=lo, syncid=9, maxlen=1400, group=224.0.0.99, port=9000, ttl=3)"), "{listed}");

    client.apply_one(Op::StopDaemon(Role::Master)).unwrap();
    client.apply_one(Op::StopDaemon(Role::Backup)).unwrap();
    assert_eq!(client.daemons().unwrap(), []);
}

/// Stopped before its thread has run, a daemon is stopped without an answer. Where threads of the kernel cannot be
/// seen, this only takes its time.
fn wait_until_daemon_runs() {
    let sleeps = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        stat.contains("(ipvs-m:") && stat.contains(") S ")
    };
    for _ in 0..200 {
        if fs::read_dir("/proc").unwrap().flatten().any(sleeps) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn daemons_and_mixed_versions_exclude_each_other() {
    let mut client = client();
    let web = tcp("192.0.2.10:80");
    let daemon = || SyncDaemon::new(Role::Master, InterfaceName::new("lo").unwrap(), 1);
    let mixed = || Op::AddDestination(web, tunnel("fd00::1", Tunnel::Ipip));
    client
        .apply_one(Op::AddService(Service::new(web, Scheduler::RR)))
        .unwrap();
    client.apply_one(Op::StartDaemon(daemon())).unwrap();
    wait_until_daemon_runs();
    assert!(matches!(
        client.apply_one(mixed()),
        Err(ApplyError::Invalid)
    ));
    client.apply_one(Op::StopDaemon(Role::Master)).unwrap();
    client.apply_one(mixed()).unwrap();
    assert!(matches!(
        client.apply_one(Op::StartDaemon(daemon())),
        Err(ApplyError::Invalid)
    ));
}

pub(crate) fn timeouts_change_one_by_one() {
    let mut client = client();
    let mut set = |tcp, tcp_fin, udp| {
        client
            .apply_one(Op::SetTimeouts(TimeoutChange { tcp, tcp_fin, udp }))
            .unwrap();
        ipvsadm(&["-Ln", "--timeout"]).trim().to_owned()
    };
    let text = "Timeout (tcp tcpfin udp):";
    assert_eq!(
        set(None, Some(seconds(7)), None),
        format!("{text} 900 7 300")
    );
    let most = Some(seconds(2_147_483));
    assert_eq!(
        set(most, None, Some(seconds(1))),
        format!("{text} 2147483 7 1")
    );
    let defaults = set(Some(seconds(900)), Some(seconds(120)), Some(seconds(300)));
    assert_eq!(defaults, format!("{text} 900 120 300"));
}

pub(crate) fn packets_are_counted_and_zeroed() {
    let mut client = client();
    let bind = |address: &str| UdpSocket::bind(address).unwrap();
    let server = bind("127.0.0.1:0");
    server
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!()
    };
    let key = udp("127.0.0.2:5000");
    let destination = Destination::masquerade(address.into());
    client
        .apply_one(Op::AddService(Service::new(key, Scheduler::RR)))
        .unwrap();
    client
        .apply_one(Op::AddDestination(key, destination))
        .unwrap();
    for _ in 0..3 {
        bind("127.0.0.1:0")
            .send_to(b"hello", "127.0.0.2:5000")
            .unwrap();
        server.recv(&mut [0; 8]).unwrap();
    }
    let stats = counted(&mut client, &key);
    // An IPv4 and a UDP header before each "hello".
    assert_eq!(
        (stats.connections, stats.packets_in, stats.bytes_in),
        (3, 3, 3 * 33)
    );
    let entry = client.destinations(&key).unwrap()[0];
    assert_eq!(
        (entry.stats.connections, entry.inactive_connections),
        (3, 3)
    );
    client.apply_one(Op::Zero(Some(key))).unwrap();
    assert_eq!(client.service(&key).unwrap().stats.connections, 0);
    assert_eq!(client.destinations(&key).unwrap()[0].stats.bytes_in, 0);
}

/// The counters, once there is something in them: the kernel sums up every two seconds.
fn counted(client: &mut Client, key: &ServiceKey) -> Stats {
    for _ in 0..100 {
        let stats = client.service(key).unwrap().stats;
        if stats.connections > 0 {
            return stats;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing was counted");
}

pub(crate) fn the_async_client_works_in_another_namespace() {
    let mut here = client();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut other = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo && exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It is in its namespace when it says something.
    other.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let there = Namespace::open(format!("/proc/{}/ns/net", other.id())).unwrap();
    let snapshot = runtime.block_on(async {
        let there = AsyncClient::spawn(&there, Limits::default()).unwrap();
        let add = Op::AddService(Service::new(tcp("192.0.2.10:80"), Scheduler::RR));
        let outcomes = there.apply(vec![add]).await.unwrap();
        assert!(matches!(outcomes[..], [Ok(())]), "{outcomes:?}");
        there.snapshot().await.unwrap().unwrap()
    });
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(snapshot.iter().count(), 1);
    assert_eq!(here.snapshot().unwrap(), Snapshot::default());
}

/// Only where this kernel is ours alone.
pub(crate) fn a_module_loaded_anew_is_found_again() {
    let Ok(loader) = fs::read_to_string("/proc/sys/kernel/modprobe") else {
        return;
    };
    if !loader.starts_with("/run/") {
        return;
    }
    let mut client = client();
    let add = || Op::AddService(Service::new(tcp("192.0.2.10:80"), Scheduler::RR));
    client.apply_one(add()).unwrap();
    client.apply_one(Op::Flush).unwrap();
    let loaded = fs::read_to_string("/proc/modules").unwrap();
    let names = loaded
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let schedulers: Vec<&str> = names.filter(|name| name.starts_with("ip_vs_")).collect();
    let removed = Command::new("rmmod")
        .args(schedulers)
        .arg("ip_vs")
        .status()
        .unwrap();
    assert!(removed.success());
    client.apply_one(add()).unwrap();
    assert_eq!(client.services().unwrap().len(), 1);
}

/// Run as another user by [`without_privilege_nothing_is_allowed`].
pub(crate) fn ask_without_privilege() {
    let mut client = Client::open(Limits::default()).unwrap();
    assert!(matches!(client.info(), Err(QueryError::PermissionDenied)));
    let outcome = client.apply_one(Op::Flush);
    assert!(matches!(outcome, Err(ApplyError::PermissionDenied)));
}

pub(crate) fn without_privilege_nothing_is_allowed() {
    client();
    let program = std::env::current_exe().unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let status = Command::new("setpriv")
        .args(nobody)
        .arg(program)
        .env(crate::NOBODY, "1")
        .status();
    assert!(status.unwrap().success());
}
