//! Where connections come from and what is left of them.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use locum_health::socket::{SocketOptions, connect};
use locum_health::tcp::TcpConfig;
use locum_health::{CheckError, HealthCheck as _, Pass};
use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::server::{End, crowded, refusing, says};
use crate::{assert_fails, bounded, tcp};

fn options(set: impl FnOnce(&mut SocketOptions)) -> SocketOptions {
    let mut options = SocketOptions::default();
    set(&mut options);
    options
}

fn from(source: &str) -> SocketOptions {
    options(|options| options.source = Some(source.parse().unwrap()))
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let (_socket, target) = refusing();
    assert_fails!(tcp(TcpConfig::default(), target).await, CheckError::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_syn_without_answer_is_waited_for() {
    let (_socket, _first, target) = crowded();
    let options = SocketOptions::default();
    let attempt = timeout(Duration::from_secs(5), connect(&options, target)).await;
    assert!(attempt.is_err(), "{attempt:?}");
}

#[tokio::test]
async fn the_source_address_is_as_set() {
    for (listen, source) in [("127.0.0.1:0", "127.0.0.9"), ("[::1]:0", "::1")] {
        let listener = TcpListener::bind(listen).await.unwrap();
        let target = listener.local_addr().unwrap();
        let _stream = bounded(connect(&from(source), target)).await.unwrap();
        let (_, peer) = bounded(listener.accept()).await.unwrap();
        assert_eq!(peer.ip(), source.parse::<IpAddr>().unwrap());
    }
}

#[tokio::test]
async fn a_source_address_of_others_is_a_local_fault() {
    let (_socket, target) = refusing();
    for (source, errno) in [
        ("192.0.2.77", Errno::ADDRNOTAVAIL),
        ("::1", Errno::AFNOSUPPORT),
    ] {
        assert_fails!(
            bounded(connect(&from(source), target)).await,
            CheckError::Local(error) if is(&error, errno)
        );
    }
}

#[tokio::test]
async fn the_device_is_as_set() {
    let target = says("", End::Hold).await;
    let lo = options(|options| options.device = Some("lo".to_owned()));
    let stream = bounded(connect(&lo, target)).await.unwrap();
    assert_eq!(
        SockRef::from(&stream).device().unwrap().as_deref(),
        Some(&b"lo"[..])
    );
    let missing = options(|options| options.device = Some("missing0".to_owned()));
    assert_fails!(
        bounded(connect(&missing, target)).await,
        CheckError::Local(error) if is(&error, Errno::NODEV)
    );
}

/// Needs root.
#[tokio::test]
async fn the_mark_is_as_set() {
    let target = says("", End::Hold).await;
    let marked = options(|options| options.mark = Some(0x5eed));
    let stream = bounded(connect(&marked, target)).await.unwrap();
    assert_eq!(SockRef::from(&stream).mark().unwrap(), 0x5eed);
}

#[tokio::test]
async fn programs_that_are_run_do_not_inherit_the_socket() {
    let target = says("", End::Hold).await;
    let stream = bounded(connect(&SocketOptions::default(), target))
        .await
        .unwrap();
    let flags = rustix::io::fcntl_getfd(&stream).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn many_probes_leave_no_port_in_use() {
    let target = says("", End::Hold).await;
    let check = locum_health::tcp::TcpCheck::new(TcpConfig::default()).unwrap();
    for _ in 0..200 {
        assert_eq!(bounded(check.check(target)).await.unwrap(), Pass::new());
    }
    let port = format!(":{:04X} ", target.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let waiting = table
        .lines()
        // 06 is TIME_WAIT.
        .filter(|line| line.contains(&port) && line.split_whitespace().nth(3) == Some("06"));
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn nobody_is_woken_where_nobody_speaks() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let target = listener.local_addr().unwrap();
    let mut accepted = 0;
    for _ in 0..100 {
        tcp(TcpConfig::default(), target).await.unwrap();
        // The kernel does acknowledge after a while, if this process was kept from going on.
        accepted += i32::from(listener.accept().is_ok());
    }
    assert!(accepted < 50, "{accepted}");
}

#[tokio::test]
async fn a_probe_given_up_resets_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let probe = tokio::spawn(tcp(TcpConfig::ftp(), target));
    let (mut stream, _) = bounded(listener.accept()).await.unwrap();
    probe.abort();
    let error = bounded(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}
