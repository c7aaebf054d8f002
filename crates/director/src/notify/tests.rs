//! Everybody is told, with servers of the test on the other end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::queue::Backoff;
use super::*;
use crate::events::What;

/// Longer than anything here takes on the slowest machine.
const BOUND: Duration = Duration::from_secs(60);

fn all() -> BTreeSet<Topic> {
    Topic::ALL.into_iter().map(|(_, topic)| topic).collect()
}

fn what(name: &str) -> What {
    What::Process {
        process: name.to_owned(),
        detail: "it died".to_owned(),
        ok: false,
    }
}

/// A certificate for `localhost`, whose authority is in the file `ca.pem`.
fn acceptor(directory: &Path) -> TlsAcceptor {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = parameters.self_signed(&authority).unwrap();
    fs::write(directory.join("ca.pem"), root.pem()).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Speaks as much SMTP (RFC 5321) as it takes, and gives the mails that it gets.
async fn smtp(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    mails: mpsc::UnboundedSender<String>,
) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 localhost\r\n").await.unwrap();
        let mails = mails.clone();
        match &acceptor {
            None => dialogue(BufStream::new(stream), "250 AUTH PLAIN", &mails).await,
            Some(acceptor) => {
                let mut plain = BufStream::new(stream);
                loop {
                    let line = line(&mut plain).await;
                    if line.starts_with("STARTTLS") {
                        break;
                    }
                    assert!(line.starts_with("EHLO"), "in the clear: {line}");
                    let answer = b"250-localhost\r\n250 STARTTLS\r\n";
                    plain.write_all(answer).await.unwrap();
                    plain.flush().await.unwrap();
                }
                plain.write_all(b"220 go on\r\n").await.unwrap();
                plain.flush().await.unwrap();
                let stream: TcpStream = plain.into_inner();
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                dialogue(BufStream::new(stream), "250 AUTH PLAIN", &mails).await;
            }
        }
    }
}

async fn line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line
}

async fn dialogue<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufStream<S>,
    last: &str,
    mails: &mpsc::UnboundedSender<String>,
) {
    let mut mail = String::new();
    loop {
        let said = line(&mut stream).await;
        let word = said.get(..4).unwrap_or_default().to_owned();
        let answer = match word.as_str() {
            "" => return,
            "EHLO" => format!("250-localhost\r\n{last}"),
            "AUTH" => {
                mail.push_str(&said);
                "235 known".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                stream.flush().await.unwrap();
                loop {
                    let text = line(&mut stream).await;
                    if text == ".\r\n" || text.is_empty() {
                        break;
                    }
                    mail.push_str(&text);
                }
                mails.send(std::mem::take(&mut mail)).unwrap();
                "250 taken".to_owned()
            }
            "QUIT" => "221 bye".to_owned(),
            _ => {
                mail.push_str(&said);
                "250 fine".to_owned()
            }
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
        stream.flush().await.unwrap();
    }
}

fn mail(port: u16, tls: MailTls, ca_file: Option<PathBuf>) -> Mail {
    Mail {
        host: "localhost".to_owned(),
        port,
        tls,
        ca_file,
        login: Some(("director".to_owned(), Secret("secret".to_owned()))),
        from: "director@example.com".parse().unwrap(),
        to: vec![
            "ops@example.com".parse().unwrap(),
            "boss@example.com".parse().unwrap(),
        ],
        events: all(),
        digest: Duration::from_millis(50),
        at_most: Rate {
            count: 10,
            per: Duration::from_secs(3600),
        },
    }
}

fn start(settings: Notification, stream: &Stream) -> Notifications {
    Notifications::start("lb-a", settings, Programs::in_process(2), stream)
}

async fn is_mailed(tls: MailTls) {
    let directory = tempfile::tempdir().unwrap();
    let acceptor = (tls == MailTls::Starttls).then(|| acceptor(directory.path()));
    let ca_file = acceptor.as_ref().map(|_| directory.path().join("ca.pem"));
    let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut mails) = mpsc::unbounded_channel();
    let server = tokio::spawn(smtp(listener, acceptor, sender));
    let stream = Stream::new("run".to_owned(), 100);
    let settings = Notification {
        mail: Some(mail(port, tls, ca_file)),
        ..Notification::default()
    };
    let notifications = start(settings, &stream);
    stream.tell(what("one"));
    stream.tell(what("two"));
    let first = timeout(BOUND, mails.recv()).await.unwrap().unwrap();
    assert!(first.contains("Subject: lb-a: 2 events\r\n"), "{first}");
    assert!(first.contains("RCPT TO:<boss@example.com>"), "{first}");
    assert!(first.contains("AUTH PLAIN"), "{first}");
    let (one, two) = (
        first.find("the process of one"),
        first.find("the process of two"),
    );
    assert!(one.is_some() && one < two, "{first}");
    stream.tell(what("three"));
    notifications.finish(BOUND).await;
    let last = timeout(BOUND, mails.recv()).await.unwrap().unwrap();
    assert!(
        last.contains("Subject: lb-a: the process of three does not work: it died\r\n"),
        "{last}"
    );
    server.abort();
}

#[tokio::test]
async fn mail_goes_in_the_clear_where_that_is_wanted() {
    is_mailed(MailTls::None).await;
}

#[tokio::test]
async fn mail_goes_by_starttls() {
    is_mailed(MailTls::Starttls).await;
}

#[tokio::test]
async fn a_mail_server_that_nobody_vouches_for_gets_nothing_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let acceptor = acceptor(directory.path());
    // Of another authority.
    let other = tempfile::tempdir().unwrap();
    drop(self::acceptor(other.path()));
    let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut mails) = mpsc::unbounded_channel();
    let server = tokio::spawn(smtp(listener, Some(acceptor), sender));
    let stream = Stream::new("run".to_owned(), 100);
    let ca_file = other.path().join("ca.pem");
    let settings = Notification {
        mail: Some(mail(port, MailTls::Starttls, Some(ca_file))),
        ..Notification::default()
    };
    let notifications = start(settings, &stream);
    stream.tell(what("one"));
    while notifications.tallies()["mail"].failed == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    notifications.finish(BOUND).await;
    assert!(mails.try_recv().is_err());
    server.abort();
}

/// What a web server got, and how often it says that it cannot.
#[derive(Debug, Default)]
struct Heard {
    excuses: u32,
    events: Vec<(HeaderMap, Event)>,
}

async fn hear(
    State(heard): State<Arc<Mutex<Heard>>>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let mut heard = heard.lock().unwrap();
    if heard.excuses > 0 {
        heard.excuses -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let event: Event = serde_json::from_str(&body).unwrap();
    if event.what == what("refused") {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    heard.events.push((headers, event));
    StatusCode::NO_CONTENT
}

fn webhook(url: &str, ca_file: Option<PathBuf>) -> Webhook {
    Webhook {
        url: url.parse().unwrap(),
        events: all(),
        headers: vec![("x-site".parse().unwrap(), "a".parse().unwrap())],
        token: Some(Secret("secret".to_owned())),
        timeout: BOUND,
        ca_file,
    }
}

#[tokio::test]
async fn a_web_server_gets_each_event_in_order_also_when_it_fails_meanwhile() {
    let heard = Arc::new(Mutex::new(Heard::default()));
    heard.lock().unwrap().excuses = 3;
    let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
    let url = format!(
        "http://localhost:{}/hook?a=b",
        listener.local_addr().unwrap().port()
    );
    let routes = Router::new()
        .route("/hook", post(hear))
        .with_state(Arc::clone(&heard));
    let server = tokio::spawn(async { axum::serve(listener, routes).await });
    let (channel, end) = channel(webhook(&url, None), Arc::default());
    let counter = Arc::clone(&channel.counter);
    let backoff = Backoff {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
    };
    let task = tokio::spawn(webhook::run(end, backoff));
    let stream = Stream::new("run".to_owned(), 100);
    let names = ["one", "two", "refused", "three"];
    let events = names.map(|name| stream.tell(what(name)));
    for event in &events {
        channel.push(Arc::clone(event));
    }
    while counter.tally().delivered < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(channel);
    task.await.unwrap();
    let heard = heard.lock().unwrap();
    let numbers: Vec<u64> = heard.events.iter().map(|(_, event)| event.seq).collect();
    assert_eq!(numbers, [1, 2, 4]);
    let headers = &heard.events[0].0;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["authorization"], "Bearer secret");
    assert_eq!(headers["x-site"], "a");
    let tally = counter.tally();
    assert_eq!((tally.failed, tally.dropped), (4, 1));
    server.abort();
}

#[tokio::test]
async fn a_web_server_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let acceptor = acceptor(directory.path());
    let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut stream = BufStream::new(stream);
            while line(&mut stream).await.len() > 2 {}
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            // The body, which it must not be cut off in.
            let mut rest = tokio::io::sink();
            let _ = tokio::io::copy(&mut stream, &mut rest).await;
        }
    });
    let stream = Stream::new("run".to_owned(), 100);
    let mut settings = Notification {
        webhooks: vec![webhook(&url, Some(directory.path().join("ca.pem")))],
        ..Notification::default()
    };
    let notifications = start(settings.clone(), &stream);
    stream.tell(what("one"));
    while notifications.tallies()[&url].delivered == 0 {
        assert_eq!(notifications.tallies()[&url].failed, 0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Now one that knows another authority.
    let other = tempfile::tempdir().unwrap();
    drop(self::acceptor(other.path()));
    settings.webhooks[0].ca_file = Some(other.path().join("ca.pem"));
    notifications.replace(settings);
    tokio::task::yield_now().await;
    stream.tell(what("two"));
    while notifications.tallies()[&url].failed == 0 {
        assert_eq!(notifications.tallies()[&url].delivered, 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    notifications.finish(BOUND).await;
    server.abort();
}

#[tokio::test]
async fn the_stop_is_told_within_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    let stream = Stream::new("run".to_owned(), 100);
    let settings = Notification {
        fifo: Some(fifo.clone()),
        // Nobody answers there: port 0 is none.
        webhooks: vec![webhook("http://localhost:0/", None)],
        ..Notification::default()
    };
    let notifications = start(settings, &stream);
    while !fifo.exists() {
        tokio::task::yield_now().await;
    }
    let mut reader = tokio::net::unix::pipe::OpenOptions::new()
        .open_receiver(&fifo)
        .unwrap();
    stream.tell(What::RouterState {
        router: "web".to_owned(),
        from: crate::status::StateName::Master,
        to: crate::status::StateName::Initialize,
        priority: 150,
        reason: "it was told to stop".to_owned(),
    });
    notifications.finish(BOUND).await;
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text)
        .await
        .unwrap();
    assert_eq!(text, "INSTANCE \"web\" STOP 150\n");
}
