//! Relaying an outbox: its events are sent to the tenant's intake, and settled once they are there.
//!
//! What ends it between sending and settling makes the next run send the same events again, under the same source and
//! id: what was delivered of them is known by those, as for any event that a producer sends twice. Nothing is settled
//! that was not sent.

use acequia_core::message::Outgoing;
use acequia_core::port::{Entry, OutboxEvent, Queues, SendError, TableError, Tables};
use acequia_core::queue::QueueArn;
use acequia_core::table::Layout;
use serde::Serialize;

/// So many events are read, sent and settled together.
const STEP: u16 = 100;

/// The outbox beside a sink's table.
#[derive(Clone, Copy)]
pub struct Outbox<'a, T> {
    /// The databases.
    pub tables: &'a T,
    /// How its own is entered.
    pub entry: Entry<'a>,
    /// The sink's table.
    pub layout: &'a Layout,
}

/// How far a run came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// How many events were sent and settled.
    pub sent: usize,
    /// How many were not: they wait in the outbox.
    pub failed: usize,
    /// Why, each once.
    #[serde(skip)]
    pub problems: Vec<String>,
}

impl Relayed {
    /// Adds a run that came later: what failed then is what waits now.
    pub fn add(&mut self, later: &Self) {
        self.sent += later.sent;
        self.failed = later.failed;
    }

    fn fail(&mut self, event: &OutboxEvent, error: &SendError) {
        self.failed += 1;
        let why = match error {
            // With what each cause says.
            SendError::Unavailable(unavailable) => format!("{unavailable:?}"),
            SendError::Refused(_) => error.to_string(),
        };
        let problem = format!("event {} of the outbox was not sent: {why}", event.id);
        if self.problems.len() < 20 {
            self.problems.push(problem);
        }
    }
}

/// Sends what waits, until nothing does or `goes_on` says no. `message` makes the message of an event, which may be
/// none: then the intake quarantines it, with the reason.
///
/// # Errors
/// Where the database does not do what it is asked to: what was sent until then, and not settled, is sent again.
pub async fn run(
    outbox: &Outbox<'_, impl Tables>,
    queues: &impl Queues,
    intake: &QueueArn,
    message: impl Fn(&str) -> Outgoing,
    goes_on: impl Fn() -> bool,
) -> Result<Relayed, TableError> {
    let mut relayed = Relayed::default();
    let mut after = None;
    while goes_on() {
        let waiting = outbox.tables.waiting(outbox.entry, outbox.layout, after, STEP).await?;
        let Some(last) = waiting.last() else { break };
        // What cannot be sent now is not asked for again by this run: others behind it do not wait for it.
        after = Some(last.id);
        let messages: Vec<Outgoing> = waiting.iter().map(|event| message(&event.event)).collect();
        let answers = queues.send(intake, &messages).await;
        let mut sent = Vec::with_capacity(waiting.len());
        for (event, answer) in waiting.iter().zip(answers) {
            match answer {
                Ok(_) => sent.push(event.id),
                Err(error) => relayed.fail(event, &error),
            }
        }
        if !sent.is_empty() {
            outbox.tables.settle(outbox.entry, outbox.layout, &sent).await?;
        }
        relayed.sent += sent.len();
    }
    Ok(relayed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use acequia_core::queue::QueueRole;
    use acequia_core::secret::Secret;
    use acequia_core::table::{Authentication, Database};
    use acequia_testkit::conformance::tables::{COLUMNS, TABLE, layout, row};
    use acequia_testkit::{FixedClock, InMemoryQueues, InMemoryTables, build};

    use super::*;

    struct World {
        tables: InMemoryTables,
        queues: InMemoryQueues,
        intake: QueueArn,
        database: Database,
    }

    async fn world(events: usize) -> World {
        let address = "postgresql://acequia@db.example/crm".parse().unwrap();
        let database = Database { address, authentication: Authentication::Iam, authorities: None };
        let (tables, queues) = (InMemoryTables::new(), InMemoryQueues::new(FixedClock::at(build::start())));
        tables.create(&database, TABLE, &COLUMNS.map(|(column, of_type, _)| (column, of_type)), &["id"]);
        let layout = layout(false, true);
        let rows: Vec<_> = (0..events).map(|n| row(&layout, &n.to_string(), &n.to_string(), "1", 0)).collect();
        let (tenant, secret) = (build::tenant_id("acme"), Secret::new("s"));
        let entry = Entry { tenant: &tenant, database: &database, credential: &secret };
        tables.write(entry, &layout, &rows).await.unwrap();
        World { tables, queues, intake: build::queue("acme", QueueRole::Intake), database }
    }

    impl World {
        async fn relay(&self) -> Result<Relayed, TableError> {
            let (tenant, secret, layout) = (build::tenant_id("acme"), Secret::new("s"), layout(false, true));
            let entry = Entry { tenant: &tenant, database: &self.database, credential: &secret };
            let outbox = Outbox { tables: &self.tables, entry, layout: &layout };
            let message = |body: &str| Outgoing { body: body.to_owned(), ..Outgoing::default() };
            run(&outbox, &self.queues, &self.intake, message, || true).await
        }

        /// How many messages lie in the intake, and how many events they are.
        fn arrived(&self) -> (usize, usize) {
            let bodies: Vec<String> =
                self.queues.messages(&self.intake).into_iter().map(|message| message.body).collect();
            (bodies.len(), bodies.into_iter().collect::<BTreeSet<String>>().len())
        }
    }

    #[tokio::test]
    async fn each_event_of_an_outbox_is_sent_once_and_not_again() {
        let world = world(250).await;
        assert_eq!(world.relay().await.unwrap().sent, 250);
        assert_eq!(world.relay().await, Ok(Relayed::default()));
        assert_eq!(world.arrived(), (250, 250));
    }

    #[tokio::test]
    async fn whatever_step_a_run_ends_at_the_next_one_sends_the_rest_and_nothing_is_lost() {
        // The calls of a run over 250 events: three times read and settled, and the look that finds nothing.
        for call in 1..=7 {
            let world = world(250).await;
            let before = world.tables.calls.calls();
            world.tables.calls.fail_call(before + call);
            let first = world.relay().await;
            assert!(first.is_err(), "{call}");
            world.relay().await.unwrap();
            let (messages, events) = world.arrived();
            assert_eq!(events, 250, "{call}");
            assert!(messages <= 350, "one step at most is sent twice: {messages}");
        }
    }

    #[tokio::test]
    async fn what_the_intake_does_not_take_waits_and_the_others_go() {
        let world = world(30).await;
        world.queues.sends.fail_entry(7);
        let relayed = world.relay().await.unwrap();
        assert_eq!((relayed.sent, relayed.failed, relayed.problems.len()), (29, 1, 1));
        world.queues.sends.mend();
        assert_eq!(world.relay().await.unwrap().sent, 1);
        assert_eq!(world.arrived(), (30, 30));
    }
}
