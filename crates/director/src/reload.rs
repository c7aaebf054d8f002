//! Reading the configuration again while everything runs.

use std::path::{Path, PathBuf};

use tracing::{error, info, warn};

use crate::checker::Checker;
use crate::config::{Config, ReadError, Source};
use crate::words::chain;

/// What runs, and where the next configuration comes from.
#[derive(Debug)]
pub(crate) struct Reload {
    path: PathBuf,
    /// What cannot change in place, in words.
    fixed: String,
}

impl Reload {
    pub(crate) fn new(path: &Path, config: &Config) -> Self {
        Self {
            path: path.to_owned(),
            fixed: fixed(config),
        }
    }

    /// Reads the file and hands it to the checker side. A file that cannot be read or has mistakes changes nothing.
    pub(crate) fn carry_out(&self, checker: Option<&Checker>) {
        let source = match Source::open(&self.path) {
            Ok(source) => source,
            Err(error) => {
                error!("{}: everything goes on as it was", chain(&error));
                return;
            }
        };
        let config = match source.load().map_err(ReadError::from) {
            Ok(config) => config,
            Err(error) => {
                error!("the configuration has mistakes, everything goes on as it was:\n{error}");
                return;
            }
        };
        if fixed(&config) != self.fixed {
            warn!(
                "[director], a virtual router or a sync group has changed: that takes effect with the next start"
            );
        }
        match checker {
            Some(checker) => {
                info!("the configuration was read again");
                checker.configure(source);
            }
            None if config.site.services.is_empty() => info!("the configuration was read again"),
            None => warn!("the first virtual services take effect with the next start"),
        }
    }
}

fn fixed(config: &Config) -> String {
    let Config {
        director,
        virtual_routers,
        sync_groups,
        tracking,
        ..
    } = config;
    format!("{director:?} {virtual_routers:?} {sync_groups:?} {tracking:?}")
}
