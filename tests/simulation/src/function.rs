//! The functions under test: the real router and the real sink loop, wired to the perilous ports as `main.rs` wires
//! them to AWS.

use std::sync::Arc;

use acequia_core::kind::SinkKind;
use acequia_core::queue::QueueRole;
use acequia_lambda::{
    BatchLoop, Breakers, CachedTenants, Deadline, RateLimiter, Sink, SinkLoop, Telemetry, UnusableBatch, Widths,
};
use acequia_testkit::{InMemoryConsents, InMemoryGrants, InMemoryMailStore, InMemorySecrets, SeededChance, build};
use archive::ArchiveSink;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use email::EmailSink;
use eventbridge::EventbridgeSink;
use forward::ForwardSink;
use router::Router;
use sweeper::Sweeper;
use table::TableSink;

use crate::peril::Instance;
use crate::port::Perilous;
use crate::webhook::{SimulatedWebhook, UnderWay};
use crate::world::World;

/// The functions, by the queues that they read.
pub const ROLES: [QueueRole; 7] = [
    QueueRole::Intake,
    QueueRole::Sink(SinkKind::Webhook),
    QueueRole::Sink(SinkKind::Email),
    QueueRole::Sink(SinkKind::Forward),
    QueueRole::Sink(SinkKind::Eventbridge),
    QueueRole::Sink(SinkKind::Archive),
    QueueRole::Sink(SinkKind::Table),
];

/// What stands for the sweeper, which reads no queue.
pub const SWEEPER: QueueRole = QueueRole::Out;

/// The simulated tenants ask for no consent, so what the function knows of it is out of reach of peril.
type Email = EmailSink<Perilous, InMemorySecrets, InMemoryGrants, InMemoryMailStore, InMemoryConsents>;
/// Its databases are where its effects are, and so where its calls are worth a peril.
type Table = TableSink<Perilous, InMemorySecrets, InMemoryGrants, Perilous>;
type Loop<S> = SinkLoop<Perilous, S>;

enum Code {
    Router(Box<Router<Perilous>>),
    Webhook(Box<Loop<SimulatedWebhook>>),
    Email(Box<Loop<Email>>),
    Forward(Box<Loop<ForwardSink<Perilous, InMemoryGrants>>>),
    Eventbridge(Box<Loop<EventbridgeSink<Perilous, InMemoryGrants>>>),
    Archive(Box<Loop<ArchiveSink<Perilous>>>),
    Table(Box<Loop<Table>>),
    Sweeper(Box<Sweeper<Perilous, Perilous, ()>>),
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
                let mut webhook = wire(
                    &instance,
                    SimulatedWebhook { instance: instance.clone(), under_way: UnderWay::default() },
                    seed,
                );
                let chance = Arc::new(SeededChance::new(seed));
                webhook.breakers = Some(Breakers::new(ports(), ports(), instance.clock(), chance));
                Code::Webhook(webhook)
            }
            QueueRole::Sink(SinkKind::Email) => {
                let sink = EmailSink {
                    mailer: ports(),
                    secrets: InMemorySecrets::new(),
                    grants: world.grants.clone(),
                    mail_store: InMemoryMailStore::new(),
                    consents: InMemoryConsents::new(),
                    clock,
                    link_base: String::new(),
                };
                Code::Email(wire(&instance, sink, seed))
            }
            QueueRole::Sink(SinkKind::Forward) => Code::Forward(wire(
                &instance,
                ForwardSink { queues: ports(), grants: world.grants.clone(), clock },
                seed,
            )),
            QueueRole::Sink(SinkKind::Eventbridge) => Code::Eventbridge(wire(
                &instance,
                EventbridgeSink { buses: ports(), grants: world.grants.clone(), clock },
                seed,
            )),
            QueueRole::Sink(SinkKind::Archive) => {
                Code::Archive(wire(&instance, ArchiveSink { archive: ports(), clock }, seed))
            }
            QueueRole::Sink(SinkKind::Table) => {
                let (secrets, grants) = (InMemorySecrets::new(), world.grants.clone());
                Code::Table(wire(
                    &instance,
                    TableSink { tables: ports(), secrets, grants, tokens: ports(), clock },
                    seed,
                ))
            }
            // No function reads a tenant's own queue; here its place is the sweeper's.
            SWEEPER => Code::Sweeper(Box::new(Sweeper {
                // Redriving has an actor of its own here.
                afterwards: (),
                stage: build::stage(),
                delayed: ports(),
                queues: ports(),
                clock,
                chance,
                telemetry: Telemetry::silent(),
            })),
            QueueRole::Intake => Code::Router(Box::new(Router {
                common: BatchLoop {
                    tenants: CachedTenants::new(ports(), Arc::clone(&clock)),
                    ledger: ports(),
                    queues: ports(),
                    delays: ports(),
                    clock,
                    chance,
                    telemetry: Telemetry::silent(),
                },
                consents: InMemoryConsents::new(),
            })),
        };
        Self { instance, code }
    }

    /// Handles one batch.
    ///
    /// # Errors
    /// As the function's own code.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, UnusableBatch> {
        match &self.code {
            Code::Router(router) => router.handle(event, deadline).await,
            Code::Webhook(sink) => sink.handle(event, deadline).await,
            Code::Email(sink) => sink.handle(event, deadline).await,
            Code::Forward(sink) => sink.handle(event, deadline).await,
            Code::Eventbridge(sink) => sink.handle(event, deadline).await,
            Code::Archive(sink) => sink.handle(event, deadline).await,
            Code::Table(sink) => sink.handle(event, deadline).await,
            Code::Sweeper(sweeper) => {
                // What fails is made up for by the next sweep.
                let _ = sweeper.handle(deadline).await;
                Ok(SqsBatchResponse::default())
            }
        }
    }
}

fn wire<S: Sink>(instance: &Instance, sink: S, seed: u64) -> Box<Loop<S>> {
    let ports = || Perilous(instance.clone());
    Box::new(SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(ports(), instance.clock()),
            ledger: ports(),
            queues: ports(),
            delays: ports(),
            clock: instance.clock(),
            chance: Arc::new(SeededChance::new(seed)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(ports(), instance.clock()),
        breakers: None,
        sink,
    })
}
