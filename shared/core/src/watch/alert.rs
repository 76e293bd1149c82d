//! What operators are told of queues in trouble: one alert for all that a look found.
//!
//! It names tenant, queue, count, reason and command. No word of it comes from an event: what stands on a dead letter
//! as its reason is told only where it is one of ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Trouble;
use crate::id::{Stage, TenantId};
use crate::outcome::RECEIVED_TOO_OFTEN;
use crate::outcome::Reason;
use crate::queue::{QueueName, QueueRole};

/// How many queues an alert names, the worst first. The others are counted.
pub const MOST_NAMED: usize = 40;

/// Why most dead letters of a queue are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// We put them there.
    Quarantined(Reason),
    /// SQS moved them after too many receives.
    BySqs,
}

impl Why {
    /// The most frequent one of the codes that stand on dead letters; codes that are none of ours do not count.
    pub fn most_frequent<'a>(codes: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut counts: BTreeMap<Self, usize> = BTreeMap::new();
        for why in codes.filter_map(Self::of_code) {
            *counts.entry(why).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(why, _)| why)
    }

    fn of_code(code: &str) -> Option<Self> {
        if code == RECEIVED_TOO_OFTEN {
            return Some(Self::BySqs);
        }
        serde_json::from_value(serde_json::Value::from(code)).ok().map(Self::Quarantined)
    }

    /// The code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined(reason) => reason.as_str(),
            Self::BySqs => RECEIVED_TOO_OFTEN,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Quarantined(reason) => reason.advice(),
            Self::BySqs => "find in the function's log why it died or ran out of time, mend that, then redrive",
        }
    }
}

/// One queue in trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The queue.
    pub name: QueueName,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// Why most of its dead letters are there, as far as a look could tell.
    pub why: Option<Why>,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The tenant, where it is about one alone.
    pub tenant: Option<TenantId>,
    /// One line of at most 100 characters.
    pub subject: String,
    /// A line for each queue, the worst first, [`MOST_NAMED`] at most.
    pub text: String,
}

/// Puts what is new into one alert; `None` where nothing is. `news` are sorted, the worst first.
pub fn alert(stage: &Stage, news: &[News]) -> Option<Alert> {
    let first = news.first()?;
    let mut tenants: Vec<&TenantId> = news.iter().map(|one| &one.name.tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let subject = if news.len() == 1 {
        let QueueName { tenant, role, .. } = &first.name;
        match first.trouble {
            Trouble::DeadLetters(1) => format!("Acequia {stage}: 1 dead letter of {tenant} in {role}"),
            Trouble::DeadLetters(count) => format!("Acequia {stage}: {count} dead letters of {tenant} in {role}"),
            Trouble::Waits(age) => format!("Acequia {stage}: messages of {tenant} wait in {role} for {}", time(age)),
        }
    } else if let [tenant] = tenants.as_slice() {
        format!("Acequia {stage}: {} queues of {tenant} need a look", news.len())
    } else {
        format!("Acequia {stage}: {} queues of {} tenants need a look", news.len(), tenants.len())
    };
    let mut text = String::new();
    for one in news.iter().take(MOST_NAMED) {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{}", line(stage, one));
    }
    if let Some(more) = news.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        let _ = writeln!(
            text,
            "And {more} more queues. All of them: in the log group /aws/lambda/acequia-{stage}-sweeper, filter message = \"a queue needs a look\"."
        );
    }
    let _ = write!(
        text,
        "Of each you hear again when it is ten times as much, or in a day; once it is empty, of the next trouble."
    );
    let tenant = if let [tenant] = tenants.as_slice() { Some((*tenant).clone()) } else { None };
    Some(Alert { tenant, subject: subject.chars().take(100).collect(), text })
}

fn line(stage: &Stage, one: &News) -> String {
    let QueueName { tenant, role, .. } = &one.name;
    let look = match one.trouble {
        Trouble::DeadLetters(_) => format!("acequia dlq list {tenant} --queue {role} --stage {stage}"),
        Trouble::Waits(_) => format!("acequia status {tenant} --stage {stage}"),
    };
    let what = match (one.trouble, one.name.role) {
        (Trouble::DeadLetters(count), QueueRole::Out) => format!(
            "{count} in the dead-letter queue: the tenant's own reader got them as often as the queue allows and did not delete them"
        ),
        (Trouble::DeadLetters(count), _) => match one.why {
            Some(why) => {
                format!("{count} in the dead-letter queue, most of them for {}: {}", why.as_str(), why.advice())
            }
            None => format!("{count} in the dead-letter queue"),
        },
        (Trouble::Waits(age), QueueRole::Out) => {
            format!("the oldest message has been waiting for {}: the tenant does not read its own queue", time(age))
        }
        (Trouble::Waits(age), _) => format!("the oldest message has been waiting for {}", time(age)),
    };
    format!("{tenant}, {role}: {what}. Look: {look}")
}

/// A time in its largest unit but one below two, such as `90 min`.
fn time(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match (minutes / 1_440, minutes / 60) {
        (0 | 1, 0 | 1) => format!("{minutes} min"),
        (0 | 1, hours) => format!("{hours} h"),
        (days, _) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        "dev".parse().unwrap()
    }

    fn news(queue: &str, trouble: Trouble) -> News {
        News { name: format!("acequia_dev_{queue}").parse().unwrap(), trouble, why: None }
    }

    #[test]
    fn one_queue_is_told_with_tenant_queue_count_reason_and_command() {
        let why = Why::most_frequent(["not-json", "attempts-exhausted", "attempts-exhausted"].into_iter());
        let told = alert(&stage(), &[News { why, ..news("acme_webhook-dlq", Trouble::DeadLetters(12)) }]).unwrap();
        assert_eq!(told.tenant.as_ref().map(TenantId::as_str), Some("acme"));
        assert_eq!(told.subject, "Acequia dev: 12 dead letters of acme in webhook");
        let line = "acme, webhook: 12 in the dead-letter queue, most of them for attempts-exhausted: mend the endpoint, then redrive. \
                    Look: acequia dlq list acme --queue webhook --stage dev\n";
        assert!(told.text.starts_with(line), "{}", told.text);
    }

    #[test]
    fn what_waits_is_told_with_its_time_and_a_queue_of_the_tenants_own_as_such() {
        let waits = |queue: &str, minutes| {
            alert(&stage(), &[news(queue, Trouble::Waits(Duration::from_mins(minutes)))]).unwrap()
        };
        assert_eq!(waits("acme_email", 90).subject, "Acequia dev: messages of acme wait in email for 90 min");
        assert!(
            waits("acme_out.fifo", 180)
                .text
                .contains("for 3 h: the tenant does not read its own queue. Look: acequia status acme")
        );
        assert!(waits("acme_email", 3_000).subject.ends_with("for 2 days"));
    }

    #[test]
    fn a_code_that_is_none_of_ours_is_told_to_nobody() {
        assert_eq!(Why::most_frequent(["ana@example.org"; 3].into_iter()), None);
        let codes = ["ana@example.org", "ana@example.org", RECEIVED_TOO_OFTEN];
        assert_eq!(Why::most_frequent(codes.into_iter()), Some(Why::BySqs));
    }

    #[test]
    fn however_many_queues_are_in_trouble_they_are_one_notice_of_a_bounded_size() {
        let many: Vec<News> = (0..10_000)
            .map(|n| News {
                why: Some(Why::Quarantined(Reason::AddressEncrypted)),
                ..news(&format!("{}{n}_webhook-dlq", "t".repeat(26)), Trouble::DeadLetters(u64::MAX))
            })
            .collect();
        let told = alert(&stage(), &many).unwrap();
        assert_eq!(
            (told.tenant, told.subject.as_str()),
            (None, "Acequia dev: 10000 queues of 10000 tenants need a look")
        );
        assert!(told.text.contains("And 9960 more queues."), "{}", told.text);
        assert!(told.text.len() < 20_000, "{} bytes", told.text.len());
        assert_eq!(alert(&stage(), &[]), None);
    }

    #[test]
    fn several_queues_of_one_tenant_are_told_as_its() {
        let both =
            [news("acme_webhook-dlq", Trouble::DeadLetters(2)), news("acme_intake-dlq", Trouble::DeadLetters(1))];
        let told = alert(&stage(), &both).unwrap();
        assert_eq!(
            (told.tenant.unwrap().as_str(), told.subject.as_str()),
            ("acme", "Acequia dev: 2 queues of acme need a look")
        );
    }

    #[test]
    fn a_subject_is_never_longer_than_sns_takes() {
        let name = QueueName::new(
            &"a".repeat(10).parse().unwrap(),
            &"b".repeat(32).parse().unwrap(),
            QueueRole::Sink(crate::kind::SinkKind::Webhook),
        );
        let one = News { name: name.dead_letter(), trouble: Trouble::DeadLetters(u64::MAX), why: None };
        assert!(alert(&"a".repeat(10).parse().unwrap(), &[one]).unwrap().subject.len() <= 100);
    }
}
