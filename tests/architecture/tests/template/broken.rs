//! Shows that each rule can fail: a small template that keeps all of them, and what happens when one line of it
//! changes.

use crate::document::Template;
use crate::{function, general, queue};

const PLATFORM: &str = r#"
Globals: { Function: { Timeout: 10, Tracing: !Ref Tracing, AutoPublishAlias: live, LoggingConfig: { LogFormat: JSON } } }
Parameters:
  Days: { Type: Number, Description: Days to keep logs., MinValue: 1, MaxValue: 9 }
  Name: { Type: String, Description: A name to use., AllowedPattern: ^x$, ConstraintDescription: x }
  Tracing: { Type: String, Description: Whether to trace., AllowedValues: [PassThrough, Active] }
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      SSESpecification: !If [HasKey, { SSEEnabled: true }, !Ref AWS::NoValue]
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true }
      DeletionProtectionEnabled: !If [IsEstablished, true, false]
  One:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub acequia-${Stage}-one
      Role: !GetAtt OneRole.Arn
      LoggingConfig: { LogGroup: !Ref OneLogs }
  Two:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub acequia-${Stage}-two
      Role: !GetAtt TwoRole.Arn
      LoggingConfig: { LogGroup: !Ref OneLogs }
  OneLogs: { Type: AWS::Logs::LogGroup, Properties: { RetentionInDays: 3 } }
  OneRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: [logs:PutLogEvents], Resource: !GetAtt OneLogs.Arn }
              - { Effect: Allow, Action: xray:PutTraceSegments, Resource: "*" }
              - !If
                - More
                - { Effect: Allow, Action: sqs:SendMessage, Resource: !Sub "arn:${AWS::Partition}:sqs:::${Stage}_x" }
                - !Ref AWS::NoValue
  TwoRole: { Type: AWS::IAM::Role, Properties: { Policies: [] } }
  OneParameter: { Type: AWS::SSM::Parameter, Properties: { Name: !Sub "/acequia/${Stage}/function/one", Value: !Ref One.Alias } }
  TwoParameter: { Type: AWS::SSM::Parameter, Properties: { Name: !Sub "/acequia/${Stage}/function/two", Value: !Ref Two.Alias } }
"#;

const TENANT: &str = r#"
Parameters:
  Most: { Type: Number, Description: Most at once., MinValue: 2, MaxValue: 9 }
  Window: { Type: Number, Description: Window in seconds., MinValue: 0, MaxValue: 5 }
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub acequia_${Stage}_${TenantId}_one
      VisibilityTimeout: 65
      MessageRetentionPeriod: 1209600
      SqsManagedSseEnabled: true
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dlq.Arn, maxReceiveCount: 100 }
      Tags: [{ Key: tenant, Value: !Ref TenantId }]
  Dlq:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub acequia_${Stage}_${TenantId}_one-dlq
      MessageRetentionPeriod: 1209600
      KmsMasterKeyId: alias/aws/sqs
      Tags: [{ Key: tenant, Value: !Ref TenantId }]
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Queue.Arn
      FunctionName: !Sub "{{resolve:ssm:/acequia/${Stage}/function/one}}"
      MaximumBatchingWindowInSeconds: !Ref Window
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: { MaximumConcurrency: !Ref Most }
      Tags: [{ Key: tenant, Value: !Ref TenantId }]
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement: [{ Effect: Deny, Principal: "*", Action: sqs:*, Resource: !GetAtt Queue.Arn, Condition: { Bool: { "aws:SecureTransport": "false" } } }]
  DlqPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Dlq]
      PolicyDocument:
        Statement: [{ Effect: Deny, Principal: "*", Action: sqs:*, Resource: !GetAtt Dlq.Arn, Condition: { Bool: { "aws:SecureTransport": "false" } } }]
"#;

const ALARMS: &str = r"
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: It burns.
      MetricName: METRIC
      Dimensions: [{ Name: Name, Value: !GetAtt RESOURCE.Name }]
      TreatMissingData: notBreaching
      AlarmActions: [!If [Own, !Ref Topic, other]]
";

type Rule = fn(&Template) -> Vec<String>;

/// Asserts that the rule holds for the text, and that with the change it fails once, naming file, resource and wish.
fn fails(rule: Rule, text: &str, from: &str, to: &str, wanted: &str) {
    let whole = rule(&Template::parse("good.yaml", text));
    assert!(whole.is_empty(), "the whole template breaks the rule: {whole:?}");
    assert!(text.contains(from), "the template has no {from}");
    let found = rule(&Template::parse("broken.yaml", &text.replacen(from, to, 1)));
    assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
    assert!(found[0].starts_with(&format!("broken.yaml: {wanted}")), "{found:?}");
}

fn tenant_fails(rule: Rule, from: &str, to: &str, wanted: &str) {
    fails(rule, TENANT, from, to, wanted);
}

fn platform_fails(rule: Rule, from: &str, to: &str, wanted: &str) {
    fails(rule, PLATFORM, from, to, wanted);
}

#[test]
fn a_mapping_that_reports_nothing_is_found() {
    tenant_fails(queue::mapping_reports_batch_item_failures, "[ReportBatchItemFailures]", "[]", "Mapping");
}

#[test]
fn a_fixed_concurrency_is_found() {
    let rule = queue::mapping_takes_its_concurrency_from_a_parameter;
    tenant_fails(rule, "{ MaximumConcurrency: !Ref Most }", "{ MaximumConcurrency: 5 }", "Mapping");
    tenant_fails(rule, "ScalingConfig: { MaximumConcurrency: !Ref Most }", "Enabled: true", "Mapping");
}

#[test]
fn a_missing_or_shared_dead_letter_queue_is_found() {
    let rule = queue::queue_has_a_dead_letter_queue_of_its_own;
    let gone = TENANT.replacen("!GetAtt Dlq.Arn", "!GetAtt Elsewhere.Arn", 1);
    assert_eq!(rule(&Template::parse("broken.yaml", &gone)).len(), 2, "and the one that was it has none of its own");
    let second = "  Second:\n    Type: AWS::SQS::Queue\n    Properties: { RedrivePolicy: { deadLetterTargetArn: !GetAtt Dlq.Arn } }\n";
    let found = rule(&Template::parse("broken.yaml", &format!("{TENANT}{second}")));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].starts_with("broken.yaml: Second: shares Dlq"), "{found:?}");
    let bare = rule(&Template::parse("broken.yaml", "Resources: { Alone: { Type: AWS::SQS::Queue } }"));
    assert_eq!(bare, ["broken.yaml: Alone: RedrivePolicy names a dead-letter queue"]);
}

#[test]
fn dead_letters_that_are_kept_too_shortly_are_found() {
    let rule = queue::dead_letters_are_kept_longer_than_messages_or_for_as_long_as_sqs_can;
    tenant_fails(
        rule,
        "MessageRetentionPeriod: 1209600\n      KmsMasterKeyId",
        "MessageRetentionPeriod: 1209599\n      KmsMasterKeyId",
        "Dlq",
    );
    let shorter = TENANT.replacen("MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 600", 1);
    let dead = "MessageRetentionPeriod: 1209600";
    fails(rule, &shorter, dead, "MessageRetentionPeriod: 600", "Dlq: MessageRetentionPeriod is 601 s");
    fails(rule, &shorter.replacen("      MessageRetentionPeriod: 600\n", "", 1), dead, "DelaySeconds: 0", "Dlq");
}

#[test]
fn a_queue_that_gives_messages_up_early_is_found() {
    let rule = queue::queue_of_a_function_keeps_messages_and_gives_them_up_last;
    tenant_fails(rule, "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 604800", "Queue");
    tenant_fails(rule, "maxReceiveCount: 100", "maxReceiveCount: 20", "Queue");
    let fifo = "FifoQueue: !If [IsOrdered, true, !Ref AWS::NoValue]\n      MessageRetentionPeriod";
    tenant_fails(rule, "MessageRetentionPeriod", fifo, "Queue: maxReceiveCount is [1000, 100]");
}

#[test]
fn an_open_queue_is_found() {
    tenant_fails(queue::queue_is_encrypted, "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false", "Queue");
    tenant_fails(queue::queue_is_encrypted, "KmsMasterKeyId: alias/aws/sqs", "DelaySeconds: 0", "Dlq");
}

#[test]
fn a_queue_with_a_name_of_its_own_is_found() {
    let rule = queue::queue_is_named_for_its_stage_and_tenant;
    tenant_fails(rule, "${TenantId}_one-dlq", "${TenantId}_dlq", "Dlq: QueueName is");
    let other = TENANT.replace("acequia_${Stage}_${TenantId}_", "acequia-${TenantId}-");
    assert_eq!(rule(&Template::parse("broken.yaml", &other)).len(), 2);
}

#[test]
fn a_short_visibility_is_found() {
    let platform = Template::parse("platform.yaml", PLATFORM);
    let check = |from: &str, to: &str| {
        queue::queue_hides_messages_long_enough(
            &Template::parse("broken.yaml", &TENANT.replacen(from, to, 1)),
            &platform,
        )
    };
    assert!(check("", "").is_empty());
    let wanted = "broken.yaml: Queue: VisibilityTimeout is 65 or more (6 x 10 s and a window of 5 s)";
    assert_eq!(check("VisibilityTimeout: 65", "VisibilityTimeout: 64"), [wanted]);
    assert_eq!(check("function/one", "function/unknown").len(), 1);
    assert_eq!(check("!GetAtt Queue.Arn", "arn:of:another").len(), 1);
}

#[test]
fn a_consumer_that_may_not_consume_or_quarantine_is_found() {
    let tenant = Template::parse("tenant.yaml", TENANT);
    let arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:acequia_${Stage}_*_one";
    let statements = format!(
        "              - {{ Effect: Allow, Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes, \
         sqs:ChangeMessageVisibility], Resource: !Sub \"{arn}\" }}\n              - {{ Effect: Allow, Action: \
         sqs:SendMessage, Resource: !Sub \"{arn}-dlq\" }}\n  TwoRole:"
    );
    let whole = PLATFORM.replacen("  TwoRole:", &statements, 1);
    let check = |text: &str| queue::consumer_may_work_on_its_queue(&tenant, &Template::parse("broken.yaml", text));
    assert_eq!(check(&whole), Vec::<String>::new());
    let wanted = format!("broken.yaml: One: its role allows sqs:SendMessage on {arn}-dlq");
    assert_eq!(check(&whole.replace("*_one-dlq", "*_two-dlq")), [wanted]);
    assert_eq!(check(&whole.replace("sqs:DeleteMessage, ", "")).len(), 1);
    assert_eq!(check(PLATFORM).len(), 5);
}

#[test]
fn a_queue_that_takes_plain_http_is_found() {
    let rule = queue::queue_refuses_plain_http;
    tenant_fails(rule, "Queues: [!Ref Dlq]", "Queues: [!Ref Queue]", "Dlq");
    tenant_fails(rule, "Effect: Deny", "Effect: Allow", "Queue");
}

#[test]
fn a_policy_of_several_queues_is_found() {
    let rule = queue::queue_policy_is_about_one_queue;
    tenant_fails(rule, "Queues: [!Ref Queue]", "Queues: [!Ref Queue, !Ref Dlq]", "Policy: Queues");
    tenant_fails(rule, "!GetAtt Queue.Arn, Condition", "[!GetAtt Queue.Arn, !GetAtt Dlq.Arn], Condition", "Policy");
    tenant_fails(rule, "!GetAtt Queue.Arn, Condition", "\"*\", Condition", "Policy");
    tenant_fails(rule, "!GetAtt Dlq.Arn, Condition", "!GetAtt Queue.Arn, Condition", "DlqPolicy");
}

#[test]
fn a_resource_without_its_tenant_is_found() {
    tenant_fails(
        queue::tenant_tags_everything,
        "{ Key: tenant, Value: !Ref TenantId }",
        "{ Key: tenant, Value: acme }",
        "Queue",
    );
    tenant_fails(
        queue::tenant_tags_everything,
        "      Tags: [{ Key: tenant, Value: !Ref TenantId }]\n  Dlq:",
        "  Dlq:",
        "Queue",
    );
}

#[test]
fn missing_alarms_are_found() {
    let with = |resource: &str, metric: &str| {
        let alarm = ALARMS.replace("Resources:\n", "").replace("METRIC", metric).replace("RESOURCE", resource);
        format!("{TENANT}{alarm}")
    };
    let depth = "ApproximateNumberOfMessagesVisible";
    fails(
        queue::dead_letter_queue_has_an_alarm_on_its_depth,
        &with("Dlq", depth),
        depth,
        "NumberOfMessagesSent",
        "Dlq",
    );
    let age = "ApproximateAgeOfOldestMessage";
    fails(
        queue::queue_has_an_alarm_on_its_oldest_message,
        &with("Queue", age),
        "GetAtt Queue.Name",
        "GetAtt Dlq.Name",
        "Queue",
    );
    let found = function::function_has_alarms_on_errors_and_throttles(&Template::parse("broken.yaml", PLATFORM));
    assert_eq!(found.len(), 4, "two functions, two metrics each: {found:?}");
}

#[test]
fn a_shared_or_foreign_role_is_found() {
    let rule = function::function_has_a_role_of_its_own;
    platform_fails(rule, "Role: !GetAtt TwoRole.Arn", "Role: arn:of:another", "Two");
    let shared =
        rule(&Template::parse("broken.yaml", &PLATFORM.replacen("!GetAtt TwoRole.Arn", "!GetAtt OneRole.Arn", 1)));
    assert_eq!(shared.len(), 2, "{shared:?}");
}

#[test]
fn a_wildcard_action_is_found() {
    platform_fails(function::policy_names_its_actions, "Action: sqs:SendMessage", "Action: sqs:*", "OneRole");
    platform_fails(function::policy_names_its_actions, "[logs:PutLogEvents]", "[logs:PutLogEvents, \"*\"]", "OneRole");
    platform_fails(
        function::policy_names_its_actions,
        "Action: sqs:SendMessage",
        "NotAction: sqs:SendMessage",
        "OneRole",
    );
    let managed = "Properties: { ManagedPolicyArns: [arn:of:one], Policies: [] }";
    platform_fails(function::policy_names_its_actions, "Properties: { Policies: [] }", managed, "TwoRole");
}

#[test]
fn a_wildcard_resource_is_found() {
    let named = "Resource: !Sub \"arn:${AWS::Partition}:sqs:::${Stage}_x\"";
    platform_fails(
        function::policy_names_its_resources,
        named,
        "Resource: \"*\"",
        "OneRole: names the resources of sqs:SendMessage",
    );
    platform_fails(
        function::policy_names_its_resources,
        "Action: xray:PutTraceSegments",
        "Action: ses:SendEmail",
        "OneRole",
    );
    platform_fails(function::policy_stays_in_its_stage, ":sqs:::${Stage}_x", ":sqs:::acequia_*_x", "OneRole");
}

#[test]
fn logs_that_stay_for_ever_or_go_elsewhere_are_found() {
    let forever = PLATFORM.replacen("{ RetentionInDays: 3 }", "{}", 1);
    assert_eq!(function::function_keeps_its_logs_for_a_set_time(&Template::parse("broken.yaml", &forever)).len(), 2);
    let rule = function::function_keeps_its_logs_for_a_set_time;
    platform_fails(rule, "      LoggingConfig: { LogGroup: !Ref OneLogs }\n  Two:", "  Two:", "One");
    platform_fails(
        function::function_logs_to_its_own_group_only,
        "Resource: !GetAtt OneLogs.Arn",
        "Resource: arn:other",
        "One",
    );
    let plain = PLATFORM.replacen("LogFormat: JSON", "LogFormat: Text", 1);
    assert_eq!(function::function_logs_json(&Template::parse("broken.yaml", &plain)).len(), 2);
}

#[test]
fn a_function_that_may_read_what_it_does_not_work_with_is_found() {
    let whole = crate::read("template.yaml");
    let rule = function::function_reads_the_parameters_of_its_own_purposes_only;
    assert_eq!(rule(&whole), Vec::<String>::new());
    let arn = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/acequia/${Stage}/";
    let statement = |action: &str, path: &str| {
        let resource = serde_json::json!({"Fn::Sub": format!("{arn}{path}")});
        serde_json::json!({"Effect": "Allow", "Action": action, "Resource": resource})
    };
    for (role, more) in [
        ("WebhookRole", statement("ssm:GetParameter", "tenant/*")),
        ("RouterRole", statement("ssm:GetParameter", "tenant/*/header/*")),
        ("ConfirmRole", statement("ssm:GetParametersByPath", "tenant/*/link/*")),
        ("EmailRole", statement("ssm:PutParameter", "grants/*")),
    ] {
        let mut body = whole.body.clone();
        let statements = &mut body["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        statements.as_array_mut().unwrap().push(more);
        assert!(!rule(&Template { file: "broken.yaml".to_owned(), body }).is_empty(), "{role}");
    }
}

#[test]
fn a_function_without_traces_or_alias_is_found() {
    let own = "FunctionName: !Sub acequia-${Stage}-two\n";
    let dark = "FunctionName: !Sub acequia-${Stage}-two\n      Tracing: Active\n";
    platform_fails(function::function_is_traced_by_choice, own, dark, "Two");
    let rule = function::function_is_called_by_an_alias_that_tenants_can_find;
    platform_fails(rule, "Value: !Ref Two.Alias", "Value: !Ref Two", "Two");
    platform_fails(rule, "function/two\"", "function/other\"", "Two");
}

#[test]
fn a_parameter_without_description_or_bounds_is_found() {
    platform_fails(general::parameter_is_described, "Description: Days to keep logs., ", "", "Days");
    platform_fails(general::parameter_is_bounded, ", MaxValue: 9", "", "Days");
    platform_fails(general::parameter_is_bounded, "AllowedPattern: ^x$, ", "", "Name");
}

#[test]
fn a_table_that_can_be_lost_is_found() {
    let rule = general::table_is_encrypted_recoverable_and_kept;
    for (from, to) in [
        ("SSEEnabled: true", "SSEEnabled: false"),
        ("{ SSEEnabled: true }", "{}"),
        ("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"),
        ("BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED"),
        ("    DeletionPolicy: Retain\n", ""),
        ("UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Delete"),
        ("DeletionProtectionEnabled: !If [IsEstablished, true, false]", "DeletionProtectionEnabled: false"),
    ] {
        platform_fails(rule, from, to, "Table");
    }
}

#[test]
fn an_alarm_that_tells_nobody_is_found() {
    let rule = general::alarm_tells_somebody_what_it_means;
    fails(rule, ALARMS, "[!If [Own, !Ref Topic, other]]", "[]", "Alarm: AlarmActions");
    fails(
        rule,
        ALARMS,
        "[!If [Own, !Ref Topic, other]]",
        "[!If [Own, !Ref AWS::NoValue, !Ref AWS::NoValue]]",
        "Alarm: AlarmActions",
    );
    fails(rule, ALARMS, "      AlarmDescription: It burns.\n", "", "Alarm");
    fails(rule, ALARMS, "      TreatMissingData: notBreaching\n", "", "Alarm");
}

#[test]
fn an_alarm_that_the_runbook_leaves_out_is_found() {
    let template = |name: &str| {
        let alarm =
            format!("  Alarm: {{ Type: AWS::CloudWatch::Alarm, Properties: {{ AlarmName: !Sub \"{name}\" }} }}\n");
        Template::parse("broken.yaml", &PLATFORM.replacen("  One:", &format!("{alarm}  One:"), 1))
    };
    let found = |name: &str, runbook: &str| general::alarm_stands_in_the_runbook(&template(name), runbook).len();
    let runbook = "| `acequia-<stage>-<function>-errors` | \n| `acequia-<stage>-<tenant>-<queue>-oldest-age`: x |";
    assert_eq!(found("acequia-${Stage}-one-errors", runbook), 0);
    assert_eq!(found("acequia-${Stage}-${TenantId}-forward-oldest-age", runbook), 0);
    assert_eq!(found("acequia-${Stage}-three-errors", runbook), 1, "it is no function");
    assert_eq!(found("acequia-${Stage}-one-oldest-age", runbook), 1);
    assert_eq!(found("acequia-${Stage}-${TenantId}-out-oldest-age", runbook), 1, "it is not worked off by us");
}

#[test]
fn a_mapping_of_a_stream_that_tries_for_ever_is_found() {
    let whole = r"
Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      StartingPosition: TRIM_HORIZON
      MaximumRetryAttempts: 3
      MaximumRecordAgeInSeconds: 60
      BisectBatchOnFunctionError: true
      DestinationConfig: { OnFailure: { Destination: x } }
";
    let rule = queue::stream_mapping_gives_up_in_the_end_and_tells;
    assert!(rule(&Template::parse("good.yaml", whole)).is_empty());
    for line in [
        "MaximumRetryAttempts: 3",
        "RecordAgeInSeconds: 60",
        "FunctionError: true",
        "{ OnFailure: { Destination: x } }",
    ] {
        let broken = whole.replace(line, if line.contains(':') && !line.starts_with('{') { "Other: 0" } else { "{}" });
        assert_eq!(rule(&Template::parse("broken.yaml", &broken)).len(), 1, "{line}");
    }
}
