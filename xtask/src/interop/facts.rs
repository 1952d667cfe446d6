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
    /// Both are the same.
    pub(super) fn equal<T: PartialEq + Debug>(&mut self, what: impl Display, seen: T, expected: T) {
        if seen == expected {
            self.held += 1;
        } else {
            self.faults.push(format!("{what}: {seen:?} instead of {expected:?}"));
        }
    }

    /// It is so.
    pub(super) fn hold(&mut self, what: impl Display, holds: bool) {
        self.equal(what, holds, true);
    }

    /// Something could not be looked at, which is a fault as well.
    pub(super) fn look<T>(&mut self, seen: Result<T>) -> Option<T> {
        seen.map_err(|error| self.faults.push(format!("{error:#}"))).ok()
    }

    /// What follows is about another case.
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

    /// How many held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// What did not.
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
