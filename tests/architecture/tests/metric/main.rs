//! What alarms in our own namespace look at is what the functions write: each metric, by its name, its dimensions and
//! the function, stands in a line that is really written. A metric that is renamed on one side only would leave an
//! alarm that is green for ever.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read fails; JSON's index gives null"
)]

#[path = "../template/alarm.rs"]
mod alarm;
#[path = "../template/document.rs"]
#[expect(dead_code, reason = "the rules of the templates use more of it")]
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use acequia_core::audit::{AuditAction, AuditNote, AuditRow};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::outcome::{Hold, Reason};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_lambda::{BatchMetrics, IntakeMetrics, ReplayMetrics, Reporting, SweepMetrics, Telemetry, WatchMetrics};
use acequia_testkit::{InMemoryLines, build};
use document::Template;
use serde_json::Value;

/// A metric of our own: its name, and its dimensions with their values.
type Metric = (String, BTreeMap<String, String>);

/// A batch in which everything happened that can be counted.
fn eventful_batch() -> BatchMetrics {
    BatchMetrics {
        received: 1,
        delivered: 1,
        duplicates: 1,
        expired: 1,
        routed: 1,
        unmatched: 1,
        filtered: 1,
        schema_reported: 1,
        retried: 1,
        delayed: 1,
        held: [(Hold::Rate, 1)].into(),
        circuit_changes: 1,
        quarantined: [(Reason::NotJson, 1)].into(),
        failed: [("http-503".to_owned(), 1)].into(),
        attempts: 1,
        delivered_unrecorded: 1,
        latencies: vec![Duration::from_millis(1)],
        stalls: stalls(),
    }
}

/// Something waits for each store of ours.
fn stalls() -> Stalls {
    let mut stalls = Stalls::default();
    for store in Store::ALL {
        stalls.add(store, 1);
    }
    stalls
}

fn eventful_look() -> WatchMetrics {
    WatchMetrics {
        looked_at: 1,
        watched_queues: 1,
        dead_letters: 1,
        dead_letter_queues: 1,
        oldest_message: Duration::from_secs(1),
        told: 1,
        watch_failed: 1,
    }
}

fn eventful_sweep() -> SweepMetrics {
    SweepMetrics {
        swept: 1,
        quarantined: 1,
        redriven: 1,
        sweep_failed: 1,
        overdue: Duration::from_secs(1),
        shards_behind: 1,
    }
}

fn eventful_request() -> IntakeMetrics {
    IntakeMetrics {
        requests: 1,
        replayed: 1,
        accepted: 1,
        duplicates: 1,
        refused: 1,
        not_taken: 1,
        denied: 1,
        rate_limited: 1,
        malformed: 1,
        failed: 1,
        took: Duration::from_secs(1),
    }
}

/// The lines of every function, each with everything in it that it can have.
fn lines() -> Vec<Value> {
    let written = InMemoryLines::new();
    let telemetry = Telemetry::new(Reporting::default(), written.clone());
    let (stage, tenant) = (build::stage(), build::tenant_id("acme"));
    for role in [QueueRole::Intake].into_iter().chain(SinkKind::ALL.map(QueueRole::Sink)) {
        telemetry.write(&QueueName::new(&stage, &tenant, role), build::start(), &eventful_batch());
    }
    telemetry.write_sweep(&stage, build::start(), &eventful_sweep());
    telemetry.write_intake(&stage, &tenant, build::start(), &eventful_request());
    telemetry.write_watch(&stage, build::start(), &eventful_look());
    let replays = ReplayMetrics { sent: 1, failed: 1, oldest: Duration::from_secs(1) };
    telemetry.write_replays(&stage, build::start(), &replays);
    // One that somebody bent: its hash is another's.
    let note =
        AuditNote { action: AuditAction::Purge, actor: "ana".to_owned(), at: build::start(), summary: String::new() };
    let bent = AuditRow { summary: "bent".to_owned(), ..AuditRow::of(&note, 1, "") };
    telemetry.write_audit(&stage, &tenant, &bent);
    telemetry.write_stalls(&stage, ("router", Some(&tenant)), build::start(), &stalls());
    written.written().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What `CloudWatch` reads out of a line.
fn metrics_of(line: &Value) -> Vec<Metric> {
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "Acequia");
    let mut found = Vec::new();
    for names in directive["Dimensions"].as_array().unwrap() {
        let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let dimensions: BTreeMap<String, String> =
            names.map(|name| (name.to_owned(), line[name].as_str().unwrap().to_owned())).collect();
        let metrics = directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap());
        // A name that is listed and has no value is no metric.
        let metrics = metrics.filter(|name| !line[*name].is_null());
        found.extend(metrics.map(|name| (name.to_owned(), dimensions.clone())));
    }
    found
}

fn template(file: &str) -> Template {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    Template::parse(file, &std::fs::read_to_string(path).unwrap())
}

/// Returns how many alarms of a template look at our namespace, and the alarms that look at a metric that no line has.
fn unwritten(template: &Template, written: &BTreeSet<Metric>) -> (usize, Vec<String>) {
    let (mut watched, mut found) = (0, Vec::new());
    for resource in template.of_kind("AWS::CloudWatch::Alarm") {
        for metric in alarm::watched(&resource).into_iter().filter(|metric| metric.namespace == "Acequia") {
            watched += 1;
            let value = |value: &Value| match value["Ref"].as_str() {
                Some("Stage") => build::stage().to_string(),
                _ => value.as_str().unwrap_or("(not a text)").to_owned(),
            };
            let dimensions = metric.dimensions.iter().map(|(name, of)| ((*name).to_owned(), value(of))).collect();
            let wanted: Metric = (metric.name.to_owned(), dimensions);
            if !written.contains(&wanted) {
                found.push(template.says(resource.name, &format!("no line has {} of {:?}", wanted.0, wanted.1)));
            }
        }
    }
    (watched, found)
}

#[test]
fn every_alarm_in_our_namespace_looks_at_a_metric_that_its_function_writes() {
    let written: BTreeSet<Metric> = lines().iter().flat_map(metrics_of).collect();
    let mut all = 0;
    for file in ["template.yaml", "infra/tenant.yaml"] {
        let (watched, found) = unwritten(&template(file), &written);
        assert!(found.is_empty(), "\n{}\n", found.join("\n"));
        all += watched;
    }
    assert!(all >= 5, "the alarms are found where they are looked for");
}

#[test]
fn an_alarm_on_a_renamed_metric_or_another_function_or_other_dimensions_is_found() {
    let whole = "Resources: { One: { Type: AWS::CloudWatch::Alarm, Properties: { Namespace: Acequia, MetricName: sweep_failed, \
                 Dimensions: [{ Name: stage, Value: !Ref Stage }, { Name: function, Value: sweeper }] } } }";
    let written: BTreeSet<Metric> = lines().iter().flat_map(metrics_of).collect();
    let check =
        |from: &str, to: &str| unwritten(&Template::parse("broken.yaml", &whole.replacen(from, to, 1)), &written).1;
    assert_eq!(check("", ""), Vec::<String>::new());
    let renamed = check("sweep_failed", "sweeps_failed");
    assert_eq!(renamed.len(), 1);
    assert!(renamed[0].starts_with("broken.yaml: One: no line has sweeps_failed of"), "{renamed:?}");
    assert_eq!(check("Value: sweeper", "Value: router").len(), 1);
    assert_eq!(check("Name: stage", "Name: Stage").len(), 1);
}
