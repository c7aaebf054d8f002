//! What real files, programs, processes and interfaces lead to.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::plan::Watched;
use super::*;
use crate::programs::Programs;

fn plan(tracking: Tracking, subject: Subject) -> Plan {
    let tracked = vec![Tracked {
        subject,
        weight: 0,
        reverse: false,
    }];
    let watched = Watched { base: 100, tracked };
    Plan {
        routers: BTreeMap::from([("web".to_owned(), watched)]),
        tracking,
    }
}

fn start(tracking: Tracking, subject: Subject) -> Driver {
    Driver::start(plan(tracking, subject), Programs::in_process(4))
}

/// Waits until it is told that this is a fault, or no more.
async fn told(driver: &mut Driver, expected: bool) {
    let wait = async {
        loop {
            if let Told::Verdict(_, verdict) = driver.recv().await {
                return verdict.fault;
            }
        }
    };
    let fault = timeout(Duration::from_secs(20), wait).await;
    assert_eq!(fault.ok(), Some(expected));
}

async fn file(path: &Path) -> Driver {
    let tracking = Tracking {
        files: vec![TrackFile {
            name: "maint".to_owned(),
            path: path.to_owned(),
        }],
        ..Tracking::default()
    };
    let mut driver = start(tracking, Subject::File("maint".to_owned()));
    driver.send(Input::Service {
        name: "nobody's".to_owned(),
        health: Health::Down,
    });
    tokio::task::yield_now().await;
    driver
}

#[tokio::test]
async fn a_file_is_seen_whatever_is_done_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("maint");
    let mut driver = file(&path).await;
    fs::write(&path, "1\n").unwrap();
    told(&mut driver, true).await;
    fs::write(&path, "0").unwrap();
    told(&mut driver, false).await;
    let other = directory.path().join("other");
    fs::write(&other, "-7").unwrap();
    fs::rename(&other, &path).unwrap();
    told(&mut driver, true).await;
    fs::remove_file(&path).unwrap();
    told(&mut driver, false).await;
}

#[tokio::test]
async fn a_file_may_come_with_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("below");
    let mut driver = file(&below.join("maint")).await;
    fs::create_dir(&below).unwrap();
    fs::write(below.join("maint"), "1").unwrap();
    told(&mut driver, true).await;
    fs::remove_dir_all(&below).unwrap();
    told(&mut driver, false).await;
}

#[tokio::test]
async fn a_script_is_run_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("good");
    fs::write(&path, "").unwrap();
    let script = |program: &str| TrackScript {
        name: "chk".to_owned(),
        program: program.into(),
        arguments: vec!["-e".to_owned(), path.to_string_lossy().into_owned()],
        user: None,
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(10),
        rise: NonZeroU32::MIN,
        fall: NonZeroU32::MIN,
        init: None,
    };
    let tracking = |program: &str| Tracking {
        scripts: vec![Arc::new(script(program))],
        ..Tracking::default()
    };
    let subject = || Subject::Script("chk".to_owned());
    let mut driver = start(tracking("/usr/bin/test"), subject());
    fs::remove_file(&path).unwrap();
    told(&mut driver, true).await;
    driver.replace(plan(tracking("/usr/bin/test"), subject()));
    told(&mut driver, true).await;
    fs::write(&path, "").unwrap();
    told(&mut driver, false).await;
    driver.replace(plan(tracking("/no/such/program"), subject()));
    told(&mut driver, false).await;
    told(&mut driver, true).await;
    assert_eq!(driver.report()[0].ok, Some(false));
}

#[tokio::test]
async fn processes_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("tracked");
    fs::copy("/bin/sleep", &program).unwrap();
    let tracking = Tracking {
        processes: vec![TrackProcess {
            name: "proxy".to_owned(),
            process: program.to_string_lossy().into_owned(),
            quorum: NonZeroU32::MIN,
        }],
        ..Tracking::default()
    };
    let mut driver = start(tracking, Subject::Process("proxy".to_owned()));
    told(&mut driver, true).await;
    let mut child = Command::new(&program).arg("60").spawn().unwrap();
    told(&mut driver, false).await;
    child.kill().unwrap();
    child.wait().unwrap();
    told(&mut driver, true).await;
}

#[tokio::test]
async fn an_interface_that_does_not_exist_is_down() {
    let subject = Subject::Interface("no-such-link".to_owned());
    let mut driver = start(Tracking::default(), subject);
    told(&mut driver, true).await;
    assert_eq!(driver.report()[0].detail, "does not exist");
}
