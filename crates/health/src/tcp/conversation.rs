//! Steps taken on a connection.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::pattern::{Found, Matcher};
use super::reply::Reply;
use super::{Step, TcpConfigError};
use crate::check::CheckError;
use crate::socket::failure;

/// How much of what a server sends is kept to be looked at.
const LIMIT: usize = 16 << 10;

/// How much of a wrong answer is told.
const SHOWN: usize = 80;

/// A step made ready.
#[derive(Debug, Clone)]
pub(super) enum Move {
    Send(Vec<u8>),
    Await(Awaited),
}

impl Move {
    pub(super) fn new(step: Step) -> Result<Self, TcpConfigError> {
        match step {
            Step::Send(bytes) if bytes.is_empty() => Err(TcpConfigError::Empty),
            Step::Send(bytes) => Ok(Self::Send(bytes)),
            Step::Expect(pattern) => Ok(Self::Await(Awaited::Match(Matcher::new(pattern)?))),
            // RFC 959 §4.2: the first digit is from 1 to 5; RFC 5321 §4.2.1 has no others.
            Step::Reply(code @ 100..=599) => Ok(Self::Await(Awaited::Reply(code))),
            Step::Reply(code) => Err(TcpConfigError::Code(code)),
        }
    }
}

/// What the server must send.
#[derive(Debug, Clone)]
pub(super) enum Awaited {
    Match(Matcher),
    Reply(u16),
}

impl Awaited {
    /// Where it ends, once it is there.
    fn end(&self, received: &[u8]) -> Result<Option<usize>, CheckError> {
        match self {
            Self::Match(matcher) => match matcher.find(received) {
                Found::End(end) => Ok(Some(end)),
                Found::NotYet => Ok(None),
                Found::Never => Err(unexpected(received)),
            },
            Self::Reply(expected) => match Reply::read(received) {
                Reply::Complete { code, length } if code == *expected => Ok(Some(length)),
                Reply::Complete { code, .. } => Err(CheckError::Status(code)),
                Reply::Incomplete => Ok(None),
                Reply::Malformed => Err(unexpected(received)),
            },
        }
    }
}

/// Takes all steps.
pub(super) async fn hold<S>(moves: &[Move], stream: &mut S) -> Result<(), CheckError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut received = Vec::new();
    for step in moves {
        match step {
            Move::Send(bytes) => {
                stream.write_all(bytes).await.map_err(failure)?;
                stream.flush().await.map_err(failure)?;
            }
            Move::Await(awaited) => {
                let end = loop {
                    match awaited.end(&received)? {
                        Some(end) => break end,
                        None => read_more(stream, &mut received).await?,
                    }
                };
                received.drain(..end);
            }
        }
    }
    Ok(())
}

async fn read_more<S>(stream: &mut S, received: &mut Vec<u8>) -> Result<(), CheckError>
where
    S: AsyncRead + Unpin + Send,
{
    let room = LIMIT.saturating_sub(received.len());
    if room == 0 {
        return Err(unexpected(received));
    }
    received.reserve(room.min(1024));
    let room = u64::try_from(room).unwrap_or(u64::MAX);
    match stream
        .take(room)
        .read_buf(received)
        .await
        .map_err(failure)?
    {
        0 if received.is_empty() => Err(CheckError::Closed),
        0 => Err(unexpected(received)),
        _ => Ok(()),
    }
}

fn unexpected(received: &[u8]) -> CheckError {
    let shown = received.get(..SHOWN).unwrap_or(received);
    CheckError::Unexpected(String::from_utf8_lossy(shown).into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::{CheckError, Move, hold};
    use crate::tcp::TcpConfig;

    fn ftp() -> Vec<Move> {
        TcpConfig::ftp()
            .steps
            .into_iter()
            .map(|step| Move::new(step).unwrap())
            .collect()
    }

    async fn drip(stream: &mut DuplexStream, text: &[u8]) {
        for byte in text {
            sleep(Duration::from_millis(100)).await;
            stream.write_all(&[*byte]).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_may_come_byte_by_byte() {
        let (mut ours, mut theirs) = duplex(1);
        let server = async {
            drip(&mut theirs, b"220-a\r\n220 b\r\n").await;
            let mut quit = [0; 6];
            theirs.read_exact(&mut quit).await.unwrap();
            drip(&mut theirs, b"221 bye\r\n").await;
            quit
        };
        let moves = ftp();
        let (held, quit) = tokio::join!(hold(&moves, &mut ours), server);
        held.unwrap();
        assert_eq!(&quit, b"QUIT\r\n");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_end_is_waited_for() {
        let (mut ours, mut theirs) = duplex(1);
        let moves = ftp();
        let probe = timeout(Duration::from_secs(5), hold(&moves, &mut ours));
        let server = async {
            loop {
                drip(&mut theirs, b"220-more\r\n").await;
            }
        };
        tokio::select! {
            result = probe => assert!(result.is_err(), "{result:?}"),
            () = server => {}
        }
    }

    #[tokio::test]
    async fn a_reply_longer_than_is_kept_is_refused() {
        let (mut ours, mut theirs) = duplex(64);
        let moves = ftp();
        let server = async { while theirs.write_all(b"220-more\r\n").await.is_ok() {} };
        tokio::select! {
            result = hold(&moves, &mut ours) => {
                assert!(matches!(result, Err(CheckError::Unexpected(_))), "{result:?}");
            }
            () = server => panic!("the conversation should have ended"),
        }
    }
}
