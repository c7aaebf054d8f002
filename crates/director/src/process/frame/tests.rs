use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

async fn read_all(bytes: Vec<u8>, pieces: Vec<usize>) -> Result<Vec<String>, FrameError> {
    let (mut write, mut reader) = tokio::io::duplex(16);
    let writing = tokio::spawn(async move {
        let mut rest = bytes.as_slice();
        for piece in pieces.into_iter().chain([usize::MAX]) {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            if write.write_all(now).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
            rest = later;
        }
    });
    let mut messages = Vec::new();
    while let Some(message) = read(&mut reader).await? {
        messages.push(message);
    }
    writing.await.unwrap();
    Ok(messages)
}

proptest! {
    #[test]
    fn what_is_sent_arrives_however_it_is_split(
        messages in prop::collection::vec(".{0,40}", 0..6),
        pieces in prop::collection::vec(0_usize..30, 0..30),
    ) {
        let frames = messages.iter().flat_map(|message| encode(message).unwrap());
        let frames = frames.collect();
        let arrived = runtime().block_on(read_all(frames, pieces)).unwrap();
        prop_assert_eq!(arrived, messages);
    }

    #[test]
    fn any_bytes_are_an_end_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = runtime().block_on(read_all(bytes, Vec::new()));
    }

    #[test]
    fn what_breaks_off_is_an_error(message in ".{0,40}", cut in 1_usize..40) {
        let mut frame = encode(&message).unwrap();
        frame.truncate(frame.len().saturating_sub(cut));
        let whole = frame.is_empty();
        let read = runtime().block_on(read_all(frame, Vec::new()));
        prop_assert!(whole || matches!(read, Err(FrameError::BrokenOff)), "{:?}", read);
    }
}

#[tokio::test]
async fn a_promise_of_too_much_is_refused_before_it_is_kept() {
    let promise = (LONGEST + 1).to_be_bytes().to_vec();
    let read = read_all(promise, Vec::new()).await;
    assert!(matches!(read, Err(FrameError::TooLong(_))), "{read:?}");
    let long = "x".repeat(LONGEST as usize);
    assert!(matches!(encode(&long), Err(FrameError::TooLong(_))));
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_given_up_or_forgotten() {
    for overflow in [Overflow::Fail, Overflow::Forget] {
        let (write, mut reader) = tokio::io::duplex(16);
        let (send, messages) = mpsc::unbounded_channel();
        let pumping = tokio::spawn(pump(messages, write, overflow));
        let long = "x".repeat(WAITING / 3);
        for _ in 0..4 {
            // Refused only by one that gave up.
            let _ = send.send(long.clone());
        }
        drop(send);
        match overflow {
            Overflow::Fail => {
                let pumped = pumping.await.unwrap();
                assert!(matches!(pumped, Err(FrameError::NotRead)), "{pumped:?}");
            }
            Overflow::Forget => {
                tokio::task::yield_now().await;
                let mut heard = 0;
                let mut bytes = vec![0; 1 << 10];
                while heard < 3 * (WAITING / 3 + 6) {
                    match reader.read(&mut bytes).await.unwrap() {
                        0 => break,
                        more => heard += more,
                    }
                }
                assert_eq!(heard, 2 * (WAITING / 3 + 6));
                pumping.await.unwrap().unwrap();
            }
        }
    }
}

/// What was written, one after the other.
#[derive(Default)]
struct Writes(Vec<Vec<u8>>);

impl AsyncWrite for &mut Writes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_comes_together_is_sent_together() {
    let (send, messages) = mpsc::unbounded_channel();
    for _ in 0..TOGETHER {
        send.send(1_u8).unwrap();
    }
    drop(send);
    let mut writes = Writes::default();
    pump(messages, &mut writes, Overflow::Fail).await.unwrap();
    let one = encode(&1_u8).unwrap();
    assert_eq!(writes.0, [one.repeat(TOGETHER)]);
}
