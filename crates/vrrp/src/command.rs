//! What the handles ask of the node's thread.

use std::sync::Arc;
use std::time::Instant;

use locum_vrrp_election::Tracking;
use locum_vrrp_wire::Priority;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::RouterConfig;
use crate::error::{AddError, ChangeError};
use crate::link::LinkFacts;
use crate::record::Record;
use crate::start::Start;
use crate::status::{Event, GroupStatus, RouterStatus};

/// Names a router for as long as the node lives; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouterId(pub(crate) u64);

/// Names a sync group in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId(pub(crate) u64);

pub(crate) type AddedGroup = (Vec<Added>, watch::Receiver<GroupStatus>);
pub(crate) type Added = (RouterId, watch::Receiver<RouterStatus>);

#[derive(Debug)]
pub(crate) enum Command {
    Add {
        name: Arc<str>,
        config: Box<RouterConfig>,
        start: Start,
        reply: oneshot::Sender<Result<Added, AddError>>,
    },
    AddGroup {
        name: Arc<str>,
        members: Vec<(Arc<str>, RouterConfig, Start)>,
        reply: oneshot::Sender<Result<AddedGroup, AddError>>,
    },
    Ping(oneshot::Sender<()>),
    Publish(oneshot::Sender<()>),
    Reconfigure {
        id: RouterId,
        config: Box<RouterConfig>,
        reply: oneshot::Sender<Result<(), ChangeError>>,
    },
    Record(mpsc::UnboundedSender<Record>),
    SetLink {
        interface: Arc<str>,
        facts: Option<LinkFacts>,
    },
    SetPriority {
        id: RouterId,
        priority: Priority,
        reply: oneshot::Sender<Result<(), ChangeError>>,
    },
    Shutdown(oneshot::Sender<()>),
    StandBy {
        id: RouterId,
        until: Option<Instant>,
        reply: oneshot::Sender<Result<(), ChangeError>>,
    },
    Stop {
        id: RouterId,
        reply: oneshot::Sender<()>,
    },
    Subscribe(mpsc::UnboundedSender<Event>),
    Tracking {
        id: RouterId,
        tracking: Tracking,
        reply: oneshot::Sender<Result<(), ChangeError>>,
    },
}
