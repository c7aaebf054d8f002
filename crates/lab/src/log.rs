//! What a program has written, line by line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{LabError, clock};

/// Older lines are dropped beyond this many.
const LIMIT: usize = 50_000;

/// One line a program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// What it says, without the line feed.
    pub text: String,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    dropped: usize,
    closed: bool,
}

/// Standard output and standard error of a program, in the order written; the last 50,000 lines.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<(Mutex<Lines>, Condvar)>);

/// A place in a [`Log`]: after the last line written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMark(usize);

impl LogMark {
    /// Before the first line.
    pub const START: Self = Self(0);
}

impl Log {
    /// Collects what comes out of `pipe` until nobody holds its other end.
    pub(crate) fn collect(pipe: PipeReader) -> Self {
        let log = Self::default();
        let ours = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                ours.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            ours.lines_mut().closed = true;
            ours.0.1.notify_all();
        });
        log
    }

    fn lines_mut(&self) -> MutexGuard<'_, Lines> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: String) {
        let mut lines = self.lines_mut();
        if lines.kept.len() == LIMIT {
            lines.kept.pop_front();
            lines.dropped += 1;
        }
        lines.kept.push_back(Line {
            at: clock::now(),
            text,
        });
        self.0.1.notify_all();
    }

    /// Everything written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines_mut().kept.iter().cloned().collect()
    }

    /// Everything written so far, as one text: for the message of a failing test.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines_mut()
            .kept
            .iter()
            .flat_map(|line| [line.text.as_str(), "\n"])
            .collect()
    }

    /// The place after the last line so far.
    #[must_use]
    pub fn mark(&self) -> LogMark {
        let lines = self.lines_mut();
        LogMark(lines.dropped + lines.kept.len())
    }

    /// What was written after `mark`.
    #[must_use]
    pub fn after(&self, mark: LogMark) -> Vec<Line> {
        let lines = self.lines_mut();
        let skip = mark.0.saturating_sub(lines.dropped);
        lines.kept.iter().skip(skip).cloned().collect()
    }

    /// Waits for a line that contains `needle`, from the first line on.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] if there is none within `bound`, or the program has closed its output.
    pub fn wait_for(&self, needle: &str, bound: Duration) -> Result<Line, LabError> {
        self.wait_after(LogMark::START, needle, bound)
    }

    /// Waits for a line after `mark` that contains `needle`.
    ///
    /// # Errors
    ///
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_after(
        &self,
        mark: LogMark,
        needle: &str,
        bound: Duration,
    ) -> Result<Line, LabError> {
        let start = clock::now();
        let mut lines = self.lines_mut();
        loop {
            let skip = mark.0.saturating_sub(lines.dropped);
            if let Some(line) = lines
                .kept
                .iter()
                .skip(skip)
                .find(|l| l.text.contains(needle))
            {
                return Ok(line.clone());
            }
            let left = bound.saturating_sub(clock::now().duration_since(start));
            if lines.closed || left.is_zero() {
                let last: Vec<_> = lines.kept.iter().rev().take(20).map(|l| &*l.text).collect();
                let last: Vec<_> = last.into_iter().rev().collect();
                let awaited = format!("a line with {needle:?}; the last are:\n{}", last.join("\n"));
                return Err(LabError::Timeout { awaited, bound });
            }
            lines = self
                .0
                .1
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
