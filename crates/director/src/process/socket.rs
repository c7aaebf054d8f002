//! The sockets on which the sides listen for their parent.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::UnixStream;
use tokio::time::sleep;
use tracing::warn;

const MODE: u32 = 0o600;

/// Whoever waits for the other end looks again so soon.
const LOOK: Duration = Duration::from_millis(20);

/// A socket that listens; its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// The device and inode: by the end it may be the file of a successor.
    file: (u64, u64),
}

impl Listener {
    /// Listens at `path`, where nobody lives: see [`is_served`]. The socket of one that is dead is replaced.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Until its mode is set, somebody may connect, but only the parent is listened to.
        let socket = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        socket.set_nonblocking(true)?;
        let file = inode(path)?;
        let path = path.to_owned();
        Ok(Self { socket, path, file })
    }

    /// The same, unless there is somebody, who has to end before.
    pub(crate) fn claim(path: &Path) -> io::Result<Self> {
        if is_served(path) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Self::bind(path)
    }

    /// The parent, when it has come; everybody else is refused. Needs a runtime.
    pub(super) async fn accept(&self, parent: u32) -> io::Result<UnixStream> {
        let socket = tokio::net::UnixListener::from_std(self.socket.try_clone()?)?;
        loop {
            let (stream, _) = socket.accept().await?;
            if is(&stream, parent) {
                return Ok(stream);
            }
            warn!(
                "somebody else than the parent connected to {}",
                self.path.display()
            );
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|file| file == self.file) {
            // Left behind, it would be replaced by the next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Is there a process that listens at `path`? Does not wait for it.
pub(super) fn is_served(path: &Path) -> bool {
    let connected = || -> Result<(), Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)
    };
    !matches!(connected(), Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// Connects to the process `pid` that listens at `path`, as soon as it does.
pub(super) async fn meet(path: &Path, pid: u32) -> UnixStream {
    loop {
        // An error means that it does not listen yet.
        if let Ok(stream) = UnixStream::connect(path).await
            && is(&stream, pid)
        {
            return stream;
        }
        sleep(LOOK).await;
    }
}

/// Is this process at the other end? (SO_PEERCRED, unix(7))
fn is(stream: &UnixStream, pid: u32) -> bool {
    let other = stream.peer_cred().ok().and_then(|other| other.pid());
    other.and_then(|other| u32::try_from(other).ok()) == Some(pid)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_the_expected_process_is_listened_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.routers.sock");
        let listener = Listener::bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let me = std::process::id();
        let (accepted, _connected) = tokio::join!(listener.accept(me), meet(&path, me));
        accepted.unwrap();
        let short = Duration::from_millis(50);
        let stranger = async { tokio::join!(listener.accept(me + 1), meet(&path, me)) };
        assert!(timeout(short, stranger).await.is_err(), "not the parent");
        assert!(
            timeout(short, meet(&path, me + 1)).await.is_err(),
            "not the child"
        );
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_that_of_a_successor_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.routers.sock");
        assert!(!is_served(&path));
        let old = Listener::claim(&path).unwrap();
        assert!(is_served(&path));
        let error = Listener::claim(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let new = Listener::bind(&path).unwrap();
        drop(old);
        assert!(path.exists());
        drop(new);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
