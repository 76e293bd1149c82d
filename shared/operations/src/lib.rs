//! The operator's use cases: what an operator does with a stage, over ports, each with a typed report.
//!
//! The command line calls these, prints their reports and gives their errors an exit code; a console or an HTTP API can
//! call the same. A use case asks nobody, prints nothing, and ends no process: what cannot be undone takes its order
//! from a caller who asked.
//!
//! A report is what the use case found or did, as data: it serialises to the JSON that the command prints. Times are
//! RFC 3339 in UTC with milliseconds ([`time`]). An error says which operation failed and on what, and keeps its source
//! ([`OperationError`]); what to do about it is the caller's to say, because a command line and a page say it
//! differently.
//!
//! To add a use case: a module with a `run` over [`Ports`], a report that derives `Serialize`, an error variant where
//! it can fail in a way of its own, and tests over the in-memory ports of `acequia-testkit`.

pub mod apply;
pub mod audit;
pub mod change;
pub mod compact;
pub mod configuration;
pub mod consent;
pub mod dead_letters;
pub mod delayed;
pub mod erase;
mod error;
pub mod explain;
pub mod key;
pub mod pause;
pub mod paused;
mod ports;
pub mod relay;
pub mod replay;
pub mod resume;
pub mod search;
mod stage;
pub mod status;
pub mod tally;
mod text;
pub mod time;
#[cfg(test)]
mod world;

pub use error::OperationError;
pub use ports::Ports;
pub use stage::{locate, queues_of, require_platform};

#[cfg(test)]
mod tests {
    use acequia_core::delivery::redrive::Filter;
    use acequia_testkit::build;

    use super::*;
    use crate::dead_letters::tests::Unwatched;
    use crate::world::World;

    /// Compiles for what another thread can go on with.
    fn on_any_thread(_: impl Future + Send) {}

    #[test]
    fn a_use_case_can_be_awaited_on_any_thread_as_a_server_does() {
        let (world, tenant, sink) = (World::default(), build::tenant_id("acme"), build::sink_id("crm"));
        on_any_thread(status::run(&world, None));
        on_any_thread(explain::run(&world, &tenant, &build::event_id("1")));
        on_any_thread(tally::run(&world, &tenant, None));
        on_any_thread(delayed::run(&world, &tenant, None, 1));
        on_any_thread(audit::run(&world, &tenant, None));
        on_any_thread(key::list(&world, &tenant));
        let id = acequia_core::access::KeyId::of([0; 32]);
        on_any_thread(key::rotate(&world, &tenant, &id, std::time::Duration::ZERO, "ana"));
        on_any_thread(key::revoke(&world, &tenant, &id, "ana"));
        on_any_thread(pause::run(&world, &tenant, &sink, "ana"));
        on_any_thread(resume::begin(&world, &tenant, &sink, "ana"));
        on_any_thread(consent::show(&world, &tenant, consent::identify(&tenant, "ana@example.org")));
        on_any_thread(dead_letters::places(&world, &tenant, None));
        on_any_thread(dead_letters::list::run(&world, &[], &Filter::default(), 1, &Unwatched));
        on_any_thread(dead_letters::purge::run(&world, &[], &Filter::default(), None, &Unwatched));
        let order = dead_letters::redrive::Order::default();
        on_any_thread(dead_letters::redrive::run(&world, &tenant, &[], order, &Unwatched));
        let query = acequia_core::replay::Query::between(build::start(), build::at(1));
        let ids = acequia_core::wire::ReplayIds::Same;
        let (order, basis) =
            (replay::Order { query, ids, rate: 1 }, replay::Basis { config_version: 1, as_of: build::start() });
        let id = acequia_core::id::ReplayId::of([0; 32]);
        on_any_thread(replay::preview(&world, &tenant, &order, basis, &Unwatched));
        on_any_thread(replay::begin(&world, &tenant, &order, basis, ("ana", true)));
        on_any_thread(replay::resume(&world, &tenant, &id, ("ana", None, true)));
        on_any_thread(replay::stop(&world, &tenant, &id, "ana"));
        on_any_thread(async {
            let begun = replay::begin(&world, &tenant, &order, basis, ("ana", true)).await?;
            replay::run(&world, &tenant, begun, &Unwatched).await
        });
    }
}
