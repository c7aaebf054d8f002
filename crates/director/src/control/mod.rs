//! The control socket: HTTP/1.1 and JSON for those who may open a file.

mod action;
pub(crate) mod events;
mod http;

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use thiserror::Error;

pub use self::action::{Action, Done, Refused, Request};
pub(crate) use self::action::{Answer, Caller, Control};
#[cfg(test)]
pub(crate) use self::http::tests::Fixed;

/// Owner and group may control the director, nobody else.
const MODE: u32 = 0o660;

/// Why there is no control socket.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Another director is running, with this socket.
    #[error("a director is running already: it answers on {0}")]
    InUse(PathBuf),
    /// There is something else at this path.
    #[error("{0} is there already and is not a socket: remove it, or set another control_socket")]
    NotASocket(PathBuf),
    /// The directory cannot be made.
    #[error("the directory of the control socket {path} cannot be made")]
    Directory {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("the control socket {path} cannot be made")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A control socket; its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the file of a socket at the end.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Left behind, it would be found stale by the next start.
        let _ = fs::remove_file(&self.0);
    }
}

impl ControlSocket {
    /// Makes the socket at `path`, and its directory. The file of a process that is gone is replaced.
    pub(crate) fn bind(path: &Path) -> Result<Self, ControlError> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|source| ControlError::Directory {
                path: path.to_owned(),
                source,
            })?;
        }
        let failed = |source| ControlError::Socket {
            path: path.to_owned(),
            source,
        };
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        let file = SocketFile(path.to_owned());
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener, file })
    }

    /// For a process that was forked: the file stays, and so does the socket where the parent has it.
    pub(crate) fn leave_to_parent(self) {
        std::mem::forget(self.file);
    }

    /// Answers requests, for as long as the future is polled; `events` answers those for the stream of events.
    pub(crate) async fn serve(self, control: Arc<dyn Control>, events: Router) -> io::Result<()> {
        let _file = self.file;
        let listener = tokio::net::UnixListener::from_std(self.listener)?;
        let routes = http::routes(control, events);
        let service = routes.into_make_service_with_connect_info::<Caller>();
        axum::serve(listener, service).await
    }
}

fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(ControlError::Socket {
                path: path.to_owned(),
                source,
            });
        }
    };
    if !metadata.file_type().is_socket() {
        return Err(ControlError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ControlError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|source| ControlError::Socket {
                path: path.to_owned(),
                source,
            }),
        Err(source) => Err(ControlError::Socket {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::http::tests::Fixed;
    use super::*;
    use crate::client;

    fn path(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("new").join("control.sock")
    }

    #[tokio::test]
    async fn status_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(&directory);
        let control = Arc::new(Fixed::default());
        let socket = ControlSocket::bind(&path).unwrap();
        let server = tokio::spawn(socket.serve(control.clone(), Router::new()));
        assert_eq!(client::status(&path).await.unwrap(), control.status().await);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            MODE
        );
        let elsewhere = client::get(&path, "/api/v2/status").await;
        assert!(
            matches!(elsewhere, Err(client::ClientError::Refused(404))),
            "{elsewhere:?}"
        );
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        assert!(!path.exists(), "the file is removed at the end");
        let gone = client::status(&path).await;
        assert!(
            matches!(gone, Err(client::ClientError::NotRunning(_))),
            "{gone:?}"
        );
    }

    #[test]
    fn a_live_socket_is_refused_and_a_dead_one_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(&directory);
        let live = ControlSocket::bind(&path).unwrap();
        assert!(matches!(
            ControlSocket::bind(&path),
            Err(ControlError::InUse(_))
        ));
        let ControlSocket { listener, file } = live;
        drop(listener);
        std::mem::forget(file);
        assert!(path.exists(), "as after kill -9");
        drop(ControlSocket::bind(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            ControlSocket::bind(&path),
            Err(ControlError::NotASocket(_))
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
