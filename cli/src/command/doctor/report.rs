//! The report: a screen for people, one document for scripts.

use std::fmt::Write as _;

use serde::Serialize;

use super::line::{Line, Verdict};
use crate::exit::Exit;
use crate::output::{Report, clean, count};

/// How many lines of a check the screen shows that are alike; the document has all.
const MOST: usize = 10;
/// Where the text begins, and how wide it is.
const INDENT: usize = 26;
const WIDTH: usize = 84;

/// The whole of a diagnosis.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) stage: String,
    pub(super) region: String,
    pub(super) account: Option<String>,
    /// Whether the platform is deployed; null where that could not be seen.
    pub(super) deployed: Option<bool>,
    pub(super) ok: usize,
    pub(super) warnings: usize,
    pub(super) failures: usize,
    pub(super) skipped: usize,
    pub(super) checks: Vec<Line>,
    #[serde(skip)]
    pub(super) parts: Vec<(&'static str, usize)>,
}

impl Diagnosis {
    pub(super) fn new(
        stage: String,
        region: String,
        account: Option<String>,
        deployed: Option<bool>,
        parts: Vec<(&'static str, Vec<Line>)>,
    ) -> Self {
        let sizes = parts.iter().map(|(title, lines)| (*title, lines.len())).collect();
        let checks: Vec<Line> = parts.into_iter().flat_map(|(_, lines)| lines).collect();
        let of = |verdict| checks.iter().filter(|line| line.verdict == verdict).count();
        let [ok, skipped, warnings, failures] = [Verdict::Ok, Verdict::Skipped, Verdict::Warn, Verdict::Fail].map(of);
        Self { stage, region, account, deployed, ok, warnings, failures, skipped, checks, parts: sizes }
    }

    /// In both forms. Something that fails ends the command with 1.
    pub(super) fn report(&self) -> Report {
        let exit = if self.failures == 0 { Exit::Ok } else { Exit::Failed };
        Report::new(self, self.text()).ending(exit)
    }

    fn text(&self) -> String {
        let account = self.account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
        let mut text = format!("Stage {} in {}{account}\n", self.stage, self.region);
        let mut rest = self.checks.iter();
        for (title, size) in self.parts.iter().filter(|(_, size)| *size > 0) {
            let lines: Vec<&Line> = rest.by_ref().take(*size).collect();
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{title}\n{}", part(&lines));
        }
        let Self { ok, warnings, failures, skipped, .. } = self;
        let failed = if *failures == 0 { "nothing fails".to_owned() } else { format!("{failures} FAIL") };
        let _ = write!(text, "\n{failed}, {}, {ok} ok, {skipped} skipped", count(*warnings, "warning", "warnings"));
        text
    }
}

fn part(lines: &[&Line]) -> String {
    let mut text = String::new();
    let mut alike = 0;
    for (at, line) in lines.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| lines.get(at));
        alike = if before.is_some_and(|before| before.check == line.check) { alike + 1 } else { 0 };
        let after = lines.get(at + 1).is_some_and(|after| after.check == line.check);
        if alike >= MOST {
            if !after {
                let _ = writeln!(text, "{:INDENT$}and {} more: --output json has all", "", alike + 1 - MOST);
            }
            continue;
        }
        let word = match line.verdict {
            Verdict::Ok => "ok",
            Verdict::Skipped => "skipped",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let name = if alike == 0 { line.check } else { "" };
        let _ = writeln!(text, "  {word:<8}{name:<16}{}", wrapped(&clean(&line.found)));
        // Where one command mends what the next line says, too, it stands below both.
        let shared = lines.get(at + 1).is_some_and(|after| after.mend == line.mend) && alike + 1 < MOST;
        if let Some(mend) = line.mend.as_ref().filter(|_| !shared) {
            // A command stays on its line, so that it can be copied.
            let _ = writeln!(text, "{:INDENT$}-> {}", "", clean(mend));
        }
    }
    text
}

/// Breaks a text between words.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let long = word.chars().count();
        if used > 0 && used + 1 + long > WIDTH {
            let _ = write!(wrapped, "\n{:INDENT$}", "");
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += long;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(lines: Vec<Line>) -> Diagnosis {
        Diagnosis::new(
            "dev".into(),
            "us-east-1".into(),
            None,
            Some(true),
            vec![("Account", lines), ("Tenants", Vec::new())],
        )
    }

    #[test]
    fn a_line_has_its_verdict_what_was_found_and_the_command_that_mends_it() {
        let report = diagnosis(vec![
            Line::ok("credentials", "role Operator"),
            Line::fail("tables", "the table is gone", "sam deploy --config-env dev"),
        ])
        .report();
        assert_eq!(report.exit, Exit::Failed);
        let wanted = "Stage dev in us-east-1\n\nAccount\n  ok      credentials     role Operator\n  FAIL    tables          the table is gone\n                          -> sam deploy --config-env dev\n\n1 FAIL, 0 warnings, 1 ok, 0 skipped";
        assert_eq!(report.text(), wanted);
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        let wanted = serde_json::json!({"stage": "dev", "region": "us-east-1", "account": null, "deployed": true,
            "ok": 1, "warnings": 0, "failures": 1, "skipped": 0, "checks": [
            {"check": "credentials", "verdict": "ok", "found": "role Operator", "mend": null},
            {"check": "tables", "verdict": "fail", "found": "the table is gone", "mend": "sam deploy --config-env dev"}]});
        assert_eq!(json, wanted);
    }

    #[test]
    fn a_command_that_mends_several_lines_stands_once() {
        let report =
            diagnosis(vec![Line::warn("a", "x", "mend it"), Line::warn("a", "y", "mend it"), Line::ok("b", "z")])
                .report();
        assert_eq!(report.text().matches("-> mend it").count(), 1, "{}", report.text());
        assert_eq!(report.json().matches("mend it").count(), 2);
    }

    #[test]
    fn warnings_and_what_could_not_be_seen_do_not_fail() {
        let report = diagnosis(vec![Line::warn("a", "x", "y"), Line::skipped("b", "z")]).report();
        assert_eq!(report.exit, Exit::Ok);
        assert!(report.text().ends_with("nothing fails, 1 warning, 0 ok, 1 skipped"), "{}", report.text());
    }

    #[test]
    fn of_many_lines_that_are_alike_the_screen_shows_some_and_the_document_all() {
        let lines: Vec<Line> = (0..25).map(|n| Line::warn("queues", format!("queue {n}"), "look")).collect();
        let report = diagnosis(lines).report();
        assert!(report.text().contains("queue 9\n") && !report.text().contains("queue 10\n"), "{}", report.text());
        assert!(report.text().contains("and 15 more: --output json has all"), "{}", report.text());
        assert!(report.json().contains("queue 24"));
    }

    #[test]
    fn long_texts_are_broken_between_words_and_control_characters_left_out() {
        let text = wrapped(&"word ".repeat(30));
        assert!(text.lines().all(|line| line.trim().chars().count() <= WIDTH), "{text}");
        let report = diagnosis(vec![Line::ok("a", "\u{1b}[31mred")]).report();
        assert!(!report.text().contains('\u{1b}'));
    }
}
