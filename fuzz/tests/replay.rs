//! Every file of the committed corpora meets its target once more; needs no fuzzer.
//!
//! `REPLAY=FILE` meets a single file, wherever it is, instead.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(target: &str) -> Vec<PathBuf> {
    if let Some(file) = std::env::var_os("REPLAY") {
        return vec![file.into()];
    }
    let directory = corpus().join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files
}

fn replay(target: &str) {
    let (_, run) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let mut failed = Vec::new();
    for file in files(target) {
        let bytes = fs::read(&file).expect("readable");
        if catch_unwind(AssertUnwindSafe(|| run(&bytes))).is_err() {
            failed.push(file);
        }
    }
    assert!(failed.is_empty(), "{target} fails on {failed:#?}");
}

#[cfg(feature = "slow")]
#[test]
fn configuration() {
    replay("configuration");
}

#[test]
fn election() {
    replay("election");
}

#[cfg(feature = "slow")]
#[test]
fn ipvs_reply() {
    replay("ipvs_reply");
}

#[test]
fn neighbours() {
    replay("neighbours");
}

#[test]
fn wire_decode() {
    replay("wire_decode");
}

#[test]
fn wire_header() {
    replay("wire_header");
}

#[test]
fn wire_round_trip() {
    replay("wire_round_trip");
}

#[test]
fn wire_trailer() {
    replay("wire_trailer");
}

#[cfg(feature = "slow")]
#[test]
fn every_corpus_has_a_target_and_is_small() {
    for entry in fs::read_dir(corpus()).expect("a directory") {
        let directory = entry.expect("an entry").path();
        if !directory.is_dir() {
            continue;
        }
        let name = directory.file_name().expect("a name").to_string_lossy();
        assert!(
            TARGETS.iter().any(|(target, _)| *target == name),
            "{name} is no target"
        );
        let sizes: Vec<u64> = fs::read_dir(&directory)
            .expect("a directory")
            .map(|file| file.expect("a file").metadata().expect("its size").len())
            .collect();
        assert!(sizes.len() <= 150, "{name} has {} files", sizes.len());
        assert!(sizes.iter().all(|size| *size <= 16_384), "{name}");
    }
}
