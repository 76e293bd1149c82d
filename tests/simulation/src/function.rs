//! The functions under test: the real router and the real sink loop, wired to the perilous ports as `main.rs` wires them to AWS.

use std::sync::Arc;

use acequia_core::config::SinkKind;
use acequia_core::queue::QueueRole;
use acequia_lambda::{CachedTenants, Deadline, Sink, SinkLoop, Telemetry, UnusableBatch};
use acequia_testkit::{InMemoryConsents, InMemoryMailBook, InMemorySecrets, SeededChance};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use email::EmailSink;
use forward::ForwardSink;
use router::Router;

use crate::peril::Instance;
use crate::port::Perilous;
use crate::webhook::SimulatedWebhook;
use crate::world::World;

/// The functions, by the queues that they read.
pub const ROLES: [QueueRole; 4] = [
    QueueRole::Intake,
    QueueRole::Sink(SinkKind::Webhook),
    QueueRole::Sink(SinkKind::Email),
    QueueRole::Sink(SinkKind::Forward),
];

/// The simulated tenants ask for no consent, so what the function knows of it is out of reach of peril.
type Email = EmailSink<Perilous, InMemorySecrets, InMemoryMailBook, InMemoryConsents>;
type Loop<S> = SinkLoop<Perilous, Perilous, Perilous, S>;

enum Code {
    Router(Router<Perilous, Perilous, Perilous, InMemoryConsents>),
    Webhook(Loop<SimulatedWebhook>),
    Email(Loop<Email>),
    Forward(Loop<ForwardSink<Perilous>>),
}

/// An instance of a function, as it stays warm from one invocation to the next.
pub struct Function {
    /// Where its calls pass.
    pub instance: Instance,
    code: Code,
}

impl Function {
    /// Starts an instance of the function that reads the queues of this role.
    pub fn start(world: &World, role: QueueRole) -> Self {
        let instance = Instance::new(world);
        let seed = world.lock().dice.number();
        let (clock, chance) = (instance.clock(), Arc::new(SeededChance::new(seed)));
        let ports = || Perilous(instance.clone());
        let code = match role {
            QueueRole::Sink(SinkKind::Webhook) => {
                Code::Webhook(wire(&instance, SimulatedWebhook(instance.clone()), seed))
            }
            QueueRole::Sink(SinkKind::Email) => {
                let sink = EmailSink {
                    mailer: ports(),
                    secrets: InMemorySecrets::new(),
                    book: InMemoryMailBook::new(),
                    consents: InMemoryConsents::new(),
                    clock,
                    link_base: String::new(),
                };
                Code::Email(wire(&instance, sink, seed))
            }
            QueueRole::Sink(SinkKind::Forward) => {
                Code::Forward(wire(&instance, ForwardSink { queues: ports(), clock }, seed))
            }
            QueueRole::Intake | QueueRole::Out => Code::Router(Router {
                tenants: CachedTenants::new(ports(), Arc::clone(&clock)),
                ledger: ports(),
                queues: ports(),
                consents: InMemoryConsents::new(),
                clock,
                chance,
                telemetry: Telemetry::silent(),
            }),
        };
        Self { instance, code }
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// As the function's own code.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, UnusableBatch> {
        match &self.code {
            Code::Router(router) => router.handle(event).await,
            Code::Webhook(sink) => sink.handle(event, deadline).await,
            Code::Email(sink) => sink.handle(event, deadline).await,
            Code::Forward(sink) => sink.handle(event, deadline).await,
        }
    }
}

fn wire<S: Sink>(instance: &Instance, sink: S, seed: u64) -> Loop<S> {
    let ports = || Perilous(instance.clone());
    SinkLoop {
        tenants: CachedTenants::new(ports(), instance.clock()),
        ledger: ports(),
        queues: ports(),
        sink,
        clock: instance.clock(),
        chance: Arc::new(SeededChance::new(seed)),
        telemetry: Telemetry::silent(),
    }
}
