//! The node's two threads: one for the election, one for the address driver.

use std::io;
use std::sync::{Arc, mpsc as blocking};
use std::thread::Builder;

use locum_vip::AddressDriver;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::command::Command;
use crate::engine::Engine;
use crate::node::StartError;
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
    let (addresses, address_thread) = start_addresses().map_err(StartError::Thread)?;
    let (commands, receiver) = mpsc::unbounded_channel();
    let (report, started) = blocking::sync_channel(1);
    let handle = addresses.clone();
    let run = move || {
        let (runtime, timer) = match prepare() {
            Ok(prepared) => prepared,
            Err(error) => return drop(report.send(Err(error))),
        };
        let transport = RawTransport::new();
        let engine = Engine::new(transport, timer, driver, handle, receiver);
        // Whoever started it waits for this.
        let _ = report.send(Ok(()));
        let waiting = runtime.block_on(engine.run());
        drop(runtime);
        drop(address_thread);
        for one in waiting {
            // Whoever gave up waiting need not be told.
            let _ = one.send(());
        }
    };
    Builder::new()
        .name("vrrp".into())
        .spawn(run)
        .map_err(StartError::Thread)?;
    match started.recv() {
        Ok(Ok(())) => Ok((commands, addresses)),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::ErrorKind::BrokenPipe.into())),
    }
}

fn prepare() -> io::Result<(Runtime, Timer)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let timer = {
        let _entered = runtime.enter();
        Timer::kernel()?
    };
    Ok((runtime, timer))
}

/// The thread ends when the sender is dropped.
fn start_addresses() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let (alive, ended) = oneshot::channel();
    let run = move || {
        // The sender never sends: it is dropped when the node ends.
        let _ = runtime.block_on(ended);
    };
    Builder::new().name("vrrp-addresses".into()).spawn(run)?;
    Ok((handle, alive))
}
