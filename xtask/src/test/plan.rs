//! The steps of a test run, and the count of what ran in them.

use std::process::Command;

use anyhow::Result;

use crate::report::{self, Check, Step};
use crate::{host, process};

/// What has run so far.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    tests_passed: u64,
    tests_failed: u64,
    tests_ignored: u64,
    checks_passed: u64,
    failed_steps: Vec<String>,
}

/// Cargo, at the top of the working tree.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = at_root(process::command(host::variable("CARGO").unwrap_or_else(|| "cargo".to_owned())));
    command.args(arguments);
    command
}

/// A command at the top of the working tree.
pub(crate) fn at_root(mut command: Command) -> Command {
    command.current_dir(host::root());
    command
}

/// What one suite of tests came to.
#[derive(Debug)]
pub(crate) struct Suite {
    name: String,
    lines: Vec<String>,
    counts: [u64; 3],
    succeeded: bool,
}

impl Suite {
    /// Runs tests that report as Python's unittest does.
    pub(crate) fn unittest(name: &str, mut command: Command) -> Result<Self> {
        let (mut ran, mut bad, mut skipped) = (0, 0, 0);
        let mut lines = Vec::new();
        let succeeded = process::run_watched(&mut command, |line| {
            lines.push(line.to_owned());
            ran += unittest_ran(line).unwrap_or(0);
            bad += unittest_counted(line, &["failures", "errors", "unexpected successes"]);
            skipped += unittest_counted(line, &["skipped"]);
        })?;
        // A class that is skipped as a whole is counted as skipped, and not as run.
        let counts = [u64::saturating_sub(ran, bad + skipped), bad, skipped];
        Ok(Self { name: name.to_owned(), lines, counts, succeeded: succeeded && ran + skipped > 0 })
    }
}

impl Plan {
    /// Runs a check that passes or fails as a whole.
    pub(crate) fn check(&mut self, name: &str, mut command: impl std::borrow::BorrowMut<Command>) -> Result<()> {
        let step = Step::begin(name);
        if process::run_watched(command.borrow_mut(), |line| println!("{line}"))? {
            self.checks_passed += 1;
        } else {
            self.fail(name);
        }
        step.end();
        Ok(())
    }

    /// Checks a condition that says what is wrong where it does not hold.
    pub(crate) fn condition(&mut self, name: &str, check: impl FnOnce() -> Result<Option<String>>) -> Result<()> {
        let step = Step::begin(name);
        match check()? {
            None => self.checks_passed += 1,
            Some(wrong) => {
                println!("{wrong}");
                self.fail(name);
            }
        }
        step.end();
        Ok(())
    }

    /// Proves something, statement by statement; each counts as a test.
    pub(crate) fn proof(&mut self, name: &str, prove: impl FnOnce() -> Result<Vec<Check>>) -> Result<()> {
        let step = Step::begin(name);
        let checks = prove()?;
        println!("{}", report::verdict(&checks));
        let held = checks.iter().filter(|check| check.holds).count() as u64;
        self.count(name, [held, checks.len() as u64 - held, 0], report::hold(&checks) && held > 0);
        step.end();
        Ok(())
    }

    /// Runs tests that report as cargo's do.
    pub(crate) fn cargo_test(&mut self, mut command: Command) -> Result<()> {
        let mut counts = [0; 3];
        let step = Step::begin("cargo test");
        let succeeded = process::run_watched(&mut command, |line| {
            println!("{line}");
            if let Some(found) = cargo_counts(line) {
                counts = [counts[0] + found[0], counts[1] + found[1], counts[2] + found[2]];
            }
        })?;
        self.count("cargo test", counts, succeeded);
        step.end();
        Ok(())
    }

    /// Takes up what tests came to that ran beside something else.
    pub(crate) fn add(&mut self, suite: &Suite) {
        println!("==> {} (beside the build)", suite.name);
        suite.lines.iter().for_each(|line| println!("{line}"));
        self.count(&suite.name, suite.counts, suite.succeeded);
    }

    /// Runs tests that report as Python's unittest does.
    pub(crate) fn unittest(&mut self, name: &str, command: Command) -> Result<()> {
        let step = Step::begin(name);
        let suite = Suite::unittest(name, command)?;
        suite.lines.iter().for_each(|line| println!("{line}"));
        self.count(name, suite.counts, suite.succeeded);
        step.end();
        Ok(())
    }

    fn count(&mut self, name: &str, [passed, failed, ignored]: [u64; 3], succeeded: bool) {
        self.tests_passed += passed;
        self.tests_failed += failed;
        self.tests_ignored += ignored;
        if !succeeded || failed > 0 {
            // A step that failed without a failed test (it did not compile, say) is a failure too.
            self.tests_failed += u64::from(failed == 0);
            self.failed_steps.push(name.to_owned());
        }
    }

    fn fail(&mut self, name: &str) {
        self.tests_failed += 1;
        self.failed_steps.push(name.to_owned());
    }

    /// Notes that the run could not go on.
    pub(crate) fn broke(&mut self, error: &anyhow::Error) {
        println!("error: {error:#}");
        self.fail(&format!("{error}"));
    }

    /// Whether nothing failed and something ran.
    pub(crate) fn passed(&self) -> bool {
        self.failed_steps.is_empty() && self.checks_passed + self.tests_passed > 0
    }

    /// What ran, and a last line in the form of cargo's. A failed check counts as one failure; a passed one is no test.
    pub(crate) fn summary(&self) -> String {
        let verdict = if self.passed() { "ok" } else { "FAILED" };
        let mut text = format!("\nchecks passed: {}", self.checks_passed);
        for name in &self.failed_steps {
            text.push_str("\nfailed: ");
            text.push_str(name);
        }
        text + &format!(
            "\ntest result: {verdict}. {} passed; {} failed; {} ignored; 0 measured; 0 filtered out",
            self.tests_passed, self.tests_failed, self.tests_ignored
        )
    }
}

/// Passed, failed and ignored, of a line such as `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
fn cargo_counts(line: &str) -> Option<[u64; 3]> {
    let counts = line.trim().strip_prefix("test result: ")?;
    let (_, counts) = counts.split_once(". ")?;
    let count = |what: &str| {
        let part = counts.split(';').find(|part| part.trim().ends_with(what))?;
        part.trim().split(' ').next()?.parse().ok()
    };
    Some([count("passed")?, count("failed")?, count("ignored")?])
}

/// How many tests ran, of `Ran 12 tests in 3.4s`.
fn unittest_ran(line: &str) -> Option<u64> {
    let (count, _) = line.strip_prefix("Ran ")?.split_once(" test")?;
    count.parse().ok()
}

/// How many of some kinds, of `FAILED (failures=1, errors=2)` or `OK (skipped=1)`.
fn unittest_counted(line: &str, kinds: &[&str]) -> u64 {
    let counts = ["FAILED (", "OK ("].into_iter().find_map(|verdict| line.strip_prefix(verdict)?.strip_suffix(')'));
    let of_part = |part: &str| match part.split_once('=') {
        Some((kind, count)) if kinds.contains(&kind) => count.parse().unwrap_or(0),
        _ => 0,
    };
    counts.unwrap_or_default().split(", ").map(of_part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_cargos_lines_and_from_nothing_else() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.5s";
        assert_eq!(cargo_counts(line), Some([12, 1, 2]));
        assert_eq!(cargo_counts("test result of mine: 5 passed"), None);
        assert_eq!(cargo_counts("running 3 tests"), None);
    }

    #[test]
    fn counts_are_read_from_unittests_lines() {
        assert_eq!(unittest_ran("Ran 12 tests in 3.4s"), Some(12));
        assert_eq!(unittest_ran("Ran 1 test in 3.4s"), Some(1));
        let line = "FAILED (failures=1, errors=2, skipped=4)";
        assert_eq!(unittest_counted(line, &["failures", "errors"]), 3);
        assert_eq!(unittest_counted(line, &["skipped"]), 4);
        assert_eq!(unittest_counted("OK (skipped=1)", &["skipped"]), 1);
        assert_eq!(unittest_counted("OK", &["skipped"]), 0);
    }

    #[test]
    fn a_run_that_fails_without_a_failed_test_fails_and_so_does_an_empty_one() {
        let mut plan = Plan::default();
        assert!(!plan.passed());
        plan.count("a", [3, 0, 0], true);
        assert!(plan.passed());
        assert!(plan.summary().ends_with("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"));
        plan.count("b", [2, 0, 0], false);
        assert!(!plan.passed());
        assert!(plan.summary().contains("FAILED. 5 passed; 1 failed"));
    }
}
