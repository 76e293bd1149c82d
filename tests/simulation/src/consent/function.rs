//! The functions that have to do with consent, wired to the perilous ports as their `main.rs` wires them to AWS.

use std::sync::Arc;

use acequia_core::kind::SinkKind;
use acequia_core::queue::QueueRole;
use acequia_lambda::{
    BatchLoop, CachedTenants, Deadline, RateLimiter, Sink, SinkLoop, Telemetry, UnusableBatch, Widths,
};
use acequia_testkit::{SeededChance, build};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use confirm::{Confirm, Request};
use email::EmailSink;
use feedback::Feedback;
use forward::ForwardSink;
use outbox::{Batch, Outbox};
use router::Router;
use serde_json::Value as Json;
use sweeper::Sweeper;

use super::mutation::Mutation;
use super::port::Port;
use super::scenario::BASE;
use super::scene::Scene;
use crate::peril::Instance;
use crate::port::Perilous;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Takes events in.
    Router,
    /// Sends mails.
    Email,
    /// Sends to the tenants' own queues.
    Forward,
    /// Brings delayed messages back.
    Sweeper,
    /// Carries out what follows from a change.
    Outbox,
    /// Answers links.
    Confirm,
    /// Takes in what SES tells.
    Feedback,
}

impl Kind {
    /// The function that reads the tenants' queues of this role.
    pub fn of(role: QueueRole) -> Self {
        match role {
            QueueRole::Sink(SinkKind::Email) => Self::Email,
            QueueRole::Sink(_) => Self::Forward,
            QueueRole::Intake | QueueRole::Out => Self::Router,
        }
    }
}

/// What an invocation is handed.
pub enum Input {
    /// Messages of a queue.
    Messages(SqsEvent),
    /// Records of the stream.
    Records(Json),
    /// The schedule's call.
    Schedule,
    /// A request.
    Request(Json),
}

/// What it answers.
pub enum Output {
    /// Which messages are to come again.
    Batch(Result<SqsBatchResponse, UnusableBatch>),
    /// Which records are to come again.
    Records(Vec<String>),
    /// The status of an answer.
    Page(u16),
    /// Nothing that matters.
    Done,
}

type Email = EmailSink<Port, Port, Port, Port, Port>;
type Loop<S> = SinkLoop<Port, S>;

enum Code {
    Router(Box<Router<Port>>),
    Email(Box<Loop<Email>>),
    Forward(Box<Loop<ForwardSink<Port, Port>>>),
    Sweeper(Box<Sweeper<Perilous, Port, ()>>),
    Outbox(Box<Outbox<Perilous, Port, Port, Port, Port>>),
    Confirm(Box<Confirm<Perilous, Port, Port, Port>>),
    Feedback(Box<Feedback<Perilous, Port, Port, Port>>),
}

/// An instance of a function, as it stays warm from one invocation to the next.
pub struct Function {
    /// Where its calls pass.
    pub instance: Instance,
    code: Code,
}

impl Function {
    /// Starts an instance.
    pub fn start(scene: &Scene, kind: Kind) -> Self {
        let instance = Instance::new(&scene.world);
        let seed = scene.world.lock().dice.number();
        let (clock, chance) = (instance.clock(), Arc::new(SeededChance::new(seed)));
        let port = || Port { instance: instance.clone(), scene: scene.clone(), kind };
        let tenants = || CachedTenants::new(Perilous(instance.clone()), Arc::clone(&clock));
        let code = match kind {
            Kind::Router => Code::Router(Box::new(Router {
                common: BatchLoop {
                    tenants: tenants(),
                    ledger: port(),
                    queues: port(),
                    delays: port(),
                    clock,
                    chance,
                    telemetry: Telemetry::silent(),
                },
                consents: port(),
            })),
            Kind::Email => {
                let sink = EmailSink {
                    mailer: port(),
                    secrets: port(),
                    grants: port(),
                    mail_store: port(),
                    consents: port(),
                    clock,
                    link_base: BASE.to_owned(),
                };
                Code::Email(wire(&port(), sink, seed))
            }
            Kind::Forward => Code::Forward(wire(&port(), ForwardSink { queues: port(), grants: port(), clock }, seed)),
            Kind::Sweeper => Code::Sweeper(Box::new(Sweeper {
                afterwards: (),
                stage: build::stage(),
                delayed: Perilous(instance.clone()),
                queues: port(),
                clock,
                chance,
                telemetry: Telemetry::silent(),
            })),
            Kind::Outbox => Code::Outbox(Box::new(Outbox {
                tenants: tenants(),
                ledger: port(),
                queues: port(),
                consents: port(),
                secrets: port(),
                clock,
                stage: build::stage(),
                queue_arns: "arn:aws:sqs:us-east-1:000000000000:".to_owned(),
                link_base: BASE.to_owned(),
                telemetry: Telemetry::silent(),
            })),
            Kind::Confirm => Code::Confirm(Box::new(Confirm {
                tenants: tenants(),
                consents: port(),
                mail_store: port(),
                secrets: port(),
                clock,
                stage: build::stage(),
                telemetry: Telemetry::silent(),
            })),
            Kind::Feedback => Code::Feedback(Box::new(Feedback {
                tenants: tenants(),
                consents: port(),
                mail_store: port(),
                ledger: port(),
                clock,
                configuration_set: "acequia-test".to_owned(),
                stage: build::stage(),
                telemetry: Telemetry::silent(),
            })),
        };
        Self { instance, code }
    }

    /// Does what it is handed.
    pub async fn handle(&self, input: Input, deadline: Deadline) -> Output {
        match (&self.code, input) {
            (Code::Router(router), Input::Messages(event)) => Output::Batch(router.handle(event, deadline).await),
            (Code::Email(sink), Input::Messages(event)) => Output::Batch(sink.handle(event, deadline).await),
            (Code::Forward(sink), Input::Messages(event)) => Output::Batch(sink.handle(event, deadline).await),
            (Code::Feedback(feedback), Input::Messages(event)) => Output::Batch(feedback.handle(event).await),
            (Code::Outbox(outbox), Input::Records(records)) => {
                let scene = &outbox.consents.scene;
                let tells = scene.mutation == Some(Mutation::RepeatNeighbours);
                let sequences = if tells { sequences(&records) } else { Vec::new() };
                let batch: Batch = serde_json::from_value(records).unwrap_or_default();
                outbox.handle(batch, deadline).await;
                let left = scene.consents.outbox();
                let failed = sequences.into_iter().filter(|(_, id)| left.iter().any(|row| id.ends_with(&row.id)));
                Output::Records(failed.map(|(sequence, _)| sequence).collect())
            }
            (Code::Outbox(outbox), _) => {
                // What fails is made up for by the next sweep.
                let _ = outbox.sweep(deadline).await;
                Output::Done
            }
            (Code::Confirm(confirm), Input::Request(request)) => match Request::read(request) {
                Ok(request) => Output::Page(confirm.answer(&request).await.status_code),
                Err(_) => Output::Page(400),
            },
            (Code::Sweeper(sweeper), _) => {
                let _ = sweeper.handle(deadline).await;
                Output::Done
            }
            _ => Output::Done,
        }
    }
}

/// The records of a batch: the number of each, and the key of its row.
fn sequences(records: &Json) -> Vec<(String, String)> {
    let records = records.get("Records").and_then(Json::as_array).cloned().unwrap_or_default();
    let text = |record: &Json, path: &str| record.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let read = |record: &Json| (text(record, "/dynamodb/SequenceNumber"), text(record, "/dynamodb/NewImage/sk/S"));
    records.iter().map(read).collect()
}

fn wire<S: Sink>(port: &Port, sink: S, seed: u64) -> Box<Loop<S>> {
    let (perilous, clock) = (|| Perilous(port.instance.clone()), port.instance.clock());
    Box::new(SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(perilous(), Arc::clone(&clock)),
            ledger: port.clone(),
            queues: port.clone(),
            delays: port.clone(),
            clock: Arc::clone(&clock),
            chance: Arc::new(SeededChance::new(seed)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(perilous(), Arc::clone(&clock)),
        breakers: None,
        sink,
    })
}
