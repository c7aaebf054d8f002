//! The site that a pair of directors is for: a client, two directors and some web servers on one switch.
//!
//! With [`Method::Direct`] and [`Method::Tunnel`] everybody is in one network, and the web servers have the virtual
//! addresses for themselves, without saying so. With [`Method::Nat`] the client is in a network of its own, and the way
//! back leads through the directors' floating inside address. Numbers of directors, servers and services begin with 1.

mod addresses;
mod config;
mod hosts;
mod table;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub use self::config::{Check, Method, SiteConfig};
use crate::failover::Family;
use crate::{
    Director, Host, LabError, Lan, LoadClient, LoadConfig, LongConnection, Signal, WebServer,
    owners, wait_until,
};

/// The interface of every host.
const INTERFACE: &str = "eth0";

/// The hosts of a site, wired and set up, without anything running on them.
#[derive(Debug)]
pub struct Site {
    config: SiteConfig,
    client: Host,
    directors: [Host; 2],
    servers: Vec<Host>,
    lan: Lan,
}

impl Site {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// As [`Host::new`] and [`Host::ip`]: a tunnel needs a kernel that has it.
    pub fn build(config: &SiteConfig) -> Result<Self, LabError> {
        let lan = Lan::bridge()?;
        let client = hosts::client(&lan, config)?;
        let directors = [
            hosts::director(&lan, config, 1)?,
            hosts::director(&lan, config, 2)?,
        ];
        let servers = (1..=config.servers).map(|number| hosts::server(&lan, config, number));
        let servers = servers.collect::<Result<_, _>>()?;
        Ok(Self {
            config: config.clone(),
            client,
            directors,
            servers,
            lan,
        })
    }

    /// What it was built from.
    #[must_use]
    pub fn config(&self) -> &SiteConfig {
        &self.config
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Host {
        &self.client
    }

    /// Director 1 or 2. The first is master of the first service.
    #[must_use]
    pub fn director(&self, number: u8) -> &Host {
        let [first, second] = &self.directors;
        if number == 1 { first } else { second }
    }

    /// The web servers, the first of which is number 1.
    #[must_use]
    pub fn servers(&self) -> &[Host] {
        &self.servers
    }

    /// The switch.
    #[must_use]
    pub fn lan(&self) -> &Lan {
        &self.lan
    }

    /// Starts a web server on every server's host.
    ///
    /// # Errors
    ///
    /// As [`WebServer::start`].
    pub fn start_web(&self) -> Result<Vec<WebServer>, LabError> {
        let everything = SocketAddr::from(([0_u16; 8], config::PORT));
        self.servers
            .iter()
            .map(|host| WebServer::start(host, &[everything]))
            .collect()
    }

    /// Starts `program` as director `number`, with the site's configuration.
    ///
    /// # Errors
    ///
    /// As [`Director::start`].
    pub fn start_director(&self, number: u8, program: &Path) -> Result<Director, LabError> {
        Director::start(
            self.director(number),
            program,
            &self.config.director_toml(number),
        )
    }

    /// Makes requests of service `number`.
    ///
    /// # Errors
    ///
    /// As [`LoadClient::start`].
    pub fn start_load(&self, number: u8, config: LoadConfig) -> Result<LoadClient, LabError> {
        LoadClient::start(&self.client, self.config.service(number), config)
    }

    /// Opens a connection to service `number` that stays.
    ///
    /// # Errors
    ///
    /// As [`LongConnection::open`].
    pub fn open_connection(&self, number: u8, bound: Duration) -> Result<LongConnection, LabError> {
        LongConnection::open(&self.client, self.config.service(number), bound)
    }

    /// The directors that have the address of service `number`, by their numbers.
    #[must_use]
    pub fn masters(&self, number: u8) -> Vec<u8> {
        let [first, second] = &self.directors;
        let owners = owners(&[first, second], self.config.service(number).ip());
        owners
            .into_iter()
            .map(|owner| if owner == first { 1 } else { 2 })
            .collect()
    }

    /// Waits until director `director`, and no other, has the address of service `number`.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`].
    pub fn wait_master(&self, number: u8, director: u8, bound: Duration) -> Result<(), LabError> {
        let awaited = format!("director {director} to be the one master of service {number}");
        wait_until(&awaited, bound, || self.masters(number) == [director])
    }

    /// The death of director `number`'s machine: it is cut off, and everything on it ends without a word.
    ///
    /// # Errors
    ///
    /// As [`Lan::cut`] and [`Host::signal_all`].
    pub fn kill_director(&self, number: u8) -> Result<(), LabError> {
        let host = self.director(number);
        self.lan.cut(host)?;
        host.signal_all(Signal::Kill)
    }

    /// Leaves director `number`'s machine as it is after it has started again: nothing runs on it, its kernel's table is
    /// empty, and it has no addresses but its own.
    ///
    /// # Errors
    ///
    /// As [`Host::kill_all`], [`Host::ip`] and [`Lan::heal`].
    pub fn revive_director(&self, number: u8) -> Result<(), LabError> {
        let host = self.director(number);
        host.kill_all()?;
        hosts::clear(host, &self.config)?;
        self.lan.heal(host)
    }
}

/// Is it IPv6?
const fn is_v6(family: Family) -> bool {
    matches!(family, Family::Ipv6)
}
