//! `director check`.

use std::io;
use std::path::PathBuf;

use serde_json::json;

use super::source::{self, ReadError};
use super::{DONE, INVALID, UNREADABLE, fail, print, print_error, style};

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

pub(super) fn execute(arguments: &CheckArguments) -> u8 {
    let CheckArguments { config, format } = arguments;
    match (source::read(config), format) {
        (Ok(read), Format::Human) => {
            let count = match read.virtual_routers.len() {
                1 => "1 virtual router".to_owned(),
                count => format!("{count} virtual routers"),
            };
            print(&format!("{}: valid, {count}\n", config.display()));
            DONE
        }
        (Ok(_), Format::Json) => {
            print_json(&json!({ "schema": 1, "file": config.to_string_lossy(), "errors": [] }));
            DONE
        }
        (Err(ReadError::Invalid(diagnostics)), Format::Human) => {
            print_error(&diagnostics.render(style(&io::stderr())));
            INVALID
        }
        (Err(ReadError::Invalid(diagnostics)), Format::Json) => {
            print_json(&diagnostics.to_json());
            INVALID
        }
        (Err(error), _) => {
            fail(&error, "");
            UNREADABLE
        }
    }
}

fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn exit_codes_tell_valid_invalid_and_unreadable_apart() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("director.toml");
        let check = |format| {
            execute(&CheckArguments {
                config: config.clone(),
                format,
            })
        };
        assert_eq!(check(Format::Human), UNREADABLE);
        fs::write(&config, "colour = \"red\"").unwrap();
        assert_eq!(check(Format::Human), INVALID);
        assert_eq!(check(Format::Json), INVALID);
        let valid = "[[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\nversion = 2\n\
                     addresses = [\"192.0.2.10/24\"]\n\
                     authentication = { type = \"password\", password_file = \"web.password\" }";
        fs::write(&config, valid).unwrap();
        assert_eq!(check(Format::Human), INVALID, "the password is missing");
        fs::write(directory.path().join("web.password"), "secret\n").unwrap();
        assert_eq!(check(Format::Human), DONE);
        assert_eq!(check(Format::Json), DONE);
        fs::write(&config, b"\xff").unwrap();
        assert_eq!(check(Format::Human), UNREADABLE, "not UTF-8");
    }

    #[test]
    fn the_sample_configurations_are_valid() {
        let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/director");
        for name in ["a.toml", "b.toml"] {
            let config = PathBuf::from(samples).join(name);
            assert_eq!(
                execute(&CheckArguments {
                    config,
                    format: Format::Human
                }),
                DONE,
                "{name}"
            );
        }
    }
}
