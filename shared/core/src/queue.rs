//! The names of a tenant's queues: the one place that makes them from a [`TenantId`] and reads a tenant out of them.
//!
//! A name is `acequia_<stage>_<tenant>_<queue>`, and its dead-letter queue's is the same with `-dlq` behind it. Neither
//! a stage nor a tenant can have an underscore, so a name reads in one way only.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::id::{Stage, TenantId};
use crate::kind::SinkKind;

/// What a queue of a tenant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueRole {
    /// Where producers put a tenant's events.
    Intake,
    /// Where the router puts the deliveries of one kind of sink.
    Sink(SinkKind),
    /// The tenant's own queue, which its forward sinks can fill and its own systems read.
    Out,
}

impl QueueRole {
    /// Every role, in the order in which a message passes them.
    #[expect(
        clippy::indexing_slicing,
        reason = "the compiler evaluates it: an index out of bounds would be an error there"
    )]
    pub const ALL: [Self; SinkKind::ALL.len() + 2] = {
        let mut all = [Self::Out; SinkKind::ALL.len() + 2];
        all[0] = Self::Intake;
        let mut kind = 0;
        while kind < SinkKind::ALL.len() {
            all[kind + 1] = Self::Sink(SinkKind::ALL[kind]);
            kind += 1;
        }
        all
    };

    /// The last part of the queue's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Sink(kind) => kind.as_str(),
            Self::Out => "out",
        }
    }
}

impl fmt::Display for QueueRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of one of Acequia's queues, or not the ARN of a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQueue {
    /// Not of the form `acequia_<stage>_<tenant>_<queue>`.
    #[error("{0:?} is not the name of an Acequia queue: it must read acequia_<stage>_<tenant>_<queue>")]
    Name(String),
    /// Not of the form `arn:<partition>:sqs:<region>:<account>:<name>`.
    #[error("{0:?} is not the ARN of an SQS queue: it must read arn:<partition>:sqs:<region>:<account>:<name>")]
    Arn(String),
}

/// The name of one queue of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    /// The installation it belongs to.
    pub stage: Stage,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is for.
    pub role: QueueRole,
    /// Whether it is the dead-letter queue behind the one of this role.
    pub dlq: bool,
    /// Whether it keeps order (its name then ends in `.fifo`).
    pub fifo: bool,
}

impl QueueName {
    /// The standard queue of a role.
    pub fn new(stage: &Stage, tenant: &TenantId, role: QueueRole) -> Self {
        Self { stage: stage.clone(), tenant: tenant.clone(), role, dlq: false, fifo: false }
    }

    /// The dead-letter queue behind this one (itself, where it is one).
    #[must_use]
    pub fn dead_letter(&self) -> Self {
        Self { dlq: true, ..self.clone() }
    }

    /// The queue of another role of the same tenant and stage.
    #[must_use]
    pub fn sibling(&self, role: QueueRole) -> Self {
        Self::new(&self.stage, &self.tenant, role)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dlq = if self.dlq { "-dlq" } else { "" };
        let fifo = if self.fifo { ".fifo" } else { "" };
        write!(f, "acequia_{}_{}_{}{dlq}{fifo}", self.stage, self.tenant, self.role)
    }
}

impl FromStr for QueueName {
    type Err = InvalidQueue;

    fn from_str(text: &str) -> Result<Self, InvalidQueue> {
        let invalid = || InvalidQueue::Name(text.chars().take(100).collect());
        let (rest, fifo) = text.strip_suffix(".fifo").map_or((text, false), |rest| (rest, true));
        let mut parts = rest.split('_');
        let (Some("acequia"), Some(stage), Some(tenant), Some(queue), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let (role, dlq) = queue.strip_suffix("-dlq").map_or((queue, false), |role| (role, true));
        let role = QueueRole::ALL.into_iter().find(|r| r.as_str() == role).ok_or_else(invalid)?;
        Ok(Self {
            stage: stage.parse().map_err(|_| invalid())?,
            tenant: tenant.parse().map_err(|_| invalid())?,
            role,
            dlq,
            fifo,
        })
    }
}

/// The address of any SQS queue, ours or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueArn {
    // Shared, because every message has one.
    partition: Arc<str>,
    region: Arc<str>,
    account: Arc<str>,
    name: Arc<str>,
}

impl QueueArn {
    /// The queue's name, as it stands in the ARN.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The region that the queue is in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The twelve digits of the account that owns the queue.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The partition of AWS that the queue is in.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Whether both queues are in one partition of AWS. Nobody's credentials are good for two.
    pub fn shares_partition(&self, other: &Self) -> bool {
        self.partition == other.partition
    }

    /// The address of the queue that has this URL, whatever endpoint is in it; `None` where the URL does not end in an
    /// account and a name.
    pub fn of_url(url: &str, region: &str) -> Option<Self> {
        let mut parts = url.rsplit('/');
        let (name, account) = (parts.next()?, parts.next()?);
        let partition = match region.split('-').next() {
            Some("cn") => "aws-cn",
            Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        format!("arn:{partition}:sqs:{region}:{account}:{name}").parse().ok()
    }

    /// The account, region and partition of this queue with another queue's name.
    #[must_use]
    pub fn beside(&self, name: &QueueName) -> Self {
        Self { name: name.to_string().into(), ..self.clone() }
    }

    /// Whether the queue keeps order.
    pub fn is_fifo(&self) -> bool {
        self.name.strip_suffix(".fifo").is_some()
    }

    /// The queue's URL, in its own region and partition. SQS knows it there alone: a call of another region's endpoint
    /// is answered `InvalidAddress`
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html>).
    pub fn url(&self) -> String {
        let suffix = if &*self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://sqs.{}.{suffix}/{}/{}", self.region, self.account, self.name)
    }
}

/// A queue of a tenant's: where it is, and what its name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue {
    /// Its address.
    pub arn: QueueArn,
    /// Its name, read.
    pub name: QueueName,
}

impl Queue {
    /// The queue at this address.
    ///
    /// # Errors
    /// [`InvalidQueue::Name`] where its name is not one of Acequia's.
    pub fn at(arn: QueueArn) -> Result<Self, InvalidQueue> {
        let name = arn.name().parse()?;
        Ok(Self { arn, name })
    }

    /// The address of the dead-letter queue behind it.
    pub fn dead_letters(&self) -> QueueArn {
        self.arn.beside(&self.name.dead_letter())
    }
}

impl fmt::Display for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:sqs:{}:{}:{}", self.partition, self.region, self.account, self.name)
    }
}

impl FromStr for QueueArn {
    type Err = InvalidQueue;

    fn from_str(text: &str) -> Result<Self, InvalidQueue> {
        let invalid = || InvalidQueue::Arn(text.chars().take(200).collect());
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "sqs", region, account, name] = parts.as_slice() else { return Err(invalid()) };
        let name_fits = (1..=80).contains(&name.len())
            && name
                .strip_suffix(".fifo")
                .unwrap_or(name)
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let region_fits =
            !region.is_empty() && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let account_fits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !(["aws", "aws-cn", "aws-us-gov"].contains(partition) && name_fits && region_fits && account_fits) {
            return Err(invalid());
        }
        Ok(Self {
            partition: Arc::from(*partition),
            region: Arc::from(*region),
            account: Arc::from(*account),
            name: Arc::from(*name),
        })
    }
}

/// How many messages a queue holds, as SQS estimates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that were received and are hidden.
    pub in_flight: u64,
    /// Messages that were sent with a delay and are not visible yet.
    pub not_yet_visible: u64,
}

impl Depth {
    /// All messages, hidden ones included.
    pub fn total(self) -> u64 {
        self.visible.saturating_add(self.in_flight).saturating_add(self.not_yet_visible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_to_what_it_was_made_of() {
        let (stage, tenant) = ("dev".parse().unwrap(), "a-b".parse().unwrap());
        for role in QueueRole::ALL {
            for dlq in [false, true] {
                for fifo in [false, true] {
                    let name = QueueName { dlq, fifo, ..QueueName::new(&stage, &tenant, role) };
                    assert_eq!(name.to_string().parse::<QueueName>().unwrap(), name);
                    assert!(name.to_string().len() <= 80, "SQS allows 80 characters");
                }
            }
        }
    }

    #[test]
    fn the_longest_names_stay_within_the_eighty_characters_of_sqs() {
        let name =
            QueueName::new(&"a".repeat(10).parse().unwrap(), &"b".repeat(32).parse().unwrap(), QueueRole::Intake);
        let longest = QueueName { dlq: true, fifo: true, ..name };
        assert!(longest.to_string().len() <= 80);
    }

    #[test]
    fn a_name_of_another_system_is_not_taken_for_a_tenants() {
        for bad in [
            "",
            "acequia_dev_acme",
            "acequia_dev_acme_crm",
            "acequia_dev_ac_me_intake",
            "x_dev_acme_intake",
            "acequia_dev_a_intake",
        ] {
            assert!(bad.parse::<QueueName>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn an_arn_reads_back_and_gives_the_url_of_its_queue() {
        let text = "arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_webhook";
        let arn: QueueArn = text.parse().unwrap();
        assert_eq!(arn.to_string(), text);
        assert_eq!(arn.url(), "https://sqs.eu-west-1.amazonaws.com/123456789012/acequia_dev_acme_webhook");
        let china: QueueArn = "arn:aws-cn:sqs:cn-north-1:123456789012:q".parse().unwrap();
        assert_eq!(china.url(), "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q");
        assert_eq!(QueueArn::of_url(&arn.url(), "eu-west-1"), Some(arn));
        let local = QueueArn::of_url("http://127.0.0.1:4566/000000000000/acequia_local_acme_out.fifo", "us-east-1");
        assert_eq!(local.unwrap().to_string(), "arn:aws:sqs:us-east-1:000000000000:acequia_local_acme_out.fifo");
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("us-west-2", "aws")] {
            let arn = QueueArn::of_url("https://x/123456789012/q", region).unwrap().to_string();
            assert!(arn.starts_with(&format!("arn:{partition}:")), "{arn}");
        }
        assert_eq!(QueueArn::of_url("https://x/q", "us-east-1"), None);
        for bad in [
            "arn:aws:sns:eu-west-1:123456789012:x",
            "arn:aws:sqs:eu-west-1:12:x",
            "arn:aws:sqs:eu-west-1:123456789012:",
            "x",
        ] {
            assert!(bad.parse::<QueueArn>().is_err(), "{bad:?} was taken");
        }
    }
}
