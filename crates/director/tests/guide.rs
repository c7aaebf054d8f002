//! Every configuration in the guide and in the README is valid.
//!
//! A block `toml` is a whole configuration; one that is marked `toml more` goes to the end of the whole one before it.

#![expect(clippy::expect_used, reason = "helpers of tests fail as the tests do")]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand as _;
use locum_director::cli::Command;
use locum_director::config::{self, Style};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let guide = fs::read_dir(root().join("docs/guide")).expect("the guide");
    let pages = guide.map(|entry| entry.expect("a page").path());
    let readmes = [
        root().join("README.md"),
        root().join("examples/director/README.md"),
    ];
    pages
        .filter(|page| page.extension().is_some_and(|it| it == "md"))
        .chain(readmes)
        .map(|page| {
            let text = fs::read_to_string(&page).expect("a page");
            (page, text)
        })
        .collect()
}

/// The blocks of a page: what is behind the backquotes, the first line of its text, and the text.
fn blocks(page: &str) -> Vec<(&str, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str, usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (line.trim().strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((indent, info, number + 2, String::new())),
            (Some(_), Some(_)) => {
                blocks.extend(open.take().map(|(_, info, at, text)| (info, at, text)));
            }
            (None, Some((indent, _, _, text))) => {
                text.push_str(line.get(*indent..).unwrap_or_default());
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without end");
    blocks
}

/// The configuration with a program that exists in place of the operator's.
fn with_programs(text: &str) -> String {
    let mut parts = text.split("\"/usr/local/bin/");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('"').expect("a name ends");
        all.push_str("\"/bin/true\"");
        all.push_str(rest);
    }
    all
}

#[test]
fn every_configuration_that_is_shown_is_valid() {
    // Any file with a secret is there.
    let read = |_: &Path| Ok("a secret\n".to_owned());
    let mut shown = 0;
    for (page, text) in pages() {
        let mut whole = String::new();
        for (info, line, text) in blocks(&text) {
            match info {
                "toml" => whole = text,
                "toml more" => whole.push_str(&format!("\n{text}")),
                _ => continue,
            }
            shown += 1;
            if let Err(mistakes) = config::load("director.toml", &with_programs(&whole), read) {
                let mistakes = mistakes.render(Style::Plain);
                panic!("{}, the block at line {line}:\n{mistakes}", page.display());
            }
        }
    }
    assert!(shown >= 8, "{shown} blocks are not all of them");
}

/// A line of a shell, as far as the guide needs it: words, quotes and a comment at the end.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
            continue;
        }
        for word in part.split_whitespace() {
            if word == "#" || word == "|" || word == "&&" {
                return words;
            }
            words.push(word.to_owned());
        }
    }
    words
}

#[test]
fn every_command_that_is_shown_can_be_given() {
    let director = clap::Command::new("director").subcommand(clap::Command::new("demo"));
    let director = Command::augment_subcommands(director);
    let mut shown = 0;
    for (page, text) in pages() {
        let blocks = blocks(&text).into_iter().filter(|(info, ..)| *info == "sh");
        let lines = blocks.flat_map(|(_, _, text)| text.lines().map(words).collect::<Vec<_>>());
        for line in lines.filter(|words| words.first().is_some_and(|it| it.ends_with("director"))) {
            shown += 1;
            if let Err(error) = director.clone().try_get_matches_from(&line) {
                panic!("{}, {line:?}: {error}", page.display());
            }
        }
    }
    assert!(shown >= 15, "{shown} commands are not all of them");
}

#[test]
fn every_link_leads_somewhere() {
    for (page, text) in pages() {
        let folder = page.parent().expect("a directory");
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                let leads = folder.join(file).exists();
                assert!(leads, "{}: {link} leads nowhere", page.display());
            }
        }
    }
}
