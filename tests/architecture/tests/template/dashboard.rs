//! Rules of the dashboard and of our own metrics, each with the proof that it can fail.

use serde_json::Value;

use crate::document::{Template, text};

pub(crate) fn dashboard_shows_every_function(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for dashboard in template.of_kind("AWS::CloudWatch::Dashboard") {
        let body = text(dashboard.property("DashboardBody")).unwrap_or_default();
        if serde_json::from_str::<Value>(body).is_err() {
            found.push(template.says(dashboard.name, "DashboardBody is JSON"));
        }
        for function in template.of_kind("AWS::Serverless::Function") {
            for metric in ["Errors", "Throttles", "Duration"] {
                if !body.contains(&format!("\"{metric}\", \"FunctionName\", \"${{{}}}\"", function.name)) {
                    found.push(template.says(dashboard.name, &format!("shows the {metric} of {}", function.name)));
                }
            }
        }
    }
    found
}

/// The names of our own metrics that alarms and dashboards of a template use.
pub(crate) fn own_metrics(template: &Template) -> Vec<String> {
    let alarms = template.of_kind("AWS::CloudWatch::Alarm").into_iter();
    let watched = alarms.filter(|alarm| alarm.property("Namespace") == "Acequia");
    let watched = watched.filter_map(|alarm| alarm.property("MetricName").as_str().map(str::to_owned));
    let dashboards = template.of_kind("AWS::CloudWatch::Dashboard").into_iter();
    let shown = dashboards.filter_map(|dashboard| text(dashboard.property("DashboardBody"))).flat_map(|body| {
        let searches = body.split("{Acequia,stage,function} MetricName=\\\"").skip(1);
        searches.filter_map(|rest| Some(rest.split_once('\\')?.0.to_owned())).collect::<Vec<_>>()
    });
    watched.chain(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function;

    const WHOLE: &str = r#"
Resources:
  One:
    Type: AWS::Serverless::Function
    Properties: { FunctionName: !Sub "acequia-${Stage}-one", Role: !GetAtt OneRole.Arn }
  OneRole:
    Type: AWS::IAM::Role
    Properties:
      Policies: [{ PolicyDocument: { Statement: [{ Effect: Allow, Action: [dynamodb:PartiQLInsert, "sqs:ReceiveMessage"], Resource: x }] } }]
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: Acequia
      MetricName: delivered_unrecorded
      Dimensions: [{ Name: stage, Value: !Ref Stage }, { Name: function, Value: one }]
  Dashboard:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardBody: !Sub |
        [["AWS/Lambda", "Errors", "FunctionName", "${One}"], ["AWS/Lambda", "Throttles", "FunctionName", "${One}"],
         ["AWS/Lambda", "Duration", "FunctionName", "${One}"],
         "SEARCH('{Acequia,stage,function} MetricName=\"received\" stage=\"${Stage}\"', 'Sum', 300)"]
"#;

    fn changed(from: &str, to: &str) -> Template {
        assert!(from.is_empty() || WHOLE.contains(from), "the template has no {from}");
        Template::parse("broken.yaml", &if from.is_empty() { WHOLE.to_owned() } else { WHOLE.replacen(from, to, 1) })
    }

    #[test]
    fn a_function_that_is_not_shown_and_a_body_that_is_no_json_are_found() {
        assert_eq!(dashboard_shows_every_function(&changed("", "")), Vec::<String>::new());
        let found = dashboard_shows_every_function(&changed(r#""Throttles", "FunctionName", "${One}""#, r#""x""#));
        assert_eq!(found, ["broken.yaml: Dashboard: shows the Throttles of One"]);
        let found = dashboard_shows_every_function(&changed("300)\"]", "300)\""));
        assert_eq!(found, ["broken.yaml: Dashboard: DashboardBody is JSON"]);
    }

    #[test]
    fn a_sink_without_an_alarm_on_unrecorded_deliveries_is_found() {
        let rule = function::sink_has_an_alarm_on_unrecorded_deliveries;
        assert_eq!(rule(&changed("", "")), Vec::<String>::new());
        assert_eq!(rule(&changed("Value: one", "Value: two")).len(), 1);
        assert_eq!(rule(&changed("dynamodb:PartiQLInsert", "dynamodb:GetItem")), Vec::<String>::new());
    }

    #[test]
    fn the_metrics_of_alarms_and_searches_are_read() {
        assert_eq!(own_metrics(&changed("", "")), ["delivered_unrecorded", "received"]);
    }
}
