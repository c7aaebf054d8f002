//! The closing lines of the test runner, added up over all test binaries.

use std::fmt;

/// What `cargo test` has reported so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Takes note of one line of output.
    pub(crate) fn see(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// No test ran: whatever else happened, nothing was tested.
    pub(crate) const fn is_empty(&self) -> bool {
        self.passed == 0 && self.failed == 0
    }
}

/// The number before `word` in "ok. 12 passed; 0 failed; …".
fn count(result: &str, word: &str) -> u64 {
    let words: Vec<&str> = result
        .split([' ', ';'])
        .filter(|word| !word.is_empty())
        .collect();
    let number = words.windows(2).find_map(|pair| match pair {
        [number, name] if *name == word => number.parse().ok(),
        _ => None,
    });
    number.unwrap_or(0)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} ignored",
            self.passed, self.failed, self.ignored
        )?;
        self.failures
            .iter()
            .try_for_each(|name| write!(f, "\n                    {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added_and_failures_named() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
            "test wire::rejects_a_zero_vrid ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            tally.see(line);
        }
        assert_eq!(
            tally.to_string(),
            "13 passed, 1 failed, 1 ignored\n                    wire::rejects_a_zero_vrid"
        );
    }

    #[test]
    fn binaries_without_a_matching_test_are_nothing() {
        let mut tally = Tally::default();
        tally.see("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out");
        assert!(tally.is_empty());
        tally.see("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        assert!(!tally.is_empty());
    }
}
