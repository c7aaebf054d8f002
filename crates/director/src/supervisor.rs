//! The running program: the node, its routers, the log, the control socket and the signals.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use locum_vip::{Leftovers, LinkWatch, NetlinkAddresses, Options, WatchOptions};
use locum_vrrp::{AddError, Event, LinkFacts, Node, Router, RouterConfig, RouterStatus};
use sd_notify::NotifyState;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::capability::{self, CapabilityError};
use crate::checker::{self, Checker};
use crate::clock;
use crate::config::{self, Config, SyncGroup, VirtualRouter};
use crate::control::{Control, ControlError, ControlSocket};
use crate::director::{Director, Joined, Member, notify};
use crate::journal::Journal;
use crate::recorder;
use crate::reload::Reload;
use crate::sequence;
use crate::signals::{Received, Signals};
use crate::site::Site;
use crate::words;

/// Why the director could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The process may not do what it has to.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// There is no control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The kernel's interfaces and addresses cannot be reached.
    #[error("no access to the kernel's interfaces and addresses")]
    Machine(#[source] io::Error),
    /// There is no node.
    #[error("the virtual routers cannot be run")]
    Start(#[from] locum_vrrp::StartError),
    /// A router or a sync group was refused.
    #[error("the virtual router or sync group {name} cannot be added")]
    Add {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: AddError,
    },
    /// The threads of the routers ended, which they never should.
    #[error("the virtual routers have ended by themselves")]
    Died,
    /// There is no event loop, or it cannot receive signals.
    #[error("the event loop cannot be started")]
    EventLoop(#[source] io::Error),
}

/// How the director ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Ended {
    /// Every router handed over and released its addresses.
    Gracefully,
    /// A second signal came: what was not released by then ends with its lease, if it has one.
    AtOnce,
}

/// Runs the virtual routers and services of `config` until SIGTERM or SIGINT, in the foreground, and hands over then.
/// SIGHUP has it read the file at `path` again: virtual services change in place. What happens to the virtual routers
/// is written to `record` as a transcript, if there is one.
///
/// # Errors
///
/// [`RunError`]; whatever it had begun is undone.
pub fn run(config: Config, path: &Path, record: Option<File>) -> Result<Ended, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::EventLoop)?;
    let ended = runtime.block_on(supervise(config, path, record));
    // Whoever still asks for the status must not delay the end.
    runtime.shutdown_background();
    ended
}

async fn supervise(
    mut config: Config,
    path: &Path,
    record: Option<File>,
) -> Result<Ended, RunError> {
    let mut signals = Signals::new().map_err(RunError::EventLoop)?;
    capability::check()?;
    let name = config.director.name.clone().unwrap_or_else(host_name);
    // Before the node: whoever answers there may be holding the same addresses.
    let socket = ControlSocket::bind(&config.director.control_socket)?;
    let node = start_node(&config).await?;
    if record.is_some() && !config.sync_groups.is_empty() {
        warn!("the transcript leaves out the virtual routers in sync groups");
    }
    let recorder = record
        .map(|file| recorder::start(&node, file))
        .transpose()
        .map_err(RunError::EventLoop)?;
    let reload = Reload::new(path, &config);
    let state = config.director.state_directory();
    config.virtual_routers =
        sequence::carry_on(&state, config.virtual_routers).map_err(RunError::EventLoop)?;
    // The checker side gets the only copy: it may be large.
    let site = std::mem::take(&mut config.site);
    let checker = start_checker(&name, &config.director, site).map_err(RunError::EventLoop)?;
    let director = Arc::new(Director::new(name, clock::now(), checker));
    let answering = tokio::spawn(socket.serve(
        Arc::clone(&director) as Arc<dyn Control>,
        axum::Router::new(),
    ));
    let ended = take_part(&node, &director, &config, &mut signals, &reload).await;
    match ended {
        Ok(Ended::Gracefully) => {
            // The node has ended, and with it what is still to be written.
            if let Some(recorder) = recorder {
                let _ = recorder.join();
            }
            info!("stopped");
        }
        Ok(Ended::AtOnce) => warn!(
            "stopped at once: addresses that are still on an interface stay there until their lease ends, \
             or for ever with lease = \"off\"; virtual services stay in the kernel's table"
        ),
        Err(_) => {}
    }
    answering.abort();
    // Its end removes the file of the socket; an error is that it was aborted.
    if let Ok(Err(error)) = answering.await {
        error!(%error, "the control socket failed");
    }
    ended
}

/// From the start of the routers, which waits for the servers' first checks, to a signal and the end after it.
async fn take_part(
    node: &Node,
    director: &Arc<Director>,
    config: &Config,
    signals: &mut Signals,
    reload: &Reload,
) -> Result<Ended, RunError> {
    let mut events = node.events();
    let ready = async {
        if let Some(checker) = &director.checker {
            checker.ready().await;
        }
    };
    let early = tokio::select! {
        () = ready => None,
        signal = signals.next_end() => Some(signal),
    };
    if early.is_none() {
        match add_all(node, config).await {
            Ok(joined) => director.join(joined),
            Err(error) => {
                leave(node, director, &mut events).await;
                return Err(error);
            }
        }
        info!(
            routers = director.members().len(),
            "{} is running; `director status` tells more", director.name
        );
        notify(&[NotifyState::Ready, NotifyState::Status(&director.summary())]);
    }
    let followers: Vec<_> = director
        .members()
        .iter()
        .map(|member| tokio::spawn(follow(member.status.clone(), director.journal.clone())))
        .collect();
    let signal = match early {
        Some(signal) => Some(signal),
        None => tokio::select! {
            signal = until_the_end(signals, director, reload) => Some(signal),
            () = director.record_all(&mut events) => None,
        },
    };
    notify(&[NotifyState::Stopping]);
    let ended = match signal {
        Some(signal) => {
            info!("{signal} received: handing over; a second one ends at once");
            Ok(hand_over(node, director, &mut events, signals).await)
        }
        None => Err(RunError::Died),
    };
    for task in followers {
        task.abort();
    }
    ended
}

/// Reads the configuration again as often as somebody asks for that, until a signal means the end.
async fn until_the_end(
    signals: &mut Signals,
    director: &Director,
    reload: &Reload,
) -> &'static str {
    loop {
        match signals.next().await {
            Received::End(name) => return name,
            Received::Reload => reload.carry_out(director.checker.as_ref()),
        }
    }
}

/// Starts the checker side, if there is something to balance.
fn start_checker(
    name: &str,
    settings: &config::Director,
    site: Site,
) -> io::Result<Option<Checker>> {
    if site.services.is_empty() {
        return Ok(None);
    }
    let options = checker::Options {
        site,
        state_directory: settings.state_directory(),
        name: name.to_owned(),
    };
    Checker::start(options).map(Some)
}

/// Stops the routers, and writes down what they do meanwhile.
async fn hand_over(
    node: &Node,
    director: &Director,
    events: &mut mpsc::UnboundedReceiver<Event>,
    signals: &mut Signals,
) -> Ended {
    tokio::select! {
        () = leave(node, director, events) => Ended::Gracefully,
        _ = signals.next_end() => Ended::AtOnce,
    }
}

/// Hands the addresses over and releases them; only then the services go, since an address without them answers with
/// resets.
async fn leave(node: &Node, director: &Director, events: &mut mpsc::UnboundedReceiver<Event>) {
    tokio::join!(node.shutdown(), director.record_all(events));
    if let Some(checker) = &director.checker {
        checker.stop().await;
    }
}

/// Starts a node, on a machine without what a process that died left behind.
async fn start_node(config: &Config) -> Result<Node, RunError> {
    let options = Options {
        state_directory: Some(config.director.state_directory()),
        ..Options::default()
    };
    let driver = NetlinkAddresses::start(options).map_err(RunError::Machine)?;
    let (watch, changes) = LinkWatch::start(WatchOptions::default()).map_err(RunError::Machine)?;
    for named in &config.virtual_routers {
        let router = &named.router;
        let Some(link) = watch.link_by_name(router.interface()) else {
            continue;
        };
        // Those that are configured only: others may belong to another process like this one.
        let leftovers = Leftovers::Only(router.addresses());
        match driver.remove_leftovers(link.index, leftovers).await {
            Ok(removed) => {
                for address in removed {
                    let interface = router.interface();
                    warn!(
                        router = named.name,
                        "removed {address} from {interface}: a process that died left it behind"
                    );
                }
            }
            Err(error) => {
                let why = words::chain(&error);
                warn!(
                    router = named.name,
                    "what a process that died left behind cannot be removed: {why}"
                );
            }
        }
    }
    let node = Node::start(Arc::new(driver))?;
    // Before the routers are added, so that none of them starts in fault.
    for named in &config.virtual_routers {
        let interface = named.router.interface();
        node.set_link(interface, LinkFacts::of(&watch, interface));
    }
    node.follow(watch, changes);
    Ok(node)
}

async fn add_all(node: &Node, config: &Config) -> Result<Joined, RunError> {
    let failed = |name: &String| {
        let name = name.clone();
        |source| RunError::Add { name, source }
    };
    let configs: BTreeMap<&str, &RouterConfig> = config
        .virtual_routers
        .iter()
        .map(|named| (named.name.as_str(), &named.router))
        .collect();
    let mut running: BTreeMap<Arc<str>, Router> = BTreeMap::new();
    let mut groups = Vec::with_capacity(config.sync_groups.len());
    for SyncGroup { name, members, .. } in &config.sync_groups {
        let members = members.iter().filter_map(|name| {
            let name = name.as_str();
            Some((name, (*configs.get(name)?).clone()))
        });
        let group = node.add_group(name, members).await.map_err(failed(name))?;
        let routers = group.routers().iter();
        running.extend(routers.map(|router| (router.name(), router.clone())));
        groups.push(group);
    }
    let mut members = Vec::with_capacity(config.virtual_routers.len());
    for VirtualRouter { name, router, .. } in &config.virtual_routers {
        let running = match running.remove(name.as_str()) {
            Some(member) => member,
            None => node.add(name, router.clone()).await.map_err(failed(name))?,
        };
        members.push(Member::new(router.clone(), running));
    }
    Ok(Joined { members, groups })
}

/// Writes down whom a router watches, for as long as it lives.
async fn follow(mut status: watch::Receiver<RouterStatus>, journal: Journal) {
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        journal.watches(&now);
    }
}

fn host_name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}
