//! A program with the stub around it, and what becomes of the batches that it gets.

use std::time::{Duration, Instant};

use acequia_core::kind::SinkKind;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value as Json, json};
use stub::{Function, Latencies, Memory, Messages, Stub, Traffic, World, deliveries, keep_rows, sink};

use super::row::Row;
use crate::program::Programs;

/// How long AWS takes for any call.
const AWS: Duration = Duration::from_millis(5);
/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// What the stub counts for messages that were sent to a queue.
const SENT: &str = "sqs:SendMessage";

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Ours, with what a sink has by itself.
    Default,
    /// Ours, where the sink claims each delivery first, as the plain handler does.
    Strict,
    /// The plain handler.
    Plain,
}

impl Subject {
    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "ours",
            Self::Strict => "ours, strict",
            Self::Plain => "plain",
        }
    }
}

/// What a program and a stub are made from.
pub(super) struct Bed<'a> {
    programs: &'a Programs,
    row: &'a Row,
    subject: Subject,
}

impl<'a> Bed<'a> {
    pub(super) fn new(programs: &'a Programs, row: &'a Row, subject: Subject) -> Self {
        Self { programs, row, subject }
    }

    pub(super) fn stub(&self) -> Result<Stub> {
        let latencies = Latencies { dynamodb_item: AWS, dynamodb_batch: AWS, sqs: AWS, ssm: AWS, ..Latencies::NONE };
        let stub = Stub::start(|address| World::new("all", &self.sinks(), address), latencies)?;
        stub.twist(keep_rows());
        Ok(stub)
    }

    fn sinks(&self) -> Vec<Json> {
        let mut more = json!({});
        if self.subject == Subject::Strict {
            more = json!({"strict": true});
        }
        if self.row.endpoints.is_empty() {
            return vec![sink("one", SinkKind::Forward, &more)];
        }
        let of = |endpoint: &super::row::Endpoint| {
            let mut own = more.clone();
            if let Some(own) = own.as_object_mut() {
                own.insert("url".to_owned(), format!("http://endpoint/{}ms/{}", endpoint.takes, endpoint.sink).into());
                own.extend(endpoint.timeout.map(|timeout| ("timeout".to_owned(), timeout.into())));
            }
            sink(&endpoint.sink, SinkKind::Webhook, &own)
        };
        self.row.endpoints.iter().map(of).collect()
    }

    /// Starts the program. What it says goes to a file of its row and name.
    pub(super) fn start<'s>(&self, stub: &'s Stub) -> Result<Running<'s>> {
        let plain = self.subject == Subject::Plain;
        let address = format!("http://{}", stub.address());
        let variables = match self.row.endpoints.first() {
            Some(first) => vec![
                ("ENDPOINT", format!("{address}/endpoint/{}ms/{}", first.takes, first.sink)),
                ("WEBHOOK_SECRET", stub::SECRET.to_owned()),
            ],
            None => vec![("QUEUE_URL", format!("{address}/000000000000/out"))],
        };
        let program = self.programs.find(if plain { "plain" } else { self.row.function })?;
        let log = self.programs.log(&format!("throughput-{}-{}", self.row.function, self.subject.name()));
        let function = Function::start_with(stub, &program, if plain { &variables } else { &[] }, &log)?;
        let sinks = self.row.endpoints.iter().map(|endpoint| endpoint.sink.clone()).collect();
        Ok(Running { stub, function, name: self.row.full_name(), of: self.row.function, sinks, serial: 0 })
    }
}

/// A program that runs.
pub(super) struct Running<'s> {
    stub: &'s Stub,
    function: Function<'s>,
    name: String,
    of: &'static str,
    sinks: Vec<String>,
    serial: u64,
}

/// What became of a batch's messages.
#[derive(Debug, Clone, Copy)]
struct Fate {
    delivered: usize,
    sent: usize,
    given_back: usize,
}

impl Fate {
    /// An error where messages are lost, or come to more than they were.
    fn accounts_for(self, count: usize) -> Result<()> {
        let Self { delivered, sent, given_back } = self;
        ensure!(
            delivered + sent + given_back == count,
            "of {count} messages {delivered} were delivered, {sent} sent on and {given_back} given back"
        );
        Ok(())
    }
}

/// A batch that is answered.
pub(super) struct Done {
    pub(super) begun: Instant,
    pub(super) took: Duration,
    pub(super) traffic: Traffic,
    pub(super) failures: usize,
}

impl Done {
    /// When the requests to endpoints left that `wanted` accepts by name, in milliseconds after the batch was there.
    pub(super) fn left(&self, wanted: impl Fn(&str) -> bool) -> Vec<f64> {
        let chosen = self.traffic.arrivals.iter().filter(|arrival| wanted(&arrival.endpoint));
        chosen.map(|arrival| milliseconds(arrival.at.saturating_duration_since(self.begun))).collect()
    }
}

impl Running<'_> {
    /// Gives it a batch for the first `sinks` endpoints in turn (all where there are fewer), of which it may give
    /// nothing back.
    pub(super) fn batch(&mut self, count: usize, sinks: usize) -> Result<Done> {
        let done = self.any_batch(count, sinks)?;
        ensure!(done.failures == 0, "{}: {} of {count} messages were given back", self.name, done.failures);
        Ok(done)
    }

    /// The same, where it may give messages back.
    ///
    /// # Errors
    /// When a message is lost: neither delivered, nor sent on, nor given back.
    pub(super) fn any_batch(&mut self, count: usize, sinks: usize) -> Result<Done> {
        self.serial += 1;
        let event = match self.of {
            "router" => Messages::Events.batch(self.serial, count)?,
            "forward" => Messages::Deliveries(SinkKind::Forward, "one").batch(self.serial, count)?,
            _ => {
                let chosen: Vec<&str> = self.sinks.iter().take(sinks).map(String::as_str).collect();
                deliveries(SinkKind::Webhook, &chosen, self.serial, count)?
            }
        };
        let answer = self.function.answer_within(event, PATIENCE).with_context(|| self.name.clone())?;
        let traffic = self.stub.take_traffic();
        let counts = self.stub.take_counts().with_context(|| self.name.clone())?;
        let sent = usize::try_from(counts.sum(|operation| operation.starts_with(SENT)).items)?;
        let fate = Fate { delivered: traffic.answered.len(), sent, given_back: answer.failures };
        fate.accounts_for(count).with_context(|| self.name.clone())?;
        Ok(Done { begun: answer.begun, took: answer.took, traffic, failures: answer.failures })
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        Ok(self.function.memory()?)
    }

    pub(super) fn processor_time(&self) -> Result<Duration> {
        Ok(self.function.processor_time()?)
    }

    /// When it was started.
    pub(super) fn started(&self) -> Instant {
        self.function.started
    }

    /// When it asked for its first batch.
    pub(super) fn polled(&self) -> Result<Instant> {
        self.stub.first_poll(Duration::ZERO).context("a batch was answered that nothing asked for")
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_lost_or_sent_twice_is_found() {
        let fate = |delivered| Fate { delivered, sent: 1, given_back: 1 }.accounts_for(10);
        assert!(fate(8).is_ok() && fate(7).is_err() && fate(9).is_err());
    }
}
