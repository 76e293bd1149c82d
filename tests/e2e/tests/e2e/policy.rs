//! The managed policies of the platform: each command of `acequia` with exactly what docs/CLI.md says that it asks for,
//! and producers.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::aws::{ACCOUNT, Aws};
use e2e::need::{self, Requirement, Row};
use e2e::world::{Ran, event};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// The exit code where AWS refuses (docs/CLI.md).
const REFUSED: i32 = 6;
/// Events name subjects by such digests, and so are lists named in the rows.
const SUBJECT: &str = "00112233445566778899aabbccddeeff";
/// What goes on without an action, and says so: the next redrive finishes what this one moved.
const GOES_ON: [(&str, &str); 2] = [("dlq redrive", "dynamodb:BatchWriteItem"), ("dlq redrive", "sqs:DeleteMessage")];
/// The queues of the tenant without a stack: nothing takes from them what a test puts in.
const QUEUES: [&str; 4] = ["intake", "intake-dlq", "out", "out-dlq"];

/// Every command that does something, as the help texts list them.
fn commands(program: &std::path::Path, above: &[String]) -> Vec<String> {
    let output = Command::new(program).args(above).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let Some((before, listed)) = text.split_once("Commands:\n") else { return vec![above.join(" ")] };
    let listed = listed.lines().take_while(|line| !line.trim().is_empty());
    // A description that goes on in a second line stands further in than a name.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<String> =
        names.flat_map(|name| commands(program, &[above, &[name.to_owned()]].concat())).collect();
    // One that does something by itself, and has others below it.
    if !above.is_empty() && before.contains(" --") {
        found.push(above.join(" "));
    }
    found
}

fn documented() -> Vec<Row> {
    need::read(&std::fs::read_to_string(world().environment.root.join("docs/CLI.md")).unwrap())
}

/// What the commands are run on.
struct Stage {
    folder: TempDir,
    queues: Vec<String>,
}

impl Stage {
    fn make() -> Self {
        let world = world();
        let make = |queue: &&str| {
            let name = format!("acequia_{}_rowan_{queue}", world.environment.stage);
            let made = world.aws.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name})).unwrap();
            made["QueueUrl"].as_str().unwrap().to_owned()
        };
        let stage = Self { folder: tempfile::tempdir().unwrap(), queues: QUEUES.iter().map(make).collect() };
        std::fs::write(stage.path("event.json"), event("out", "sample", &json!({"first_name": "Ana"}))).unwrap();
        world.switch("away", "503");
        world.send("birch", &[&event("away", "policy", &json!({}))]);
        eventually("a delivery of birch is delayed", || {
            let delayed = world.read(&["delayed", "birch", "--sink", "away"]);
            (delayed["total"].as_u64() > Some(0)).then_some(())
        });
        stage
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The arguments of a command, with what it finds there made anew. `None` for a command that is not known here.
    fn arguments(&self, command: &str, turn: usize) -> Option<Vec<String>> {
        let (file, sample) = (self.path(&format!("rowan-{turn}.toml")), self.path("event.json"));
        let rest = match command {
            "tenant validate" => file.clone(),
            "tenant try" => format!("{file} {sample}"),
            "tenant apply" => format!("{file} --yes"),
            "tenant show" | "audit" => "rowan".to_owned(),
            "tenant list" | "tenant schema" => String::new(),
            "tenant pause" => "rowan out".to_owned(),
            "tenant resume" => "birch away".to_owned(),
            "secret put" => format!("rowan made-{turn}-{} --for webhook --generate", std::process::id()),
            "key create" => "rowan --name policy".to_owned(),
            "key list" => "rowan".to_owned(),
            "key rotate" => format!("rowan {} --overlap 0s", a_key()),
            "key revoke" => format!("rowan {} --yes", a_key()),
            "consent show" => format!("rowan {SUBJECT}"),
            "consent export" => format!("rowan {SUBJECT} --out {}", self.path(&format!("proof-{turn}.ndjson"))),
            "erase" => "unknown --subject nobody@alder.example --yes".to_owned(),
            "consent erase" => format!("rowan {SUBJECT} --yes"),
            "template preview" => {
                format!("{file} thanks --event {sample} --out {}", self.path(&format!("mail-{turn}.txt")))
            }
            "template send-test" => format!("{file} thanks --event {sample} --to ana@alder.example"),
            "send" => format!("rowan {sample}"),
            "table init" => {
                format!("{} supporters", world().environment.root.join("examples/tenants/fresno.toml").display())
            }
            // It has no sink of that kind: the database is asked by the test of tables.
            "table check" => file.clone(),
            "table relay" => format!("tamarisk policy --password {}", database::PASSWORD),
            "explain" => "birch /e2e|policy".to_owned(),
            "dlq list" | "status" => "rowan".to_owned(),
            "dlq show" => "rowan /e2e|letter".to_owned(),
            "dlq redrive" | "dlq purge" => "rowan --queue out --yes".to_owned(),
            "replay" => "birch --from 3h --to 2h --same-id --sink away --yes --beside".to_owned(),
            "replay list" => "birch".to_owned(),
            "replay show" | "replay stop" => format!("birch {}", a_replay(turn)),
            "replay resume" => format!("birch {} --beside", a_replay(turn)),
            "archive compact" => "birch --from 2026-01-01 --to 2026-01-02".to_owned(),
            "delayed" => "birch --sink away".to_owned(),
            "search" | "tally" => "birch".to_owned(),
            "completions" => "bash".to_owned(),
            "doctor" => String::new(),
            _ => return None,
        };
        let world = world();
        let tenants = world.environment.root.join("tests/e2e/tenants/rowan.toml");
        // Applying what is there already writes nothing.
        let text = std::fs::read_to_string(tenants).unwrap().replace("of the tests", &format!("of turn {turn}"));
        std::fs::write(&file, text).unwrap();
        match command {
            "dlq list" | "dlq show" | "dlq redrive" | "dlq purge" => {
                // What the run before received is hidden still.
                world
                    .aws
                    .json("sqs", "AmazonSQS.PurgeQueue", &json!({"QueueUrl": world.queue_url("rowan", "out-dlq")}))
                    .unwrap();
                let body = event("out", "letter", &json!({}));
                let attributes = [("acequia-sink", "String", "out"), ("acequia-reason", "String", "http-status")];
                world.put("rowan", "out-dlq", &body, &attributes);
            }
            "tenant resume" => break_endpoint(turn),
            "table relay" => fill_outbox(),
            // The file says that nothing is paused.
            "tenant pause" => drop(world.run_as(&world.aws, &["tenant", "apply", &file, "--yes"], "")),
            "consent show" | "consent export" | "consent erase" => suppress(),
            _ => {}
        }
        Some(command.split(' ').chain(rest.split_whitespace()).map(str::to_owned).collect())
    }

    fn run(&self, identity: &Aws, command: &str, turn: usize) -> Ran {
        let arguments = self.arguments(command, turn).unwrap_or_else(|| panic!("no arguments for acequia {command}"));
        world().run_as(identity, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), "")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for queue in &self.queues {
            world().aws.json("sqs", "AmazonSQS.DeleteQueue", &json!({"QueueUrl": queue})).unwrap();
        }
    }
}

/// Has an event wait in the outbox that the relay is asked for.
fn fill_outbox() {
    let event = event("policy.relayed", "relayed", &json!({}));
    let row =
        format!("insert into policy.acequia_outbox (event_id, event) values (gen_random_uuid()::text, '{event}')");
    crate::table::server(world()).query("rows", &row).unwrap();
}

/// Has a sink of birch that is paused and has a delivery delayed that was not made due yet, and whose endpoint is known
/// to be disabled (under another address, so that no function goes by it).
fn break_endpoint(turn: usize) {
    let world = world();
    world.run_as(&world.aws, &["tenant", "pause", "birch", "away"], "");
    let waits = || {
        let delayed = world.read(&["delayed", "birch", "--sink", "away"]);
        delayed["messages"].as_array().unwrap().iter().any(|message| message["expedited"] == false).then_some(())
    };
    if waits().is_none() {
        world.send("birch", &[&event("away", &format!("policy-{turn}-{}", std::process::id()), &json!({}))]);
        eventually("a delivery of birch is delayed", waits);
    }
    let item = json!({
        "pk": {"S": "birch#@endpoint"}, "sk": {"S": "away"}, "endpoint": {"S": "of-a-test"}, "revision": {"N": "1"},
        "circuit": {"S": "closed"}, "disabled": {"M": {"by": {"S": "gone"}, "since": {"N": "1767225600000"}}},
    });
    let put = json!({"TableName": format!("acequia-{}-ledger", world.environment.stage), "Item": item});
    world.aws.json("dynamodb", "DynamoDB_20120810.PutItem", &put).unwrap();
}

/// A replay of birch's whose runner died, of a time in which nothing was kept.
fn a_replay(turn: usize) -> String {
    let (id, at) = (format!("rpolicy{turn}x{}", std::process::id()), 1_767_225_600_000_u64);
    let document = json!({
        "id": id, "query": {"from": at, "to": at + 1, "sinks": ["away"]}, "ids": "same", "rate": 1, "config_version": 1,
        "as_of": at, "created_at": at, "updated_at": at, "notes": [], "state": "running", "revision": 1,
        "progress": {"tally": {"objects": 0, "lines": 0, "repeated": 0, "events": 0, "deliveries": 0, "bytes": 0,
            "unreadable": 0, "refused": 0, "counts": []}},
    });
    let item = json!({
        "pk": {"S": "birch#@replay"}, "sk": {"S": format!("replay#{id}")}, "document": {"S": document.to_string()},
        "revision": {"N": "1"},
    });
    let put = json!({"TableName": format!("acequia-{}-tenants", world().environment.stage), "Item": item});
    world().aws.json("dynamodb", "DynamoDB_20120810.PutItem", &put).unwrap();
    id
}

/// A key of rowan's, made anew.
fn a_key() -> String {
    let world = world();
    // Keys are bounded, and each run makes some.
    let listed = world.read(&["key", "list", "rowan"]);
    for key in listed["keys"].as_array().unwrap().iter().filter(|key| key["state"] == "active") {
        world.run_as(&world.aws, &["key", "revoke", "rowan", key["id"].as_str().unwrap(), "--yes"], "");
    }
    let made = world.read(&["key", "create", "rowan", "--name", "policy"]);
    made["id"].as_str().unwrap().to_owned()
}

/// Has an address of the subject that gets no mails, and a row to erase.
fn suppress() {
    let doc = json!({"reason": "bounce", "since": 1_767_225_600_000_u64}).to_string();
    let address = json!({
        "pk": {"S": format!("rowan#@address#{SUBJECT}")}, "sk": {"S": "suppressed"}, "doc": {"S": doc},
    });
    let row = json!({"pk": {"S": format!("rowan#{SUBJECT}")}, "sk": {"S": format!("of-a-test#{SUBJECT}")}});
    for item in [address, row] {
        let put = json!({"TableName": format!("acequia-{}-consents", world().environment.stage), "Item": item});
        world().aws.json("dynamodb", "DynamoDB_20120810.PutItem", &put).unwrap();
    }
}

/// The operator's role with these statements as the most that it may do.
fn narrowed(statements: &[Json]) -> Aws {
    let world = world();
    world.aws.assume(&world.operator_role, Some(&json!({"Version": "2012-10-17", "Statement": statements})))
}

fn only(needs: &[Requirement]) -> Aws {
    let stage = &world().environment.stage;
    // One statement for each resource: a session policy has 2,048 characters at the most.
    let mut by_resource: BTreeMap<String, Json> = BTreeMap::new();
    for need in needs {
        let statement = need.statement("Allow", stage);
        let known = by_resource
            .entry(statement["Resource"].to_string())
            .or_insert_with(|| json!({"Effect": "Allow", "Resource": statement["Resource"], "Action": []}));
        known["Action"].as_array_mut().unwrap().push(statement["Action"].clone());
    }
    let mut statements: Vec<Json> = by_resource.into_values().collect();
    // A policy has a statement, and this allows nothing that a command does.
    statements.push(json!({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}));
    narrowed(&statements)
}

fn all_but(need: &Requirement) -> Aws {
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    narrowed(&[all, need.statement("Deny", &world().environment.stage)])
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn every_command_does_its_work_with_the_actions_that_are_documented_and_is_refused_without_each_of_them() {
    let world = world();
    let rows = documented();
    let known: BTreeSet<String> = rows.iter().map(|row| row.command.clone()).collect();
    let there: BTreeSet<String> = commands(&world.environment.acequia, &[]).into_iter().collect();
    assert!(there.len() >= 20, "the commands are found where they are looked for: {there:?}");
    assert_eq!(known, there, "docs/CLI.md says of every command what it asks for");
    let stage = Stage::make();
    let viewer = world.aws.exported(&format!("acequia-{}-viewer-policy", world.environment.stage));
    let viewer = world.aws.assume(&world.aws.make_role("e2e-viewer", &[viewer]), None);
    let trial = Trial { stage, viewer, turn: AtomicUsize::new(0) };
    // What shares a first word shares letters, subjects and configurations, and runs one after the other.
    let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        groups.entry(row.command.split(' ').next().unwrap_or_default()).or_default().push(row);
    }
    let run = &|rows: Vec<&Row>| rows.into_iter().flat_map(|row| trial.run(row)).collect::<Vec<_>>();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = groups.into_values().map(|rows| scope.spawn(move || run(rows))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The roles that run the commands, and what they run them on.
struct Trial {
    stage: Stage,
    viewer: Aws,
    turn: AtomicUsize,
}

impl Trial {
    /// Says what a run came to, where it came to something else than it should.
    fn check(&self, identity: &Aws, row: &Row, what: &str, holds: impl Fn(&Ran) -> bool) -> Option<String> {
        let ran = self.stage.run(identity, &row.command, self.turn.fetch_add(1, Ordering::Relaxed));
        (!holds(&ran)).then(|| format!("acequia {} {what}: exit code {}: {}", row.command, ran.code, said(&ran)))
    }

    /// The doctor is refused nothing: it says what it could not see. What it sees may be well or not.
    fn run_doctor(&self, row: &Row) -> Vec<String> {
        let blind = |ran: &Ran| said(ran).contains("it would tell whether");
        let sees = |ran: &Ran| [0, 1].contains(&ran.code) && !blind(ran);
        let all = [
            self.check(&only(&[]), row, "without any permission", blind),
            self.check(&only(&row.needs), row, "with what is documented", sees),
            self.check(&world().operator, row, "as operator", sees),
        ];
        all.into_iter().flatten().collect()
    }

    /// Runs a command with what its row says, without each of it, and without any; answers what is wrong.
    fn run(&self, row: &Row) -> Vec<String> {
        if row.command == "doctor" {
            return self.run_doctor(row);
        }
        let done = |ran: &Ran| ran.code == 0;
        let denied = |ran: &Ran| said(ran).contains("not authorized to perform");
        if row.needs.is_empty() {
            return self.check(&only(&[]), row, "without any permission", done).into_iter().collect();
        }
        let without = row.needs.iter().filter(|need| !need.sometimes).filter_map(|need| {
            let goes_on = GOES_ON.contains(&(row.command.as_str(), need.action.as_str()));
            self.check(&all_but(need), row, &format!("without {need:?}"), |ran| {
                done(ran) == goes_on && said(ran).to_lowercase().contains(&need.action.to_lowercase())
            })
        });
        let mut wrong: Vec<String> = without.collect();
        let refused = |ran: &Ran| ran.code == REFUSED && denied(ran);
        let rest =
            [
                self.check(&only(&[]), row, "without any permission", refused),
                self.check(&only(&row.needs), row, "with what is documented", done),
                self.check(&world().operator, row, "as operator", done),
                self.check(&self.viewer, row, "as viewer", |ran| {
                    if row.viewer { done(ran) } else { !done(ran) && denied(ran) }
                }),
            ];
        wrong.extend(rest.into_iter().flatten());
        wrong
    }
}

/// What a deployed policy allows: actions, on tables where they are on tables.
fn granted(policy: &str) -> BTreeSet<(String, Option<String>)> {
    let world = world();
    let policy = world.aws.exported(&format!("acequia-{}-{policy}-policy", world.environment.stage));
    let prefix = format!("table/acequia-{}-", world.environment.stage);
    let statements = world.aws.policy(&policy)["Statement"].as_array().unwrap().clone();
    let several = |value: &Json| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut found = BTreeSet::new();
    for statement in statements {
        assert_eq!(statement["Effect"], "Allow");
        for resource in several(&statement["Resource"]) {
            // What is allowed on an index is asked for of its table.
            let table = |(_, path): (_, &str)| path.split('/').next().unwrap_or(path).to_owned();
            let table = resource.as_str().unwrap().split_once(&prefix).map(table);
            found.extend(
                several(&statement["Action"]).iter().map(|action| (action.as_str().unwrap().to_owned(), table.clone())),
            );
        }
    }
    found
}

#[test]
fn the_policies_of_operators_and_viewers_allow_what_their_commands_ask_for_and_nothing_more() {
    let asked = |rows: &[Row], viewer: bool| -> BTreeSet<(String, Option<String>)> {
        let rows = rows.iter().filter(|row| row.viewer || !viewer);
        rows.flat_map(|row| &row.needs).map(|need| (need.action.clone(), need.table.clone())).collect()
    };
    let rows = documented();
    assert_eq!(granted("operator"), asked(&rows, false));
    assert_eq!(granted("viewer"), asked(&rows, true));
}

#[test]
fn a_producer_may_send_events_to_any_tenant_and_nothing_else() {
    let world = world();
    let send = |tenant: &str, queue: &str| {
        let call = json!({"QueueUrl": world.queue_url(tenant, queue), "MessageBody": event("nobody.wants", "producer", &json!({})),
            "MessageGroupId": "producer", "MessageDeduplicationId": "producer"});
        world.producer.json("sqs", "AmazonSQS.SendMessage", &call)
    };
    send("aspen", "intake.fifo").unwrap();
    world.send("alder", &[&event("nobody.wants", "producer", &json!({}))]);
    let name = json!({"QueueName": format!("acequia_{}_alder_intake", world.environment.stage)});
    world.producer.json("sqs", "AmazonSQS.GetQueueUrl", &name).unwrap();
    for (tenant, queue) in [("alder", "webhook"), ("alder", "out"), ("alder", "intake-dlq"), ("birch", "out.fifo")] {
        let refusal = send(tenant, queue).expect_err(queue);
        assert!(refusal.is_denied(), "{queue}: {refusal:?}");
    }
    let other = format!("{}/{ACCOUNT}/acequia_other_alder_intake", world.environment.endpoint);
    let calls = [
        ("sqs", "AmazonSQS.SendMessage", json!({"QueueUrl": other, "MessageBody": "{}"})),
        ("sqs", "AmazonSQS.ReceiveMessage", json!({"QueueUrl": world.queue_url("alder", "intake")})),
        ("sqs", "AmazonSQS.PurgeQueue", json!({"QueueUrl": world.queue_url("alder", "intake")})),
        ("dynamodb", "DynamoDB_20120810.Scan", json!({"TableName": "acequia-local-tenants"})),
        ("ssm", "AmazonSSM.GetParameter", json!({"Name": "/acequia/local/tenant/alder/webhook/plain"})),
    ];
    for (service, target, body) in calls {
        let refusal = world.producer.json(service, target, &body).expect_err(target);
        assert!(refusal.is_denied(), "{target}: {refusal:?}");
    }
}

#[test]
fn an_operator_may_neither_read_secrets_nor_grant_a_tenant_anything_nor_take_messages_on_their_way_nor_leave_the_stage()
{
    let world = world();
    let calls = [
        (
            "ssm",
            "AmazonSSM.GetParameter",
            json!({"Name": "/acequia/local/tenant/alder/webhook/plain", "WithDecryption": true}),
        ),
        (
            "ssm",
            "AmazonSSM.PutParameter",
            json!({"Name": "/acequia/local/function/router", "Value": "x", "Type": "String"}),
        ),
        (
            "ssm",
            "AmazonSSM.PutParameter",
            json!({"Name": "/acequia/dev/tenant/alder/webhook/plain", "Value": "x", "Type": "String"}),
        ),
        (
            "ssm",
            "AmazonSSM.PutParameter",
            json!({"Name": "/acequia/local/grants/alder", "Value": "x", "Type": "String", "Overwrite": true}),
        ),
        ("sqs", "AmazonSQS.ReceiveMessage", json!({"QueueUrl": world.queue_url("alder", "webhook")})),
        ("sqs", "AmazonSQS.PurgeQueue", json!({"QueueUrl": world.queue_url("alder", "out-dlq")})),
        ("sqs", "AmazonSQS.DeleteQueue", json!({"QueueUrl": world.queue_url("alder", "out-dlq")})),
        ("dynamodb", "DynamoDB_20120810.DeleteTable", json!({"TableName": "acequia-local-ledger"})),
        ("dynamodb", "DynamoDB_20120810.Scan", json!({"TableName": "acequia-local-consents"})),
        ("dynamodb", "DynamoDB_20120810.Scan", json!({"TableName": "acequia-dev-tenants"})),
    ];
    for (service, target, body) in calls {
        let refusal = world.operator.json(service, target, &body).expect_err(target);
        assert!(refusal.is_denied(), "{target} {body}: {refusal:?}");
    }
}
