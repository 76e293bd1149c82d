//! A whole local environment: the local AWS with the platform and tenants deployed, the receiver, and the operator's
//! command.

use anyhow::{Context as _, Result};

use crate::acequia::Acequia;
use crate::build::Built;
use crate::emulator::{self, Server};
use crate::process;
use crate::receiver::Receiver;
use crate::setup::Tools;
use crate::stack::{self, TenantStack};

/// Makes a bus, and a queue behind it.
const MAKE_BUS: &str = r#"
import boto3, sys
bus, queue = sys.argv[1:]
events, sqs = boto3.client("events"), boto3.client("sqs")
url = sqs.create_queue(QueueName=queue)["QueueUrl"]
target = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
arn = events.create_event_bus(Name=bus)["EventBusArn"]
events.put_rule(Name=bus, EventBusName=bus, EventPattern='{"detail": {"specversion": ["1.0"]}}')
events.put_targets(Rule=bus, EventBusName=bus, Targets=[{"Id": queue, "Arn": target}])
print(arn)
"#;

/// Counts its arguments in all log events.
const SEARCH: &str = "
import boto3, json, sys
logs = boto3.client('logs')
groups = [group['logGroupName'] for page in logs.get_paginator('describe_log_groups').paginate() for group in page['logGroups']]
pages = (page for group in groups for page in logs.get_paginator('filter_log_events').paginate(logGroupName=group))
text = '\\n'.join(event['message'] for page in pages for event in page['events'])
print(json.dumps([text.count(wanted) for wanted in sys.argv[1:]] + [len(text)]))
";

/// A running environment; it ends when it is dropped.
pub(crate) struct Local {
    /// The local AWS.
    pub(crate) aws: Server,
    receiver_server: Server,
    /// The receiver.
    pub(crate) receiver: Receiver,
    /// The operator's command.
    pub(crate) acequia: Acequia,
}

impl Local {
    /// Brings it up: on `port`, or on a free one. With `lasting` it can outlive us.
    pub(crate) fn up(built: &Built, tenants: &[TenantStack], port: Option<u16>, lasting: bool) -> Result<Self> {
        let aws = emulator::start(port, lasting)?;
        let receiver_server = emulator::start_receiver(&built.receiver, lasting)?;
        let receiver = Receiver::new(&receiver_server.address);
        stack::deploy_platform(&aws.address, &built.template, &Receiver::issuer(&receiver_server.address))?;
        stack::deploy_tenants(&aws.address, tenants)?;
        let acequia = Acequia::new(built.acequia.clone(), &aws.address);
        Ok(Self { aws, receiver_server, receiver, acequia })
    }

    /// Lets it go on without us; answers the ids of its processes.
    pub(crate) fn leave(self) -> [i32; 2] {
        [self.aws.leave(), self.receiver_server.leave()]
    }

    /// Registers a domain that mails are sent from. On AWS its owner does so with records in the DNS.
    pub(crate) fn verify_domain(&self, domain: &str) -> Result<()> {
        let call = "import boto3, sys; boto3.client('sesv2').create_email_identity(EmailIdentity=sys.argv[1])";
        let mut command = process::command(Tools::Local.program("python"));
        command.args(["-c", call, domain]).env_clear().envs(emulator::variables(&self.aws.address));
        process::output(&mut command, "registering a domain with SES", "").map(drop)
    }

    /// Makes an event bus, with a rule that leads what Acequia puts there to a queue; answers the bus's ARN.
    pub(crate) fn make_bus(&self, name: &str, queue: &str) -> Result<String> {
        let mut command = process::command(Tools::Local.program("python"));
        command.args(["-c", MAKE_BUS, name, queue]).env_clear().envs(emulator::variables(&self.aws.address));
        Ok(process::output(&mut command, "making an event bus", "")?.trim().to_owned())
    }

    /// Counts how often each text stands in the logs of all functions; returns that, and how long the logs are.
    pub(crate) fn search_logs(&self, texts: &[&str]) -> Result<(Vec<u64>, u64)> {
        let mut command = process::command(Tools::Local.program("python"));
        command.args(["-c", SEARCH]).args(texts).env_clear().envs(emulator::variables(&self.aws.address));
        let said = process::output(&mut command, "searching the logs", "")?;
        let mut counts: Vec<u64> = serde_json::from_str(&said).context("searching the logs answered another form")?;
        let length = counts.pop().context("searching the logs answered nothing")?;
        Ok((counts, length))
    }

    /// The receiver's address.
    pub(crate) fn receiver_address(&self) -> &str {
        &self.receiver_server.address
    }
}
