//! Pages made ready, and their request and answer.

use std::convert::Infallible;
use std::future::pending;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Rules;
use super::error::failure;
use super::{HttpConfigError, Page};
use crate::check::{BodyFault, CheckError};

/// How much of the head of an answer is read.
const HEAD_LIMIT: usize = 64 << 10;

/// A page made ready.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) uri: Uri,
    status: Vec<(u16, u16)>,
    pub(super) rules: Rules,
}

impl Ready {
    pub(super) fn new(page: &Page) -> Result<Self, HttpConfigError> {
        if page.status.is_empty() {
            return Err(HttpConfigError::NoStatus(page.path.as_str().into()));
        }
        for &(first, last) in &page.status {
            // RFC 9110 §15: a status is from 100 to 999 on the wire, whatever its meaning.
            if first > last || first < 100 || last > 999 {
                return Err(HttpConfigError::StatusRange(first, last));
            }
        }
        Ok(Self {
            uri: uri(&page.path)?,
            status: page.status.clone(),
            rules: Rules::new(&page.body)?,
        })
    }

    /// Requests the page on `stream` and judges the answer. Nothing goes on when the future is dropped: it drives the
    /// connection itself.
    pub(super) async fn fetch<S>(
        &self,
        stream: S,
        request: Request<Empty<Bytes>>,
        body_limit: usize,
    ) -> Result<(), CheckError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await;
            self.judge(answer.map_err(|error| failure(&error))?, body_limit)
                .await
        };
        let drive = async {
            // What it ends with, the exchange is told.
            let _ = connection.await;
            pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            result = exchange => result,
            never = drive => match never {},
        }
    }

    async fn judge(&self, answer: Response<Incoming>, body_limit: usize) -> Result<(), CheckError> {
        let status = answer.status().as_u16();
        if !self
            .status
            .iter()
            .any(|&(first, last)| (first..=last).contains(&status))
        {
            return Err(CheckError::Status(status));
        }
        if self.rules.is_empty() {
            return Ok(());
        }
        let mut body = answer.into_body();
        if body.size_hint().lower() > u64::try_from(body_limit).unwrap_or(u64::MAX) {
            return Err(CheckError::Body(BodyFault::TooLong));
        }
        let mut examination = self.rules.examine(body_limit);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure(&error))?;
            if let Some(part) = frame.data_ref() {
                examination.push(part).map_err(CheckError::Body)?;
            }
        }
        examination.finish().map_err(CheckError::Body)
    }
}

fn uri(path: &str) -> Result<Uri, HttpConfigError> {
    let refused = || HttpConfigError::Path(path.into());
    // The parser would drop a fragment in silence.
    if !path.starts_with('/') || path.contains('#') {
        return Err(refused());
    }
    PathAndQuery::try_from(path)
        .map(Uri::from)
        .map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::{CheckError, Empty, Ready, Request};
    use crate::http::{BodyRule, Page};

    async fn fetch(stream: DuplexStream) -> Result<(), CheckError> {
        let mut page = Page::new("/");
        page.body = vec![BodyRule::Contains("hello".to_owned())];
        let page = Ready::new(&page).unwrap();
        page.fetch(stream, Request::new(Empty::new()), 1000).await
    }

    async fn drip(stream: &mut DuplexStream, text: &[u8]) {
        for byte in text {
            sleep(Duration::from_millis(100)).await;
            stream.write_all(&[*byte]).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_may_come_byte_by_byte() {
        let (ours, mut theirs) = duplex(1000);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let (fetched, ()) = tokio::join!(fetch(ours), drip(&mut theirs, answer));
        fetched.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_end_is_waited_for() {
        for answer in ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\n\r\nhello"] {
            let (ours, mut theirs) = duplex(1000);
            let probe = timeout(Duration::from_secs(10), fetch(ours));
            let server = async {
                drip(&mut theirs, answer.as_bytes()).await;
                loop {
                    drip(&mut theirs, b"x").await;
                }
            };
            tokio::select! {
                result = probe => assert!(result.is_err(), "{result:?}"),
                () = server => {}
            }
        }
    }
}
