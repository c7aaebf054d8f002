//! Messages as frames: a length, four bytes in network order, then so many bytes of JSON.

use std::collections::VecDeque;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// The configuration of 40,000 servers is a fifth of it. Tests need not send as much to go beyond it.
pub(super) const LONGEST: u32 = if cfg!(test) { 64 << 10 } else { 64 << 20 };

/// So much waits for a reader that does not read.
const WAITING: usize = 2 * LONGEST as usize;

/// So many messages are taken before the first of them is sent.
const TOGETHER: usize = 64;

/// So much room is kept for more, in bytes.
const KEPT: usize = 64 << 10;

/// Why a frame cannot be made or understood.
#[derive(Debug, Error)]
pub(super) enum FrameError {
    #[error("the other end broke off within a message")]
    BrokenOff,
    #[error("the other end does not read what it is told")]
    NotRead,
    #[error("a message is not understood")]
    NotUnderstood(#[source] serde_json::Error),
    #[error("a message of {0} bytes is longer than {LONGEST}")]
    TooLong(usize),
    #[error("the socket failed")]
    Socket(#[from] io::Error),
}

/// What becomes of messages when too much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// The other end is given up.
    Fail,
    /// They are forgotten.
    Forget,
}

pub(super) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = serde_json::to_vec(message).map_err(FrameError::NotUnderstood)?;
    let length = u32::try_from(body.len()).ok();
    let Some(length) = length.filter(|length| *length <= LONGEST) else {
        return Err(FrameError::TooLong(body.len()));
    };
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The next message; `None` at the end between two. Whoever drops the future must not read on.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let mut header = Vec::with_capacity(4);
    (&mut *from).take(4).read_to_end(&mut header).await?;
    let Ok(header) = <[u8; 4]>::try_from(header.as_slice()) else {
        let nothing = header.is_empty();
        return if nothing {
            Ok(None)
        } else {
            Err(FrameError::BrokenOff)
        };
    };
    let length = u32::from_be_bytes(header);
    if length > LONGEST {
        return Err(FrameError::TooLong(
            usize::try_from(length).unwrap_or(usize::MAX),
        ));
    }
    // It grows with what comes, not with what is promised.
    let mut body = Vec::new();
    let got = from.take(u64::from(length)).read_to_end(&mut body).await?;
    if u32::try_from(got) != Ok(length) {
        return Err(FrameError::BrokenOff);
    }
    serde_json::from_slice(&body)
        .map(Some)
        .map_err(FrameError::NotUnderstood)
}

/// Sends what comes through `messages` until they end, and takes from there without waiting for the other end. What comes
/// together is sent together.
pub(super) async fn pump<T: Serialize>(
    mut messages: mpsc::UnboundedReceiver<T>,
    mut to: impl AsyncWrite + Unpin,
    overflow: Overflow,
) -> Result<(), FrameError> {
    let mut waiting = VecDeque::new();
    let (mut batch, mut open) = (Vec::new(), true);
    while open || !waiting.is_empty() {
        let (next, _) = waiting.as_slices();
        tokio::select! {
            more = messages.recv_many(&mut batch, TOGETHER), if open => {
                open = more > 0;
                for message in batch.drain(..) {
                    let frame = encode(&message)?;
                    if waiting.len().saturating_add(frame.len()) <= WAITING {
                        waiting.extend(frame);
                    } else if overflow == Overflow::Fail {
                        return Err(FrameError::NotRead);
                    }
                }
            },
            wrote = to.write(next), if !next.is_empty() => match wrote? {
                0 => return Err(FrameError::BrokenOff),
                wrote => drop(waiting.drain(..wrote)),
            },
        }
        if waiting.is_empty() && waiting.capacity() > KEPT {
            waiting = VecDeque::new();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
