//! `director check`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::source::{self, ReadError};
use super::{INVALID, UNREADABLE, fail, print, print_error, style};

pub(super) const HELP: &str = "\
Example:
  director check -c /etc/director/director.toml && systemctl restart director

Exit codes: 0 the configuration is valid, 2 it has mistakes, 3 it cannot be read.";

/// What `check` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct CheckArguments {
    /// The configuration, TOML
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// How mistakes are shown: for people on standard error, or as one JSON object on standard output
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn execute(arguments: &CheckArguments) -> ExitCode {
    let CheckArguments { config, format } = arguments;
    match (source::read(config), format) {
        (Ok(read), Format::Human) => {
            let count = match read.virtual_routers.len() {
                1 => "1 virtual router".to_owned(),
                count => format!("{count} virtual routers"),
            };
            print(&format!("{}: valid, {count}\n", config.display()));
            ExitCode::SUCCESS
        }
        (Ok(_), Format::Json) => {
            print_json(&json!({ "schema": 1, "file": config.to_string_lossy(), "errors": [] }));
            ExitCode::SUCCESS
        }
        (Err(ReadError::Invalid(diagnostics)), Format::Human) => {
            print_error(&diagnostics.render(style(&io::stderr())));
            ExitCode::from(INVALID)
        }
        (Err(ReadError::Invalid(diagnostics)), Format::Json) => {
            print_json(&diagnostics.to_json());
            ExitCode::from(INVALID)
        }
        (Err(error), _) => {
            fail(&error, "");
            ExitCode::from(UNREADABLE)
        }
    }
}

fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}
