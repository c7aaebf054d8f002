//! Waking up in time: tokio's timers are late by a millisecond and more, the kernel's by a tenth of one.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use crate::{clock, sys};

#[derive(Debug)]
pub(crate) enum Timer {
    /// Of the kernel.
    Kernel(KernelTimer),
    /// Of tokio: follows a paused clock.
    Tokio(Pin<Box<Sleep>>),
}

#[derive(Debug)]
pub(crate) struct KernelTimer {
    fd: AsyncFd<OwnedFd>,
    /// One moment on both scales: `Instant` does not say what it is on `CLOCK_MONOTONIC`.
    epoch: (Instant, Duration),
    armed: Option<Instant>,
}

impl Timer {
    /// Has to be called within the runtime that will poll it.
    pub(crate) fn kernel() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let monotonic = clock_gettime(ClockId::Monotonic);
        let since_boot = Duration::try_from(monotonic).map_err(io::Error::other)?;
        Ok(Self::Kernel(KernelTimer {
            fd: sys::watch_readable(fd)?,
            epoch: (clock::now(), since_boot),
            armed: None,
        }))
    }

    pub(crate) fn tokio() -> Self {
        Self::Tokio(Box::pin(tokio::time::sleep_until(clock::now().into())))
    }

    /// Waits until `at`, or for ever. May be early, and is safe to cancel.
    pub(crate) async fn until(&mut self, at: Option<Instant>) {
        match at {
            Some(at) => std::future::poll_fn(|cx| self.poll_until(cx, at)).await,
            None => std::future::pending().await,
        }
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        match self {
            Self::Kernel(timer) => match ready!(timer.poll_until(cx, at)) {
                Ok(()) => Poll::Ready(()),
                Err(_) => {
                    // A timer that does not work would be a busy loop, or none at all.
                    *self = Self::tokio();
                    self.poll_until(cx, at)
                }
            },
            Self::Tokio(sleep) => {
                if sleep.deadline() != at.into() {
                    sleep.as_mut().reset(at.into());
                }
                sleep.as_mut().poll(cx)
            }
        }
    }
}

impl KernelTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<io::Result<()>> {
        // Armed for an earlier moment it stays so: each advertisement moves a deadline into the future, and waking
        // up once in vain is cheaper than arming it each time.
        if self.armed.is_none_or(|armed| at < armed) {
            self.arm(at)?;
        }
        // Arming it again takes the expiration back, so that nobody has to read it.
        ready!(self.fd.poll_read_ready(cx))?.clear_ready();
        self.armed = None;
        Poll::Ready(Ok(()))
    }

    fn arm(&mut self, at: Instant) -> io::Result<()> {
        let (instant, since_boot) = self.epoch;
        let at_boot_scale = since_boot + at.saturating_duration_since(instant);
        let value = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec::try_from(at_boot_scale).map_err(io::Error::other)?,
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &value)?;
        self.armed = Some(at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_timer_wakes_no_earlier_than_the_last_moment_asked_for() {
        let mut timer = Timer::kernel().expect("a timer");
        let start = clock::now();
        for millis in [20, 5, 30] {
            let at = start + Duration::from_millis(millis);
            while clock::now() < at {
                timer.until(Some(at)).await;
            }
        }
        assert!(clock::now() >= start + Duration::from_millis(30));
        // A moment that is past comes at once.
        timer.until(Some(start)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_tokio_timer_follows_the_paused_clock() {
        let mut timer = Timer::tokio();
        let hour = Duration::from_secs(3600);
        let at = clock::now() + hour;
        timer.until(Some(at)).await;
        assert!(clock::now() >= at);
    }
}
