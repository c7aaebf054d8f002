//! The handles: what an embedder holds. All the work is done on the node's own threads.

use std::sync::Arc;
use std::time::Instant;

use locum_vip::AddressDriver;
use locum_vrrp_election::Tracking;
use locum_vrrp_wire::Priority;
use tokio::sync::{mpsc, oneshot, watch};

use crate::command::{Added, Command, RouterId};
use crate::config::RouterConfig;
use crate::error::{AddError, ChangeError, StartError};
use crate::link::LinkFacts;
use crate::record::Recording;
use crate::start::Start;
use crate::status::{Event, GroupStatus, RouterStatus};
use crate::thread;

/// The virtual routers of this machine, or of one network namespace. A handle: clones are the same node.
///
/// Once every handle is dropped, [`Router`]s included, the node shuts down on its own as
/// [`shutdown`](Self::shutdown) does, if the process lives long enough.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    /// The thread beside the election's.
    #[cfg(feature = "netlink")]
    pub(crate) addresses: tokio::runtime::Handle,
}

impl Node {
    /// Starts a node that holds addresses by `driver`, on two threads of its own: `vrrp` for the election and
    /// `vrrp-addresses`, where `driver` is called. They stay in the caller's network namespace.
    ///
    /// What the interfaces are like has to be told by [`set_link`](Self::set_link). The feature `netlink` has
    /// `start_netlink`, which needs neither, and `follow`, for a driver or a watch of one's own.
    ///
    /// # Errors
    ///
    /// [`StartError`]; without CAP_NET_RAW, [`StartError::Permission`].
    pub fn start(driver: Arc<dyn AddressDriver>) -> Result<Self, StartError> {
        let (commands, _addresses) = thread::start(driver)?;
        Ok(Self {
            commands,
            #[cfg(feature = "netlink")]
            addresses: _addresses,
        })
    }

    /// Adds a virtual router and starts it. Its `name` is for people and has to be unique in the node.
    ///
    /// An interface that does not exist is no error: the router is in fault until it appears. Dropping the returned
    /// handle does not stop the router.
    ///
    /// # Errors
    ///
    /// [`AddError`]; the node is as before.
    pub async fn add(&self, name: &str, config: RouterConfig) -> Result<Router, AddError> {
        self.add_with(name, config, Start::Fresh).await
    }

    /// The same, for a router that may take the place of one whose process died.
    ///
    /// # Errors
    ///
    /// [`AddError`]; the node is as before.
    pub async fn add_with(
        &self,
        name: &str,
        config: RouterConfig,
        start: Start,
    ) -> Result<Router, AddError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Add {
            name: name.into(),
            config: Box::new(config),
            start,
            reply,
        };
        self.commands.send(command).map_err(|_| AddError::Stopped)?;
        let added = answer.await.map_err(|_| AddError::Stopped)??;
        Ok(self.router(added))
    }

    /// Adds virtual routers of which this machine is Master of all or of none, and starts them: see
    /// [`SyncGroup`](locum_vrrp_election::SyncGroup). Their order should be the same on all machines. Names of
    /// groups are unique among groups; dropping the returned handle stops nothing.
    ///
    /// # Errors
    ///
    /// [`AddError`]; the node is as before.
    pub async fn add_group(
        &self,
        name: &str,
        members: impl IntoIterator<Item = (&str, RouterConfig)>,
    ) -> Result<Group, AddError> {
        let members = members.into_iter();
        let members = members.map(|(name, config)| (name, config, Start::Fresh));
        self.add_group_with(name, members).await
    }

    /// The same, for routers that may take the places of those whose process died: all of them do or none.
    ///
    /// # Errors
    ///
    /// [`AddError`]; the node is as before.
    pub async fn add_group_with(
        &self,
        name: &str,
        members: impl IntoIterator<Item = (&str, RouterConfig, Start)>,
    ) -> Result<Group, AddError> {
        let (reply, answer) = oneshot::channel();
        let members = members.into_iter();
        let command = Command::AddGroup {
            name: name.into(),
            members: members
                .map(|(name, config, start)| (name.into(), config, start))
                .collect(),
            reply,
        };
        self.commands.send(command).map_err(|_| AddError::Stopped)?;
        let (routers, status) = answer.await.map_err(|_| AddError::Stopped)??;
        let routers = routers.into_iter().map(|added| self.router(added));
        Ok(Group {
            routers: routers.collect(),
            status,
        })
    }

    fn router(&self, (id, status): Added) -> Router {
        Router {
            id,
            status,
            commands: self.commands.clone(),
        }
    }

    /// Tells what the interface is like now; `None` if there is no such interface. Facts of interfaces that no
    /// router lives on are kept for those to come.
    pub fn set_link(&self, interface: &str, facts: Option<LinkFacts>) {
        // A node that was shut down needs no facts.
        let _ = self.commands.send(Command::SetLink {
            interface: interface.into(),
            facts,
        });
    }

    /// Everything that happens to the routers from now on, in order and without loss. It is kept until it is read:
    /// read it, or drop the receiver. It ends with the node.
    #[must_use]
    pub fn events(&self) -> mpsc::UnboundedReceiver<Event> {
        let (sender, events) = mpsc::unbounded_channel();
        // After the node's end the stream is empty.
        let _ = self.commands.send(Command::Subscribe(sender));
        events
    }

    /// A transcript of everything that happens to the elections of routers added from now on, to be replayed later
    /// with `cargo xtask sim --replay` of this project. The election's thread only sends; whoever reads makes the text.
    /// Another recording ends this one.
    #[must_use]
    pub fn record(&self) -> Recording {
        let (recorder, records) = mpsc::unbounded_channel();
        // After the node's end there is nothing to write down.
        let _ = self.commands.send(Command::Record(recorder));
        Recording {
            records,
            epoch: None,
        }
    }

    /// Returns once the election's thread has served all that was due: it is alive and keeps up.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Stopped`] if the node has ended.
    pub async fn ping(&self) -> Result<(), ChangeError> {
        ask(&self.commands, Command::Ping).await
    }

    /// Returns once every router has published what it had counted: [`Router::status`] is as of now.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Stopped`] if the node has ended.
    pub async fn publish(&self) -> Result<(), ChangeError> {
        ask(&self.commands, Command::Publish).await
    }

    /// Stops every router as [`Router::stop`] does, and ends the node. Takes 6 s at most.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Shutdown(reply)).is_ok() {
            // An error means that it has ended already.
            let _ = done.await;
        }
    }
}

/// Asks the election's thread, and waits for its answer.
async fn ask<T>(
    commands: &mpsc::UnboundedSender<Command>,
    question: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, ChangeError> {
    let (reply, answer) = oneshot::channel();
    commands
        .send(question(reply))
        .map_err(|_| ChangeError::Stopped)?;
    answer.await.map_err(|_| ChangeError::Stopped)
}

/// A running virtual router. A handle: clones are the same router, dropping it does not stop it.
#[derive(Debug, Clone)]
pub struct Router {
    id: RouterId,
    status: watch::Receiver<RouterStatus>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Router {
    /// The name it was added by.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.status.borrow().name)
    }

    /// What it is doing now. Counters, and when a Master was last heard, may be a second older (a little more with many hundreds of
    /// routers), unless [`Node::publish`] was called. After its end, what it did last.
    #[must_use]
    pub fn status(&self) -> RouterStatus {
        self.status.borrow().clone()
    }

    /// Its status, to be waited on. Counters alone do not wake the waiter, and are as old as those of
    /// [`status`](Self::status); it ends with the router.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<RouterStatus> {
        self.status.clone()
    }

    /// Gives it another priority, from 1 to 254.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Rejected`] for another priority and for the address owner, [`ChangeError::Stopped`].
    pub async fn set_priority(&self, priority: Priority) -> Result<(), ChangeError> {
        ask(&self.commands, |reply| Command::SetPriority {
            id: self.id,
            priority,
            reply,
        })
        .await?
    }

    /// Goes on with another configuration. A Master stays Master: it holds and announces the addresses that are new, lets
    /// go of those that are gone (and puts one with another prefix length back at once), and leaves alone those that
    /// stay; no advertisement is missed. A priority that was [set](Self::set_priority) stays until it is set again.
    ///
    /// # Errors
    ///
    /// [`ChangeError::NotInPlace`] if the interface, the VRID, the address family, the version, ownership, or whether it
    /// is unicast would change, [`ChangeError::Stopped`]. Nothing has changed then.
    pub async fn reconfigure(&self, config: RouterConfig) -> Result<(), ChangeError> {
        ask(&self.commands, |reply| Command::Reconfigure {
            id: self.id,
            config: Box::new(config),
            reply,
        })
        .await?
    }

    /// Leaves mastership to others `until` then, or until told otherwise: a Master hands over as when it is stopped, and
    /// is a Backup that preempts no lesser Master. It is Master all the same where nobody else is. A moment that is past
    /// ends it. If it is in a sync group, all of that does so.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Rejected`] if it is stopping, [`ChangeError::Stopped`].
    pub async fn stand_by(&self, until: Option<Instant>) -> Result<(), ChangeError> {
        ask(&self.commands, |reply| Command::StandBy {
            id: self.id,
            until,
            reply,
        })
        .await?
    }

    /// Tells whether everything is well that is watched for it: a Master hands over while something is not.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Stopped`].
    pub async fn tracking(&self, tracking: Tracking) -> Result<(), ChangeError> {
        ask(&self.commands, |reply| Command::Tracking {
            id: self.id,
            tracking,
            reply,
        })
        .await?
    }

    /// Stops it and forgets it, and if it is in a sync group all other members of that with it. A Master says so, answers for the addresses until its successor does, and then
    /// releases them. Returns when that is done, or after 6 s; whatever could not be released then ends with its
    /// lease.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.send(Command::Stop { id: self.id, reply }).is_ok() {
            // An error means that it has ended already.
            let _ = done.await;
        }
    }

    fn send(&self, command: Command) -> Result<(), ChangeError> {
        self.commands
            .send(command)
            .map_err(|_| ChangeError::Stopped)
    }
}

/// A running sync group. A handle: clones are the same group, dropping it does not stop it.
#[derive(Debug, Clone)]
pub struct Group {
    routers: Vec<Router>,
    status: watch::Receiver<GroupStatus>,
}

impl Group {
    /// The name it was added by.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.status.borrow().name)
    }

    /// Its routers, in the order they were given in.
    #[must_use]
    pub fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// What it is doing now. After its end, what it did last.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        self.status.borrow().clone()
    }

    /// Its status, to be waited on; it ends with the group.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<GroupStatus> {
        self.status.clone()
    }

    /// Stops all of its routers as [`Router::stop`] does, and forgets it. None releases its addresses before all of
    /// them have been succeeded, or nobody took over in time.
    pub async fn stop(&self) {
        let mut waiting = Vec::new();
        for router in &self.routers {
            let (reply, done) = oneshot::channel();
            // An error means that it has ended already.
            let _ = router.send(Command::Stop {
                id: router.id,
                reply,
            });
            waiting.push(done);
        }
        for done in waiting {
            let _ = done.await;
        }
    }
}
