//! `acequia table relay`: the events of a sink's outbox, sent to the tenant's intake.

use std::time::Duration;

use acequia_core::port::{Clock as _, Entry};
use acequia_core::tenant::Tenant;
use acequia_operations::relay::{self, Relayed};
use acequia_operations::{OperationError, configuration};
use acequia_postgres::PostgresTables;

use crate::args::RelayArgs;
use crate::command::send::{intake, message};
use crate::context::{Context, SystemClock};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::InGoodOrder;
use crate::output::{Report, count, note};

/// How often an outbox is looked into that was empty.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, arguments: &RelayArgs) -> Result<Report, Failure> {
    let RelayArgs { tenant, sink, follow, entry } = arguments;
    let configuration::Configuration { version, raw } = configuration::current(context, tenant).await?;
    let unreadable = |issues| OperationError::UnreadableConfiguration { tenant: tenant.clone(), version, issues };
    let current = Tenant::of_stored(&raw).map_err(unreadable)?;
    let table = super::table_of(tenant, &current.sinks, sink)?;
    if !table.layout.outbox {
        return Err(Failure::Usage(format!("{sink} of {tenant} has no outbox: outbox = true gives it one")));
    }
    let (_, queue) = intake(context, tenant).await?;
    let (tables, queues, orderly) = (PostgresTables::new(), context.queues(), InGoodOrder::begin());
    let mut sum = Relayed::default();
    loop {
        // A token opens connections for a quarter of an hour, and is made anew each time.
        let credential = super::credential(&table.database, entry, &async || Ok(context.database_tokens())).await?;
        let entry = Entry { tenant, database: &table.database, credential: &credential };
        let outbox = relay::Outbox { tables: &tables, entry, layout: &table.layout };
        let goes_on = || orderly.stopped().is_none();
        let relayed = relay::run(&outbox, &queues, &queue, |body| message(&queue, tenant, body), goes_on).await;
        let relayed = relayed.map_err(|error| super::failed(&table.database, &error))?;
        for problem in &relayed.problems {
            note(problem);
        }
        sum.add(&relayed);
        if !follow || orderly.stopped().is_some() {
            break;
        }
        SystemClock.sleep(PAUSE).await;
    }
    let text = format!("{} of the outbox of {sink} sent to {tenant}'s intake", count(sum.sent, "event", "events"));
    let text =
        if sum.failed == 0 { text + "." } else { format!("{text}, {} failed: they wait in the outbox.", sum.failed) };
    let done = if sum.failed == 0 { Exit::Ok } else { Exit::Failed };
    Ok(Report::new(&sum, text).ending(orderly.stopped().unwrap_or(done)))
}
