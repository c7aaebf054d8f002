//! May we build a laboratory at all?

use std::fs;

use crate::LabError;

/// The capabilities needed: name and number (capabilities(7)).
const NEEDED: [(&str, u32); 4] = [
    ("CAP_KILL", 5),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_ADMIN", 21),
];

/// Checks that this process may make namespaces and interfaces. A test that cannot must fail, not skip: what was not
/// run was not shown.
///
/// # Errors
///
/// [`LabError::Privilege`], whose message says what to do.
pub fn require_privileges() -> Result<(), LabError> {
    let status = fs::read_to_string("/proc/thread-self/status")
        .map_err(LabError::io("read /proc/thread-self/status"))?;
    let missing = missing_in(&status);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(LabError::Privilege { missing })
    }
}

fn missing_in(status: &str) -> String {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0);
    let missing = NEEDED.iter().filter(|(_, bit)| effective & (1 << bit) == 0);
    missing
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::missing_in;

    #[test]
    fn names_what_is_missing() {
        assert_eq!(missing_in("CapEff:\t000001fffeffffff\n"), "");
        assert_eq!(missing_in("CapEff:\t0000000000003020\n"), "CAP_SYS_ADMIN");
        assert_eq!(
            missing_in("nothing"),
            "CAP_KILL, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN"
        );
    }
}
