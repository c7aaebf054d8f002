//! Reading server-sent events.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{ACCEPT, HOST};

use super::{ClientError, connect};

/// More than any message has.
const LONGEST: usize = 1 << 20;

/// What is told of events by a running director.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// What kind it is; empty: an event as usual.
    pub(crate) kind: String,
    pub(crate) data: String,
}

/// Hands what happens behind the event `since` to `told`, until the director ends, or nobody wants
/// more.
pub(crate) async fn follow(
    socket: &Path,
    since: u64,
    mut told: impl FnMut(&Message) -> io::Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>, ClientError> {
    let failed = |error: hyper::Error| ClientError::Connection {
        path: socket.to_owned(),
        source: io::Error::other(error),
    };
    let (mut sender, connection) = connect(socket).await?;
    // It ends with the answer.
    tokio::spawn(connection);
    let request = Request::get(format!("/api/v1/events?since={since}"))
        .header(HOST, "director")
        .header(ACCEPT, "text/event-stream")
        .body(Full::default())
        .map_err(|error| ClientError::NotUnderstood(io::Error::other(error)))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(ClientError::Refused(response.status().as_u16()));
    }
    let mut body = response.into_body();
    let mut parser = Parser::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(failed)?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        for message in parser.feed(bytes).map_err(ClientError::NotUnderstood)? {
            if told(&message)
                .map_err(ClientError::NotUnderstood)?
                .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Finds the messages in the bytes of a stream, as HTML (WHATWG) §9.2.6 has it, but only with the fields that a director
/// sends.
#[derive(Debug, Default)]
struct Parser {
    /// The beginning of a line.
    line: Vec<u8>,
    message: Message,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > LONGEST {
                    return Err(io::Error::other("a line has no end"));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8(line).map_err(io::Error::other)?;
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                if !message.data.is_empty() {
                    messages.push(message);
                }
            } else {
                self.field(line);
            }
        }
        Ok(messages)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.message.kind),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // A comment, which keeps the connection alive, or the number, which is in the data too.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use tokio::net::UnixListener;

    use super::*;
    use crate::client;
    use crate::control::events::routes;
    use crate::events::{Event, Stream, What};

    #[test]
    fn messages_may_come_in_pieces() {
        let text = b": alive\n\nid: 1\ndata: {\"a\":1}\n\nevent: lost\r\ndata:x\r\ndata: y\r\n\r\ndata: begun";
        let mut parser = Parser::default();
        let mut messages = Vec::new();
        for piece in text.chunks(3) {
            messages.extend(parser.feed(piece).unwrap());
        }
        let message = |kind: &str, data: &str| Message {
            kind: kind.to_owned(),
            data: data.to_owned(),
        };
        assert_eq!(
            messages,
            [message("", "{\"a\":1}"), message("lost", "x\ny")]
        );
    }

    fn serve(directory: &tempfile::TempDir, routes: Router) -> std::path::PathBuf {
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async { axum::serve(listener, routes).await });
        path
    }

    #[tokio::test]
    async fn events_are_followed_from_a_number_on() {
        let directory = tempfile::tempdir().unwrap();
        let stream = Stream::new("run".to_owned(), 3);
        for taken in 1..=5 {
            stream.tell(What::HoldEnded { taken });
        }
        let socket = serve(&directory, routes(stream.clone()));
        let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
        let following = tokio::spawn({
            let socket = socket.clone();
            async move {
                let told = |message: &Message| {
                    sender.send(message.clone()).map_err(io::Error::other)?;
                    Ok(ControlFlow::Continue(()))
                };
                follow(&socket, 1, told).await
            }
        });
        let mut next = async || {
            let message = tokio::time::timeout(Duration::from_secs(30), messages.recv()).await;
            message.unwrap().unwrap()
        };
        let lost = next().await;
        assert_eq!(
            (&*lost.kind, &*lost.data),
            ("lost", r#"{"lost":{"from":2,"to":2}}"#)
        );
        for seq in 3..=5 {
            let event: Event = serde_json::from_str(&next().await.data).unwrap();
            assert_eq!(
                (event.seq, event.what),
                (seq, What::HoldEnded { taken: seq })
            );
        }
        stream.tell(What::HoldEnded { taken: 6 });
        let event: Event = serde_json::from_str(&next().await.data).unwrap();
        assert_eq!(event.seq, 6);
        following.abort();

        let lines = client::get(&socket, "/api/v1/events?since=5")
            .await
            .unwrap();
        let event: Event = serde_json::from_slice(&lines).unwrap();
        assert_eq!(event.seq, 6);
        let wrong = client::get(&socket, "/api/v1/events?since=x").await;
        assert!(matches!(wrong, Err(ClientError::Refused(400))), "{wrong:?}");
    }
}
