//! Least privilege: each function's role as deployed, with a call that it needs and calls that it must not have.

use e2e::aws::{ACCOUNT, Aws};
use e2e::world;
use serde_json::{Value as Json, json};

fn role(function: &str) -> Aws {
    world().aws.role_of(&format!("acequia-{}-{function}", world().environment.stage))
}

fn send(role: &Aws, tenant: &str, queue: &str) -> Result<Json, e2e::aws::Refusal> {
    let url = world().queue_url(tenant, queue);
    role.json("sqs", "AmazonSQS.SendMessage", &json!({"QueueUrl": url, "MessageBody": "from a test of permissions"}))
}

fn read_tenants(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    let key = json!({"pk": {"S": "alder"}, "sk": {"S": "current"}});
    role.json("dynamodb", "DynamoDB_20120810.GetItem", &json!({"TableName": "acequia-local-tenants", "Key": key}))
}

/// Secrets of alder, by what each is for.
const SECRETS: [(&str, &str); 4] =
    [("webhook", "plain"), ("header", "token"), ("link", "links"), ("personal", "proca")];

fn read_parameter(role: &Aws, path: &str) -> Result<Json, e2e::aws::Refusal> {
    role.json("ssm", "AmazonSSM.GetParameter", &json!({"Name": path, "WithDecryption": true}))
}

/// Reads the secrets for these purposes, and is denied all others.
fn assert_reads_secrets(role: &Aws, purposes: &[&str]) {
    for (purpose, name) in SECRETS {
        let answer = read_parameter(role, &format!("/acequia/local/tenant/alder/{purpose}/{name}"));
        if purposes.contains(&purpose) {
            answer.unwrap();
        } else {
            assert_denied(&format!("reading a {purpose} secret"), answer);
        }
    }
}

fn read_grants(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    read_parameter(role, "/acequia/local/grants/alder")
}

fn write_grants(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    let put = json!({"Name": "/acequia/local/grants/alder", "Value": "{}", "Type": "String", "Overwrite": true});
    role.json("ssm", "AmazonSSM.PutParameter", &put)
}

fn mail(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    let text = json!({"Data": "x"});
    let mail = json!({
        "FromEmailAddress": "hello@alder.example",
        "Destination": {"ToAddresses": ["permission@example.org"]},
        "Content": {"Simple": {"Subject": text, "Body": {"Text": text}}},
        "ConfigurationSetName": "acequia-local",
    });
    role.rest("ses", "POST", "/v2/email/outbound-emails", &mail)
}

fn write_tenants(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    let item = json!({"pk": {"S": "alder"}, "sk": {"S": "smuggled"}});
    role.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": "acequia-local-tenants", "Item": item}))
}

fn write_consents(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    let item = json!({"pk": {"S": "alder"}, "sk": {"S": "permission"}});
    role.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": "acequia-local-consents", "Item": item}))
}

fn read_ledger(role: &Aws) -> Result<Json, e2e::aws::Refusal> {
    role.json("dynamodb", "DynamoDB_20120810.Scan", &json!({"TableName": "acequia-local-ledger"}))
}

fn assert_denied(what: &str, answer: Result<Json, e2e::aws::Refusal>) {
    let refusal = answer.expect_err(&format!("{what} was allowed"));
    assert!(refusal.is_denied(), "{what}: refused for another reason: {refusal:?}");
}

#[test]
fn the_router_may_read_tenants_and_fill_sinks_queues_and_nothing_else() {
    let role = role("router");
    read_tenants(&role).unwrap();
    assert_denied("sending to the tenant's own queue", send(&role, "alder", "out"));
    assert_reads_secrets(&role, &[]);
    assert_denied("reading grants", read_grants(&role));
    assert_denied("changing a tenant", write_tenants(&role));
    assert_denied("sending a mail", mail(&role));
}

#[test]
fn the_webhook_function_may_read_what_signs_and_what_stands_in_headers_and_cannot_send_events_or_mails() {
    let role = role("webhook");
    assert_reads_secrets(&role, &["webhook", "header"]);
    assert_denied("reading grants", read_grants(&role));
    assert_denied("sending an event", send(&role, "alder", "intake"));
    assert_denied("sending a mail", mail(&role));
    assert_denied("changing a tenant", write_tenants(&role));
}

#[test]
fn the_forward_function_may_fill_tenants_queues_and_cannot_read_secrets() {
    let role = role("forward");
    send(&role, "alder", "out").unwrap();
    assert_reads_secrets(&role, &[]);
    read_grants(&role).unwrap();
    assert_denied("changing grants", write_grants(&role));
    assert_denied("sending an event", send(&role, "alder", "intake"));
    assert_denied("sending a mail", mail(&role));
    assert_denied("changing a tenant", write_tenants(&role));
}

#[test]
fn the_email_function_may_read_the_keys_of_links_and_of_sealed_addresses_and_cannot_change_consents_or_grants() {
    let role = role("email");
    read_tenants(&role).unwrap();
    assert_reads_secrets(&role, &["link", "personal"]);
    read_grants(&role).unwrap();
    assert_denied("changing grants", write_grants(&role));
    assert_denied("changing a consent", write_consents(&role));
    assert_denied("sending an event", send(&role, "alder", "intake"));
    assert_denied("filling the tenant's own queue", send(&role, "alder", "out"));
    assert_denied("changing a tenant", write_tenants(&role));
}

#[test]
fn the_confirm_function_may_change_consents_and_cannot_send_anything() {
    let role = role("confirm");
    read_tenants(&role).unwrap();
    assert_reads_secrets(&role, &["link"]);
    write_consents(&role).unwrap();
    for queue in ["intake", "email", "webhook", "out"] {
        assert_denied("filling a queue", send(&role, "alder", queue));
    }
    assert_denied("sending a mail", mail(&role));
    assert_denied("changing a tenant", write_tenants(&role));
    assert_denied("reading the ledger", read_ledger(&role));
}

#[test]
fn the_feedback_function_may_change_consents_and_cannot_read_secrets_or_send_anything() {
    let role = role("feedback");
    read_tenants(&role).unwrap();
    write_consents(&role).unwrap();
    assert_reads_secrets(&role, &[]);
    assert_denied("filling a queue", send(&role, "alder", "email"));
    assert_denied("sending an event", send(&role, "alder", "intake"));
    assert_denied("sending a mail", mail(&role));
    assert_denied("changing a tenant", write_tenants(&role));
    assert_denied("reading the whole ledger", read_ledger(&role));
}

#[test]
fn the_outbox_function_may_fill_the_queues_of_sinks_and_cannot_send_events_or_mails() {
    let role = role("outbox");
    read_tenants(&role).unwrap();
    assert_reads_secrets(&role, &["link"]);
    let key = json!({"pk": {"S": "alder#none"}, "sk": {"S": "outbox#none"}});
    let keys = json!({"RequestItems": {"acequia-local-consents": {"Keys": [key]}}});
    role.json("dynamodb", "DynamoDB_20120810.BatchGetItem", &keys).unwrap();
    assert_denied("sending an event", send(&role, "alder", "intake"));
    assert_denied("filling the tenant's own queue", send(&role, "alder", "out"));
    assert_denied("sending a mail", mail(&role));
    assert_denied("changing a tenant", write_tenants(&role));
    assert_denied("reading the ledger", read_ledger(&role));
}

#[test]
fn the_sweeper_may_fill_the_queues_of_functions_and_read_dead_letters_of_sinks_and_no_secrets_or_messages() {
    let role = role("sweeper");
    send(&role, "alder", "webhook-dlq").unwrap();
    let key = json!({"pk": {"S": "alder"}, "sk": {"S": "none"}});
    let keys = json!({"RequestItems": {"acequia-local-delayed": {"Keys": [key]}}});
    role.json("dynamodb", "DynamoDB_20120810.BatchGetItem", &keys).unwrap();
    assert_denied("reading a tenant's configuration", read_tenants(&role));
    let list = json!({"TableName": "acequia-local-tenants", "KeyConditionExpression": "pk = :tenants",
        "ExpressionAttributeValues": {":tenants": {"S": "@tenants"}}});
    role.json("dynamodb", "DynamoDB_20120810.Query", &list).unwrap();
    let scan = json!({"TableName": "acequia-local-tenants"});
    assert_denied("reading every version of every tenant", role.json("dynamodb", "DynamoDB_20120810.Scan", &scan));
    assert_denied("filling the tenant's own queue", send(&role, "alder", "out"));
    assert_denied("changing a tenant", write_tenants(&role));
    assert_reads_secrets(&role, &[]);
    assert_denied("sending a mail", mail(&role));
    let receive = |queue: &str| {
        let url = world().queue_url("alder", queue);
        role.json("sqs", "AmazonSQS.ReceiveMessage", &json!({"QueueUrl": url, "VisibilityTimeout": 0}))
    };
    receive("webhook-dlq").unwrap();
    assert_denied("receiving deliveries", receive("webhook"));
    receive("intake-dlq").unwrap();
    let url = world().queue_url("alder", "intake-dlq");
    let delete = json!({"QueueUrl": url, "ReceiptHandle": "none"});
    assert_denied("deleting dead letters of the intake", role.json("sqs", "AmazonSQS.DeleteMessage", &delete));
    assert_denied("receiving what the tenant reads", receive("out-dlq"));
    role.json("sqs", "AmazonSQS.ListQueues", &json!({})).unwrap();
    let purge = json!({"QueueUrl": world().queue_url("alder", "intake-dlq")});
    assert_denied("purging a queue", role.json("sqs", "AmazonSQS.PurgeQueue", &purge));
}

#[test]
fn a_sinks_function_may_delay_and_cannot_read_what_is_delayed() {
    let role = role("webhook");
    let scan = json!({"TableName": "acequia-local-delayed"});
    assert_denied("reading delayed messages", role.json("dynamodb", "DynamoDB_20120810.Scan", &scan));
    let key = json!({"pk": {"S": "alder"}, "sk": {"S": "none"}});
    let get = json!({"TableName": "acequia-local-delayed", "Key": key});
    assert_denied("reading a delayed message", role.json("dynamodb", "DynamoDB_20120810.GetItem", &get));
}

#[test]
fn no_function_may_take_messages_of_another_functions_queue() {
    for (function, queue) in [("router", "webhook"), ("webhook", "email"), ("forward", "intake"), ("email", "forward")]
    {
        let url = world().queue_url("alder", queue);
        let taken = role(function).json("sqs", "AmazonSQS.ReceiveMessage", &json!({"QueueUrl": url}));
        assert_denied(&format!("{function} receiving from {queue} of account {ACCOUNT}"), taken);
    }
}
