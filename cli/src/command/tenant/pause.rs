//! `acequia tenant pause`: holds back the deliveries of a sink, as a version of the configuration of its own.

use acequia_operations::pause::{self, Pause};

use crate::args::SwitchArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;

/// Nothing of a FIFO queue is delayed, so what waits there is as old as SQS lets it be.
const ORDERED: &str =
    " In the queue of an ordered tenant they come back within an hour of that, and SQS keeps them for 14 days at most.";

pub(super) async fn run(context: &Context, arguments: &SwitchArgs) -> Result<Report, Failure> {
    let SwitchArgs { tenant, sink, author } = arguments;
    Ok(report(&pause::run(context, tenant, sink, &author.ask(context).await).await?))
}

fn report(pause: &Pause) -> Report {
    let Pause { tenant, sink, paused, version, may_be_ordered } = pause;
    let mut text = if *paused {
        format!(
            "{tenant}: {sink} is paused within five seconds (version {version}). Its deliveries wait without spending an attempt; \
             `acequia tenant resume {tenant} {sink}` brings them back."
        )
    } else {
        format!("{tenant}: {sink} was paused already.")
    };
    if *may_be_ordered {
        text.push_str(ORDERED);
    }
    Report::new(pause, text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_pause_says_what_ends_it_and_what_becomes_of_an_ordered_queue() {
        let shown = |paused, may_be_ordered| {
            let (tenant, sink) = (build::tenant_id("acme"), build::sink_id("crm"));
            report(&Pause { tenant, sink, paused, version: 2, may_be_ordered }).text().to_owned()
        };
        assert_eq!(shown(false, false), "acme: crm was paused already.");
        let text = shown(true, true);
        assert!(text.contains("(version 2)") && text.contains("`acequia tenant resume acme crm`"), "{text}");
        assert!(text.ends_with("SQS keeps them for 14 days at most."), "{text}");
    }
}
