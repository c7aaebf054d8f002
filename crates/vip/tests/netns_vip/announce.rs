//! Announcements, seen from the other end of the wire.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use locum_vip::wire::ndp::Role;
use locum_vip::wire::{MacAddress, arp, ndp};
use locum_vip::{AddressDriver as _, AddressError, LinkIndex, NetlinkAddresses, Options, Pace};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with, sockopt,
};

use crate::host::Host;

/// Nothing more comes: on a veth a frame has arrived when it has been sent.
const QUIET: Duration = Duration::from_millis(100);

/// Receives every frame that arrives at a host.
struct Capture(OwnedFd);

impl Capture {
    fn start(host: &Host) -> io::Result<Self> {
        let all = std::num::NonZeroU32::new(u32::from(3_u16.to_be())).map(Protocol::from_raw);
        let socket = host.run(move || {
            let flags = SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, all)?;
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(QUIET))?;
            sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20)?;
            io::Result::Ok(socket)
        })?;
        Ok(Self(socket?))
    }

    /// All frames from `source` until it is quiet: 2,000 at most.
    fn frames_from(&self, source: MacAddress) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = [0; 2048];
        for _ in 0..2000 {
            let Ok((_, length)) = recv(&self.0, &mut buffer, RecvFlags::empty()) else {
                break;
            };
            let frame = buffer.get(..length).unwrap_or_default();
            if frame.get(6..12) == Some(&source) {
                frames.push(frame.to_vec());
            }
        }
        frames
    }
}

const MAC: MacAddress = [2, 0, 0, 0, 0, 0x0a];

/// Two joined hosts without IPv6 chatter of their own, a capture at the second, the driver at the first.
fn pair(pace: Pace) -> io::Result<(Host, Host, Capture, LinkIndex, NetlinkAddresses)> {
    let (one, two) = Host::pair()?;
    one.ip("link set dev a address 02:00:00:00:00:0a addrgenmode none")?;
    let capture = Capture::start(&two)?;
    let link = LinkIndex::new(one.index("a")?).ok_or_else(|| io::Error::other("index 0"))?;
    let namespace = one.namespace.clone();
    let driver = NetlinkAddresses::start(Options {
        namespace,
        pace,
        ..Options::default()
    })?;
    Ok((one, two, capture, link, driver))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// What was announced, without other traffic such as multicast reports.
fn announcements(capture: &Capture, source: MacAddress) -> Vec<Vec<u8>> {
    let mut frames = capture.frames_from(source);
    frames.retain(|f| f.len() == arp::FRAME_LENGTH || f.get(54) == Some(&136));
    frames
}

#[tokio::test]
async fn request_reply_and_advertisement_reach_the_neighbour() {
    let (_one, two, capture, link, driver) = pair(Pace::default()).unwrap();
    // IPv6 begins at the other end when its carrier has been noticed.
    let mut looks = 0..1000;
    while !two
        .ip("-6 route show table local")
        .unwrap()
        .contains("ff00::/8 dev b")
    {
        looks.next().unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    two.ip("neigh replace 192.0.2.10 lladdr 02:00:00:00:00:99 dev b nud stale")
        .unwrap();
    two.ip("neigh replace 2001:db8::10 lladdr 02:00:00:00:00:99 dev b nud stale")
        .unwrap();
    driver
        .announce(link, &[ip("192.0.2.10"), ip("2001:db8::10")])
        .await
        .unwrap();

    let address = [192, 0, 2, 10].into();
    let expected = [
        arp::gratuitous_request(MAC, address).to_vec(),
        ndp::unsolicited_advertisement(MAC, "2001:db8::10".parse().unwrap(), Role::Host).to_vec(),
        arp::gratuitous_reply(MAC, address).to_vec(),
    ];
    assert_eq!(announcements(&capture, MAC), expected);
    let neighbours = two.ip("neigh show dev b").unwrap() + &two.ip("-6 neigh show dev b").unwrap();
    for address in ["192.0.2.10 ", "2001:db8::10 "] {
        let entry = neighbours
            .lines()
            .find(|line| line.starts_with(address))
            .unwrap();
        assert!(entry.contains("lladdr 02:00:00:00:00:0a"), "{entry}");
    }
}

#[tokio::test]
async fn a_router_says_so() {
    let (one, _two, capture, link, driver) = pair(Pace::default()).unwrap();
    let setting = "/proc/sys/net/ipv6/conf/a/forwarding";
    one.run(move || std::fs::write(setting, "1"))
        .unwrap()
        .unwrap();
    driver.announce(link, &[ip("2001:db8::10")]).await.unwrap();
    let address = "2001:db8::10".parse().unwrap();
    let expected = ndp::unsolicited_advertisement(MAC, address, Role::Router);
    assert_eq!(announcements(&capture, MAC), [expected.to_vec()]);
}

#[tokio::test]
async fn a_new_ethernet_address_is_used_at_once() {
    let (one, _two, capture, link, driver) = pair(Pace::default()).unwrap();
    driver.announce(link, &[ip("192.0.2.10")]).await.unwrap();
    one.ip("link set dev a address 02:00:00:00:00:0b").unwrap();
    driver.announce(link, &[ip("192.0.2.10")]).await.unwrap();
    let later = [2, 0, 0, 0, 0, 0x0b];
    let frames = announcements(&capture, later);
    assert_eq!(frames.len(), 2);
    assert_eq!(
        frames[0],
        arp::gratuitous_request(later, [192, 0, 2, 10].into())
    );
}

#[tokio::test]
async fn nothing_is_sent_without_carrier() {
    let (one, two, capture, link, driver) = pair(Pace::default()).unwrap();
    // Its own chatter would be counted too.
    let setting = "/proc/sys/net/ipv6/conf/a/disable_ipv6";
    one.run(move || std::fs::write(setting, "1"))
        .unwrap()
        .unwrap();
    let dropped = |host: &Host| host.ip("-s link show dev a").unwrap();
    two.ip("link set dev b down").unwrap();
    let before = dropped(&one);
    assert!(before.contains("NO-CARRIER"), "{before}");
    driver
        .announce(link, &[ip("192.0.2.10"), ip("2001:db8::10")])
        .await
        .unwrap();
    assert_eq!(dropped(&one), before, "not even tried");

    one.ip("link set dev a down").unwrap();
    driver
        .announce(link, &[ip("192.0.2.10"), ip("2001:db8::10")])
        .await
        .unwrap();

    one.ip("link set dev a up").unwrap();
    two.ip("link set dev b up").unwrap();
    assert_eq!(announcements(&capture, MAC), [] as [Vec<u8>; 0]);
    driver.announce(link, &[ip("192.0.2.10")]).await.unwrap();
    assert_eq!(announcements(&capture, MAC).len(), 2);
}

#[tokio::test]
async fn many_addresses_are_announced_with_every_pause() {
    let pace = Pace {
        frames: 50.try_into().unwrap(),
        pause: Duration::from_millis(1),
    };
    for pace in [Pace::default(), pace] {
        let (_one, _two, capture, link, driver) = pair(pace).unwrap();
        let addresses: Vec<_> = (1..=180).map(|i| IpAddr::from([10, 0, 0, i])).collect();
        driver.announce(link, &addresses).await.unwrap();
        assert_eq!(announcements(&capture, MAC).len(), 360);
    }
}

#[tokio::test]
async fn an_announcement_that_nobody_wants_any_more_ends() {
    let pace = Pace {
        frames: 1.try_into().unwrap(),
        pause: Duration::from_millis(20),
    };
    let (_one, _two, capture, link, driver) = pair(pace).unwrap();
    // All of them would take five seconds.
    let addresses: Vec<_> = (1..=250).map(|i| IpAddr::from([10, 0, 0, i])).collect();
    let announcement = driver.announce(link, &addresses);
    let given_up = tokio::time::timeout(Duration::from_millis(100), announcement).await;
    assert!(given_up.is_err());
    // Those that were sent before, and one more at most: by now the addresses may be another host's.
    let before = announcements(&capture, MAC).len();
    assert!((1..250).contains(&before), "{before}");
    driver.announce(link, &[ip("192.0.2.10")]).await.unwrap();
    assert_eq!(announcements(&capture, MAC).len(), 2);
}

#[tokio::test]
async fn a_missing_interface_is_an_error_and_loopback_needs_no_announcement() {
    let (one, _two, _capture, link, driver) = pair(Pace::default()).unwrap();
    let loopback = LinkIndex::new(1).unwrap();
    driver
        .announce(loopback, &[ip("192.0.2.10")])
        .await
        .unwrap();
    one.ip("link del dev a").unwrap();
    let gone = driver.announce(link, &[ip("192.0.2.10")]).await;
    assert!(matches!(gone, Err(AddressError::NoSuchLink)), "{gone:?}");
}
