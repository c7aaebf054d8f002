//! Which sockets of this machine wait for clients.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Of this thread: that of the process may be in another network namespace.
const DIRECTORY: &str = "/proc/thread-self/net";

/// The TCP sockets that listen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listening(BTreeSet<SocketAddr>);

impl Listening {
    /// Reads the kernel's tables.
    pub(crate) fn read() -> Self {
        let tables = ["tcp", "tcp6"]
            .map(|name| fs::read_to_string(format!("{DIRECTORY}/{name}")).unwrap_or_default());
        Self(tables.iter().flat_map(|table| parse(table)).collect())
    }

    /// The ports at which somebody waits for connections to `address`.
    pub(crate) fn ports(&self, address: IpAddr) -> BTreeSet<u16> {
        let any = |listening: IpAddr| match (listening, address) {
            // Most sockets of `::` take in IPv4 as well.
            (IpAddr::V6(ip), _) => ip.is_unspecified(),
            (IpAddr::V4(ip), IpAddr::V4(_)) => ip.is_unspecified(),
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        };
        let here = self
            .0
            .iter()
            .filter(|socket| socket.ip() == address || any(socket.ip()));
        here.map(SocketAddr::port).collect()
    }
}

fn parse(table: &str) -> impl Iterator<Item = SocketAddr> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _remote, state) = (words.next()?, words.next()?, words.next()?);
        (state == LISTEN).then(|| socket(local)).flatten()
    })
}

/// `0100007F:0016`: words of 32 bits as this machine reads them, and the port.
fn socket(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    if !address.is_ascii() {
        return None;
    }
    let words: Vec<[u8; 4]> = address
        .as_bytes()
        .chunks(8)
        .map(|word| {
            let word = std::str::from_utf8(word).ok()?;
            let word = u32::from_str_radix(word, 16).ok()?;
            Some(word.to_ne_bytes())
        })
        .collect::<Option<_>>()?;
    let ip: IpAddr = match *words {
        [word] => Ipv4Addr::from(word).into(),
        [_, _, _, _] => {
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets_are_found() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
             0: 0A0200C0:0050 00000000:0000 0A 00000000:00000000\n   \
             1: 00000000:0016 00000000:0000 0A 00000000:00000000\n   \
             2: 0A0200C0:0050 010200C0:C350 01 00000000:00000000\n   \
             3: nonsense:zz\n";
        let tcp6 = "  sl  local_address\n   \
             0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0\n   \
             1: B80D0120000000000000000010000000:1F90 00000000000000000000000000000000:0000 0A 0\n";
        let listening = Listening(parse(tcp).chain(parse(tcp6)).collect());
        let ports = |address: &str| {
            let ports = listening.ports(address.parse().unwrap());
            ports.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(ports("192.0.2.10"), [22, 80, 443]);
        assert_eq!(ports("192.0.2.11"), [22, 443]);
        assert_eq!(ports("2001:db8::10"), [443, 8080]);
    }
}
