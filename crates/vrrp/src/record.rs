//! What the elections of a node are told and what they want, for a transcript.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use locum_vrrp_election::transcript::{EventLine, HEADER, Parameters, RouterLine};
use locum_vrrp_election::{Action, Input, Rejected};
use tokio::sync::mpsc;

/// What is sent by the election's thread, which writes no text.
#[derive(Debug)]
pub(crate) enum Record {
    Begin {
        epoch: Instant,
    },
    Event {
        at: Instant,
        router: Arc<str>,
        input: Input,
        result: Result<(), Rejected>,
        actions: Vec<Action>,
    },
    Router {
        name: Arc<str>,
        parameters: Parameters,
    },
}

/// The transcript of a node from [`Node::record`](crate::Node::record) on: every input of every router that is added
/// after it, and the actions that follow. Members of sync groups are left out: what their group has them do is no input of
/// theirs, and could not be run again. Its lines are those of [`locum_vrrp_election::transcript`].
#[derive(Debug)]
pub struct Recording {
    pub(crate) records: mpsc::UnboundedReceiver<Record>,
    pub(crate) epoch: Option<Instant>,
}

impl Recording {
    /// The next line, without its end; `None` once the node has ended. Safe to cancel.
    ///
    /// The text is made here, not on the election's thread. Lines are kept until they are read.
    pub async fn next_line(&mut self) -> Option<String> {
        let record = self.records.recv().await?;
        Some(self.line(&record))
    }

    /// As [`next_line`](Self::next_line), for a thread that may block.
    pub fn blocking_next_line(&mut self) -> Option<String> {
        let record = self.records.blocking_recv()?;
        Some(self.line(&record))
    }

    /// Does no line wait to be read now?
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.records.is_empty()
    }

    fn line(&mut self, record: &Record) -> String {
        let line: &dyn fmt::Display = match record {
            Record::Begin { epoch } => {
                self.epoch = Some(*epoch);
                &HEADER
            }
            Record::Event {
                at,
                router,
                input,
                result,
                actions,
            } => &EventLine {
                epoch: self.epoch.unwrap_or(*at),
                at: *at,
                router,
                input: *input,
                result: *result,
                actions,
            },
            Record::Router { name, parameters } => &RouterLine {
                name,
                parameters: parameters.clone(),
            },
        };
        line.to_string()
    }
}
