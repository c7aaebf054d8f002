//! Reading the configuration file.

use std::path::Path;

use crate::config::{Config, Source};

pub(super) use crate::config::ReadError;

/// The configuration in the file `path`; files that it refers to are relative to its directory.
pub(super) fn read(path: &Path) -> Result<Config, ReadError> {
    Ok(Source::open(path)?.load()?)
}
