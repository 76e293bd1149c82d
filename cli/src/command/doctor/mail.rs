//! SES: whether the account may send mail to any address, how much, and from the domains that tenants send from.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata as _;

use acequia_aws::refusal::unavailable;

use super::line::{Line, Seen, or_ok};
use crate::output::count;

pub(super) const ACCOUNT: &str = "mail-account";
pub(super) const QUOTA: &str = "mail-quota";
pub(super) const RATE: &str = "mail-rate";
pub(super) const SENDERS: &str = "senders";

/// Shows the case in which SES's people are answered.
const REVIEW: &str = "aws sesv2 get-account --query Details.ReviewDetails";
/// The share of the daily quota from which on the operator should look at it.
const NEARLY: f64 = 0.8;

/// What SES lets the account send.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sending {
    /// Whether mail may go to any address, and not only to verified ones.
    pub(super) production: bool,
    pub(super) enabled: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    pub(super) enforcement: String,
    /// Mails in 24 hours, -1 for as many as one likes; how many were sent; mails a second.
    pub(super) daily: f64,
    pub(super) sent: f64,
    pub(super) rate: f64,
}

/// A domain that tenants send from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) domain: String,
    pub(super) tenant: String,
    /// Whether SES sends from it; `None` where SES does not know it.
    pub(super) verified: Option<bool>,
}

/// Asks SES what the account may send.
pub(super) async fn sending(ses: &Client) -> Seen<Sending> {
    let answer = ses.get_account().send().await.map_err(|error| unavailable("read SES's account", error))?;
    let quota = answer.send_quota();
    Ok(Sending {
        production: answer.production_access_enabled,
        enabled: answer.sending_enabled,
        enforcement: answer.enforcement_status().unwrap_or("HEALTHY").to_owned(),
        daily: quota.map_or(0.0, |quota| quota.max24_hour_send),
        sent: quota.map_or(0.0, |quota| quota.sent_last24_hours),
        rate: quota.map_or(0.0, |quota| quota.max_send_rate),
    })
}

/// Asks SES whether it sends from a sender's domain, or from its address.
pub(super) async fn verified(ses: &Client, address: &str) -> Seen<Option<bool>> {
    let domain = domain_of(address);
    let mut known = None;
    for identity in [domain, address] {
        match ses.get_email_identity().email_identity(identity).send().await {
            Ok(answer) if answer.verified_for_sending_status => return Ok(Some(true)),
            Ok(_) => known = Some(false),
            Err(error) if error.code() == Some("NotFoundException") => {}
            Err(error) => return Err(unavailable("read a sender's identity", error).into()),
        }
    }
    Ok(known)
}

/// The bare address of a sender such as `Acme <hello@acme.example>`.
pub(super) fn address_of(sender: &str) -> &str {
    sender.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')).map_or(sender, |(_, address)| address).trim()
}

pub(super) fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// Whether mail goes out at all. `used` says whether a tenant sends any.
pub(super) fn account(sending: &Sending, used: bool) -> Vec<Line> {
    let mut bad = Vec::new();
    // What no tenant uses does not fail.
    let worst = |found: String, mend: &str| {
        if used { Line::fail(ACCOUNT, found, mend) } else { Line::warn(ACCOUNT, found, mend) }
    };
    if !sending.production {
        let found = format!(
            "SES has the account in its sandbox: mail to addresses that are not verified is refused, and so quarantined; {:.0} a day, {:.0} a second",
            sending.daily, sending.rate
        );
        let mend = "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url https://YOUR.SITE --contact-language EN";
        bad.push(worst(found, mend));
    }
    if !sending.enabled {
        let mend = "aws sesv2 put-account-sending-attributes --sending-enabled";
        bad.push(worst("SES has sending switched off for this account: mails wait".to_owned(), mend));
    }
    match sending.enforcement.as_str() {
        "SHUTDOWN" => {
            let found = "SES has paused the account for its bounces or complaints: mails wait".to_owned();
            bad.push(worst(found, REVIEW));
        }
        "PROBATION" => bad.push(Line::warn(
            ACCOUNT,
            "SES reviews the account for its bounces or complaints, and may pause it",
            REVIEW,
        )),
        _ => {}
    }
    or_ok(bad, ACCOUNT, || "SES sends to anybody".to_owned())
}

/// How much of the daily quota is used.
pub(super) fn quota(sending: &Sending) -> Line {
    let Sending { daily, sent, rate, .. } = *sending;
    if daily < 0.0 {
        return Line::ok(QUOTA, format!("{sent:.0} mails in the last 24 hours, without a limit; {rate:.0} a second"));
    }
    let found = format!("{sent:.0} of {daily:.0} mails in the last 24 hours; {rate:.0} a second");
    let raise = "aws service-quotas list-service-quotas --service-code ses # and request-service-quota-increase";
    if sent >= daily {
        Line::fail(QUOTA, format!("{found}: the quota is used up, mails wait"), raise)
    } else if sent >= daily * NEARLY {
        Line::warn(QUOTA, format!("{found}: the quota is nearly used up"), raise)
    } else {
        Line::ok(QUOTA, found)
    }
}

/// The rate that the functions keep, against what SES allows and what the stack says.
pub(super) fn rate(sending: &Sending, kept: Option<f64>, parameter: Option<f64>, stage: &str) -> Line {
    let allowed = sending.rate;
    let Some(kept) = kept else {
        return Line::skipped(RATE, "the e-mail function does not say which rate it keeps");
    };
    let deploy =
        |rate: f64| format!("deploy the platform with --config-env {stage} and MailRate={rate:.0}, as README.md says");
    match parameter {
        // Numbers of a form: equal or not, there is nothing to round.
        Some(said) if (said - kept).abs() > f64::EPSILON => Line::warn(
            RATE,
            format!(
                "the functions that serve keep {kept:.0} mails a second, and the stack's MailRate is {said:.0}: it had no effect"
            ),
            deploy(said),
        ),
        _ if kept > allowed => Line::warn(
            RATE,
            format!("MailRate is {kept:.0} mails a second, and SES allows {allowed:.0}: it throttles the rest"),
            deploy(allowed),
        ),
        _ if kept > 0.0 && kept * 2.0 <= allowed => Line::warn(
            RATE,
            format!("MailRate is {kept:.0} mails a second, and SES allows {allowed:.0}: mails may wait for nothing"),
            deploy(allowed),
        ),
        _ if kept <= 0.0 => Line::ok(RATE, format!("MailRate is 0: SES alone bounds it, at {allowed:.0} a second")),
        _ => Line::ok(RATE, format!("MailRate is {kept:.0} of {allowed:.0} mails a second")),
    }
}

/// The domains that tenants send from.
pub(super) fn senders(senders: &[Sender]) -> Vec<Line> {
    let bad = senders.iter().filter_map(|Sender { domain, tenant, verified }| match verified {
        Some(true) => None,
        Some(false) => Some(Line::fail(
            SENDERS,
            format!("{tenant} sends from {domain}, which SES has not verified: its records are not in the DNS yet"),
            format!("aws sesv2 get-email-identity --email-identity {domain} --query DkimAttributes"),
        )),
        None => Some(Line::fail(
            SENDERS,
            format!("{tenant} sends from {domain}, which SES does not know: it refuses its mails"),
            format!("aws sesv2 create-email-identity --email-identity {domain}"),
        )),
    });
    or_ok(bad.collect(), SENDERS, || match senders.len() {
        0 => "no tenant sends mail".to_owned(),
        number => format!("{} verified", count(number, "sender of tenants is", "senders of tenants are")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    fn healthy() -> Sending {
        Sending {
            production: true,
            enabled: true,
            enforcement: "HEALTHY".into(),
            daily: 50_000.0,
            sent: 10.0,
            rate: 14.0,
        }
    }

    #[test]
    fn the_sandbox_fails_where_mail_is_sent_and_warns_where_none_is() {
        let sandbox = Sending { production: false, daily: 200.0, rate: 1.0, ..healthy() };
        let line = &account(&sandbox, true)[0];
        assert_eq!(line.verdict, Verdict::Fail);
        assert!(line.found.contains("sandbox") && line.found.contains("200 a day, 1 a second"), "{line:?}");
        assert!(line.mend.as_ref().unwrap().contains("--production-access-enabled"));
        assert_eq!(account(&sandbox, false)[0].verdict, Verdict::Warn);
    }

    #[test]
    fn each_state_of_the_account_has_its_verdict() {
        for (sending, verdict, says) in [
            (healthy(), Verdict::Ok, "to anybody"),
            (Sending { enabled: false, ..healthy() }, Verdict::Fail, "switched off"),
            (Sending { enforcement: "SHUTDOWN".into(), ..healthy() }, Verdict::Fail, "paused"),
            (Sending { enforcement: "PROBATION".into(), ..healthy() }, Verdict::Warn, "reviews"),
        ] {
            let lines = account(&sending, true);
            assert_eq!((lines.len(), lines[0].verdict), (1, verdict), "{lines:?}");
            assert!(lines[0].found.contains(says), "{lines:?}");
        }
    }

    #[test]
    fn the_daily_quota_warns_before_it_is_used_up() {
        for (daily, sent, verdict) in [
            (200.0, 159.0, Verdict::Ok),
            (200.0, 160.0, Verdict::Warn),
            (200.0, 200.0, Verdict::Fail),
            (-1.0, 1e6, Verdict::Ok),
        ] {
            assert_eq!(quota(&Sending { daily, sent, ..healthy() }).verdict, verdict, "{sent} of {daily}");
        }
    }

    #[test]
    fn the_rate_that_is_kept_is_compared_with_ses_and_with_the_stack() {
        for (kept, parameter, verdict, says) in [
            (Some(14.0), Some(14.0), Verdict::Ok, "14 of 14"),
            (Some(14.0), None, Verdict::Ok, "14 of 14"),
            (Some(15.0), Some(15.0), Verdict::Warn, "SES allows 14: it throttles"),
            (Some(7.0), Some(7.0), Verdict::Warn, "may wait for nothing"),
            (Some(8.0), Some(8.0), Verdict::Ok, "8 of 14"),
            (Some(0.0), Some(0.0), Verdict::Ok, "SES alone"),
            (Some(14.0), Some(10.0), Verdict::Warn, "had no effect"),
            (None, Some(10.0), Verdict::Skipped, "does not say"),
        ] {
            let line = rate(&healthy(), kept, parameter, "dev");
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(line.found.contains(says), "{line:?}");
        }
    }

    #[test]
    fn a_sender_is_named_by_its_domain_and_fails_where_ses_does_not_send_from_it() {
        let sender = |verified| Sender { domain: "acme.example".into(), tenant: "acme".into(), verified };
        assert_eq!(senders(&[sender(Some(true))])[0].verdict, Verdict::Ok);
        let lines = senders(&[sender(Some(false)), sender(None)]);
        assert!(lines.iter().all(|line| line.verdict == Verdict::Fail));
        assert!(lines[1].mend.as_ref().unwrap().ends_with("create-email-identity --email-identity acme.example"));
        assert_eq!(senders(&[])[0].found, "no tenant sends mail");
        assert_eq!(address_of("Acme <hello@acme.example>"), "hello@acme.example");
        assert_eq!(domain_of(address_of("hello@acme.example")), "acme.example");
    }
}
