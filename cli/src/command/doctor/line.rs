//! What a check comes to: lines with a verdict, what was found against what is wanted, and the command that mends it.

use acequia_core::port::{Refusal, Unavailable};
use serde::Serialize;

use crate::failure::describe;

/// How a check ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It is as it must be.
    Ok,
    /// It could not be looked at.
    Skipped,
    /// It works, and the operator should look at it.
    Warn,
    /// Something does not work, or will not.
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was found, against what is wanted.
    pub(super) found: String,
    /// The command that mends it.
    pub(super) mend: Option<String>,
}

impl Line {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), mend: None }
    }

    pub(super) fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skipped, found: found.into(), mend: None }
    }

    pub(super) fn warn(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    pub(super) fn fail(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Why something could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unseen {
    /// The credentials do not allow the call.
    Denied,
    /// No answer came in time.
    Late,
    /// The call failed.
    Failed(String),
}

impl From<Unavailable> for Unseen {
    fn from(error: Unavailable) -> Self {
        // What AWS says of a refusal names the caller's session, which is often a mail address.
        if error.refusal == Some(Refusal::Denied) { Self::Denied } else { Self::Failed(describe(&error)) }
    }
}

/// What was asked for, or why it is not known.
pub(super) type Seen<T> = Result<T, Unseen>;

/// A check by its name, the permission that it needs, and what it tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) needs: &'static str,
    pub(super) tells: &'static str,
}

impl Check {
    /// Judges what was seen; what was not is said so.
    pub(super) fn of<T>(self, seen: &Seen<T>, judge: impl FnOnce(&T) -> Vec<Line>) -> Vec<Line> {
        match seen {
            Ok(seen) => judge(seen),
            Err(unseen) => vec![self.unseen(unseen)],
        }
    }

    /// The line of a check that could not look.
    pub(super) fn unseen(self, unseen: &Unseen) -> Line {
        let Self { name, needs, tells } = self;
        Line::skipped(
            name,
            match unseen {
                Unseen::Denied => format!("not allowed to look: with {needs} it would tell {tells}"),
                Unseen::Late => format!("no answer in time: it would tell {tells}"),
                Unseen::Failed(why) => {
                    format!("{}: it would tell {tells}", why.lines().next().unwrap_or_default())
                }
            },
        )
    }
}

/// What was found bad, or else the one line that all is well.
pub(super) fn or_ok(bad: Vec<Line>, check: &'static str, well: impl FnOnce() -> String) -> Vec<Line> {
    if bad.is_empty() { vec![Line::ok(check, well())] } else { bad }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: Check = Check { name: "tables", needs: "dynamodb:DescribeTable", tells: "whether tables are there" };

    #[test]
    fn a_check_that_could_not_look_says_what_it_needs_and_would_tell() {
        for (unseen, says) in [
            (Unseen::Denied, "with dynamodb:DescribeTable it would tell whether tables are there"),
            (Unseen::Late, "no answer in time: it would tell whether"),
            (Unseen::Failed("cannot read: broken\n  advice".to_owned()), "cannot read: broken: it would tell"),
        ] {
            let lines = CHECK.of(&Err::<(), _>(unseen), |()| Vec::new());
            assert_eq!((lines.len(), lines[0].verdict), (1, Verdict::Skipped));
            assert!(lines[0].found.contains(says), "{lines:?}");
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_whom_aws_refused() {
        let said = "AccessDenied: arn:aws:sts::1:assumed-role/X/ana@example.org is not authorized";
        let denied = Unavailable::new("look", said).for_refusal(Some(Refusal::Denied));
        assert_eq!(Unseen::from(denied), Unseen::Denied);
        assert_eq!(Unseen::from(Unavailable::new("look", "boom")), Unseen::Failed("cannot look: boom".to_owned()));
    }
}
