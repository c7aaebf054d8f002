//! `director check`.

use std::io;
use std::path::PathBuf;

use serde_json::json;

use crate::config::Config;

use super::source::{self, ReadError};
use super::{DONE, INVALID, UNREADABLE, fail, print, print_error, style};

pub(super) const HELP: &str = "\
Examples:
  director check -c /etc/director/director.toml && systemctl reload director
  director check -c director.toml --json | jq '.errors[].message'

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
    /// The same as --format json: one JSON object; its field `schema` is the version of the format
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn execute(arguments: &CheckArguments) -> u8 {
    let CheckArguments {
        config,
        format,
        json,
    } = arguments;
    let format = if *json { Format::Json } else { *format };
    match (source::read(config), format) {
        (Ok(read), Format::Human) => {
            if !read.warnings.is_empty() {
                print_error(&read.warnings.render(style(&io::stderr())));
            }
            print(&format!(
                "{}: valid, {}\n",
                config.display(),
                contents(&read)
            ));
            DONE
        }
        (Ok(read), Format::Json) => {
            print_json(&json!({
                "schema": 1,
                "file": config.to_string_lossy(),
                "errors": [],
                "warnings": read.warnings.list_json(),
            }));
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

/// What is in a configuration: `1 virtual router, 2 virtual services with 3 servers`.
fn contents(config: &Config) -> String {
    let services = &config.site.services;
    let servers = services.iter().map(|service| service.servers.len()).sum();
    let parts = [
        counted(config.virtual_routers.len(), "virtual router"),
        counted(config.sync_groups.len(), "sync group"),
        counted(services.len(), "virtual service"),
    ];
    let mut text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if let Some(servers) = counted(servers, "server") {
        text = format!("{text} with {servers}");
    }
    text
}

/// `2 things`; nothing of none.
fn counted(count: usize, thing: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {thing}")),
        count => Some(format!("{count} {thing}s")),
    }
}

fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn exit_codes_tell_valid_invalid_and_unreadable_apart() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("director.toml");
        let check = |format| {
            execute(&CheckArguments {
                config: config.clone(),
                format,
                json: false,
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
    fn what_is_valid_is_counted() {
        let router = "[[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\n\
                      addresses = [\"192.0.2.10/24\"]\n";
        let service = "[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.10:80\"\n\
                       server = [{ address = \"192.0.2.21\" }, { address = \"192.0.2.22\" }]\n";
        let sorry = "[[virtual_service]]\nname = \"sorry\"\naddress = \"192.0.2.10:81\"\n\
                     sorry_server = \"192.0.2.99\"\n";
        let counted = |text: &str| {
            let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
            contents(&crate::config::load("a.toml", text, nothing).unwrap())
        };
        assert_eq!(counted(router), "1 virtual router");
        assert_eq!(counted(sorry), "1 virtual service");
        let other = router
            .replace("web", "mail")
            .replace("51", "52")
            .replace(".10/", ".11/");
        let group = "[[sync_group]]\nname = \"site\"\nmembers = [\"web\", \"mail\"]\n";
        assert_eq!(
            counted(&format!("{router}{other}{group}")),
            "2 virtual routers, 1 sync group"
        );
        assert_eq!(
            counted(&format!("{router}{service}{sorry}")),
            "1 virtual router, 2 virtual services with 2 servers"
        );
    }

    #[test]
    fn the_sample_configurations_are_valid() {
        let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/director");
        for name in ["a.toml", "b.toml", "site-a.toml", "site-b.toml"] {
            let config = PathBuf::from(samples).join(name);
            assert_eq!(
                execute(&CheckArguments {
                    config,
                    format: Format::Human,
                    json: false,
                }),
                DONE,
                "{name}"
            );
        }
    }
}
