//! Mail to the administrators.

use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use super::End;
use super::outbox::{Batch, Outbox};
use super::settings::{Mail, MailTls};
use crate::clock;
use crate::events::Event;
use crate::words::chain;

/// A mail server that has not taken a mail by then does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Mails what is in the queue, to its end.
pub(super) async fn run(name: Arc<str>, mut end: End<Mail, Arc<Event>>) {
    let mut outbox = Outbox::default();
    let mut well = true;
    loop {
        let settings = end.settings.borrow_and_update().clone();
        let due = outbox.next(settings.at_most);
        let wait = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = end.queue.next() => match event {
                Some(event) => {
                    let dropped = outbox.push(clock::now(), event, settings.digest);
                    end.counter.dropped(dropped);
                }
                None => break,
            },
            () = wait => {
                let Some(batch) = outbox.take(clock::now(), settings.at_most) else {
                    continue;
                };
                match send(&name, &settings, &batch).await {
                    Ok(()) => {
                        outbox.delivered(clock::now(), settings.at_most);
                        end.counter.delivered(1);
                        if !std::mem::replace(&mut well, true) {
                            info!("the mail server {} takes mail again", settings.host);
                        }
                    }
                    Err(why) => {
                        end.counter.failed();
                        let dropped = outbox.failed(clock::now(), batch);
                        end.counter.dropped(dropped);
                        if std::mem::replace(&mut well, false) {
                            warn!("no mail to the administrators: {why}; it is tried again");
                        }
                    }
                }
            }
            // With other settings it may be due at another time. That there will be none shows in the queue.
            Ok(()) = end.settings.changed() => {}
        }
    }
    let settings = end.settings.borrow().clone();
    if let Some(batch) = outbox.take_all() {
        match send(&name, &settings, &batch).await {
            Ok(()) => end.counter.delivered(1),
            Err(why) => {
                end.counter.failed();
                let lost = u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
                end.counter.dropped(lost);
                warn!(
                    lost,
                    "the last mail to the administrators cannot be sent: {why}"
                );
            }
        }
    }
}

async fn send(name: &str, settings: &Mail, batch: &Batch) -> Result<(), String> {
    let message = compose(name, settings, batch)?;
    // Files of certificates may be on a disk that is slow.
    let server = settings.clone();
    let transport = tokio::task::spawn_blocking(move || transport(&server));
    let transport = transport.await.map_err(|error| chain(&error))??;
    let server = &settings.host;
    match timeout(PATIENCE, transport.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{server}: {}", chain(&error))),
        Err(_) => Err(format!("{server} has not taken it within {PATIENCE:?}")),
    }
}

fn transport(settings: &Mail) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let parameters = || {
        let mut builder = TlsParameters::builder(settings.host.clone());
        if let Some(path) = &settings.ca_file {
            let place = path.display();
            let text = fs::read(path).map_err(|error| format!("{place}: {error}"))?;
            builder = builder.certificate_store(CertificateStore::None);
            builder = builder.add_root_certificate(
                Certificate::from_pem(&text)
                    .map_err(|error| format!("{place}: {}", chain(&error)))?,
            );
        }
        builder.build().map_err(|error| chain(&error))
    };
    let tls = match settings.tls {
        MailTls::None => Tls::None,
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Tls => Tls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .timeout(Some(PATIENCE))
        .tls(tls);
    if let Some((user, password)) = &settings.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.0.clone()));
    }
    Ok(builder.build())
}

fn compose(name: &str, settings: &Mail, batch: &Batch) -> Result<Message, String> {
    let (subject, text) = words(name, batch);
    let mut builder = Message::builder()
        .from(settings.from.clone())
        .subject(subject)
        .header(ContentType::TEXT_PLAIN);
    for recipient in &settings.to {
        builder = builder.to(recipient.clone());
    }
    builder.body(text).map_err(|error| chain(&error))
}

/// The subject and the text.
fn words(name: &str, Batch { events, omitted }: &Batch) -> (String, String) {
    let subject = match events.as_slice() {
        [event] => format!("{name}: {}", event.what),
        events => format!("{name}: {} events", events.len()),
    };
    let mut text = String::new();
    if *omitted > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{omitted} earlier events are left out.\n");
    }
    for event in events {
        let _ = writeln!(text, "{event}");
    }
    let _ = write!(
        text,
        "\n-- \ndirector on {name}; `director events` tells more\n"
    );
    // A reason may have come from elsewhere; a header has one line.
    (subject.replace(['\r', '\n'], " "), text)
}
