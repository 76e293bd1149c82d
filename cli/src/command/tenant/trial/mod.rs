//! `acequia tenant try`: what a tenant's file would do with events, by the functions' own code and without a call to
//! AWS.

mod delivery;
mod shown;

use acequia_core::delivery::Delivery;
use acequia_core::egress::Egress;
use acequia_core::event::envelope::{Envelope, Received};
use acequia_core::id::Stage;
use acequia_core::mail::{MailKind, MailRef};
use acequia_core::outcome::{Cause, Outcome};
use acequia_core::port::Clock as _;
use acequia_core::template::Context as TemplateContext;
use acequia_core::tenant::Tenant;
use serde::Serialize;

use self::delivery::{Maker, Tried};
use crate::args::TryArgs;
use crate::command::send::events;
use crate::context::SystemClock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::{input, tenant_file};

/// What became of one event.
#[derive(Debug, Serialize)]
struct TriedEvent {
    /// Its source and id; nothing where it cannot be read.
    event: Option<String>,
    /// The ids of the sinks that take it.
    taken: Vec<String>,
    filtered: Vec<Filtered>,
    /// Why it would be quarantined.
    problem: Option<Problem>,
    /// How it violates a schema in mode `report`.
    reported: Option<String>,
    /// What must be given before anything of it goes out.
    consent: Option<Consent>,
    deliveries: Vec<Tried>,
    /// Where it stands in the input, and its type: for people.
    #[serde(skip)]
    line: usize,
    #[serde(skip)]
    kind: String,
}

/// A sink that does not take the event.
#[derive(Debug, Serialize)]
struct Filtered {
    sink: String,
    /// The place of the clause in the sink's configuration.
    clause: String,
}

/// What would be in the dead-letter queue.
#[derive(Debug, Serialize)]
struct Problem {
    reason: &'static str,
    detail: String,
}

/// The consent that an event needs.
#[derive(Debug, Serialize)]
struct Consent {
    list: String,
    asks: Vec<&'static str>,
}

impl Problem {
    /// What a cause would come to; one that is tried again is told by its text alone.
    fn of(cause: &Cause) -> Self {
        let reason = match cause.outcome() {
            Outcome::Quarantine(reason) => reason.as_str(),
            other => other.as_str(),
        };
        Self { reason, detail: cause.to_string() }
    }
}

pub(super) async fn run(arguments: &TryArgs, stage: &Stage, egress: Egress) -> Result<Report, Failure> {
    let file = tenant_file::read_valid(&arguments.file, egress, "")?;
    let (_, text) = input::read(arguments.events.as_deref())?;
    let lines = events(&text)?;
    let maker = Maker::new(stage, &file.tenant);
    let mut tried = Vec::with_capacity(lines.len());
    for line in &lines {
        tried.push(one(&file.tenant, &maker, line.number, line.body).await);
    }
    let bad = |event: &TriedEvent| event.problem.is_some() || event.deliveries.iter().any(Tried::is_problem);
    let exit = if tried.iter().any(bad) { Exit::Invalid } else { Exit::Ok };
    Ok(Report::lines(&tried, shown::events(&tried)).ending(exit))
}

async fn one(tenant: &Tenant, maker: &Maker<'_>, line: usize, body: &str) -> TriedEvent {
    let mut tried = TriedEvent {
        event: None,
        taken: Vec::new(),
        filtered: Vec::new(),
        problem: None,
        reported: None,
        consent: None,
        deliveries: Vec::new(),
        line,
        kind: String::new(),
    };
    if let Err(cause) = fill(tenant, maker, body, &mut tried).await {
        tried.problem = Some(Problem::of(&cause));
    }
    tried
}

async fn fill(tenant: &Tenant, maker: &Maker<'_>, body: &str, tried: &mut TriedEvent) -> Result<(), Cause> {
    let received = Envelope::receive(&tenant.summary.id, SystemClock.now(), body)?;
    let Received { envelope, irregularity } = received;
    tried.event = Some(envelope.event.to_string());
    tried.kind.clone_from(&envelope.event_type);
    tried.reported = tenant.admits(&envelope, irregularity, None)?.map(|violation| violation.to_string());
    let mut mails = Vec::new();
    if let Some(settings) = tenant.consent.as_ref().filter(|settings| settings.governs(&envelope.event_type)) {
        let need = settings.need(&TemplateContext::new(&tenant.summary, &envelope))?;
        let asks = [(need.asks.subject, "subject"), (need.asks.moderator, "moderator")];
        mails.extend([(need.asks.subject, MailKind::Confirm), (true, MailKind::Thanks)]);
        let asks = asks.into_iter().filter_map(|(asked, who)| asked.then_some(who)).collect();
        tried.consent = Some(Consent { list: need.list, asks });
    }
    for verdict in tenant.routes.judge(&envelope)? {
        let sink = verdict.sink.to_string();
        match verdict.clause {
            None => tried.taken.push(sink),
            Some(clause) => tried.filtered.push(Filtered { sink, clause: clause.to_string() }),
        }
    }
    let of_consent = mails.into_iter().filter(|(wanted, kind)| *wanted && tenant.sends(*kind));
    let of_consent = of_consent.filter_map(|(_, kind)| MailRef { kind, number: 1 }.sink());
    let sinks = tried.taken.iter().filter_map(|sink| sink.parse().ok());
    for sink in of_consent.chain(sinks) {
        tried.deliveries.push(maker.deliver(&Delivery::new(sink, envelope.clone())).await);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
tenant = "acme"
name = "Acme"

[[sinks]]
id = "crm"
kind = "webhook"
types = ["action.*"]
url = "https://crm.example.org/hook"
secrets = ["crm"]
headers = { authorization = { secret = "token" }, x-team = "red" }
pattern = { data = { country = ["FR"] } }

[[sinks]]
id = "thanks"
kind = "email"
types = ["action.signed"]
from = "hello@acme.example"
to = "{{ data.email }}"
subject = "Thanks, {{ data.name }}"
text = "Dear {{ data.name }}"

[[sinks]]
id = "out"
kind = "forward"
types = ["*"]
queue = "out"
"#;

    async fn tried(file: &str, events: &str) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("acme.toml"), file).unwrap();
        std::fs::write(at("events.ndjson"), events).unwrap();
        let arguments = TryArgs { file: at("acme.toml"), events: Some(at("events.ndjson")) };
        run(&arguments, &"dev".parse().unwrap(), Egress::Public).await.unwrap()
    }

    fn event(id: &str, data: &str) -> String {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/a","type":"action.signed","data":{data}}}"#)
    }

    fn json(report: &Report) -> Vec<serde_json::Value> {
        report.json().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn each_delivery_is_shown_as_it_would_be_sent_and_no_secret_is_needed() {
        let body = event("1", r#"{"country":"FR","email":"ana@example.org","name":"Ana"}"#);
        let report = tried(FILE, &body).await;
        assert_eq!(report.exit, Exit::Ok);
        let [line] = json(&report).try_into().unwrap();
        assert_eq!(line["event"], "/a|1");
        assert_eq!(line["taken"], serde_json::json!(["crm", "thanks", "out"]));
        assert_eq!((&line["problem"], &line["consent"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        let [crm, thanks, out] = line["deliveries"].as_array().unwrap().as_slice() else { panic!("{line}") };
        assert_eq!((&crm["method"], &crm["url"]), (&"POST".into(), &"https://crm.example.org/hook".into()));
        assert_eq!(crm["headers"]["authorization"], "(secret token)");
        assert_eq!(crm["headers"]["webhook-signature"], "(signed by secret crm)");
        assert_eq!((&crm["headers"]["x-team"], &crm["body"]), (&"red".into(), &body.as_str().into()));
        assert_eq!((&thanks["to"], &thanks["subject"]), (&"ana@example.org".into(), &"Thanks, Ana".into()));
        assert_eq!((&out["queue"], &out["body"]), (&"acequia_dev_acme_out".into(), &body.as_str().into()));
        assert_eq!(out["attributes"]["acequia-event-type"], "action.signed");
        let text = report.text();
        assert!(text.contains("POST https://crm.example.org/hook") && text.contains("Dear Ana"), "{text}");
    }

    #[tokio::test]
    async fn a_sink_that_does_not_take_an_event_names_its_clause() {
        let events = format!(
            "{}\n{}",
            event("1", r#"{"country":"DE","email":"a@example.org","name":"A"}"#),
            r#"{"specversion":"1.0","id":"2","source":"/a","type":"page.viewed"}"#
        );
        let report = tried(FILE, &events).await;
        let [first, second] = json(&report).try_into().unwrap();
        assert_eq!(first["filtered"], serde_json::json!([{"sink": "crm", "clause": "pattern.data.country"}]));
        let types = [("crm", "types"), ("thanks", "types")]
            .map(|(sink, clause)| serde_json::json!({"sink": sink, "clause": clause}));
        assert_eq!(second["filtered"], serde_json::json!(types));
        assert!(report.text().contains("crm does not take it: pattern.data.country"), "{}", report.text());
    }

    #[tokio::test]
    async fn what_would_be_quarantined_says_why_and_changes_nothing_else() {
        let events = format!("{}\n{{\"specversion\":\"0.3\"}}\n", event("1", r#"{"email":"a@example.org"}"#));
        let report = tried(FILE, &events).await;
        assert_eq!(report.exit, Exit::Invalid);
        let [first, second] = json(&report).try_into().unwrap();
        assert_eq!(first["deliveries"][0]["problem"]["reason"], "template-variable");
        assert_eq!(first["deliveries"][1]["kind"], "forward");
        assert_eq!((&second["event"], &second["deliveries"]), (&serde_json::Value::Null, &serde_json::json!([])));
        assert!(second["problem"]["detail"].as_str().unwrap().contains("specversion"), "{second}");
    }

    #[tokio::test]
    async fn of_an_event_that_needs_consent_it_shows_the_mail_that_asks() {
        let consent = r#"
[mail]
from = "hello@acme.example"
to = "{{ data.email }}"
default_locale = "en"
[consent]
types = ["action.signed"]
subject = "{{ data.email }}"
supporter_confirm = true
keys = ["links"]
[templates.confirm.en]
subject = "Please confirm"
text = "Yes: {{ links.accept }}"
"#;
        let body = event("1", r#"{"country":"FR","email":"ana@example.org","name":"Ana"}"#);
        let report = tried(&format!("{FILE}{consent}"), &body).await;
        let [line] = json(&report).try_into().unwrap();
        assert_eq!(line["consent"], serde_json::json!({"list": "all", "asks": ["subject"]}));
        assert_eq!(line["deliveries"][0]["subject"], "Please confirm");
        assert_eq!(line["deliveries"][0]["text"], "Yes: (link accept)");
    }

    #[tokio::test]
    async fn ten_thousand_events_are_tried_in_one_go() {
        let events: Vec<String> = (0..10_000).map(|id| event(&id.to_string(), r#"{"country":"DE"}"#)).collect();
        let file = FILE.replace("types = [\"action.signed\"]", "types = [\"never\"]");
        assert_eq!(json(&tried(&file, &events.join("\n")).await).len(), 10_000);
    }
}
