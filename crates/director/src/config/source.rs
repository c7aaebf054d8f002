//! A configuration file as text, which one part of the program can hand to another.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::document::{self, Named};
use super::memory::Memory;
use super::secret::{self, SecretFile};
use super::{Config, Diagnostics};

/// Others may read it.
const OTHERS_READ: u32 = 0o004;

/// The text of a configuration file, with what it takes to understand it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// What the file is called in messages.
    pub name: String,
    /// Its content.
    pub text: Arc<String>,
    /// What the names of files in it are relative to.
    pub directory: PathBuf,
    /// What of it is in the text.
    #[serde(default)]
    pub(crate) part: Part,
}

/// What of a configuration a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Part {
    /// All of it.
    #[default]
    Whole,
    /// Everything but the virtual services, which somebody else has read and found to be there.
    WithoutServices,
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
            text: Arc::new(text),
            directory: path.parent().unwrap_or_else(|| Path::new("")).to_owned(),
            part: Part::Whole,
        })
    }

    /// What of it is not about virtual services, for those who have nothing to do with them, if `config` is what it says.
    pub(crate) fn without_services(&self, config: &Config) -> Self {
        match &config.rest {
            Some(rest) => Self {
                name: self.name.clone(),
                text: Arc::clone(rest),
                directory: self.directory.clone(),
                part: Part::WithoutServices,
            },
            None => self.clone(),
        }
    }

    /// The configuration that it is, with warnings about files of secrets that everybody may read.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, Diagnostics> {
        self.load_after(&Memory::default())
    }

    /// The same; virtual services that are as they were in `before` are not read again.
    pub(crate) fn load_after(&self, before: &Memory) -> Result<Config, Diagnostics> {
        let beside = |file: &Path| fs::read_to_string(self.directory.join(file));
        let named = Named {
            name: &self.name,
            text: &self.text,
            part: self.part,
        };
        let mut config = document::read(named, &beside, before)
            .map_err(|list| Diagnostics::new(&self.name, &self.text, list))?;
        let open = |secret: &&SecretFile| {
            let metadata = fs::metadata(self.directory.join(&secret.path));
            metadata.is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0)
        };
        let warnings = config.secrets.iter().filter(open);
        let warnings = warnings.map(|secret| secret::readable_by_all(secret.span.clone()));
        let warnings: Vec<_> = warnings.collect();
        if !warnings.is_empty() {
            let all = warnings.into_iter().chain(config.warnings.list);
            config.warnings = Diagnostics::warnings(&self.name, &self.text, all.collect());
        }
        Ok(config)
    }
}
