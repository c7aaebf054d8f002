//! The node's two threads: one for the election, one for the address driver.

use std::io;
use std::sync::{Arc, mpsc as blocking};
use std::thread::Builder;

use locum_vip::AddressDriver;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::command::Command;
use crate::engine::Engine;
use crate::error::StartError;
use crate::socket::{self, RawTransport};
use crate::timer::Timer;

/// Returns where to send commands, and where the address tasks run.
pub(crate) fn start(
    driver: Arc<dyn AddressDriver>,
) -> Result<(mpsc::UnboundedSender<Command>, Handle), StartError> {
    socket::probe().map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            StartError::Permission
        } else {
            StartError::Socket(error)
        }
    })?;
    let (commands, receiver) = mpsc::unbounded_channel();
    let (report, started) = blocking::sync_channel(1);
    // Runtimes are made and dropped there, since the caller may be in one, which may not drop others.
    let run = move || {
        let ready = match Ready::make() {
            Ok(ready) => ready,
            Err(error) => return drop(report.send(Err(error))),
        };
        let Ready {
            runtime,
            timer,
            addresses,
            address_thread,
        } = ready;
        // Whoever started it waits for this.
        let _ = report.send(Ok(addresses.clone()));
        let transport = RawTransport::new();
        let engine = Engine::new(transport, timer, driver, addresses, receiver);
        let waiting = runtime.block_on(engine.run());
        drop((runtime, address_thread));
        for one in waiting {
            // Whoever gave up waiting need not be told.
            let _ = one.send(());
        }
    };
    spawn("vrrp", run).map_err(StartError::Thread)?;
    match started.recv() {
        Ok(Ok(addresses)) => Ok((commands, addresses)),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::ErrorKind::BrokenPipe.into())),
    }
}

/// All that can fail before the engine runs.
struct Ready {
    runtime: Runtime,
    timer: Timer,
    addresses: Handle,
    /// Dropping it ends the other thread.
    address_thread: oneshot::Sender<()>,
}

impl Ready {
    fn make() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let timer = {
            let _entered = runtime.enter();
            Timer::kernel()?
        };
        let other = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let addresses = other.handle().clone();
        let (address_thread, ended) = oneshot::channel();
        spawn("vrrp-addresses", move || {
            // Nothing is ever sent.
            let _ = other.block_on(ended);
        })?;
        Ok(Self {
            runtime,
            timer,
            addresses,
            address_thread,
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(run).map(drop)
}
