//! What a tenant's stack allows its configuration: the addresses that it may send mail from, and the queues and buses
//! outside that it may fill; databases, as the user of theirs that may be entered as.
//!
//! Who writes a tenant's configuration says what it wants; who deploys its stack says what is its own. The two are
//! compared when a file is applied, and again before each mail and each message to a place outside: what was taken back
//! since is refused then. What is not granted is refused: an empty list allows nothing.

use std::collections::BTreeSet;

use serde::Deserialize;
use url::Host;

use crate::outcome::Cause;
use crate::queue::QueueArn;
use crate::table::DatabaseAddress;
use crate::tenant::{Issue, RawTarget, RawTenant};

/// What a tenant's stack allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    senders: Vec<Sender>,
    /// ARNs of queues and buses, in lower and upper case as they are; `*` stands for any characters.
    targets: Vec<String>,
}

/// Who a tenant may send as, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sender {
    /// One address.
    Address(String),
    /// Every address of a domain.
    Domain(String),
    /// Every address of a domain's subdomains.
    Below(String),
}

/// What is stored is not what a tenant's stack writes.
#[derive(Debug, thiserror::Error)]
#[error("it is not of the form {{\"senders\": \"...\", \"targets\": \"...\"}}")]
pub struct InvalidGrants(#[source] serde_json::Error);

/// The parameter that the stack writes: two lists with commas, as the stack's parameters have them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    senders: String,
    targets: String,
}

impl Grants {
    /// Reads what a tenant's stack has written.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn parse(json: &str) -> Result<Self, InvalidGrants> {
        let stored: Stored = serde_json::from_str(json).map_err(InvalidGrants)?;
        let listed = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
        };
        Ok(Self {
            senders: listed(&stored.senders).iter().map(|entry| Sender::read(entry)).collect(),
            targets: listed(&stored.targets),
        })
    }

    /// Checks that the tenant may send mail from a mailbox, an address or `Name <address>`.
    ///
    /// # Errors
    /// [`Cause::SenderNotGranted`] with the address's domain.
    pub fn check_sender(&self, mailbox: &str) -> Result<(), Cause> {
        let Some((address, domain)) = address_of(mailbox) else {
            return Err(Cause::SenderNotGranted("an address that cannot be read".to_owned()));
        };
        if self.senders.iter().any(|sender| sender.takes(&address, &domain)) {
            return Ok(());
        }
        Err(Cause::SenderNotGranted(domain))
    }

    /// Checks that the tenant may fill a queue or a bus outside, by its ARN.
    ///
    /// # Errors
    /// [`Cause::TargetNotGranted`] with the ARN.
    pub fn check_target(&self, arn: &impl ToString) -> Result<(), Cause> {
        let arn = arn.to_string();
        if self.targets.iter().any(|pattern| matches(pattern, &arn)) {
            return Ok(());
        }
        Err(Cause::TargetNotGranted(arn))
    }

    /// What of a configuration the grants do not cover, each with the path of its field.
    pub fn refusals(&self, configuration: &RawTenant) -> Vec<Issue> {
        let tenant = &configuration.tenant;
        let refused = |Wish { path, what }: Wish<'_>| {
            let (does, allowed, parameter) = match what {
                What::Sender(from) => {
                    let Err(Cause::SenderNotGranted(domain)) = self.check_sender(from) else { return None };
                    (format!("send from {domain}"), list(self.senders.iter().map(Sender::to_string)), "SenderDomains")
                }
                What::Target(arn) => {
                    self.check_target(&arn).err()?;
                    (format!("fill {arn}"), list(self.targets.iter().cloned()), "ForwardTargets")
                }
            };
            let problem = format!(
                "the stack of {tenant} does not allow it to {does} (it allows {allowed}): if that is {tenant}'s own, deploy the stack with it \
                 in {parameter}"
            );
            Some(Issue { path, problem, line_in_value: None })
        };
        wishes(configuration).into_iter().filter_map(refused).collect()
    }
}

/// Something of a configuration that must be granted.
struct Wish<'a> {
    path: String,
    what: What<'a>,
}

enum What<'a> {
    Sender(&'a str),
    Target(String),
}

fn wishes(configuration: &RawTenant) -> Vec<Wish<'_>> {
    let mut wishes = Vec::new();
    if let Some(mail) = &configuration.mail {
        wishes.push(Wish { path: "mail.from".to_owned(), what: What::Sender(&mail.from) });
    }
    for (index, sink) in configuration.sinks.iter().enumerate() {
        match &sink.own {
            Some(RawTarget::Email(email)) => {
                if let Some(from) = &email.from {
                    wishes.push(Wish { path: format!("sinks[{index}].from"), what: What::Sender(from) });
                }
            }
            Some(RawTarget::Forward(forward)) => {
                // "out" and "out.fifo" are no ARNs.
                if let Some(queue) = forward.queue.as_ref().filter(|queue| queue.parse::<QueueArn>().is_ok()) {
                    wishes.push(Wish { path: format!("sinks[{index}].queue"), what: What::Target(queue.clone()) });
                }
            }
            Some(RawTarget::Eventbridge(eventbridge)) => {
                if let Some(bus) = &eventbridge.bus {
                    wishes.push(Wish { path: format!("sinks[{index}].bus"), what: What::Target(bus.clone()) });
                }
            }
            Some(RawTarget::Table(table)) => {
                // The form in which a grant names it; what is no address has another problem.
                if let Some(Ok(address)) = table.database.as_ref().map(|text| text.parse::<DatabaseAddress>()) {
                    wishes.push(Wish {
                        path: format!("sinks[{index}].database"),
                        what: What::Target(address.to_string()),
                    });
                }
            }
            Some(RawTarget::Webhook(_) | RawTarget::Archive(_)) | None => {}
        }
    }
    wishes
}

/// Whether a configuration has anything that must be granted.
pub fn is_needed(configuration: &RawTenant) -> bool {
    !wishes(configuration).is_empty()
}

/// What the stack of a tenant with this configuration must allow: the domains that it sends from, and the queues
/// outside that it fills.
pub fn wanted(configuration: &RawTenant) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut senders, mut targets) = (BTreeSet::new(), BTreeSet::new());
    for wish in wishes(configuration) {
        match wish.what {
            What::Sender(from) => senders.extend(address_of(from).map(|(_, domain)| domain)),
            What::Target(arn) => targets.extend([arn]),
        }
    }
    (senders, targets)
}

impl Sender {
    fn read(entry: &str) -> Self {
        let entry = entry.to_ascii_lowercase();
        match entry.strip_prefix("*.") {
            Some(domain) => Self::Below(domain.to_owned()),
            None if entry.contains('@') => Self::Address(entry),
            None => Self::Domain(entry),
        }
    }

    fn takes(&self, address: &str, domain: &str) -> bool {
        match self {
            Self::Address(granted) => granted == address,
            Self::Domain(granted) => granted == domain,
            Self::Below(granted) => domain
                .strip_suffix(granted.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl std::fmt::Display for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(text) | Self::Domain(text) => f.write_str(text),
            Self::Below(text) => write!(f, "*.{text}"),
        }
    }
}

fn list(entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() { "nothing".to_owned() } else { entries.join(", ") }
}

/// The address of a mailbox and its domain, in lower case; a domain with other letters than ASCII's in the form that
/// the DNS has of it. `None` for what is no mailbox.
fn address_of(mailbox: &str) -> Option<(String, String)> {
    let mailbox = mailbox.trim();
    let address = match mailbox.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<')?.1,
        None => mailbox,
    };
    let (local, domain) = address.rsplit_once('@')?;
    if local.is_empty() || domain.is_empty() || domain.contains(['<', '>', '"', ',', '%']) || local.contains(['<', '>'])
    {
        return None;
    }
    let domain = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        match Host::parse(domain).ok()? {
            Host::Domain(domain) => domain,
            Host::Ipv4(_) | Host::Ipv6(_) => return None,
        }
    };
    Some((format!("{}@{domain}", local.to_ascii_lowercase()), domain))
}

/// Whether a text is of a pattern, in which `*` stands for any characters. Each star takes as few as it can: the time
/// grows with pattern times text, and both are short.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(senders: &str, targets: &str) -> Grants {
        Grants::parse(&serde_json::json!({"senders": senders, "targets": targets}).to_string()).unwrap()
    }

    #[test]
    fn a_sender_is_granted_by_its_address_by_its_domain_or_as_a_subdomain_and_by_nothing_that_looks_alike() {
        let grants = grants("acme.example, hello@Bona.example,*.cedar.example", "");
        for granted in [
            "hello@acme.example",
            "Acme <HELLO@ACME.example>",
            "\"Acme, Inc.\" <x@acme.example>",
            "hello@bona.example",
            "Bona <Hello@bona.example>",
            "x@news.cedar.example",
            "x@a.b.cedar.example",
        ] {
            assert_eq!(grants.check_sender(granted), Ok(()), "{granted}");
        }
        for (refused, domain) in [
            ("other@bona.example", "bona.example"),
            ("x@cedar.example", "cedar.example"),
            ("x@evilcedar.example", "evilcedar.example"),
            ("x@.cedar.example", ".cedar.example"),
            ("x@notacme.example", "notacme.example"),
            ("x@sub.acme.example", "sub.acme.example"),
            ("x@acme.example.evil.example", "acme.example.evil.example"),
            ("x@acme.example.", "acme.example."),
            ("\"<x@acme.example>\" <x@evil.example>", "evil.example"),
            ("x@acme.example <x@evil.example>", "evil.example"),
        ] {
            assert_eq!(grants.check_sender(refused), Err(Cause::SenderNotGranted(domain.to_owned())), "{refused}");
        }
        for unread in ["", "acme.example", "@acme.example", "x@acme%2Eexample", "<x@evil.example> x@acme.example"] {
            assert!(grants.check_sender(unread).is_err(), "{unread}");
        }
    }

    #[test]
    fn a_domain_of_other_letters_is_granted_in_the_form_that_the_dns_has_of_it() {
        let grants = grants("xn--bcher-kva.example", "");
        assert_eq!(grants.check_sender("x@b\u{fc}cher.example"), Ok(()));
        assert_eq!(grants.check_sender("x@xn--bcher-kva.example"), Ok(()));
        assert!(grants.check_sender("x@bucher.example").is_err());
    }

    #[test]
    fn a_queue_outside_is_granted_by_its_arn_or_by_a_pattern_of_it() {
        let grants = grants(
            "",
            "arn:aws:sqs:eu-west-1:111122223333:crm,arn:aws:sqs:eu-west-1:111122223333:acme-*.fifo,arn:aws:sqs:*:444455556666:a*b*c",
        );
        for (arn, granted) in [
            ("arn:aws:sqs:eu-west-1:111122223333:crm", true),
            ("arn:aws:sqs:eu-west-1:111122223333:crm2", false),
            ("arn:aws:sqs:eu-west-1:111122223333:CRM", false),
            ("arn:aws:sqs:eu-west-2:111122223333:crm", false),
            ("arn:aws:sqs:eu-west-1:999922223333:crm", false),
            ("arn:aws:sqs:eu-west-1:111122223333:acme-x.fifo", true),
            ("arn:aws:sqs:eu-west-1:111122223333:acme-x", false),
            ("arn:aws:sqs:us-east-1:444455556666:axbyc", true),
            ("arn:aws:sqs:us-east-1:444455556666:abc", true),
            ("arn:aws:sqs:us-east-1:444455556666:acb", false),
        ] {
            assert_eq!(grants.check_target(&arn).is_ok(), granted, "{arn}");
        }
    }

    #[test]
    fn nothing_is_granted_where_nothing_is_written_and_what_is_no_grant_is_not_taken_for_one() {
        for nothing in [Grants::default(), grants("", ""), grants(" , ", ",")] {
            assert!(nothing.check_sender("a@acme.example").is_err());
            assert!(nothing.check_target(&"arn:aws:sqs:eu-west-1:111122223333:crm").is_err());
        }
        for broken in [
            "",
            "acme.example",
            "{}",
            r#"{"senders":["a.example"],"targets":""}"#,
            r#"{"senders":"","targets":"","x":1}"#,
        ] {
            assert!(Grants::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_a_configuration_wants_and_is_not_granted_has_the_path_of_its_field_and_what_to_do() {
        let configuration: RawTenant = RawTenant::from_value(serde_json::json!({
            "tenant": "acme", "name": "Acme",
            "mail": {"from": "a@bona.example", "to": "{{ data.email }}", "default_locale": "en"},
            "sinks": [
                {"id": "a", "kind": "email", "types": ["*"], "from": "a@acme.example"},
                {"id": "b", "kind": "email", "types": ["*"], "from": "a@cedar.example"},
                {"id": "c", "kind": "email", "types": ["*"]},
                {"id": "d", "kind": "forward", "types": ["*"], "queue": "out"},
                {"id": "e", "kind": "forward", "types": ["*"], "queue": "arn:aws:sqs:eu-west-1:111122223333:bona"},
            ]
        }))
        .unwrap();
        let found = grants("acme.example", "arn:aws:sqs:eu-west-1:111122223333:acme").refusals(&configuration);
        let paths: Vec<&str> = found.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["mail.from", "sinks[1].from", "sinks[4].queue"]);
        assert!(found[0].problem.contains("bona.example (it allows acme.example)"), "{found:?}");
        assert!(found[0].problem.contains("SenderDomains") && found[2].problem.contains("ForwardTargets"), "{found:?}");
        assert!(is_needed(&configuration));
        let (senders, targets) = wanted(&configuration);
        assert_eq!(senders.into_iter().collect::<Vec<_>>(), ["acme.example", "bona.example", "cedar.example"]);
        assert_eq!(targets.into_iter().collect::<Vec<_>>(), ["arn:aws:sqs:eu-west-1:111122223333:bona"]);
        let plain = RawTenant::from_value(serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [
            {"id": "d", "kind": "forward", "types": ["*"], "queue": "out.fifo"}]}));
        assert!(!is_needed(&plain.unwrap()));
    }
}
