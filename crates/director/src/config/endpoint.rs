//! Addresses with ports, of services and of servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::section::{Entry, Report};

/// The addresses from `first` to `last`, all with `port`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    first: IpAddr,
    last: IpAddr,
    port: u16,
}

impl Block {
    /// How many there are; what does not fit is too many for all purposes.
    pub(super) fn count(&self) -> usize {
        let count = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                u128::from(u32::from(last).saturating_sub(u32::from(first)))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                u128::from(last).saturating_sub(u128::from(first))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
        };
        usize::try_from(count).map_or(usize::MAX, |count| count.saturating_add(1))
    }

    /// Each of them.
    pub(super) fn addresses(self) -> Box<dyn Iterator<Item = SocketAddr>> {
        let port = self.port;
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Box::new(
                (u32::from(first)..=u32::from(last))
                    .map(move |bits| SocketAddr::from((Ipv4Addr::from(bits), port))),
            ),
            (IpAddr::V6(first), IpAddr::V6(last)) => Box::new(
                (u128::from(first)..=u128::from(last))
                    .map(move |bits| SocketAddr::from((Ipv6Addr::from(bits), port))),
            ),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                Box::new(std::iter::empty())
            }
        }
    }
}

/// What is wrong with an address: the label and the cure.
struct Wrong {
    label: String,
    help: String,
}

impl Wrong {
    fn new(label: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            help: help.into(),
        }
    }
}

const BLOCK_HELP: &str = "write \"192.0.2.10:80\", \"[2001:db8::10]:80\", a range \"192.0.2.16-192.0.2.19:80\" or a network \"192.0.2.32/28:80\"";
const HOST_HELP: &str = "write \"192.0.2.21:80\" or \"[2001:db8::21]:80\"";

/// The virtual addresses of `entry`: one, a range or a network, with a port.
pub(super) fn block(entry: &Entry<'_>, report: &mut Report) -> Option<Block> {
    let text = entry.string("192.0.2.10:80", report)?;
    let block = split(text, BLOCK_HELP).and_then(|(host, port)| {
        let port = port.ok_or_else(|| no_port(text))?;
        let (first, last) = range(host)?;
        virtual_address(first)?;
        virtual_address(last)?;
        Ok(Block { first, last, port })
    });
    noted(entry, text, "a virtual address", block, report)
}

/// The address of a server, with or without a port.
pub(super) fn server(entry: &Entry<'_>, report: &mut Report) -> Option<(IpAddr, Option<u16>)> {
    let text = entry.string("192.0.2.21:80", report)?;
    let server = split(text, HOST_HELP).and_then(|(host, port)| {
        let address = host.parse().map_err(|_| not_an_address(host, HOST_HELP))?;
        match unusable(address) {
            Some(label) => Err(Wrong::new(label, "use the address of a host")),
            None => Ok((address, port)),
        }
    });
    noted(entry, text, "the address of a server", server, report)
}

fn noted<T>(
    entry: &Entry<'_>,
    text: &str,
    what: &str,
    result: Result<T, Wrong>,
    report: &mut Report,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Wrong { label, help }) => {
            let message = format!("\"{text}\" is not {what}");
            report.add(entry.wrong(message, label).help(help));
            None
        }
    }
}

/// Host and port; the host without brackets.
fn split<'t>(text: &'t str, help: &str) -> Result<(&'t str, Option<u16>), Wrong> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((host, rest)) = bracketed.split_once(']') else {
            return Err(Wrong::new("the bracket is not closed", help));
        };
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((host, Some(port(digits)?))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(Wrong::new("not understood after the bracket", help)),
        };
    }
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        Some((host, digits)) if !host.contains(':') => Ok((host, Some(port(digits)?))),
        Some((host, digits)) => {
            if range(text).is_ok() {
                return Ok((text, None));
            }
            let help = if range(host).is_ok() {
                format!("put the IPv6 address in brackets: \"[{host}]:{digits}\"")
            } else {
                help.to_owned()
            };
            Err(Wrong::new("not understood", help))
        }
    }
}

fn port(digits: &str) -> Result<u16, Wrong> {
    let number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if number => Ok(port),
        Ok(_) | Err(_) => Err(Wrong::new(
            "the port is not a number from 0 to 65535",
            "write the port as a number, as in \"192.0.2.10:80\"",
        )),
    }
}

fn no_port(text: &str) -> Wrong {
    let host = match text.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{text}]"),
        Err(_) => text.to_owned(),
    };
    Wrong::new(
        "the port is missing",
        format!(
            "add it, as in \"{host}:80\"; \"{host}:0\" is every port that has no service of its own"
        ),
    )
}

/// First and last address of one, of a range or of a network.
fn range(text: &str) -> Result<(IpAddr, IpAddr), Wrong> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, address));
    }
    if let Some((first, last)) = text.split_once('-') {
        return ends(first, last);
    }
    if !text.contains('/') {
        return Err(not_an_address(text, BLOCK_HELP));
    }
    let Ok(net) = text.parse::<IpNet>() else {
        return Err(Wrong::new("not a network", BLOCK_HELP));
    };
    if net.addr() != net.network() {
        return Err(Wrong::new(
            "not the first address of its network",
            format!("the network with it is {}", net.trunc()),
        ));
    }
    Ok((net.network(), net.broadcast()))
}

fn ends(first: &str, last: &str) -> Result<(IpAddr, IpAddr), Wrong> {
    let Ok(start) = first.parse::<IpAddr>() else {
        return Err(not_an_address(first, BLOCK_HELP));
    };
    let Ok(end) = last.parse::<IpAddr>() else {
        return Err(Wrong::new(
            "the end of the range is not an address",
            "write the last address in full, as in \"192.0.2.16-192.0.2.19:80\"",
        ));
    };
    if start.is_ipv4() != end.is_ipv4() {
        return Err(Wrong::new(
            "from IPv4 to IPv6",
            "both ends are of one family",
        ));
    }
    if end < start {
        return Err(Wrong::new(
            "the range ends before it begins",
            format!("write \"{end}-{start}\""),
        ));
    }
    Ok((start, end))
}

fn not_an_address(text: &str, help: &str) -> Wrong {
    let is_name = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && text.contains(|c: char| c.is_ascii_alphabetic());
    if is_name {
        Wrong::new(
            "a name, and names are not looked up",
            "use the address: what a name means can change, and asking can fail when it matters most",
        )
    } else {
        Wrong::new("not an address", help)
    }
}

fn virtual_address(address: IpAddr) -> Result<(), Wrong> {
    let label = if address.is_multicast() {
        "a multicast address"
    } else if address.is_unspecified() {
        "the unspecified address"
    } else {
        return Ok(());
    };
    Err(Wrong::new(
        label,
        "use the address that clients connect to; for many of them, a firewall `mark`",
    ))
}

/// What the kernel refuses as a destination.
fn unusable(address: IpAddr) -> Option<&'static str> {
    if address.is_multicast() {
        Some("a multicast address")
    } else if address.is_unspecified() {
        Some("the unspecified address")
    } else if let IpAddr::V4(v4) = address
        && v4.is_broadcast()
    {
        Some("the broadcast address")
    } else if let IpAddr::V6(v6) = address
        && v6.is_unicast_link_local()
    {
        Some("a link-local address, which IPVS cannot forward to")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let (first, last) = range(text).map_err(|wrong| wrong.label).unwrap();
        let block = Block {
            first,
            last,
            port: 80,
        };
        block.count()
    }

    #[test]
    fn blocks_are_counted_without_being_listed() {
        assert_eq!(count("192.0.2.1"), 1);
        assert_eq!(count("192.0.2.1-192.0.2.9"), 9);
        assert_eq!(count("192.0.2.32/28"), 16);
        assert_eq!(count("2001:db8::/112"), 65_536);
        assert_eq!(count("0.0.0.0/0"), 1 << 32);
        assert_eq!(count("::/0"), usize::MAX);
    }
}
