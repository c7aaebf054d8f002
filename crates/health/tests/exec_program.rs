//! The check by a program, with real programs.

#![cfg(feature = "exec")]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use locum_health::exec::{ExecCheck, ExecConfig, ExecConfigError, ExitCode, Program, User};
use locum_health::{CheckError, HealthCheck, Pass};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// No process is there after this long that ought to be gone.
const LONG: Duration = Duration::from_secs(10);

fn target() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 80))
}

/// The shell, told what to do by its arguments: a script written just now could be busy.
fn shell(script: &str, more: &[&str]) -> ExecConfig {
    let mut config = ExecConfig::new("/bin/sh");
    config.arguments = ["-c", script, "sh"].map(str::to_owned).to_vec();
    config
        .arguments
        .extend(more.iter().copied().map(str::to_owned));
    config
}

async fn run(config: ExecConfig) -> Result<Pass, CheckError> {
    ExecCheck::new(config).unwrap().check(target()).await
}

/// A directory that any user can write to, and a file in it.
fn open_directory() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let file = directory.path().join("said");
    (directory, file)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn the_exit_code_is_the_verdict() {
    assert_eq!(run(shell("exit 0", &[])).await.unwrap(), Pass::new());
    let failed = run(shell("exit 7", &[])).await;
    assert!(matches!(failed, Err(CheckError::ExitCode(7))), "{failed:?}");
}

#[tokio::test]
async fn the_exit_code_can_be_a_weight() {
    let weight = async |script| {
        let mut config = shell(script, &[]);
        config.exit_code = ExitCode::Weight;
        run(config).await
    };
    assert_eq!(weight("exit 0").await.unwrap(), Pass::new());
    assert_eq!(weight("exit 12").await.unwrap(), Pass::with_weight(10));
    let failed = weight("exit 1").await;
    assert!(matches!(failed, Err(CheckError::ExitCode(1))), "{failed:?}");
}

#[tokio::test]
async fn a_program_that_dies_of_a_signal_has_failed() {
    let failed = run(shell("kill -SEGV $$", &[])).await;
    assert!(matches!(failed, Err(CheckError::Signal(11))), "{failed:?}");
}

#[tokio::test]
async fn the_target_is_where_the_placeholders_are_and_nowhere_else() {
    let (_directory, file) = open_directory();
    let script = r#"printf '%s\n' "$@" > "$0.new" && mv "$0.new" "$0""#;
    let mut config = ExecConfig::new("/bin/sh");
    config.arguments = ["-c", script, text(&file), "{address}", "-p={port}", "a b"]
        .map(str::to_owned)
        .to_vec();
    run(config.clone()).await.unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "192.0.2.1\n-p=80\na b\n"
    );

    config.arguments.truncate(3);
    config.arguments.push("plain".to_owned());
    run(config).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "plain\n");
}

#[tokio::test]
async fn a_program_gets_next_to_nothing_from_us() {
    let (_directory, file) = open_directory();
    let script = r#"{ tr '\0' '\n' < /proc/self/environ; pwd; readlink /proc/self/fd/0 /proc/$$/fd/2; cat; } > "$1""#;
    run(shell(script, &[text(&file)])).await.unwrap();
    let said = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = said
        .lines()
        // The shell's own.
        .filter(|line| !line.starts_with("PWD="))
        .collect();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, [path, "/", "/dev/null", "/dev/null"]);
}

#[tokio::test]
async fn a_variable_can_be_added() {
    let program = Program::new("/bin/sh", None)
        .unwrap()
        .environment("STATE", "master");
    let status = program
        .run(["-c", r#"test "$STATE" = master"#])
        .await
        .unwrap();
    assert!(status.success());
    let refused = program.run(["-c", "a\0b"]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn another_user_has_one_group_and_no_capabilities() {
    let (_directory, file) = open_directory();
    let mut config = shell(
        r#"grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapAmb):' /proc/self/status > "$1""#,
        &[text(&file)],
    );
    config.user = Some(User {
        uid: 65533,
        gid: 65532,
    });
    run(config).await.unwrap();
    let said = fs::read_to_string(&file).unwrap();
    let fields: Vec<Vec<_>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let none = "0000000000000000";
    assert_eq!(
        fields,
        [
            vec!["Uid:", "65533", "65533", "65533", "65533"],
            vec!["Gid:", "65532", "65532", "65532", "65532"],
            vec!["Groups:"],
            vec!["CapInh:", none],
            vec!["CapPrm:", none],
            vec!["CapEff:", none],
            vec!["CapAmb:", none],
        ]
    );
}

#[tokio::test]
async fn a_program_that_is_gone_or_forbidden_is_our_own_fault() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("true");
    std::os::unix::fs::symlink("/bin/true", &path).unwrap();
    let check = ExecCheck::new(ExecConfig::new(&path)).unwrap();
    check.check(target()).await.unwrap();

    fs::remove_file(&path).unwrap();
    let gone = check.check(target()).await.unwrap_err();
    assert!(gone.is_local(), "{gone:?}");

    fs::write(&path, "").unwrap();
    let forbidden = check.check(target()).await.unwrap_err();
    assert!(forbidden.is_local(), "{forbidden:?}");
}

#[test]
fn programs_that_cannot_be_run_are_refused() {
    let directory = TempDir::new().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    let new = |path: &Path| ExecCheck::new(ExecConfig::new(path)).unwrap_err();
    let missing = new(&directory.path().join("missing"));
    assert!(matches!(missing, ExecConfigError::Missing(_)));
    assert!(matches!(
        new(Path::new("bin/true")),
        ExecConfigError::NotAbsolute
    ));
    assert!(matches!(new(directory.path()), ExecConfigError::NotFile));
    assert!(matches!(new(&plain), ExecConfigError::NotExecutable));
    let nul = ExecCheck::new(shell("a\0b", &[])).unwrap_err();
    assert!(matches!(nul, ExecConfigError::Nul));
}

/// A program that says who it is and who its child is, and then hangs, as its child does.
async fn hangs_with_a_child() {
    let (_directory, file) = open_directory();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let mut said = BufReader::new(pipe::OpenOptions::new().open_receiver(&file).unwrap());
    // Both keep the pipe open.
    let script = r#"exec 3> "$1"; sleep 1000 & echo $$ $! >&3; wait"#;
    let check = ExecCheck::new(shell(script, &[text(&file)])).unwrap();

    let mut line = String::new();
    tokio::select! {
        ended = check.check(target()) => panic!("{ended:?}"),
        read = said.read_line(&mut line) => { read.unwrap(); }
    }
    let processes: Vec<u32> = line
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect();
    let [program, child] = processes[..] else {
        panic!("{line}")
    };

    // The end of the pipe is there when nobody has it open.
    let mut rest = String::new();
    said.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
    // It closes its files a moment before it is gone.
    while !matches!(state(child), None | Some('Z' | 'X')) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The program itself is our child, and we wait for it.
    while state(program).is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The state of a process (proc_pid_stat(5)); `None` if there is none.
fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.chars().next()
}

#[tokio::test]
async fn a_dropped_probe_ends_the_program_and_its_children() {
    tokio::time::timeout(LONG, hangs_with_a_child())
        .await
        .unwrap();
}
