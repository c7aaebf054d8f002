//! Programs of the user: the check by one, and the way to run any.

mod program;

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use async_trait::async_trait;

pub use self::program::{ExecConfigError, Program};
use crate::check::{CheckError, HealthCheck, Pass};

/// Settings of the check by a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExecConfig {
    /// The program, an absolute path. It is not given to a shell.
    pub program: PathBuf,
    /// Its arguments. `{address}` and `{port}` in them stand for those of the target; no others are added.
    pub arguments: Vec<String>,
    /// The user and group it runs as; `None`: those of this process.
    pub user: Option<User>,
    /// What its exit code means.
    pub exit_code: ExitCode,
}

impl ExecConfig {
    /// Runs `program` as the user of this process; exit code 0 passes.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            user: None,
            exit_code: ExitCode::Verdict,
        }
    }
}

/// Whom a program runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a user and a group")]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The group's number. It gets no other groups.
    pub gid: u32,
}

/// What an exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum ExitCode {
    /// 0 passes, all else fails.
    #[default]
    Verdict,
    /// 0 passes, 1 fails, 2 to 255 pass with a weight that is less by 2: as `misc_dynamic` of keepalived.
    Weight,
}

/// The check by a program: passes as its exit code says.
#[derive(Debug, Clone)]
pub struct ExecCheck {
    program: Program,
    arguments: Vec<String>,
    exit_code: ExitCode,
}

impl ExecCheck {
    /// A check with these settings.
    ///
    /// # Errors
    ///
    /// A program that cannot be run, as [`Program::new`] has it, or an argument that cannot be given.
    pub fn new(config: ExecConfig) -> Result<Self, ExecConfigError> {
        if config.arguments.iter().any(|text| text.contains('\0')) {
            return Err(ExecConfigError::Nul);
        }
        Ok(Self {
            program: Program::new(config.program, config.user)?,
            arguments: config.arguments,
            exit_code: config.exit_code,
        })
    }
}

#[async_trait]
impl HealthCheck for ExecCheck {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        let arguments = self.arguments.iter().map(|text| fill_in(text, target));
        let status = self.program.run(arguments).await;
        verdict(self.exit_code, status.map_err(CheckError::Local)?)
    }
}

/// Puts the target where its placeholders are.
fn fill_in(argument: &str, target: SocketAddr) -> String {
    let address = match target {
        // A link-local address is one of a link only: RFC 4007 §11.
        SocketAddr::V6(target) if target.scope_id() != 0 => {
            format!("{}%{}", target.ip(), target.scope_id())
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => target.ip().to_string(),
    };
    argument
        .replace("{address}", &address)
        .replace("{port}", &target.port().to_string())
}

/// What the end of a program says of the target.
fn verdict(meaning: ExitCode, status: ExitStatus) -> Result<Pass, CheckError> {
    let Some(code) = status.code() else {
        return Err(CheckError::Signal(status.signal().unwrap_or_default()));
    };
    match (meaning, code) {
        (ExitCode::Verdict | ExitCode::Weight, 0) => Ok(Pass::new()),
        (ExitCode::Verdict, _) | (ExitCode::Weight, 1) => Err(CheckError::ExitCode(code)),
        (ExitCode::Weight, _) => match u32::try_from(code - 2) {
            Ok(weight) => Ok(Pass::with_weight(weight)),
            Err(_) => Err(CheckError::ExitCode(code)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_the_target() {
        for (target, filled) in [
            ("192.0.2.1:80", "a192.0.2.1b80c192.0.2.1"),
            ("[2001:db8::1]:53", "a2001:db8::1b53c2001:db8::1"),
            ("[fe80::1%7]:53", "afe80::1%7b53cfe80::1%7"),
        ] {
            let target = target.parse().unwrap();
            assert_eq!(fill_in("a{address}b{port}c{address}", target), filled);
            assert_eq!(fill_in("{adress} {} $1", target), "{adress} {} $1");
        }
    }

    #[test]
    fn exit_codes_decide() {
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        let weight = |code| verdict(ExitCode::Weight, exited(code));
        assert_eq!(verdict(ExitCode::Verdict, exited(0)).unwrap(), Pass::new());
        for code in [1, 2, 255] {
            let error = verdict(ExitCode::Verdict, exited(code)).unwrap_err();
            assert!(matches!(error, CheckError::ExitCode(c) if c == code));
        }
        assert_eq!(weight(0).unwrap(), Pass::new());
        assert!(matches!(weight(1), Err(CheckError::ExitCode(1))));
        assert_eq!(weight(2).unwrap(), Pass::with_weight(0));
        assert_eq!(weight(255).unwrap(), Pass::with_weight(253));
        for meaning in [ExitCode::Verdict, ExitCode::Weight] {
            let killed = verdict(meaning, ExitStatus::from_raw(9));
            assert!(matches!(killed, Err(CheckError::Signal(9))));
        }
    }
}
