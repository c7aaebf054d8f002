//! Passwords and keys, which are read from elsewhere. None of them is ever in a message.

use std::env;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::document::ReadFile;
use super::section::{Entry, Report, Section};

/// Where systemd puts the credentials of a unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A file that a secret was read from, and where the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretFile {
    pub(super) path: PathBuf,
    pub(super) span: Range<usize>,
}

/// Where secrets are read, and the files that they were read from.
pub(super) struct Files<'a> {
    pub(super) file: ReadFile<'a>,
    pub(super) secrets: &'a mut Vec<SecretFile>,
}

/// Where a secret may be.
pub(super) struct Places<'t> {
    /// `password` or `key`.
    pub(super) what: &'static str,
    pub(super) inline: Option<Entry<'t>>,
    pub(super) file: Option<Entry<'t>>,
    pub(super) credential: Option<Entry<'t>>,
    /// What is said where it is in none of them, if that has not been said.
    pub(super) missing: Option<&'static str>,
    pub(super) example: &'static str,
}

/// A secret, and which entry it belongs to.
pub(super) struct Found<'t> {
    pub(super) text: String,
    pub(super) entry: Entry<'t>,
}

impl<'t> Places<'t> {
    pub(super) fn read(
        self,
        files: &mut Files<'_>,
        section: &Entry<'_>,
        report: &mut Report,
    ) -> Option<Found<'t>> {
        let Self {
            what,
            inline,
            file,
            credential,
            missing,
            example,
        } = self;
        let all = [&inline, &file, &credential];
        let given: Vec<_> = all.into_iter().flatten().collect();
        if let [first, second, ..] = given.as_slice() {
            let wrong = first.wrong(format!("there are two {what}s"), "the first");
            report.add(
                wrong
                    .related(second.span.clone(), "the second")
                    .help("remove one of them"),
            );
            return None;
        }
        if let Some(entry) = inline {
            let text = entry.string("secret", report)?.to_owned();
            return Some(Found { text, entry });
        }
        let (path, entry) = match (file, credential) {
            (Some(file), _) => {
                let name = file.string(&format!("/etc/director/web.{what}"), report)?;
                let path = PathBuf::from(name);
                files.secrets.push(SecretFile {
                    path: path.clone(),
                    span: file.span.clone(),
                });
                (path, file)
            }
            (None, Some(credential)) => {
                let name = credential.string("web", report)?;
                match credential_path(env::var_os(CREDENTIALS).as_deref(), name) {
                    Ok(path) => (path, credential),
                    Err(NoCredential { label, help }) => {
                        let message = format!("the {what} cannot be read");
                        report.add(credential.wrong(message, label).help(help));
                        return None;
                    }
                }
            }
            (None, None) => {
                let wrong = section.wrong(format!("the {what} is missing"), missing?);
                report.add(wrong.help(format!("write {example}")));
                return None;
            }
        };
        match (files.file)(&path) {
            Ok(text) => line(what, text, entry, report),
            Err(error) => {
                let wrong = entry.wrong(format!("the {what} cannot be read"), error.to_string());
                report.add(wrong.help(format!("put the {what} on the first line of this file")));
                None
            }
        }
    }
}

/// A key of its own, in a file or a credential: it is never written where everybody reads it.
pub(super) fn key<'t>(
    files: &mut Files<'_>,
    section: &mut Section<'t>,
    entry: &Entry<'_>,
    example: &'static str,
    report: &mut Report,
) -> Option<Found<'t>> {
    let refused = refuse_inline(section, report);
    Places {
        what: "key",
        inline: None,
        file: section.take("key_file"),
        credential: section.take("credential"),
        missing: (!refused).then_some("neither `key_file` nor `credential`"),
        example,
    }
    .read(files, entry, report)
}

/// The one line that a file is to have.
fn line<'t>(
    what: &str,
    mut text: String,
    entry: Entry<'t>,
    report: &mut Report,
) -> Option<Found<'t>> {
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    let (label, help) = if text.is_empty() {
        (
            "there is nothing in it",
            format!("put the {what} on its first line"),
        )
    } else if text.contains('\n') {
        (
            "it has several lines",
            format!("leave only the {what} in it"),
        )
    } else {
        return Some(Found { text, entry });
    };
    report.add(
        entry
            .wrong(format!("there is no {what} in this file"), label)
            .help(help),
    );
    None
}

/// Why there is no credential.
#[derive(Debug, PartialEq, Eq)]
struct NoCredential {
    label: &'static str,
    help: &'static str,
}

/// Where systemd has put the credential `name`, with its directory being `directory`.
fn credential_path(directory: Option<&OsStr>, name: &str) -> Result<PathBuf, NoCredential> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(NoCredential {
            label: "not the name of a credential",
            help: "use the name from LoadCredential= in the unit, without a directory",
        });
    }
    match directory {
        Some(directory) => Ok(Path::new(directory).join(name)),
        None => Err(NoCredential {
            label: "systemd has given no credentials",
            help: "add LoadCredential=NAME:FILE to the [Service] of the unit; by hand, set CREDENTIALS_DIRECTORY to a \
                   directory with a file of this name",
        }),
    }
}

/// A key does not belong in the configuration. Was there one?
fn refuse_inline(section: &mut Section<'_>, report: &mut Report) -> bool {
    let entry = section.take_quietly("key");
    if let Some(entry) = &entry {
        let wrong = entry.wrong("a key does not belong in the configuration", "here");
        report.add(wrong.help(
            "write it into a file that only this program can read, and its name as `key_file`; or use a `credential`",
        ));
    }
    entry.is_some()
}

/// What is said of a file that everybody may read.
pub(super) fn readable_by_all(span: Range<usize>) -> Diagnostic {
    Diagnostic::new("everybody on this machine can read this secret")
        .at(span)
        .label("readable by others")
        .help("chmod o= on this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_where_systemd_puts_them() {
        let directory = Some(OsStr::new("/run/credentials/director.service"));
        assert_eq!(
            credential_path(directory, "web-key"),
            Ok(PathBuf::from("/run/credentials/director.service/web-key"))
        );
        for name in ["", ".", "..", "../x", "/etc/shadow"] {
            assert!(credential_path(directory, name).is_err(), "{name}");
        }
        assert!(
            credential_path(None, "web-key").is_err_and(|no| no.help.contains("LoadCredential"))
        );
    }
}
