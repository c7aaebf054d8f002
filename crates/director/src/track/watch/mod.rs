//! Those who watch: small tasks that tell what they find.

mod files;
mod links;
mod processes;
mod scripts;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::input::Input;

pub(super) use self::files::watch as files;
pub(super) use self::links::watch as links;
pub(super) use self::processes::watch as processes;
pub(super) use self::scripts::watch as script;

/// Where the kernel tells nothing, somebody looks this often.
const LOOK: Duration = Duration::from_secs(2);

/// What is found goes here. It waits while the receiver is busy.
pub(super) type Finds = mpsc::Sender<Input>;

/// A task that ends with this.
#[derive(Debug)]
pub(super) struct Watcher(JoinHandle<()>);

impl Watcher {
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}
