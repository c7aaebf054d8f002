//! Reading the configuration file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::{self, Config, Diagnostics};

#[derive(Debug, Error)]
pub(super) enum ReadError {
    #[error("{path} cannot be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

/// The configuration in the file `path`; files that it refers to are relative to its directory.
pub(super) fn read(path: &Path) -> Result<Config, ReadError> {
    let text = fs::read_to_string(path).map_err(|source| ReadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let beside = |file: &Path| fs::read_to_string(directory.join(file));
    Ok(config::load(&path.to_string_lossy(), &text, beside)?)
}
