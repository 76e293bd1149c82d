//! Whether the account has room for what the tenants may take: Lambda's concurrency, and reads of the parameter store.

use std::collections::BTreeMap;

use acequia_aws::account::{Concurrency, Mapping};
use acequia_core::id::TenantId;
use acequia_core::queue::QueueRole;
use acequia_core::secret::SecretNames;

use super::line::Line;
use crate::output::count;

pub(super) const CONCURRENCY: &str = "concurrency";
pub(super) const SECRETS: &str = "secrets";

/// Lambda's quota of concurrent executions, as Service Quotas names it.
const QUOTA: &str = "L-B99A9384";
/// The default quota of an account that is not new (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const USUAL: u64 = 1000;
/// Below it nothing can be reserved for a function, since Lambda keeps so much for all others.
const LEAST: u64 = 100;
/// What infra/tenant.yaml gives each queue that is not told otherwise.
pub(super) const SHARE: u64 = 10;
/// Reads a second that the parameter store allows at no cost (docs.aws.amazon.com/general/latest/gr/ssm.html).
const READS: u64 = 40;
/// A function remembers a secret for so many seconds.
const REMEMBERED: u64 = 60;

/// How many invocations at once each tenant may take.
pub(super) type Shares = BTreeMap<TenantId, u64>;

/// The names of tenants' secrets.
pub(super) type Secrets = BTreeMap<TenantId, SecretNames>;

/// The function that works a queue off.
pub(super) fn function_of(role: QueueRole) -> Option<&'static str> {
    match role {
        QueueRole::Intake => Some("router"),
        QueueRole::Sink(kind) => Some(kind.as_str()),
        QueueRole::Out => None,
    }
}

/// The tenants' shares of what is reserved for no function.
pub(super) fn shares(mappings: &[Mapping], reserved: &BTreeMap<String, u64>, limit: u64) -> Shares {
    let mut shares = Shares::new();
    for mapping in mappings.iter().filter(|mapping| mapping.state != "Disabled") {
        let own = function_of(mapping.queue.role).is_some_and(|function| reserved.contains_key(function));
        let share = if own { 0 } else { mapping.most.unwrap_or(limit) };
        *shares.entry(mapping.queue.tenant.clone()).or_default() += share;
    }
    shares
}

/// The tenants' shares against what the account has.
pub(super) fn concurrency(account: Concurrency, shares: &Shares) -> Line {
    let Concurrency { limit, unreserved } = account;
    let total: u64 = shares.values().sum();
    let greatest = shares.iter().max_by_key(|(_, share)| **share);
    // A quarter above what is needed, in whole hundreds.
    let wanted = (total + total / 4).div_ceil(100).saturating_mul(100).max(USUAL);
    let raise = format!(
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code {QUOTA} --desired-value {wanted}"
    );
    let room = if limit == unreserved {
        format!("{limit} invocations at once")
    } else {
        format!("{unreserved} invocations at once, of {limit} the rest is reserved")
    };
    match greatest {
        Some((tenant, share)) if *share >= unreserved => Line::fail(
            CONCURRENCY,
            format!(
                "the account has {room}, and {tenant} alone may take {share}: while it is busy, no other tenant is served"
            ),
            raise,
        ),
        Some(_) if total > unreserved => Line::warn(
            CONCURRENCY,
            format!(
                "the account has {room}; all {} together may take {total}, and then some are throttled",
                count(shares.len(), "tenant", "tenants")
            ),
            raise,
        ),
        None if limit < LEAST => Line::warn(
            CONCURRENCY,
            format!("a new account's quota: {room}, where one tenant with two queues may take {}", 2 * SHARE),
            raise,
        ),
        _ => Line::ok(CONCURRENCY, format!("{room}; tenants may take {total}")),
    }
}

/// Functions whose own reservation is less than what their queues may take.
pub(super) fn reservations(mappings: &[Mapping], reserved: &BTreeMap<String, u64>, stage: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (function, kept) in reserved {
        let fed = mappings.iter().filter(|mapping| function_of(mapping.queue.role) == Some(function));
        let total: u64 = fed.filter_map(|mapping| mapping.most).sum();
        if total > *kept {
            let found = format!(
                "{function} has {kept} invocations at once reserved, and its queues may take {total}: it is throttled"
            );
            let mend = format!(
                "aws lambda put-function-concurrency --function-name acequia-{stage}-{function} --reserved-concurrent-executions {total}"
            );
            lines.push(Line::warn(CONCURRENCY, found, mend));
        }
    }
    lines
}

/// The most reads a second that all busy tenants cause, against what the parameter store allows.
pub(super) fn secrets(known: &Secrets, mappings: &[Mapping], high: bool) -> Line {
    let readers = |tenant: &TenantId| -> u64 {
        let read = |role| matches!(role, QueueRole::Sink(kind) if kind.facts().reads_secrets);
        let own = mappings.iter().filter(|mapping| mapping.queue.tenant == *tenant && read(mapping.queue.role));
        own.map(|mapping| mapping.most.unwrap_or(SHARE)).sum()
    };
    let number = |secrets: &SecretNames| u64::try_from(secrets.len()).unwrap_or(u64::MAX);
    let total: u64 = known.values().map(number).sum();
    let of_secrets: u64 = known.iter().map(|(tenant, secrets)| number(secrets).saturating_mul(readers(tenant))).sum();
    // What a tenant's stack allows is read beside its secrets, once by each instance that sends mails or fills queues.
    let grants = |role| matches!(role, QueueRole::Sink(kind) if kind.facts().reads_grants);
    let of_grants: u64 =
        mappings.iter().filter(|mapping| grants(mapping.queue.role)).map(|mapping| mapping.most.unwrap_or(SHARE)).sum();
    let reads = of_secrets.saturating_add(of_grants);
    let a_second = reads.div_ceil(REMEMBERED);
    let found = format!(
        "{}, at most {} a second while all tenants are busy",
        count(total, "secret", "secrets"),
        count(a_second, "read", "reads")
    );
    if high {
        Line::ok(SECRETS, format!("{found}; the parameter store's throughput is the higher one"))
    } else if a_second > READS {
        Line::warn(
            SECRETS,
            format!("{found}; the parameter store allows {READS}, and above it deliveries wait"),
            "aws ssm update-service-setting --setting-id /ssm/parameter-store/high-throughput-enabled --setting-value true",
        )
    } else {
        Line::ok(SECRETS, format!("{found}, of {READS} that the parameter store allows"))
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::queue::QueueName;
    use acequia_core::secret::SecretPurpose;
    use acequia_testkit::build;

    use super::super::line::Verdict;
    use acequia_core::kind::SinkKind;

    use super::*;

    fn mapping(tenant: &str, role: QueueRole, most: Option<u64>) -> Mapping {
        let queue = QueueName::new(&build::stage(), &build::tenant_id(tenant), role);
        Mapping { id: "u".to_owned(), queue, state: "Enabled".to_owned(), most }
    }

    fn tenants(shares: &[(&str, u64)]) -> Shares {
        shares.iter().map(|(tenant, share)| (build::tenant_id(tenant), *share)).collect()
    }

    #[test]
    fn a_tenant_that_could_starve_all_others_fails_and_too_much_together_warns() {
        for (limit, unreserved, shares, verdict, says) in [
            (1000, 1000, tenants(&[("acme", 30), ("bona", 30)]), Verdict::Ok, "tenants may take 60"),
            (1000, 1000, tenants(&[]), Verdict::Ok, "1000 invocations"),
            (10, 10, tenants(&[]), Verdict::Warn, "a new account's quota: 10"),
            (10, 10, tenants(&[("acme", 30)]), Verdict::Fail, "acme alone may take 30"),
            (1000, 20, tenants(&[("acme", 20)]), Verdict::Fail, "of 1000 the rest is reserved"),
            (100, 100, tenants(&[("acme", 60), ("bona", 60)]), Verdict::Warn, "may take 120"),
        ] {
            let line = concurrency(Concurrency { limit, unreserved }, &shares);
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(line.found.contains(says), "{line:?}");
        }
    }

    #[test]
    fn the_quota_that_is_asked_for_covers_what_the_tenants_may_take() {
        let line =
            concurrency(Concurrency { limit: 1000, unreserved: 1000 }, &tenants(&[("acme", 900), ("bona", 900)]));
        assert!(line.mend.unwrap().ends_with("--quota-code L-B99A9384 --desired-value 2300"));
    }

    #[test]
    fn what_a_function_has_for_itself_is_taken_from_nobody() {
        let webhook = QueueRole::Sink(SinkKind::Webhook);
        let mappings = [mapping("acme", QueueRole::Intake, Some(10)), mapping("acme", webhook, Some(7))];
        let mut off = mapping("bona", webhook, Some(10));
        off.state = "Disabled".to_owned();
        let all = [&mappings[..], &[off]].concat();
        assert_eq!(shares(&all, &BTreeMap::new(), 1000), tenants(&[("acme", 17)]));
        let reserved = BTreeMap::from([("webhook".to_owned(), 5)]);
        assert_eq!(shares(&all, &reserved, 1000), tenants(&[("acme", 10)]));
        assert_eq!(shares(&[mapping("acme", webhook, None)], &BTreeMap::new(), 50), tenants(&[("acme", 50)]));
        let lines = reservations(&mappings, &reserved, "dev");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].found.contains("webhook has 5") && lines[0].found.contains("may take 7"), "{lines:?}");
        assert!(reservations(&mappings, &BTreeMap::from([("webhook".to_owned(), 7)]), "dev").is_empty());
    }

    #[test]
    fn reads_of_secrets_are_reckoned_from_busy_tenants_and_bounded_by_the_throughput() {
        let webhook = QueueRole::Sink(SinkKind::Webhook);
        let counts = |number: u64| {
            let names = (0..number).map(|n| (SecretPurpose::Webhook, format!("key-{n}").parse().unwrap())).collect();
            Secrets::from([(build::tenant_id("acme"), names)])
        };
        let mappings = [mapping("acme", webhook, Some(10)), mapping("acme", QueueRole::Intake, Some(10))];
        let line = secrets(&counts(240), &mappings, false);
        assert_eq!((line.verdict, line.found.contains("at most 40 reads")), (Verdict::Ok, true), "{line:?}");
        assert_eq!(secrets(&counts(241), &mappings, false).verdict, Verdict::Warn);
        assert_eq!(secrets(&counts(241), &mappings, true).verdict, Verdict::Ok);
        let with_mail =
            [mappings.as_slice(), &[mapping("acme", QueueRole::Sink(SinkKind::Forward), Some(10))]].concat();
        assert_eq!(secrets(&counts(240), &with_mail, false).verdict, Verdict::Warn, "grants are read too");
    }
}
