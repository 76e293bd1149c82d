//! A tenant's configuration, validated.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::auth::validate_auth;
use super::consent::{ConsentSettings, validate_consent};
use super::event_schema::{EventSchemas, validate_schemas};
use super::intake::{Intake, validate_intake};
use super::issue::{Findings, Issues};
use super::mail::{MailSettings, validate_mail};
use super::raw::{MAX_NAME_CHARS, MAX_SINKS, RawTenant, Recording};
use super::redrive::validate_auto_redrive;
use super::secret_use::refuse_two_purposes;
use super::sink::{Ambiguous, EmailSink, Place, Sink, Target, validate_sink};
use super::source::validate_wrap;
use crate::access::JwtIssuer;
use crate::delivery::redrive::AutoRedrive;
use crate::egress::Egress;
use crate::event::wrap::Wrap;
use crate::id::{SinkId, TenantId, TenantSummary};
use crate::mail::{MailKind, MailRef, OWN_SINKS};
use crate::outcome::schedule::RetryPolicy;
use crate::routing::Routes;

/// One tenant's valid configuration.
#[derive(Debug)]
pub struct Tenant {
    /// Who it is.
    pub summary: TenantSummary,
    /// How much the ledger keeps.
    pub record: Recording,
    /// Whether its intake takes only events that keep all rules of `CloudEvents`.
    pub strict_intake: bool,
    /// What the HTTP API goes by.
    pub intake: Intake,
    /// Whose tokens are taken, beside those of the platform's issuers.
    pub issuers: Vec<JwtIssuer>,
    /// What its events must look like.
    pub schemas: EventSchemas,
    /// What it gives records of Kafka's whose values are no events.
    pub kafka_wrap: Option<Wrap>,
    /// Which dead letters go back by themselves; none without it.
    pub auto_redrive: Option<AutoRedrive>,
    /// Where its events go, in the order of the document.
    pub sinks: Vec<Arc<Sink>>,
    /// Which sinks take which events.
    pub routes: Routes,
    /// What all its mails have in common.
    pub mail: Option<MailSettings>,
    /// Which of its events need consent.
    pub consent: Option<ConsentSettings>,
    /// The mails of consent, as the sinks that carry them; those alone that it has templates for.
    mails: BTreeMap<MailKind, Arc<Sink>>,
}

impl Tenant {
    /// Validates a document.
    ///
    /// `egress` says whether endpoints of the local environment are allowed.
    ///
    /// # Errors
    /// All problems of the document together.
    pub fn validate(raw: &RawTenant, egress: Egress) -> Result<Self, Issues> {
        Self::of(raw, egress, EventSchemas::report_flaws)
    }

    /// Validates a document that was valid when it was stored: its schemas are not compiled before an event needs one,
    /// so that functions that check none neither wait for that nor link what does it.
    ///
    /// # Errors
    /// The problems of the document, but for those of its schemas.
    pub fn of_stored(raw: &RawTenant) -> Result<Self, Issues> {
        // Whether an endpoint may be called is decided where it is called.
        Self::of(raw, Egress::Local, |_, _| {})
    }

    fn of(raw: &RawTenant, egress: Egress, check: impl Fn(&EventSchemas, &mut Findings)) -> Result<Self, Issues> {
        let mut findings = Findings::default();
        let id = raw.tenant.parse::<TenantId>().map_err(|error| findings.report("tenant", error.to_string())).ok();
        let name = raw.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            findings.report(
                "name",
                format!("it must have 1 to {MAX_NAME_CHARS} characters, none of them a control character"),
            );
        }
        let unknown_types = raw.intake.as_ref().map(|intake| intake.unknown_types).unwrap_or_default();
        let schemas = validate_schemas(&raw.schemas, unknown_types, &mut findings);
        check(&schemas, &mut findings);
        let kafka_wrap = validate_wrap(raw.sources.as_ref(), id.as_ref(), &mut findings);
        let mail = validate_mail(raw.mail.as_ref(), &raw.templates, &mut findings);
        let consent = raw.consent.as_ref().and_then(|raw| validate_consent(raw, mail.as_ref(), egress, &mut findings));
        refuse_two_purposes(raw, &mut findings);
        let intake = validate_intake(raw.intake.as_ref(), &mut findings);
        let issuers = validate_auth(raw.auth.as_ref(), egress, &mut findings);
        let auto_redrive = validate_auto_redrive(raw.auto_redrive.as_ref(), &mut findings);
        let (sinks, routes) = validate_sinks(raw, (id.as_ref(), mail.as_ref(), egress), &mut findings);
        let tenant = id.map(|id| Self {
            summary: TenantSummary { id, name: name.to_owned() },
            record: raw.record,
            strict_intake: raw.intake.as_ref().is_none_or(|intake| intake.strict),
            intake,
            issuers,
            schemas,
            kafka_wrap,
            auto_redrive,
            sinks,
            routes,
            mails: consent.as_ref().zip(mail.as_ref()).map(|(_, mail)| mail_sinks(mail)).unwrap_or_default(),
            mail,
            consent,
        });
        findings.conclude(tenant)
    }

    /// The sink of this id: one of the tenant's own, or the one that carries a mail of consent ([`MailRef`]).
    pub fn sink(&self, id: &SinkId) -> Option<&Arc<Sink>> {
        let mail = || MailRef::of(id).and_then(|mail| self.mails.get(&mail.kind));
        self.sinks.iter().find(|sink| sink.id == *id).or_else(mail)
    }

    /// Whether there is a text for mails of this kind, its own or one that it falls back to.
    pub fn sends(&self, kind: MailKind) -> bool {
        self.mails.contains_key(&kind)
    }
}

/// Validates the sinks, in what they share: their ids, and the rules by which they take events.
fn validate_sinks(
    raw: &RawTenant,
    (tenant, mail, egress): (Option<&TenantId>, Option<&MailSettings>, Egress),
    findings: &mut Findings,
) -> (Vec<Arc<Sink>>, Routes) {
    if raw.sinks.is_empty() {
        findings.report("sinks", "there is none: a tenant needs one sink at least");
    }
    if raw.sinks.len() > MAX_SINKS {
        findings.report("sinks", format!("there are {}; at most {MAX_SINKS} are taken", raw.sinks.len()));
    }
    let mut routes = Routes::default();
    let mut seen: BTreeMap<SinkId, usize> = BTreeMap::new();
    let mut sinks = Vec::with_capacity(raw.sinks.len());
    for (index, raw_sink) in raw.sinks.iter().enumerate() {
        let path = format!("sinks[{index}]");
        let place = Place { path: &path, tenant, mail, egress };
        let Some(sink) = validate_sink(raw_sink, &place, findings) else { continue };
        if raw.mail.is_some() && sink.id.as_str().starts_with(OWN_SINKS) {
            findings.report(
                format!("{path}.id"),
                format!("ids that begin with {OWN_SINKS:?} are those of the mails of consent"),
            );
        }
        if let Some(first) = seen.insert(sink.id.clone(), index) {
            findings.report(
                format!("{path}.id"),
                format!("{:?} is also the id of sinks[{first}]: ids are unique", sink.id.as_str()),
            );
        }
        // JSON in a text can say what TOML cannot: null.
        let pattern = raw_sink.pattern.as_ref().map(|pattern| match pattern {
            Json::String(text) => text.clone(),
            table => table.to_string(),
        });
        if let Err(error) = routes.add(sink.id.clone(), sink.types.clone(), pattern.as_deref()) {
            let place = if error.path.is_empty() { String::new() } else { format!(".{}", error.path) };
            findings.report(format!("{path}.pattern{place}"), error.problem);
        }
        sinks.push(Arc::new(sink));
    }
    (sinks, routes)
}

/// The sinks that carry the mails of consent. They take no event by its type: only the outbox fills them.
fn mail_sinks(mail: &MailSettings) -> BTreeMap<MailKind, Arc<Sink>> {
    let sink = |kind: MailKind| {
        let texts = kind.templates().iter().find_map(|name| mail.template(name))?;
        let target = EmailSink {
            from: mail.from.clone(),
            reply_to: mail.reply_to.clone(),
            to: mail.to.clone(),
            texts: Arc::clone(texts),
            ambiguous: Ambiguous::default(),
        };
        let sink = Sink {
            id: MailRef { kind, number: 1 }.sink()?,
            types: Vec::new(),
            enabled: true,
            retry: RetryPolicy::default(),
            claims: true,
            expires_after: None,
            rate: None,
            paused: false,
            shadow: false,
            target: Target::Email(Box::new(target)),
        };
        Some((kind, Arc::new(sink)))
    };
    MailKind::ALL.into_iter().filter_map(sink).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = r#"
        tenant = "acme"
        name = "Acme"
        [[sinks]]
        id = "crm"
        kind = "webhook"
        types = ["action.*"]
        url = "https://crm.example.org/hook"
        secrets = ["crm"]
        headers = { x-team = "red", authorization = { secret = "crm-auth" } }
        pattern = { data = { country = ["FR"] } }
        [[sinks]]
        id = "thanks"
        kind = "email"
        types = ["action.signed"]
        from = "Acme <hello@acme.example>"
        to = "{{ data.email }}"
        subject = "Thank you"
        text = "Dear {{ data.name }}"
        [[sinks]]
        id = "analytics"
        kind = "forward"
        types = ["*"]
        queue = "out"
    "#;

    fn validate(toml: &str, egress: Egress) -> Result<Tenant, Issues> {
        let value: serde_json::Value = toml::from_str(toml).unwrap();
        Tenant::validate(&RawTenant::from_value(value)?, egress)
    }

    #[test]
    fn a_document_with_one_sink_of_each_kind_is_valid_and_survives_storing() {
        let tenant = validate(VALID, Egress::Public).unwrap();
        assert_eq!(tenant.sinks.len(), 3);
        let raw = RawTenant::from_value(toml::from_str(VALID).unwrap()).unwrap();
        assert_eq!(RawTenant::from_json(&raw.to_json()).unwrap(), raw);
    }

    /// Each row: what is replaced in the valid document, by what, and the path and words that the issue must have.
    #[test]
    fn each_mistake_is_refused_with_the_path_of_its_field() {
        let rows = [
            ("tenant = \"acme\"", "tenant = \"Acme!\"", "tenant", "lower-case"),
            ("name = \"Acme\"", "name = \"\"", "name", "1 to 200"),
            ("id = \"crm\"", "id = \"crm\"\ncolour = 1", "sinks[0].colour", "unknown field"),
            (
                "kind = \"webhook\"",
                "kind = \"pigeon\"",
                "sinks[0].kind",
                "webhook, email, forward, eventbridge, archive or table",
            ),
            ("id = \"thanks\"", "id = \"crm\"", "sinks[1].id", "unique"),
            ("https://crm.example.org/hook", "http://crm.example.org/hook", "sinks[0].url", "https"),
            ("https://crm.example.org/hook", "https://", "sinks[0].url", "URL"),
            ("https://crm.example.org/hook", "https://10.0.0.1/", "sinks[0].url", "private"),
            ("https://crm.example.org/hook", "https://[::ffff:127.0.0.1]/", "sinks[0].url", "loopback"),
            ("https://crm.example.org/hook", "https://user:pw@crm.example.org/", "sinks[0].url", "password"),
            ("secrets = [\"crm\"]", "secrets = []", "sinks[0].secrets", "one or two"),
            ("secrets = [\"crm\"]", "secrets = [\"../bona/crm\"]", "sinks[0].secrets[0]", "secret name"),
            ("x-team = \"red\"", "host = \"red\"", "sinks[0].headers.host", "set by Acequia"),
            ("x-team = \"red\"", "webhook-id = \"red\"", "sinks[0].headers.webhook-id", "set by Acequia"),
            ("x-team = \"red\"", "Content-Length = \"1\"", "sinks[0].headers.Content-Length", "set by Acequia"),
            ("x-team = \"red\"", "Expect = \"100-continue\"", "sinks[0].headers.Expect", "set by Acequia"),
            (
                "x-team = \"red\"",
                "proxy-authorization = \"x\"",
                "sinks[0].headers.proxy-authorization",
                "set by Acequia",
            ),
            ("x-team = \"red\"", "proxy-connection = \"close\"", "sinks[0].headers.proxy-connection", "set by Acequia"),
            ("x-team = \"red\"", "http2-settings = \"x\"", "sinks[0].headers.http2-settings", "set by Acequia"),
            ("secret = \"crm-auth\"", "secret = \"crm\"", "sinks[0].headers.authorization.secret", "one purpose"),
            ("x-team = \"red\"", "x-team = \"a\\r\\nb\"", "sinks[0].headers.x-team", "value"),
            ("country = [\"FR\"]", "country = \"FR\"", "sinks[0].pattern.data.country", "list of matchers"),
            ("types = [\"action.signed\"]", "types = []", "sinks[1].types", "one at least"),
            ("types = [\"action.signed\"]", "types = [\"a*\"]", "sinks[1].types[0]", "prefix"),
            ("{{ data.name }}", "{{ data. }}", "sinks[1].text", "does not compile"),
            ("{{ data.name }}", "{{ datum.name }}", "sinks[1].text", "no variable"),
            ("to = \"{{ data.email }}\"", "", "sinks[1].to", "needs"),
            ("from = \"Acme <hello@acme.example>\"", "from = \"nobody\"", "sinks[1].from", "address"),
            ("text = \"Dear", "url = \"https://x.example/\"\ntext = \"Dear", "sinks[1].url", "not a field of"),
            ("queue = \"out\"", "queue = \"elsewhere\"", "sinks[2].queue", "ARN"),
            (
                "queue = \"out\"",
                "queue = \"arn:aws:sqs:eu-west-1:123456789012:acequia_dev_bona_out\"",
                "sinks[2].queue",
                "another tenant",
            ),
            (
                "queue = \"out\"",
                "queue = \"arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_intake\"",
                "sinks[2].queue",
                "loop",
            ),
            ("queue = \"out\"", "queue = \"out\"\nretry = [\"soon\"]", "sinks[2].retry[0]", "duration"),
            ("queue = \"out\"", "queue = \"out\"\nexpires_after = \"15d\"", "sinks[2].expires_after", "14 days"),
            ("queue = \"out\"", "queue = \"out\"\nretry = [\"9days\", \"9days\"]", "sinks[2].retry", "days"),
        ];
        for (from, to, path, words) in rows {
            assert!(VALID.contains(from), "{from} is not in the document");
            let Err(issues) = validate(&VALID.replacen(from, to, 1), Egress::Public) else { panic!("{to} was taken") };
            let found = issues.0.iter().any(|issue| issue.path == path && issue.problem.contains(words));
            assert!(found, "{to}: wanted {path} with {words:?}, found {issues:?}");
        }
    }

    #[test]
    fn an_intake_is_strict_unless_the_document_says_otherwise() {
        let strict = |intake: &str| {
            validate(&VALID.replacen("[[sinks]]", &format!("{intake}\n[[sinks]]"), 1), Egress::Public)
                .map(|tenant| tenant.strict_intake)
        };
        assert!(strict("").unwrap());
        assert!(strict("[intake]").unwrap());
        assert!(!strict("[intake]\nstrict = false").unwrap());
        let issues = strict("[intake]\nstrickt = false").unwrap_err();
        assert_eq!(issues.0[0].path, "intake.strickt");
        for (field, path) in
            [("rate = \"many\"", "intake.rate"), ("burst = 5", "intake.burst"), ("dedupe = \"8days\"", "intake.dedupe")]
        {
            assert_eq!(strict(&format!("[intake]\n{field}")).unwrap_err().0[0].path, path);
        }
    }

    #[test]
    fn a_pattern_may_be_json_in_a_text_where_null_can_be_said() {
        let with =
            |pattern: &str| validate(&VALID.replacen(r#"{ data = { country = ["FR"] } }"#, pattern, 1), Egress::Public);
        let tenant = with(r#"'{"data":{"left_at":[null]}}'"#).unwrap();
        for (data, takes) in [(r#"{"left_at":null}"#, true), (r#"{"left_at":"today"}"#, false), ("{}", false)] {
            let body =
                format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"action.signed","data":{data}}}"#);
            let at = jiff::Timestamp::UNIX_EPOCH;
            let event = crate::event::envelope::Envelope::parse(&tenant.summary.id, at, body.as_bytes()).unwrap();
            let taken = tenant.routes.route(&event).unwrap().taken;
            assert_eq!(taken.iter().any(|sink| sink.as_str() == "crm"), takes, "{data}");
        }
        let issues = with(r#"'{"data":{"left_at":[]}}'"#).unwrap_err();
        assert_eq!(issues.0[0].path, "sinks[0].pattern.data.left_at");
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let broken = VALID.replace("https://crm", "http://crm").replace("queue = \"out\"", "queue = \"x\"");
        assert_eq!(validate(&broken, Egress::Public).unwrap_err().0.len(), 2);
    }

    #[test]
    fn the_local_environment_takes_http_on_loopback_and_no_other_http() {
        let local = VALID.replace("https://crm.example.org/hook", "http://127.0.0.1:8080/hook");
        assert!(validate(&local, Egress::Local).is_ok());
        assert!(validate(&local, Egress::Public).is_err());
        let other = VALID.replace("https://crm.example.org/hook", "http://crm.example.org/hook");
        assert!(validate(&other, Egress::Local).is_err());
    }
}
