//! What was checked for one cell of the matrix.

use std::fmt::{Debug, Display};

use anyhow::Result;

/// Facts that held, and those that did not.
#[derive(Debug, Default)]
pub(super) struct Facts {
    held: usize,
    faults: Vec<String>,
}

impl Facts {
    /// Checks that both are equal.
    pub(super) fn equal<T: PartialEq + Debug>(&mut self, what: impl Display, seen: T, expected: T) {
        if seen == expected {
            self.held += 1;
        } else {
            self.faults.push(format!("{what}: {seen:?} instead of {expected:?}"));
        }
    }

    /// Checks that something holds.
    pub(super) fn hold(&mut self, what: impl Display, holds: bool) {
        self.equal(what, holds, true);
    }

    /// Takes a value. An error is a fault.
    pub(super) fn look<T>(&mut self, seen: Result<T>) -> Option<T> {
        seen.map_err(|error| self.faults.push(format!("{error:#}"))).ok()
    }

    /// Runs a check, and puts the case before its faults. A check without facts is a fault.
    pub(super) fn case(&mut self, case: &str, check: impl FnOnce(&mut Self) -> Result<()>) {
        let mut facts = Self::default();
        let checked = check(&mut facts);
        facts.look(checked);
        if facts.held == 0 && facts.faults.is_empty() {
            facts.faults.push("nothing was checked".to_owned());
        }
        self.held += facts.held;
        self.faults.extend(facts.faults.into_iter().map(|fault| format!("{case}: {fault}")));
    }

    /// The number of facts that held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// What did not hold, a line each.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_faults_with_their_case() {
        let mut facts = Facts::default();
        facts.case("sampled", |facts| {
            facts.equal("the trace", "a", "a");
            facts.equal("the parent", "b", "c");
            facts.hold("it is continued", false);
            anyhow::bail!("no header")
        });
        assert_eq!(facts.held(), 1);
        assert_eq!(
            facts.faults(),
            [
                "sampled: the parent: \"b\" instead of \"c\"",
                "sampled: it is continued: false instead of true",
                "sampled: no header",
            ]
        );
    }

    #[test]
    fn cases_without_checks_are_faults() {
        let mut facts = Facts::default();
        facts.case("empty", |_| Ok(()));
        assert_eq!(facts.faults(), ["empty: nothing was checked"]);
    }
}
