//! A configuration file as text, which one part of the program can hand to another.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::secret::{self, SecretFile};
use super::{Config, Diagnostics, load};

/// Others may read it.
const OTHERS_READ: u32 = 0o004;

/// The text of a configuration file, with what it takes to understand it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// What the file is called in messages.
    pub name: String,
    /// Its content.
    pub text: String,
    /// What the names of files in it are relative to.
    pub directory: PathBuf,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has mistakes.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

impl Source {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unreadable`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let text = fs::read_to_string(path).map_err(|source| ReadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            name: path.to_string_lossy().into_owned(),
            text,
            directory: path.parent().unwrap_or_else(|| Path::new("")).to_owned(),
        })
    }

    /// The configuration that it is, with warnings about files of secrets that everybody may read.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, Diagnostics> {
        let beside = |file: &Path| fs::read_to_string(self.directory.join(file));
        let mut config = load(&self.name, &self.text, beside)?;
        let open = |secret: &&SecretFile| {
            let metadata = fs::metadata(self.directory.join(&secret.path));
            metadata.is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0)
        };
        let warnings = config.secrets.iter().filter(open);
        let warnings = warnings.map(|secret| secret::readable_by_all(secret.span.clone()));
        let warnings = warnings.chain(config.warnings.list);
        config.warnings = Diagnostics::warnings(&self.name, &self.text, warnings.collect());
        Ok(config)
    }
}
