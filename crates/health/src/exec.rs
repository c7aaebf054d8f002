//! Programs of the user.

use std::path::PathBuf;

/// Settings of the check by a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExecConfig {
    /// The program, an absolute path. It is not given to a shell.
    pub program: PathBuf,
    /// Its arguments. `{address}` and `{port}` in them stand for those of the target.
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
