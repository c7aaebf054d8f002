//! Asking a running director over its control socket.

mod follow;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;

pub(crate) use self::follow::{Message, follow};
use crate::status::Status;

/// A director that has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any answer has.
const LARGEST_ANSWER: usize = 64 << 20;

/// Why a running director could not be asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("no director is running: nobody answers on {0}")]
    NotRunning(PathBuf),
    /// The socket may not be opened.
    #[error("not permitted to open {0}: the control socket is for its owner and group")]
    Permission(PathBuf),
    /// It does not answer.
    #[error("the director did not answer on {path} within {PATIENCE:?}")]
    Timeout {
        /// The socket.
        path: PathBuf,
    },
    /// The connection failed.
    #[error("the connection to {path} failed")]
    Connection {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It answered with this HTTP status.
    #[error("the director refused with HTTP status {0}")]
    Refused(u16),
    /// The answer is of another kind or version.
    #[error("the answer of the director was not understood: is it of another version?")]
    NotUnderstood(#[source] io::Error),
}

/// Asks the director that listens on `socket` for its status.
///
/// # Errors
///
/// [`ClientError`].
pub async fn status(socket: &Path) -> Result<Status, ClientError> {
    let answer = get(socket, "/api/v1/status").await?;
    let status: Status = serde_json::from_slice(&answer)
        .map_err(|error| ClientError::NotUnderstood(error.into()))?;
    if status.schema != Status::SCHEMA {
        let schema = format!("schema {}", status.schema);
        return Err(ClientError::NotUnderstood(io::Error::other(schema)));
    }
    Ok(status)
}

/// The body of the answer to a GET of `target`.
pub(crate) async fn get(socket: &Path, target: &str) -> Result<Bytes, ClientError> {
    match tokio::time::timeout(PATIENCE, exchange(socket, target)).await {
        Ok(answer) => answer,
        Err(_) => Err(ClientError::Timeout {
            path: socket.to_owned(),
        }),
    }
}

/// A connection to the director, and what drives it.
async fn connect(
    socket: &Path,
) -> Result<
    (
        SendRequest<Empty<Bytes>>,
        Connection<TokioIo<UnixStream>, Empty<Bytes>>,
    ),
    ClientError,
> {
    let failed = |source| ClientError::Connection {
        path: socket.to_owned(),
        source,
    };
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        let kind = error.kind();
        if matches!(
            kind,
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        ) {
            ClientError::NotRunning(socket.to_owned())
        } else if kind == io::ErrorKind::PermissionDenied {
            ClientError::Permission(socket.to_owned())
        } else {
            failed(error)
        }
    })?;
    handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(io::Error::other(error)))
}

async fn exchange(socket: &Path, target: &str) -> Result<Bytes, ClientError> {
    let failed = |source| ClientError::Connection {
        path: socket.to_owned(),
        source,
    };
    let (mut sender, connection) = connect(socket).await?;
    let request = Request::get(target)
        .header(hyper::header::HOST, "director")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(io::Error::other(error)))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(io::Error::other(error)))?;
        if !response.status().is_success() {
            return Err(ClientError::Refused(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await;
        body.map(|body| body.to_bytes())
            .map_err(|error| failed(io::Error::other(error)))
    };
    // The connection is driven beside the request and ends with it.
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(io::Error::other(error))),
        },
    }
}
