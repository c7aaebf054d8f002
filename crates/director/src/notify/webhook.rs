//! Events as JSON for a web server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use super::End;
use super::queue::Backoff;
use super::settings::Webhook;
use super::tls;
use crate::events::Event;
use crate::words::chain;

/// A server that does not work is asked again so soon, and then more and more rarely.
pub(super) const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(5 * 60),
};

/// Settings of TLS, which take long to make, and the file of authorities that they were made with.
#[derive(Default)]
struct Trust(Option<(Option<PathBuf>, TlsConnector)>);

impl Trust {
    async fn connector(&mut self, ca_file: Option<&PathBuf>) -> Result<TlsConnector, String> {
        if let Some((made_with, connector)) = &self.0
            && made_with.as_ref() == ca_file
        {
            return Ok(connector.clone());
        }
        let ca_file = ca_file.cloned();
        let made = tokio::task::spawn_blocking(move || {
            let connector = tls::connector(ca_file.as_deref())?;
            Ok::<_, String>((ca_file, connector))
        });
        let made = made.await.map_err(|error| chain(&error))??;
        Ok(self.0.insert(made).1.clone())
    }
}

/// Why an event was not delivered.
#[derive(Debug)]
enum Failure {
    /// It may be another time.
    Passing(String),
    /// The server will never take it.
    Refused(StatusCode),
}

/// Sends what is in the queue, one after the other, to its end.
pub(super) async fn run(mut end: End<Webhook, Arc<Event>>, backoff: Backoff) {
    let mut failures = 0;
    let mut trust = Trust::default();
    while let Some(event) = end.queue.next().await {
        loop {
            let webhook = end.settings.borrow_and_update().clone();
            let url = webhook.url.clone();
            match deliver(&webhook, &mut trust, &event).await {
                Ok(()) => {
                    end.counter.delivered(1);
                    if std::mem::take(&mut failures) > 0 {
                        info!("{url} takes events again");
                    }
                    break;
                }
                Err(Failure::Refused(status)) => {
                    end.counter.failed();
                    end.counter.dropped(1);
                    warn!("{url} refuses event #{}: HTTP status {status}", event.seq);
                    break;
                }
                Err(Failure::Passing(why)) => {
                    end.counter.failed();
                    failures += 1;
                    // The authorities may be others by now.
                    trust = Trust::default();
                    if failures == 1 {
                        warn!(
                            "{url} does not get event #{}: {why}; it is tried again",
                            event.seq
                        );
                    }
                    // Somebody waits for the end of all this.
                    if end.queue.is_closed() {
                        let lost = u64::try_from(end.queue.len()).unwrap_or(u64::MAX) + 1;
                        end.counter.dropped(lost);
                        warn!(lost, "{url} does not get the last events");
                        return;
                    }
                    pause(&mut end, backoff.after(failures)).await;
                }
            }
        }
    }
}

/// Waits for the next attempt, but no longer than until the settings change or nothing comes any more.
async fn pause(end: &mut End<Webhook, Arc<Event>>, length: Duration) {
    tokio::select! {
        () = sleep(length) => {}
        // An error is that the other end has gone, as it does right after it has closed the queue.
        _ = end.settings.changed() => {}
    }
}

async fn deliver(webhook: &Webhook, trust: &mut Trust, event: &Event) -> Result<(), Failure> {
    let limit = webhook.timeout;
    match timeout(limit, post(webhook, trust, event)).await {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) if is_passing(status) => {
            Err(Failure::Passing(format!("HTTP status {status}")))
        }
        Ok(Ok(status)) => Err(Failure::Refused(status)),
        Ok(Err(why)) => Err(Failure::Passing(why)),
        Err(_) => Err(Failure::Passing(format!("no answer within {limit:?}"))),
    }
}

/// May the same request be answered otherwise another time? A redirection is not followed: an event goes where it was
/// configured to go.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::UNAUTHORIZED
        || status == StatusCode::FORBIDDEN
        || status == StatusCode::NOT_FOUND
}

async fn post(webhook: &Webhook, trust: &mut Trust, event: &Event) -> Result<StatusCode, String> {
    let body = serde_json::to_vec(event).map_err(|error| chain(&error))?;
    let request = request(webhook, body.into())?;
    let host = webhook.url.host().unwrap_or_default();
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let is_plain = webhook.url.scheme_str() == Some("http");
    let port = webhook
        .url
        .port_u16()
        .unwrap_or(if is_plain { 80 } else { 443 });
    let stream = TcpStream::connect((host.as_str(), port));
    let stream = stream.await.map_err(|error| chain(&error))?;
    if is_plain {
        return exchange(stream, request).await;
    }
    let connector = trust.connector(webhook.ca_file.as_ref()).await?;
    let name = ServerName::try_from(host).map_err(|error| chain(&error))?;
    let stream = connector.connect(name, stream);
    exchange(stream.await.map_err(|error| chain(&error))?, request).await
}

fn request(webhook: &Webhook, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let target = webhook
        .url
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let host = webhook
        .url
        .authority()
        .map_or("", |authority| authority.as_str());
    let mut builder = Request::post(target)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .header(
            USER_AGENT,
            concat!("locum-director/", env!("CARGO_PKG_VERSION")),
        );
    if let Some(token) = &webhook.token {
        builder = builder.header(AUTHORIZATION, format!("Bearer {}", token.0));
    }
    for (name, value) in &webhook.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(body)).map_err(|error| chain(&error))
}

/// Sends the request and reads the head of the answer.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| chain(&error))?;
    let answer = sender.send_request(request);
    // The connection is driven beside the request and ends with it.
    tokio::pin!(connection, answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    answer
        .map(|answer| answer.status())
        .map_err(|error| chain(&error))
}
