//! Each alarm that is deployed, of the platform and of tenants, fires on data that meets its condition, and the
//! operators hear of it.
//!
//! The local AWS takes data of the namespaces `AWS/...`, which AWS itself keeps for its services. An alarm on several
//! metrics (an expression) is put into its state instead: the local AWS does not reckon expressions. That our functions
//! write what alarms in the namespace `Acequia` look at, and that AWS's services have the other metrics, is tested in
//! `tests/architecture`.

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::aws::ACCOUNT;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

fn cloudwatch(operation: &str, body: &Json) -> Json {
    world().aws.json("monitoring", &format!("GraniteServiceVersion20100801.{operation}"), body).unwrap()
}

/// All alarms of the stage.
fn deployed() -> Vec<Json> {
    let mut found = Vec::new();
    let mut next = Json::Null;
    loop {
        let mut body = json!({"AlarmNamePrefix": format!("acequia-{}-", world().environment.stage)});
        if !next.is_null() {
            body["NextToken"] = next;
        }
        let page = cloudwatch("DescribeAlarms", &body);
        found.extend(page["MetricAlarms"].as_array().unwrap().iter().cloned());
        next = page["NextToken"].clone();
        if next.is_null() {
            return found;
        }
    }
}

fn alarm(name: &str) -> Json {
    cloudwatch("DescribeAlarms", &json!({"AlarmNames": [name]}))["MetricAlarms"][0].clone()
}

fn set_state(name: &str, state: &str) {
    let body = json!({"AlarmName": name, "StateValue": state, "StateReason": "set by a test"});
    cloudwatch("SetAlarmState", &body);
}

#[expect(clippy::disallowed_methods, reason = "CloudWatch keeps data by real time")]
fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// One value for each period that the alarm looks at.
fn put(alarm: &Json, value: f64) {
    let (period, now) = (alarm["Period"].as_f64().unwrap(), seconds());
    let periods: u32 = serde_json::from_value(alarm["EvaluationPeriods"].clone()).unwrap();
    let datum = |number: u32| {
        json!({
            "MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"], "Value": value,
            "Timestamp": now - period * (f64::from(number) + 0.5),
        })
    };
    let data: Vec<Json> = (0..periods).map(datum).collect();
    cloudwatch("PutMetricData", &json!({"Namespace": alarm["Namespace"], "MetricData": data}));
}

/// Data of the same name with other dimensions are another metric's. Functions of this run may have errors of their
/// own, and what fires without data fires here too.
fn is_not_raised_by_others(alarm_before: &Json) {
    let quiet = alarm_before["Namespace"] != "AWS/Lambda" && alarm_before["TreatMissingData"] != "breaching";
    let mut other = alarm_before.clone();
    if let (true, Some(dimension)) = (quiet, other["Dimensions"].get_mut(0)) {
        dimension["Value"] = json!("of-another");
        put(&other, beyond(&other));
        let name = alarm_before["AlarmName"].as_str().unwrap();
        assert_eq!(alarm(name)["StateValue"], "OK", "{name} looks at data that are not its own");
    }
}

/// The least whole value beyond the alarm's threshold. Every metric that is watched is the worse the higher it is.
fn beyond(alarm: &Json) -> f64 {
    let threshold = alarm["Threshold"].as_f64().unwrap();
    match alarm["ComparisonOperator"].as_str().unwrap() {
        "GreaterThanOrEqualToThreshold" => threshold,
        "GreaterThanThreshold" => threshold + 1.0,
        other => panic!("{}: fires where the metric is low: {other}", alarm["AlarmName"]),
    }
}

#[test]
fn every_alarm_fires_on_what_meets_its_condition_and_the_operators_are_told() {
    let world = world();
    let told = world.operators("e2e-told-of-alarms");
    let topic =
        format!("arn:aws:sns:{}:{ACCOUNT}:acequia-{}-notifications", world.environment.region, world.environment.stage);
    let alarms = deployed();
    assert!(alarms.len() >= 20, "the alarms are found where they are looked for: {}", alarms.len());
    for alarm_before in &alarms {
        let name = alarm_before["AlarmName"].as_str().unwrap();
        assert!(alarm_before["Threshold"].as_f64() > Some(0.0), "{name}: nothing at all raises it");
        assert_eq!(alarm_before["AlarmActions"], json!([topic]), "{name}");
        assert_ne!(alarm_before["ActionsEnabled"], json!(false), "{name}");
        set_state(name, "OK");
        if alarm_before["MetricName"].as_str().is_some_and(|name| !name.is_empty()) {
            is_not_raised_by_others(alarm_before);
            put(alarm_before, beyond(alarm_before));
            let fired = alarm(name);
            let why = fired["StateReason"].as_str().unwrap_or_default();
            assert_eq!(fired["StateValue"], "ALARM", "{name}: {why}");
            assert!(why.contains("Threshold Crossed"), "{name} fired by itself: {why}");
        } else {
            set_state(name, "ALARM");
        }
        let subject = format!("ALARM: \"{name}\"");
        eventually(&format!("the operators are told of {name}"), || (!told(&subject).is_empty()).then_some(()));
        set_state(name, "OK");
    }
}
