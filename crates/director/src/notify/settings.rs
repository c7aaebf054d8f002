//! Who is told of what: validated, and independent of how it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use lettre::message::Mailbox;

use crate::events::What;
use crate::site::{Notify, Script};

/// Everybody who is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Notification {
    /// Where records go, as keepalived writes them.
    pub fifo: Option<PathBuf>,
    /// The administrators.
    pub mail: Option<Mail>,
    /// Web servers, in the order of the file.
    pub webhooks: Vec<Webhook>,
    /// Programs for virtual routers, by name.
    pub routers: BTreeMap<String, StateScripts>,
    /// Programs for sync groups, by name.
    pub groups: BTreeMap<String, StateScripts>,
    /// Services of which somebody is told, by name.
    pub services: BTreeMap<String, ServiceNotice>,
}

/// Programs that are run when a virtual router or a sync group is in another state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StateScripts {
    /// Run whatever the state is, with keepalived's four arguments behind its own.
    pub any: Option<Arc<Script>>,
    /// Run with its own arguments only.
    pub master: Option<Arc<Script>>,
    /// Run with its own arguments only.
    pub backup: Option<Arc<Script>>,
    /// Run with its own arguments only.
    pub fault: Option<Arc<Script>>,
    /// Run with its own arguments only.
    pub stop: Option<Arc<Script>>,
}

/// Who is told of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceNotice {
    /// Its addresses, as keepalived writes them in records.
    pub keys: Vec<String>,
    /// Its protocol, as keepalived writes it in records.
    pub protocol: String,
    /// Programs for its quorum.
    pub notify: Notify,
    /// Programs for its servers, by name.
    pub servers: BTreeMap<String, Notify>,
}

/// A secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Mail to the administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mail {
    /// The host name or address of the mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Certificates of authorities to trust, PEM; `None`: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// Whom it is sent as, and the password.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: Mailbox,
    /// The recipients; at least one.
    pub to: Vec<Mailbox>,
    /// What is told.
    pub events: BTreeSet<Topic>,
    /// What happens within this time is one mail.
    pub digest: Duration,
    /// No more mails than that; what happens meanwhile is in the next.
    pub at_most: Rate,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are no other ways")]
pub enum MailTls {
    /// It is not.
    None,
    /// By TLS after a command (RFC 3207); without it nothing is sent.
    Starttls,
    /// By TLS from the beginning (RFC 8314).
    Tls,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In what time.
    pub per: Duration,
}

/// A web server that gets each event as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// Where it is sent by POST: `http` or `https`, with a host.
    pub url: Uri,
    /// What is told.
    pub events: BTreeSet<Topic>,
    /// More lines for the head of the request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Sent as `Authorization: Bearer` (RFC 6750).
    pub token: Option<Secret>,
    /// After what time an attempt has failed.
    pub timeout: Duration,
    /// Certificates of authorities to trust, PEM; `None`: those of this machine.
    pub ca_file: Option<PathBuf>,
}

/// A kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Topic {
    /// Changes by the operator at run time.
    Change,
    /// Sync groups.
    Group,
    /// Processes of this program.
    Process,
    /// Quorum of services.
    Quorum,
    /// The configuration is read again.
    Reload,
    /// Virtual routers.
    Router,
    /// Servers.
    Server,
    /// What is watched for virtual routers.
    Tracker,
}

impl Topic {
    /// All, with their words.
    pub const ALL: [(&'static str, Self); 8] = [
        ("router", Self::Router),
        ("group", Self::Group),
        ("server", Self::Server),
        ("quorum", Self::Quorum),
        ("tracker", Self::Tracker),
        ("reload", Self::Reload),
        ("change", Self::Change),
        ("process", Self::Process),
    ];

    /// What `what` belongs to.
    #[must_use]
    pub const fn of(what: &What) -> Self {
        match what {
            What::RouterState { .. } | What::RouterFault { .. } => Self::Router,
            What::GroupState { .. } => Self::Group,
            What::ServerState { .. }
            | What::ServerWeight { .. }
            | What::ServerDrained { .. }
            | What::HoldBegan { .. }
            | What::HoldEnded { .. } => Self::Server,
            What::Quorum { .. } => Self::Quorum,
            What::Tracker { .. } => Self::Tracker,
            What::Reloaded { .. } => Self::Reload,
            What::Changed { .. } | What::ChangeEnded { .. } => Self::Change,
            What::Process { .. } => Self::Process,
        }
    }
}
