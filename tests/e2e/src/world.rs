//! The environment with the tests' tenants configured: what a test sends through it, and what it sees come out.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use crate::aws::{ACCOUNT, Aws};
use crate::environment::Environment;
use crate::http;
use crate::issuer::Issuer;

/// Texts that must appear in no log.
pub const SECRET_HEADER: &str = "Bearer header-secret-5f1c";

/// What stands in a tenant's file for the key of its own issuer.
const OWN_KEY: &str =
    r#"{ kty = "OKP", crv = "Ed25519", kid = "own", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

/// Keys that no configuration names: which function may read which is tested with them.
const LINK_KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PERSONAL_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

/// The environment, ready to be used.
pub struct World {
    /// Where it is.
    pub environment: Environment,
    /// Its AWS, as the administrator: for what tests look at and break.
    pub aws: Aws,
    /// The role with the operator's policy, by its ARN.
    pub operator_role: String,
    /// The role that runs `acequia`: the operator's policy alone lets it do anything.
    pub operator: Aws,
    /// The role that sends events, with the producer's policy.
    pub producer: Aws,
    /// All signing secrets that were given out.
    pub secrets: Vec<String>,
    /// The issuer that aspen's file trusts, by the key that stands in it.
    pub own_issuer: Issuer,
}

/// The one environment of this run; the first test to ask configures the tenants.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::prepare)
}

/// What a run of `acequia` came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it printed beside.
    pub stderr: String,
}

impl World {
    fn prepare() -> Self {
        let environment = Environment::read();
        let aws = Aws::administrator(&environment.endpoint, &environment.region);
        let exported = |policy: &str| aws.exported(&format!("acequia-{}-{policy}-policy", environment.stage));
        let operator_role = aws.make_role("e2e-operator", &[exported("operator")]);
        let producer = aws.assume(&aws.make_role("e2e-producer", &[exported("producer")]), None);
        let operator = aws.assume(&operator_role, None);
        let mut world = Self {
            environment,
            aws,
            operator_role,
            operator,
            producer,
            secrets: Vec::new(),
            own_issuer: Issuer::new(),
        };
        let sender = json!({"EmailIdentity": "alder.example"});
        world.aws.rest("ses", "POST", "/v2/email/identities", &sender).unwrap();
        // Rowan has no stack that could say which senders it may use.
        let granted = json!({"senders": "alder.example", "targets": ""}).to_string();
        let name = format!("/acequia/{}/grants/rowan", world.environment.stage);
        let grant = json!({"Name": name, "Value": granted, "Type": "String", "Overwrite": true});
        world.aws.json("ssm", "AmazonSSM.PutParameter", &grant).unwrap();
        for tenant in ["alder", "birch", "aspen", "rowan"] {
            let text = world.document(tenant);
            world.make_endpoints(tenant, &text);
            world.put_secret(tenant, "header", "token", SECRET_HEADER);
            for (purpose, name, value) in [("link", "links", LINK_KEY), ("personal", "proca", PERSONAL_KEY)] {
                world.put_secret(tenant, purpose, name, value);
            }
            let applied = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
            std::fs::write(applied.path(), text).unwrap();
            world.acequia(&["tenant", "apply", applied.path().to_str().unwrap(), "--yes"], "");
        }
        // The test of tables applies it, when its database is there.
        let text = world.document("tamarisk");
        world.make_endpoints("tamarisk", &text);
        world
    }

    /// Makes the endpoints that a tenant's file names, each with its secret.
    fn make_endpoints(&mut self, tenant: &str, text: &str) {
        let endpoints =
            text.lines().filter_map(|line| line.strip_prefix("url = \"")?.strip_suffix('"')?.rsplit('/').next());
        for endpoint in endpoints {
            let made = http::put(&self.receiver(&format!("endpoints/{endpoint}")), json!({"record": true}).to_string());
            let secret = made["secrets"][0].as_str().unwrap().to_owned();
            self.put_secret(tenant, "webhook", endpoint, &secret);
            self.secrets.push(secret);
        }
    }

    /// The file of a tenant, as it is applied.
    pub fn document(&self, tenant: &str) -> String {
        let file = self.environment.root.join(format!("tests/e2e/tenants/{tenant}.toml"));
        let text = std::fs::read_to_string(file).unwrap().replace("http://receiver", &self.environment.receiver);
        text.replace(OWN_KEY, &self.own_issuer.key())
    }

    fn put_secret(&self, tenant: &str, purpose: &str, name: &str, value: &str) {
        self.acequia(&["secret", "put", tenant, name, "--for", purpose, "--value-stdin"], value);
    }

    fn receiver(&self, path: &str) -> String {
        format!("{}/_receiver/{path}", self.environment.receiver)
    }

    /// Runs `acequia` as an operator, whatever comes of it.
    pub fn run(&self, arguments: &[&str], input: &str) -> Ran {
        self.run_as(&self.operator, arguments, input)
    }

    /// Runs `acequia` under an identity, whatever comes of it.
    pub fn run_as(&self, identity: &Aws, arguments: &[&str], input: &str) -> Ran {
        use std::io::Write as _;
        use std::process::Stdio;
        let mut child = Command::new(&self.environment.acequia)
            .args(arguments)
            .env_clear()
            .envs([
                ("AWS_ENDPOINT_URL", self.environment.endpoint.as_str()),
                ("AWS_REGION", &self.environment.region),
                ("ACEQUIA_STAGE", &self.environment.stage),
            ])
            .envs(identity.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs `acequia`, which must succeed; answers its output.
    pub fn acequia(&self, arguments: &[&str], input: &str) -> String {
        let ran = self.run(arguments, input);
        assert_eq!(ran.code, 0, "acequia {arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs `acequia --output json`, which must succeed.
    pub fn read(&self, arguments: &[&str]) -> Json {
        serde_json::from_str(&self.acequia(&[&["--output", "json"], arguments].concat(), "")).unwrap()
    }

    /// The URL of a tenant's queue.
    pub fn queue_url(&self, tenant: &str, queue: &str) -> String {
        format!("{}/{ACCOUNT}/acequia_{}_{tenant}_{queue}", self.environment.endpoint, self.environment.stage)
    }

    /// Puts bodies into a tenant's intake queue as a producer, all in one batch.
    pub fn send(&self, tenant: &str, bodies: &[&str]) {
        let entry = |(index, body): (usize, &&str)| json!({"Id": index.to_string(), "MessageBody": body});
        let entries: Vec<Json> = bodies.iter().enumerate().map(entry).collect();
        let call = json!({"QueueUrl": self.queue_url(tenant, "intake"), "Entries": entries});
        let answer = self.producer.json("sqs", "AmazonSQS.SendMessageBatch", &call).unwrap();
        assert!(answer["Failed"].as_array().is_none_or(Vec::is_empty), "{answer}");
    }

    /// Puts a message with attributes into any queue of a tenant, as only the administrator may.
    pub fn put(&self, tenant: &str, queue: &str, body: &str, attributes: &[(&str, &str, &str)]) {
        let attributes: serde_json::Map<String, Json> = attributes
            .iter()
            .map(|(name, kind, value)| ((*name).to_owned(), json!({"DataType": kind, "StringValue": value})))
            .collect();
        let call =
            json!({"QueueUrl": self.queue_url(tenant, queue), "MessageBody": body, "MessageAttributes": attributes});
        self.aws.json("sqs", "AmazonSQS.SendMessage", &call).unwrap();
    }

    /// What lies in a queue, without taking it.
    pub fn peek(&self, tenant: &str, queue: &str) -> Vec<Json> {
        self.look_into(&self.queue_url(tenant, queue))
    }

    /// What lies in a queue outside of Acequia, by its name.
    pub fn messages(&self, queue: &str) -> Vec<Json> {
        self.look_into(&format!("{}/{ACCOUNT}/{queue}", self.environment.endpoint))
    }

    fn look_into(&self, queue_url: &str) -> Vec<Json> {
        let url = format!("{}/_ministack/sqs/messages?QueueUrl={queue_url}", self.environment.endpoint);
        let answer = http::get(&url);
        let regions = answer["messages"].as_object().unwrap().values().filter_map(Json::as_object);
        let queues = regions.flat_map(serde_json::Map::values).filter_map(Json::as_object);
        queues.flat_map(serde_json::Map::values).filter_map(Json::as_array).flatten().cloned().collect()
    }

    /// Has what the operators are told from now on sent to a queue of this name too; answers how to read the subjects
    /// that hold a text. A queue is for one test: a second subscription of it would bring everything twice.
    pub fn operators(&self, queue: &str) -> impl Fn(&str) -> Vec<String> {
        let notices = self.notices(queue);
        move |holding| {
            let subjects = notices().into_iter().map(|(subject, _)| subject);
            subjects.filter(|subject| subject.contains(holding)).collect()
        }
    }

    /// The same; answers how to read the subjects and texts of all.
    pub fn notices(&self, queue: &str) -> impl Fn() -> Vec<(String, String)> {
        let Environment { region, stage, .. } = &self.environment;
        let topic = format!("arn:aws:sns:{region}:{ACCOUNT}:acequia-{stage}-notifications");
        let endpoint = format!("arn:aws:sqs:{region}:{ACCOUNT}:{queue}");
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": endpoint, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}
        }]});
        let create = json!({"QueueName": queue, "Attributes": {"Policy": policy.to_string()}});
        let made = self.aws.json("sqs", "AmazonSQS.CreateQueue", &create).unwrap();
        let subscribe = [
            ("Action", "Subscribe"),
            ("Version", "2010-03-31"),
            ("TopicArn", topic.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", endpoint.as_str()),
        ];
        self.aws.query("sns", &subscribe).unwrap();
        let url = made["QueueUrl"].as_str().unwrap().to_owned();
        move || {
            let parts = |message: Json| {
                let notice: Json = serde_json::from_str(message["Body"].as_str()?).ok()?;
                Some((notice["Subject"].as_str()?.to_owned(), notice["Message"].as_str()?.to_owned()))
            };
            self.look_into(&url).into_iter().filter_map(parts).collect()
        }
    }

    /// The message with this body in a dead-letter queue; answers its reason.
    pub fn quarantined(&self, tenant: &str, queue: &str, body: &str) -> Option<String> {
        let found = self.peek(tenant, &format!("{queue}-dlq")).into_iter().find(|message| message["Body"] == body)?;
        Some(found["MessageAttributes"]["acequia-reason"]["StringValue"].as_str().unwrap_or("(none)").to_owned())
    }

    /// The requests that came to an endpoint and hold a text in their body.
    pub fn requests(&self, endpoint: &str, holding: &str) -> Vec<Json> {
        let all = http::get(&self.receiver(&format!("requests?endpoint={endpoint}")));
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|request| request["body"].as_str().unwrap_or_default().contains(holding)).collect()
    }

    /// Lets an endpoint answer differently.
    pub fn switch(&self, endpoint: &str, mode: &str) {
        http::put(&self.receiver(&format!("endpoints/{endpoint}/mode")), mode);
    }

    /// The mails to an address.
    pub fn mails(&self, to: &str) -> Vec<Json> {
        let answer = http::get(&format!("{}/_ministack/ses/messages", self.environment.endpoint));
        let accounts = answer["messages"].as_object().unwrap().values().filter_map(Json::as_array);
        let is_to = |mail: &&Json| mail["To"].as_array().is_some_and(|all| all.iter().any(|one| one == to));
        accounts.flatten().filter(is_to).cloned().collect()
    }
}

/// An event of a type, with an id of the test's own and some data.
pub fn event(kind: &str, id: &str, data: &Json) -> String {
    json!({"specversion": "1.0", "id": id, "source": "/e2e", "type": kind, "data": data}).to_string()
}

/// Calls the sweeper, as its schedule does every minute.
pub fn sweep() {
    call_sweeper(&json!({}));
}

/// Has the watch look at all queues, of which its schedule has it look at a third every five minutes.
pub fn watch() {
    call_sweeper(&json!({"watch": "all"}));
}

/// Calls the replay function, as its schedule does every minute.
pub fn run_replays() {
    call_function("replay", &json!({}));
}

fn call_sweeper(payload: &Json) {
    call_function("sweeper", payload);
}

fn call_function(name: &str, payload: &Json) {
    let function = format!("acequia-{}-{name}", world().environment.stage);
    world().aws.rest("lambda", "POST", &format!("/2015-03-31/functions/{function}/invocations"), payload).unwrap();
}
