//! Makes one change: netlink and `/proc/sys`.

use std::io;
use std::net::IpAddr;

use locum_netlink::{Connection, Family, Limits, Request, RequestError, flag};
use locum_vip::LinkIndex;

use super::step::{Step, Switch, Tunnel};
use crate::machine::Machine;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `RT_SCOPE_HOST`: never chosen as the source of a packet that leaves.
const SCOPE_HOST: u8 = 254;
const SCOPE_UNIVERSE: u8 = 0;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFF_UP: u32 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;

/// The kernel, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(super) struct Kernel {
    connection: Connection,
}

impl Kernel {
    pub(super) fn open() -> io::Result<Self> {
        let connection = Connection::open(Family::Route, Limits::default())?;
        Ok(Self { connection })
    }

    /// Makes the change. What is to go may be gone already.
    pub(super) fn apply(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::AddAddress { interface, address } => {
                let link = index(interface)?;
                // One that is there after all, and was not to be seen yet, is somebody else's.
                self.ask(add_address(link, *address), &[])
            }
            Step::AddTunnel { interface, kind } => {
                // Loading the module may already have made it.
                self.ask(add_tunnel(interface, *kind), &[EEXIST])
            }
            Step::RemoveAddress { interface, address } => {
                let link = index(interface)?;
                let request = address_body(Request::new(RTM_DELADDR, 0), link, *address);
                self.ask(request, &[EADDRNOTAVAIL])
            }
            Step::RemoveTunnel { interface, .. } => {
                let request = Request::new(RTM_DELLINK, 0).header(&link_header(index(interface)?));
                self.ask(request, &[ENODEV])
            }
            Step::SetLink { interface, to } => self.ask(set_link(index(interface)?, *to), &[]),
            Step::SetSysctl { key, to, .. } => key.write(to),
        }
    }

    fn ask(&mut self, request: Request, harmless: &[i32]) -> io::Result<()> {
        let answer = self.connection.execute(&[request]).pop();
        match answer.unwrap_or(Err(RequestError::Unknown)) {
            Ok(_) => Ok(()),
            Err(error) if error.errno().is_some_and(|errno| harmless.contains(&errno)) => Ok(()),
            Err(RequestError::Kernel(error) | RequestError::NotSent(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Read each time: a tunnel is made between two steps.
fn index(interface: &str) -> io::Result<LinkIndex> {
    let machine = Machine::read()?;
    let found = machine.interfaces.get(interface).map(|one| one.index);
    found.ok_or_else(|| io::Error::from_raw_os_error(ENODEV))
}

fn add_address(link: LinkIndex, address: IpAddr) -> Request {
    let request = Request::new(RTM_NEWADDR, flag::CREATE | flag::EXCLUSIVE);
    let request = address_body(request, link, address);
    match address {
        IpAddr::V4(_) => request,
        IpAddr::V6(_) => {
            // Duplicates are what is wanted, so that they must not be looked for; and preferred for zero seconds, the
            // address is never chosen as a source.
            let mut lifetimes = [0; 16];
            lifetimes[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
            let flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
            request
                .attribute(IFA_FLAGS, &flags.to_ne_bytes())
                .attribute(IFA_CACHEINFO, &lifetimes)
        }
    }
}

fn address_body(request: Request, link: LinkIndex, address: IpAddr) -> Request {
    let (family, prefix, scope) = match address {
        IpAddr::V4(_) => (AF_INET, 32, SCOPE_HOST),
        IpAddr::V6(_) => (AF_INET6, 128, SCOPE_UNIVERSE),
    };
    let [i0, i1, i2, i3] = link.get().to_ne_bytes();
    // struct ifaddrmsg.
    let request = request.header(&[family, prefix, 0, scope, i0, i1, i2, i3]);
    match address {
        IpAddr::V4(ip) => request
            .attribute(IFA_LOCAL, &ip.octets())
            .attribute(IFA_ADDRESS, &ip.octets()),
        IpAddr::V6(ip) => request
            .attribute(IFA_LOCAL, &ip.octets())
            .attribute(IFA_ADDRESS, &ip.octets()),
    }
}

fn add_tunnel(interface: &str, kind: Tunnel) -> Request {
    let mut name = interface.as_bytes().to_vec();
    name.push(0);
    Request::new(RTM_NEWLINK, flag::CREATE | flag::EXCLUSIVE)
        .header(&[0; 16])
        .attribute(IFLA_IFNAME, &name)
        .nested(IFLA_LINKINFO, |info| {
            info.attribute(IFLA_INFO_KIND, kind.name().as_bytes())
        })
}

fn set_link(link: LinkIndex, to: Switch) -> Request {
    let flags = match to {
        Switch::Off => 0,
        Switch::On => IFF_UP,
    };
    let mut header = link_header(link);
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&IFF_UP.to_ne_bytes());
    Request::new(RTM_NEWLINK, 0).header(&header)
}

/// `struct ifinfomsg`: family, type, index, flags, which flags to change.
fn link_header(link: LinkIndex) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&link.get().to_ne_bytes());
    header
}
