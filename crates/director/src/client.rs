//! Asking a running director over its control socket.

mod follow;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Method;
use hyper::body::Bytes;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::http::Response;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;

pub(crate) use self::follow::{Message, follow};
use crate::control::{Done, Refused, Request};
use crate::status::Status;

/// A director that has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is to be done may take longer: a reload reads certificates, and waits for both sides.
const PATIENCE_TO_ACT: Duration = Duration::from_secs(60);
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
    #[error("the director did not answer on {path} in time")]
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
    /// It did not do what it was asked to, and nothing changed.
    #[error("{}", .0.error)]
    NotDone(Refused),
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

/// Has the director that listens on `socket` do something; returns when it is done, at most a minute later.
///
/// # Errors
///
/// [`ClientError`]; of these [`ClientError::NotDone`] is the director's own refusal, with the cure in its words. After
/// [`ClientError::Timeout`] or [`ClientError::Connection`] it may have been done all the same.
///
/// # Examples
///
/// ```no_run
/// use std::{path::Path, time::Duration};
/// use locum_director::client;
/// use locum_director::control::{Action, Request};
///
/// # async fn example() -> Result<(), client::ClientError> {
/// let drain = Action::Drain { service: "web".to_owned(), server: "r1".to_owned() };
/// let request = Request::new(drain).because("kernel update").lapsing_after(Duration::from_secs(1800));
/// let done = client::act(Path::new("/run/director/control.sock"), &request).await?;
/// println!("{}", done.changes.join("\n"));
/// # Ok(())
/// # }
/// ```
pub async fn act(socket: &Path, request: &Request) -> Result<Done, ClientError> {
    let body =
        serde_json::to_vec(request).map_err(|error| ClientError::NotUnderstood(error.into()))?;
    let exchange = exchange(socket, Method::POST, "/api/v1/actions", body.into());
    let answer = within(PATIENCE_TO_ACT, socket, exchange).await?;
    let (head, body) = answer.into_parts();
    if head.status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| ClientError::NotUnderstood(error.into()));
    }
    Err(serde_json::from_slice(&body).map_or_else(
        |_| ClientError::Refused(head.status.as_u16()),
        ClientError::NotDone,
    ))
}

/// The body of the answer to a GET of `target`.
pub(crate) async fn get(socket: &Path, target: &str) -> Result<Bytes, ClientError> {
    let exchange = exchange(socket, Method::GET, target, Bytes::new());
    let answer = within(PATIENCE, socket, exchange).await?;
    if !answer.status().is_success() {
        return Err(ClientError::Refused(answer.status().as_u16()));
    }
    Ok(answer.into_body())
}

async fn within<T>(
    patience: Duration,
    socket: &Path,
    exchange: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(patience, exchange)
        .await
        .unwrap_or_else(|_| {
            Err(ClientError::Timeout {
                path: socket.to_owned(),
            })
        })
}

/// A connection to the director, and what drives it.
async fn connect(
    socket: &Path,
) -> Result<
    (
        SendRequest<Full<Bytes>>,
        Connection<TokioIo<UnixStream>, Full<Bytes>>,
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

async fn exchange(
    socket: &Path,
    method: Method,
    target: &str,
    body: Bytes,
) -> Result<Response<Bytes>, ClientError> {
    let failed = |source| ClientError::Connection {
        path: socket.to_owned(),
        source,
    };
    let (mut sender, connection) = connect(socket).await?;
    let request = hyper::Request::builder()
        .method(method)
        .uri(target)
        .header(hyper::header::HOST, "director")
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|error| failed(io::Error::other(error)))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(io::Error::other(error)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Response::from_parts(head, body.to_bytes()))
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
