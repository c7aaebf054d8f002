//! The manual and the completions, both made from the command line itself.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

pub(crate) const COMPLETIONS_HELP: &str = "\
Examples:
  director completions bash > /etc/bash_completion.d/director
  director completions zsh > \"${fpath[1]}/_director\"

The Debian package has them in place.

Exit codes: 0 printed, 1 it could not be.";

pub(crate) const MAN_HELP: &str = "\
Examples:
  director man /usr/local/share/man/man8

Exit codes: 0 written, 1 it could not be.";

pub(crate) fn completions(shell: Shell, mut director: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut director, "director", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `director.8` and a page for each command, such as `director-real-server-up.8`.
pub(crate) fn write_manual(director: Command, directory: &Path) -> anyhow::Result<ExitCode> {
    for (name, page) in manual(director)? {
        let file = directory.join(name);
        fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn manual(director: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let version = format!("director {}", env!("CARGO_PKG_VERSION"));
    let mut director = director.disable_help_subcommand(true);
    director.build();
    let mut pages = Vec::new();
    let mut left = vec![director];
    while let Some(command) = left.pop() {
        let inner = command.get_subcommands().filter(|one| !one.is_hide_set());
        left.extend(inner.cloned());
        let has_inner = command.has_subcommands();
        let after = command.get_after_help().map(ToString::to_string);
        let man = Man::new(command)
            .section("8")
            .source(&version)
            .manual("Locum");
        let mut page = Vec::new();
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if has_inner {
            man.render_subcommands_section(&mut page)?;
        }
        closing_sections(&after.unwrap_or_default()).to_writer(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    Ok(pages)
}

/// What follows the options in the help, under the headings that readers of manuals look for.
fn closing_sections(help: &str) -> Roff {
    let mut notes = Roff::new();
    let mut examples = Roff::new();
    let mut codes = Roff::new();
    for paragraph in help.split("\n\n") {
        if let Some(text) = paragraph.strip_prefix("Exit codes: ") {
            codes.control("SH", ["EXIT STATUS"]).text([roman(text)]);
        } else if let Some(lines) = paragraph.strip_prefix("Examples:\n") {
            examples.control("SH", ["EXAMPLES"]);
            as_typed(&mut examples, lines);
        } else if paragraph.starts_with("  ") {
            as_typed(&mut notes, paragraph);
        } else if !paragraph.is_empty() {
            notes.control("PP", []).text([roman(paragraph)]);
        }
    }
    let mut all = Roff::new();
    if !notes.to_roff().is_empty() {
        all.control("SH", ["NOTES"]);
    }
    all.extend([notes, examples, codes]);
    all
}

/// Lines that must stay lines.
fn as_typed(roff: &mut Roff, lines: &str) {
    roff.control("PP", [])
        .control("nf", [])
        .text([roman(lines)])
        .control("fi", []);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::Arguments;

    fn pages() -> Vec<(String, String)> {
        let pages = manual(Arguments::command()).unwrap();
        let text = |(name, page)| (name, String::from_utf8(page).unwrap());
        pages.into_iter().map(text).collect()
    }

    #[test]
    fn every_command_has_a_page_with_examples_and_exit_codes() {
        let pages = pages();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["director.8", "director-real-server-up.8", "director-demo.8"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(!names.contains(&"director-man.8"), "it is hidden");
        for (name, page) in &pages {
            // These two lead to others.
            if !["director.8", "director-real-server.8"].contains(&name.as_str()) {
                assert!(page.contains(".SH EXAMPLES\n"), "{name}: {page}");
                assert!(page.contains(".SH \"EXIT STATUS\"\n"), "{name}: {page}");
            }
        }
    }

    #[test]
    fn every_shell_completes_nested_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "director", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(
                script.contains("real-server") && script.contains("failover"),
                "{shell}"
            );
        }
    }
}
