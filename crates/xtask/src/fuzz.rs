//! `cargo xtask fuzz`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;

use crate::{
    needs::{self, Consent},
    shell::Cmd,
    steps::Steps,
    workspace::{self, Workspace},
};

/// What cargo-fuzz passes to the compiler for libFuzzer without a sanitizer, which needs no nightly toolchain: without
/// `unsafe` code there is little for a sanitizer to find.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// Each is a program in `fuzz/fuzz_targets`.
const TARGETS: [&str; 8] = [
    "configuration",
    "election",
    "ipvs_reply",
    "neighbours",
    "wire_decode",
    "wire_header",
    "wire_round_trip",
    "wire_trailer",
];

/// The targets that CI only replays, those of the feature `slow`: what is behind them takes longer to build than there
/// is to fuzz.
const SLOW_TO_BUILD: [&str; 2] = ["configuration", "ipvs_reply"];

/// How long CI fuzzes each of the others.
const CI_SECONDS: u64 = 4;

/// Replay the committed corpora, then fuzz each target.
///
/// Needs no nightly toolchain. Inputs that reach something new are kept in `target/fuzz/corpus`. A finding is left in
/// `fuzz/artifacts`, and the command that replays it printed.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    consent: Consent,
    /// How long each target is fuzzed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Show this input to the one target that is named, and do nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "minutes")]
    replay: Option<PathBuf>,
    /// Only these targets
    #[arg(value_name = "TARGET", value_parser = TARGETS)]
    targets: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    if let Some(file) = &args.replay {
        let [target] = &args.targets[..] else {
            bail!("name the one target that the file is for");
        };
        let file = fs::canonicalize(file).with_context(|| format!("{}", file.display()))?;
        steps.cmd("replay", &replay().arg(target).env("REPLAY", file));
        return Ok(steps.finish());
    }
    let mut chosen: Vec<&str> = args.targets.iter().map(String::as_str).collect();
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    steps.cmd("replay", &replay());
    let seconds = u64::from(args.minutes) * 60;
    fuzz(&mut steps, &workspace, args.consent, &chosen, seconds);
    Ok(steps.finish())
}

/// What CI does: all corpora, and a few seconds of each target that is quickly built.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace, consent: Consent) {
    steps.cmd(
        "format of the fuzz targets",
        &Cmd::cargo("fmt --manifest-path fuzz/Cargo.toml -- --check"),
    );
    steps.cmd("replay of the fuzz corpora", &replay());
    let mut quick = TARGETS.to_vec();
    quick.retain(|target| !SLOW_TO_BUILD.contains(target));
    fuzz(steps, workspace, consent, &quick, CI_SECONDS);
    steps.not_run(
        &format!("fuzz {}", SLOW_TO_BUILD.join(", ")),
        "take minutes to build; their corpora were replayed",
    );
}

fn replay() -> Cmd {
    Cmd::cargo("test --manifest-path fuzz/Cargo.toml --target-dir target --test replay --")
}

fn fuzz(
    steps: &mut Steps,
    workspace: &Workspace,
    consent: Consent,
    targets: &[&str],
    seconds: u64,
) {
    let directory = workspace.target_directory.join("fuzz");
    let mut programs = None;
    steps.step("build of the fuzz targets", || {
        needs::ensure(&[needs::CXX], consent)?;
        let host = Cmd::new("rustc").words("--print host-tuple").ask()?;
        build(&directory, &host, targets).run()?;
        programs = Some(directory.join(host).join("release"));
        Ok(String::new())
    });
    let Some(programs) = programs else { return };
    for target in targets {
        steps.step(&format!("fuzz {target}"), || {
            for_some_time(&programs.join(target), &directory, target, seconds)
        });
    }
}

/// The host is named, although it is the default, so that what runs during the build is not instrumented.
fn build(directory: &Path, host: &str, targets: &[&str]) -> Cmd {
    let mut build =
        Cmd::cargo("build --manifest-path fuzz/Cargo.toml --release --features libfuzzer")
            .arg("--target")
            .arg(host)
            .arg("--target-dir")
            .arg(directory)
            .env("RUSTFLAGS", COVERAGE);
    if !targets.iter().any(|target| SLOW_TO_BUILD.contains(target)) {
        build = build.arg("--no-default-features");
    }
    targets
        .iter()
        .fold(build, |build, target| build.arg("--bin").arg(target))
}

fn for_some_time(
    program: &Path,
    directory: &Path,
    target: &str,
    seconds: u64,
) -> anyhow::Result<String> {
    let found = directory.join("corpus").join(target);
    let artifacts = Path::new("fuzz/artifacts").join(target);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(workspace::root().join(&artifacts))?;
    let fuzz = Cmd::new(program)
        .arg(&found)
        .arg(Path::new("fuzz/corpus").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .words("-timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // What hangs outside the function that it watches is its own affair, but not for ever.
        .behind(&format!("timeout {}", seconds + 120));
    if let Err(error) = fuzz.run() {
        match newest(&workspace::root().join(&artifacts)) {
            Some(file) => {
                let file = artifacts.join(file);
                bail!(
                    "{error}; found {}; again: cargo xtask fuzz --replay {} {target}",
                    file.display(),
                    file.display()
                )
            }
            None => bail!("{error}"),
        }
    }
    Ok(format!("{seconds} s without a finding"))
}

/// The name of the file that was written last.
fn newest(directory: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let written = |entry: &fs::DirEntry| entry.metadata().and_then(|file| file.modified()).ok();
    let last = files.max_by_key(written)?;
    Some(last.file_name().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_and_a_corpus_and_there_are_no_more() {
        for (directory, suffix) in [("fuzz/fuzz_targets", ".rs"), ("fuzz/corpus", "")] {
            let entries = fs::read_dir(workspace::root().join(directory)).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            assert_eq!(names, TARGETS.map(|target| format!("{target}{suffix}")));
        }
    }

    #[test]
    fn what_is_slow_to_build_is_built_only_where_it_is_needed() {
        let line = |targets: &[&str]| build(Path::new("fuzz"), "host", targets).to_string();
        assert!(line(&["election"]).contains("--no-default-features --bin election"));
        assert!(!line(&["election", "ipvs_reply"]).contains("--no-default-features"));
    }
}
