//! A client and some routers on one LAN, and the programs that run on the routers.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use locum_lab::{
    Director, Host, Keepalived, Lan, ProbeConfig, Prober, Signal, keepalived::Instance, owners,
    wait_until,
};

use crate::Result;

/// No wait for what must happen takes longer on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The bound of the lease's end: the lease, rounded up to whole seconds by the kernel, and its own granularity.
pub(crate) const GRANULARITY: Duration = Duration::from_millis(1250);

/// How the routers talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    V2,
    V2Header,
    V2HeaderUnicast,
    V2Password,
    V2Unicast,
    V3,
    V3Unicast,
    V3Ipv6,
    V3Ipv6Signed,
    V3Ipv6Unicast,
}

impl Form {
    const fn is_v6(self) -> bool {
        matches!(
            self,
            Self::V3Ipv6 | Self::V3Ipv6Signed | Self::V3Ipv6Unicast
        )
    }

    const fn is_unicast(self) -> bool {
        matches!(
            self,
            Self::V2HeaderUnicast | Self::V2Unicast | Self::V3Unicast | Self::V3Ipv6Unicast
        )
    }

    pub(crate) const fn version(self) -> u8 {
        match self {
            Self::V2
            | Self::V2Header
            | Self::V2HeaderUnicast
            | Self::V2Password
            | Self::V2Unicast => 2,
            Self::V3
            | Self::V3Unicast
            | Self::V3Ipv6
            | Self::V3Ipv6Signed
            | Self::V3Ipv6Unicast => 3,
        }
    }
}

/// Where the key is, on each router.
const KEY_FILE: &str = "/run/vrrp.key";

/// One virtual router, as each of the programs is to be configured with it.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    pub(crate) form: Form,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) nopreempt: bool,
    /// For the forms that have one; at least 32 bytes for a signature.
    pub(crate) key: &'static str,
}

impl Router {
    /// VRID 51, priority 100, one address; 100 ms adverts where the version can.
    pub(crate) fn new(form: Form) -> Self {
        let interval = match form.version() {
            2 => Duration::from_secs(1),
            _ => Duration::from_millis(100),
        };
        let addresses = match form.is_v6() {
            // RFC 9568 §5.2.9: the first address of an IPv6 virtual router is link-local.
            true => vec![net([0xfe80, 0x50], 64), net([0xfd77, 0x50], 64)],
            false => vec![net4(50)],
        };
        Self {
            form,
            vrid: 51,
            priority: 100,
            interval,
            addresses,
            nopreempt: false,
            key: match form {
                Form::V3Ipv6Signed => {
                    "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                }
                Form::V2
                | Form::V2Header
                | Form::V2HeaderUnicast
                | Form::V2Password
                | Form::V2Unicast
                | Form::V3
                | Form::V3Unicast
                | Form::V3Ipv6
                | Form::V3Ipv6Unicast => "s3cret12",
            },
        }
    }

    pub(crate) fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    pub(crate) fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    pub(crate) fn vrid(mut self, vrid: u8, addresses: Vec<IpNet>) -> Self {
        self.vrid = vrid;
        self.addresses = addresses;
        self
    }

    pub(crate) fn key(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    pub(crate) fn nopreempt(mut self) -> Self {
        self.nopreempt = true;
        self
    }

    /// The address that a client uses.
    pub(crate) fn vip(&self) -> IpAddr {
        self.addresses
            .last()
            .map_or_else(|| IpAddr::from([0; 4]), IpNet::addr)
    }

    /// Three adverts and the longest skew: after so long without a master there is one.
    pub(crate) fn master_down(&self) -> Duration {
        self.interval * 4
    }

    /// As design and documentation have it: interval × (missed adverts + 1) + 1 s, in whole seconds, at least 3 s.
    pub(crate) fn lease(&self) -> Duration {
        let millis = (self.interval * 4 + Duration::from_secs(1)).as_millis();
        let seconds = u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX);
        Duration::from_secs(seconds.max(3))
    }

    fn toml(&self, number: u8, others: &[u8]) -> String {
        let addresses: Vec<_> = self
            .addresses
            .iter()
            .map(|net| format!("\"{net}\""))
            .collect();
        let mut toml = format!(
            "[[virtual_router]]\nname = \"v{}-{}\"\ninterface = \"eth0\"\nvrid = {}\nversion = {}\n\
             priority = {}\nadvert_interval = \"{}ms\"\naddresses = [{}]\npreempt = {}\n",
            if self.form.is_v6() { 6 } else { 4 },
            self.vrid,
            self.vrid,
            self.form.version(),
            self.priority,
            self.interval.as_millis(),
            addresses.join(", "),
            !self.nopreempt,
        );
        let authentication = match self.form {
            Form::V2Password => format!("{{ type = \"password\", password = \"{}\" }}", self.key),
            Form::V2Header | Form::V2HeaderUnicast => {
                format!("{{ type = \"ah\", key_file = \"{KEY_FILE}\" }}")
            }
            Form::V3Ipv6Signed => format!("{{ type = \"hmac\", key_file = \"{KEY_FILE}\" }}"),
            Form::V2
            | Form::V2Unicast
            | Form::V3
            | Form::V3Unicast
            | Form::V3Ipv6
            | Form::V3Ipv6Unicast => String::new(),
        };
        if !authentication.is_empty() {
            toml += &format!("authentication = {authentication}\n");
        }
        if self.form.is_unicast() {
            let peers: Vec<_> = others
                .iter()
                .map(|other| format!("{{ address = \"{}\" }}", self.address_of(*other)))
                .collect();
            toml += &format!(
                "source = \"{}\"\npeers = [{}]\n",
                self.address_of(number),
                peers.join(", ")
            );
        }
        toml
    }

    fn instance(&self, number: u8, others: &[u8]) -> Instance {
        let mut instance = Instance::new("eth0", self.vrid, &self.addresses)
            .version(self.form.version())
            .priority(self.priority)
            .interval(self.interval);
        if self.nopreempt {
            instance = instance.nopreempt();
        }
        if self.form == Form::V2Password {
            instance = instance.password(self.key);
        }
        if matches!(self.form, Form::V2Header | Form::V2HeaderUnicast) {
            instance = instance.header(self.key);
        }
        if self.form.is_unicast() {
            let peers: Vec<_> = others.iter().map(|other| self.address_of(*other)).collect();
            instance = instance.unicast(self.address_of(number), &peers);
        }
        instance
    }

    fn address_of(&self, number: u8) -> IpAddr {
        match self.form.is_v6() {
            true => net([0xfd77, u16::from(number)], 64).addr(),
            false => net4(number).addr(),
        }
    }
}

fn net([first, last]: [u16; 2], prefix: u8) -> IpNet {
    IpNet::new_assert([first, 0, 0, 0, 0, 0, 0, last].into(), prefix)
}

/// 10.77.0.`last`/24.
pub(crate) fn net4(last: u8) -> IpNet {
    IpNet::new_assert([10, 77, 0, last].into(), 24)
}

/// fd77::`last`/64.
pub(crate) fn net6(last: u16) -> IpNet {
    net([0xfd77, last], 64)
}

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Director,
    Keepalived,
}

/// A running program.
#[derive(Debug)]
pub(crate) enum Member {
    Director(Director),
    Keepalived(Keepalived),
}

impl Member {
    pub(crate) fn director(&self) -> Result<&Director> {
        match self {
            Self::Director(director) => Ok(director),
            Self::Keepalived(_) => Err("not a director".into()),
        }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&self) -> Result {
        match self {
            Self::Director(director) => director.stop(PATIENCE)?,
            Self::Keepalived(keepalived) => keepalived.stop(PATIENCE)?,
        }
        Ok(())
    }
}

/// A client (10.77.0.200) and routers (10.77.0.1, .2, …; fd77::1, …) on one bridge.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) lan: Lan,
    pub(crate) client: Host,
    pub(crate) routers: Vec<Host>,
}

impl Site {
    pub(crate) fn new(routers: u8) -> Result<Self> {
        let lan = Lan::bridge()?;
        let client = Host::new("client")?;
        lan.attach(&client, "eth0", &[net4(200), net([0xfd77, 200], 64)])?;
        let mut hosts = Vec::new();
        for number in 1..=routers {
            let host = Host::new(&format!("router{number}"))?;
            lan.attach(
                &host,
                "eth0",
                &[net4(number), net([0xfd77, u16::from(number)], 64)],
            )?;
            hosts.push(host);
        }
        Ok(Self {
            lan,
            client,
            routers: hosts,
        })
    }

    /// Router number 1, 2, …
    pub(crate) fn host(&self, number: u8) -> Result<&Host> {
        let index = usize::from(number).checked_sub(1);
        index
            .and_then(|index| self.routers.get(index))
            .ok_or_else(|| "no such router".into())
    }

    pub(crate) fn start(&self, number: u8, program: Program, router: &Router) -> Result<Member> {
        self.start_all(number, program, std::slice::from_ref(router))
    }

    pub(crate) fn start_all(
        &self,
        number: u8,
        program: Program,
        routers: &[Router],
    ) -> Result<Member> {
        let host = self.host(number)?;
        let count = u8::try_from(self.routers.len())?;
        let others: Vec<u8> = (1..=count).filter(|other| *other != number).collect();
        Ok(match program {
            Program::Director => {
                if let Some(router) = routers.first() {
                    host.write(Path::new(KEY_FILE), &format!("{}\n", router.key))?;
                }
                let toml: Vec<_> = routers
                    .iter()
                    .map(|router| router.toml(number, &others))
                    .collect();
                let path = Path::new(env!("CARGO_BIN_EXE_director"));
                let director = Director::start(host, path, &toml.join("\n"))?;
                director.wait_ready(PATIENCE)?;
                Member::Director(director)
            }
            Program::Keepalived => {
                Keepalived::require()?;
                let instances: Vec<_> = routers
                    .iter()
                    .map(|router| router.instance(number, &others))
                    .collect();
                Member::Keepalived(Keepalived::start(host, &instances)?)
            }
        })
    }

    /// Pulls the cable, then kills everything: nobody says goodbye.
    pub(crate) fn kill_host(&self, number: u8) -> Result {
        let host = self.host(number)?;
        self.lan.cut(host)?;
        Ok(host.signal_all(Signal::Kill)?)
    }

    /// The host is back after a reboot: nothing runs, and its addresses are its own only.
    pub(crate) fn revive_host(&self, number: u8, router: &Router) -> Result {
        let host = self.host(number)?;
        host.kill_all()?;
        let ours: Vec<_> = router.addresses.iter().map(|net| net.addr()).collect();
        host.remove_addresses(&ours)?;
        Ok(self.lan.heal(host)?)
    }

    /// Waits until the addresses are on this router and on no other.
    pub(crate) fn wait_owner(&self, number: u8, router: &Router) -> Result {
        let host = self.host(number)?;
        let awaited = format!(
            "{} to be the one owner of {:?}",
            host.name(),
            router.addresses
        );
        Ok(wait_until(&awaited, PATIENCE, || {
            router
                .addresses
                .iter()
                .all(|net| self.owners_of(net.addr()) == [host.name()])
        })?)
    }

    /// The names of the routers that have the address.
    pub(crate) fn owners_of(&self, address: IpAddr) -> Vec<&str> {
        let hosts: Vec<&Host> = self.routers.iter().collect();
        owners(&hosts, address)
            .into_iter()
            .map(Host::name)
            .collect()
    }

    /// Probes the client's address of a router at 2 kHz.
    pub(crate) fn probe(&self, router: &Router) -> Result<Prober> {
        Ok(Prober::start(
            &self.client,
            router.vip(),
            ProbeConfig::default(),
        )?)
    }

    /// Waits until a probe sent after now is answered by this router.
    pub(crate) fn wait_answer(&self, prober: &Prober, number: u8) -> Result {
        let mac = self.host(number)?.mac("eth0");
        prober.wait_answered(prober.elapsed(), mac, PATIENCE)?;
        Ok(())
    }
}

/// Two directors, priorities 150 and 100 at 100 ms adverts, the better one on router 1 and master; and a client that
/// probes the address.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) site: Site,
    pub(crate) high: Router,
    pub(crate) prober: Prober,
    _members: [Member; 2],
}

impl Pair {
    pub(crate) fn start() -> Result<Self> {
        let site = Site::new(2)?;
        let (high, low) = (
            Router::new(Form::V3).priority(150),
            Router::new(Form::V3).priority(100),
        );
        let second = site.start(2, Program::Director, &low)?;
        let first = site.start(1, Program::Director, &high)?;
        site.wait_owner(1, &high)?;
        let prober = site.probe(&high)?;
        site.wait_answer(&prober, 1)?;
        Ok(Self {
            site,
            high,
            prober,
            _members: [first, second],
        })
    }

    /// The better one is master, alone, and the client reaches it.
    pub(crate) fn is_whole_again(&self) -> Result {
        self.site.wait_owner(1, &self.high)?;
        self.site.wait_answer(&self.prober, 1)
    }
}
