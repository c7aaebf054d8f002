//! The distinct checks of a file, each made once to see whether it can be.

use std::collections::HashSet;
use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use locum_health::dns::DnsCheck;
use locum_health::exec::ExecCheck;
use locum_health::http::{HttpCheck, HttpConfigError};
use locum_health::tcp::{TcpCheck, TcpConfigError};
use locum_health::tls::TlsConfigError;

use crate::site::CheckKind;

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report};

/// Those that can be made.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    made: HashSet<Arc<CheckKind>>,
    /// Those that were asked for since somebody wanted to know.
    asked: Vec<Arc<CheckKind>>,
}

/// Where the texts of a check are that only its library can judge.
#[derive(Debug)]
pub(super) struct Places {
    whole: Range<usize>,
    texts: Vec<(String, Range<usize>)>,
}

impl Places {
    /// None yet; `whole` is for what is about none of them.
    pub(super) const fn new(whole: Range<usize>) -> Self {
        Self {
            whole,
            texts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, text: &str, entry: &Entry<'_>) {
        self.texts.push((text.to_owned(), entry.span.clone()));
    }

    fn find(&self, text: Option<&str>) -> Range<usize> {
        let found = self
            .texts
            .iter()
            .find(|(known, _)| Some(known.as_str()) == text);
        found.map_or(&self.whole, |(_, span)| span).clone()
    }
}

impl Kinds {
    /// The one `kind` of the file; `None`: it cannot be made, which is noted.
    pub(super) fn share(
        &mut self,
        kind: CheckKind,
        places: &Places,
        report: &mut Report,
    ) -> Option<Arc<CheckKind>> {
        if let Some(known) = self.made.get(&kind) {
            let known = Arc::clone(known);
            self.asked.push(Arc::clone(&known));
            return Some(known);
        }
        if let Err(refusal) = make(&kind) {
            let diagnostic = Diagnostic::new(refusal.error.to_string());
            report.add(
                diagnostic
                    .at(places.find(refusal.culprit.as_deref()))
                    .label(refusal.reason())
                    .help(refusal.help),
            );
            return None;
        }
        let kind = Arc::new(kind);
        self.made.insert(Arc::clone(&kind));
        self.asked.push(Arc::clone(&kind));
        Some(kind)
    }

    /// Takes one that could be made of an earlier text, if it still can: the files that it names may be others now.
    pub(super) fn again(&mut self, kind: &Arc<CheckKind>) -> bool {
        if self.made.contains(kind) {
            return true;
        }
        let can_be_made = make(kind).is_ok();
        if can_be_made {
            self.made.insert(Arc::clone(kind));
        }
        can_be_made
    }

    /// Those that were asked for since the last time, each once.
    pub(super) fn take_asked(&mut self) -> Box<[Arc<CheckKind>]> {
        let asked: HashSet<_> = self.asked.drain(..).collect();
        asked.into_iter().collect()
    }
}

/// Why a check cannot be made.
struct Refusal {
    error: Box<dyn Error>,
    /// The text of the configuration that is to blame.
    culprit: Option<String>,
    help: &'static str,
}

impl Refusal {
    /// The last words of the last cause: the libraries draw pictures before them.
    fn reason(&self) -> String {
        let causes = std::iter::successors(self.error.source(), |&cause| cause.source());
        let last = causes.last().map(ToString::to_string).unwrap_or_default();
        let line = last.lines().last().unwrap_or_default();
        match line.trim_start_matches("error: ") {
            "" => "cannot be used".to_owned(),
            line => line.to_owned(),
        }
    }
}

fn make(kind: &CheckKind) -> Result<(), Refusal> {
    match kind {
        CheckKind::Dns(config) => {
            DnsCheck::new(config.clone())
                .map(drop)
                .map_err(|error| Refusal {
                    culprit: Some(config.name.clone()),
                    error: error.into(),
                    help: "write it like \"www.example.com\", or leave it out for the root",
                })
        }
        CheckKind::Exec(config) => {
            ExecCheck::new(config.clone())
                .map(drop)
                .map_err(|error| Refusal {
                    culprit: None,
                    error: error.into(),
                    help: "see the program and its arguments",
                })
        }
        CheckKind::Http(config) => HttpCheck::new(config.clone()).map(drop).map_err(http),
        // Nothing can be wrong with it.
        CheckKind::Icmp(_) => Ok(()),
        CheckKind::Tcp(config) => TcpCheck::new(config.clone()).map(drop).map_err(tcp),
    }
}

const REGEX: &str = "write a regular expression of the crate regex: https://docs.rs/regex/latest/regex/#syntax; a TOML string in '…' keeps its backslashes";
const OTHERWISE: &str = "change what the check says";

fn tcp(error: TcpConfigError) -> Refusal {
    if let TcpConfigError::Tls(error) = error {
        return tls(error);
    }
    let (culprit, help) = if let TcpConfigError::Regex { pattern, .. } = &error {
        (Some(pattern.to_string()), REGEX)
    } else {
        (None, OTHERWISE)
    };
    Refusal {
        culprit,
        help,
        error: error.into(),
    }
}

fn http(error: HttpConfigError) -> Refusal {
    if let HttpConfigError::Tls(error) = error {
        return tls(error);
    }
    let (culprit, help) = match &error {
        HttpConfigError::Framing(text) => (Some(text), "remove it"),
        HttpConfigError::Regex { pattern, .. } => (Some(pattern), REGEX),
        HttpConfigError::Header(text)
        | HttpConfigError::Host(text)
        | HttpConfigError::Method(text)
        | HttpConfigError::NoStatus(text)
        | HttpConfigError::Path(text) => (Some(text), OTHERWISE),
        HttpConfigError::BodyOfHead
        | HttpConfigError::Empty
        | HttpConfigError::NoPages
        | HttpConfigError::StatusRange(..)
        | HttpConfigError::Tls(_)
        | _ => (None, OTHERWISE),
    };
    Refusal {
        culprit: culprit.map(ToString::to_string),
        help,
        error: error.into(),
    }
}

fn tls(error: TlsConfigError) -> Refusal {
    let path = |path: &Path| Some(path.to_string_lossy().into_owned());
    let (culprit, help) = match &error {
        TlsConfigError::Certificate { path: file, .. }
        | TlsConfigError::NoCertificate(file)
        | TlsConfigError::Syntax { path: file, .. } => (
            path(file),
            "put a certificate there, in PEM: -----BEGIN CERTIFICATE-----",
        ),
        TlsConfigError::Key { path: file, .. } | TlsConfigError::NoKey(file) => {
            (path(file), "put the private key there, in PEM")
        }
        TlsConfigError::KeyMismatch { key, .. } => {
            (path(key), "use the key that the certificate was made for")
        }
        TlsConfigError::Read { path: file, .. } => (
            path(file),
            "put it there, readable for the user that `director` runs as",
        ),
        TlsConfigError::NoRoots => (None, "or set `ca_file`, or verify = false"),
        TlsConfigError::Alpn(text) => (
            Some(text.to_string()),
            "use names of protocols, as in alpn = [\"http/1.1\"]",
        ),
        TlsConfigError::ServerName(text) => (
            Some(text.to_string()),
            "set `server_name` to the name in the certificate",
        ),
        TlsConfigError::Library(_) | _ => (None, OTHERWISE),
    };
    Refusal {
        culprit,
        help,
        error: error.into(),
    }
}
