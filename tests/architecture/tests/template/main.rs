//! What the templates must say, one rule a test; broken.rs shows that each rule can fail.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot read a template fails; JSON's index gives null"
)]

mod alarm;
mod broken;
mod dashboard;
mod document;
mod function;
mod general;
mod policy;
mod queue;
mod retention;
mod role;
mod version;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};

use acequia_core::queue::QueueRole;
use document::Template;

/// A file of the working tree.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

fn read(file: &str) -> Template {
    let text = fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    Template::parse(file, &text)
}

fn platform() -> Template {
    read("template.yaml")
}

fn tenant() -> Template {
    read("infra/tenant.yaml")
}

/// Fails with everything that breaks the rule, in both templates.
fn holds(rule: fn(&Template) -> Vec<String>) {
    let found: Vec<String> = [platform(), tenant()].iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_templates_are_read_as_they_are_meant() {
    let functions = fs::read_dir(path("functions")).map(Iterator::count).unwrap_or_default();
    assert!(functions >= 8, "the functions are found where they are looked for");
    assert_eq!(platform().of_kind("AWS::Serverless::Function").len(), functions);
    let ours = QueueRole::ALL.len() - 1;
    assert_eq!(tenant().of_kind("AWS::Lambda::EventSourceMapping").len(), ours, "all but the tenant's own");
    assert_eq!(tenant().of_kind("AWS::SQS::Queue").len(), 2 * QueueRole::ALL.len());
}

#[test]
fn a_tenant_has_the_queues_that_core_knows_and_no_others() {
    let found = role::tenant_has_the_queues_that_core_knows(&tenant());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_deliveries_of_every_kind_of_sink_go_to_the_function_of_that_name() {
    let found = role::sinks_deliver_by_their_own_function(&tenant(), &platform());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_mapping_reports_batch_item_failures() {
    holds(queue::mapping_reports_batch_item_failures);
}

#[test]
fn every_mapping_takes_its_concurrency_from_a_parameter() {
    holds(queue::mapping_takes_its_concurrency_from_a_parameter);
}

#[test]
fn every_mapping_of_a_stream_gives_up_in_the_end_and_tells() {
    holds(queue::stream_mapping_gives_up_in_the_end_and_tells);
}

#[test]
fn every_queue_has_a_dead_letter_queue_of_its_own() {
    holds(queue::queue_has_a_dead_letter_queue_of_its_own);
}

#[test]
fn dead_letters_are_kept_longer_than_messages_or_for_as_long_as_sqs_can() {
    holds(queue::dead_letters_are_kept_longer_than_messages_or_for_as_long_as_sqs_can);
}

#[test]
fn every_queue_of_a_tenants_function_keeps_messages_for_14_days_and_gives_them_up_last() {
    let found = queue::queue_of_a_function_keeps_messages_and_gives_them_up_last(&tenant());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_queue_is_encrypted() {
    holds(queue::queue_is_encrypted);
}

#[test]
fn every_queue_is_named_for_its_stage_and_tenant() {
    holds(queue::queue_is_named_for_its_stage_and_tenant);
}

#[test]
fn every_queue_hides_messages_for_six_timeouts_and_the_window() {
    let found = queue::queue_hides_messages_long_enough(&tenant(), &platform());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_consumer_may_work_on_its_queue_and_quarantine() {
    let found = queue::consumer_may_work_on_its_queue(&tenant(), &platform());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn intake_and_forward_keep_order_both_or_none() {
    let found = queue::intake_and_forward_are_fifo_together(&tenant());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_queue_refuses_plain_http() {
    holds(queue::queue_refuses_plain_http);
}

#[test]
fn every_queue_policy_is_about_one_queue() {
    holds(queue::queue_policy_is_about_one_queue);
}

#[test]
fn everything_that_holds_data_outlives_its_stack() {
    holds(retention::what_holds_data_outlives_its_stack);
}

#[test]
fn every_alarm_of_the_platform_tells_of_trouble_alone() {
    let found = retention::alarm_tells_of_trouble_alone(&platform());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_function_that_is_invoked_by_a_schedule_is_invoked_once() {
    holds(retention::scheduled_function_is_invoked_once);
}

#[test]
fn every_parameter_that_reaches_a_function_is_in_the_description_of_its_version() {
    holds(version::version_says_what_reaches_its_function);
}

#[test]
fn everything_of_a_tenant_is_tagged_with_the_tenant() {
    let found = queue::tenant_tags_everything(&tenant());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_dead_letter_queue_has_an_alarm_on_its_depth() {
    holds(queue::dead_letter_queue_has_an_alarm_on_its_depth);
}

#[test]
fn every_queue_has_an_alarm_on_its_oldest_message() {
    holds(queue::queue_has_an_alarm_on_its_oldest_message);
}

#[test]
fn a_tenant_has_alarms_only_if_it_wants_its_own_and_they_tell_of_trouble_alone() {
    let found = watch::tenant_has_alarms_only_if_it_wants_its_own(&tenant());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_queue_of_a_tenant_says_whose_its_alarms_are() {
    let found = watch::queue_says_whose_its_alarms_are(&tenant());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_watch_may_see_every_queue_of_a_tenant_and_why_its_dead_letters_are_there() {
    let found = watch::watch_may_see_every_queue(&tenant(), &platform());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_function_has_a_role_of_its_own() {
    holds(function::function_has_a_role_of_its_own);
}

#[test]
fn every_policy_names_its_actions() {
    holds(function::policy_names_its_actions);
}

#[test]
fn every_policy_names_its_resources_where_they_can_be_named() {
    holds(function::policy_names_its_resources);
}

#[test]
fn every_policy_stays_in_its_stage() {
    holds(function::policy_stays_in_its_stage);
}

#[test]
fn every_managed_policy_is_exported_and_named_by_the_stack() {
    assert_eq!(platform().of_kind("AWS::IAM::ManagedPolicy").len(), 3);
    holds(policy::managed_policy_is_exported_and_named_by_the_stack);
}

#[test]
fn every_managed_policy_is_short_enough_for_iam() {
    holds(policy::managed_policy_is_short_enough);
}

#[test]
fn every_alarm_watches_what_aws_measures() {
    holds(alarm::alarm_watches_what_aws_measures);
}

#[test]
fn every_function_reads_the_secrets_of_its_own_purposes_only() {
    let found = function::function_reads_the_parameters_of_its_own_purposes_only(&platform());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_function_keeps_its_logs_for_a_set_time() {
    holds(function::function_keeps_its_logs_for_a_set_time);
}

#[test]
fn every_function_logs_to_its_own_group_only() {
    holds(function::function_logs_to_its_own_group_only);
}

#[test]
fn every_function_logs_json() {
    holds(function::function_logs_json);
}

#[test]
fn every_function_is_traced_by_choice() {
    holds(function::function_is_traced_by_choice);
}

#[test]
fn every_function_is_called_by_an_alias_that_tenants_can_find() {
    holds(function::function_is_called_by_an_alias_that_tenants_can_find);
}

#[test]
fn every_function_has_alarms_on_errors_and_throttles() {
    holds(function::function_has_alarms_on_errors_and_throttles);
}

#[test]
fn every_sink_has_an_alarm_on_unrecorded_deliveries() {
    holds(function::sink_has_an_alarm_on_unrecorded_deliveries);
}

#[test]
fn the_dashboard_is_json_and_shows_every_function() {
    assert_eq!(platform().of_kind("AWS::CloudWatch::Dashboard").len(), 1);
    holds(dashboard::dashboard_shows_every_function);
}

#[test]
fn every_metric_on_the_dashboard_and_in_an_alarm_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LOGGING.md");
    let documented = fs::read_to_string(path).unwrap_or_default();
    let used = dashboard::own_metrics(&platform());
    assert!(used.len() >= 10, "our metrics are found where they are looked for: {used:?}");
    let unknown: Vec<_> = used.iter().filter(|name| !documented.contains(&format!("| `{name}` |"))).collect();
    assert!(unknown.is_empty(), "docs/LOGGING.md has no row for {unknown:?}");
}

#[test]
fn a_tenants_mail_template_is_described_bounded_and_tagged() {
    let template = read("infra/tenant-mail.yaml");
    let mut found = general::parameter_is_described(&template);
    found.extend(general::parameter_is_bounded(&template));
    found.extend(queue::tenant_tags_everything(&template));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_topics_template_is_described_bounded_and_tagged_and_its_mapping_gives_up_in_the_end_and_tells() {
    let template = read("infra/tenant-kafka.yaml");
    let mut found = general::parameter_is_described(&template);
    found.extend(general::parameter_is_bounded(&template));
    found.extend(general::alarm_tells_somebody_what_it_means(&template));
    found.extend(queue::tenant_tags_everything(&template));
    found.extend(queue::mapping_reports_batch_item_failures(&template));
    found.extend(retention::what_holds_data_outlives_its_stack(&template));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    let [mapping] =
        template.of_kind("AWS::Lambda::EventSourceMapping").try_into().unwrap_or_else(|_| panic!("one mapping"));
    assert!(!mapping.property("DestinationConfig/OnFailure/Destination").is_null());
    assert!(!mapping.property("ProvisionedPollerConfig").is_null(), "others repeat a batch for ever");
    assert!(!mapping.property("MaximumRetryAttempts").is_null());
}

#[test]
fn every_parameter_is_described() {
    holds(general::parameter_is_described);
}

#[test]
fn every_parameter_is_bounded() {
    holds(general::parameter_is_bounded);
}

#[test]
fn every_table_is_encrypted_recoverable_and_kept() {
    holds(general::table_is_encrypted_recoverable_and_kept);
}

#[test]
fn every_alarm_tells_somebody_what_it_means() {
    holds(general::alarm_tells_somebody_what_it_means);
}

#[test]
fn every_alarm_has_a_way_in_the_runbook() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let runbook = fs::read_to_string(root.join("docs/RUNBOOK.md")).unwrap_or_default();
    let files = fs::read_dir(root.join("infra")).into_iter().flatten().flatten().map(|entry| entry.path());
    let names = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter_map(|path| Some(format!("infra/{}", path.file_name()?.display())));
    let templates: Vec<Template> = names.chain(["template.yaml".to_owned()]).map(|name| read(&name)).collect();
    assert!(templates.len() >= 3, "the templates are found where they are looked for");
    let found: Vec<String> =
        templates.iter().flat_map(|template| general::alarm_stands_in_the_runbook(template, &runbook)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
