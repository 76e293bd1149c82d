//! `acequia tenant resume`: delivers to a sink again that was paused, or whose endpoint was disabled or has an open
//! circuit, and makes what waits delayed for it due now.

use acequia_operations::resume::{self, Begun, Resumption, WAIT};

use crate::args::SwitchArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, count, note};

/// Nothing of a FIFO queue is delayed: it is hidden there, an hour at a time, and cannot be shown before.
const ORDERED: &str = " What waits in the queue of an ordered tenant comes back within an hour.";

pub(super) async fn run(context: &Context, arguments: &SwitchArgs) -> Result<Report, Failure> {
    let SwitchArgs { tenant, sink, author } = arguments;
    let begun = resume::begin(context, tenant, sink, &author.ask(context).await).await?;
    note(&format!(
        "waiting {} s for the functions to see it: what comes until then may still be delayed. Stopped, run it again",
        WAIT.as_secs()
    ));
    Ok(report(&begun.finish(context).await?))
}

fn report(resumption: &Resumption) -> Report {
    let Begun { tenant, sink, unpaused, healed, version, may_be_ordered } = &resumption.begun;
    let mut text = match (unpaused, healed) {
        (false, false) => format!("{tenant}: {sink} was neither paused nor disabled, and its circuit is closed."),
        (true, false) => format!("{tenant}: {sink} is no longer paused (version {version})."),
        (_, true) => {
            format!(
                "{tenant}: {sink} is on again. `acequia dlq redrive {tenant}` brings back what went to the dead-letter queue."
            )
        }
    };
    if resumption.expedited > 0 {
        let due = count(
            resumption.expedited,
            "delayed message is due now and comes",
            "delayed messages are due now and come",
        );
        text = format!("{text} {due} back within a minute or two.");
    }
    if *may_be_ordered {
        text.push_str(ORDERED);
    }
    Report::new(resumption, text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn it_says_what_had_held_the_sink_back_and_what_comes_now() {
        let shown = |unpaused, healed, expedited| {
            let (tenant, sink) = (build::tenant_id("acme"), build::sink_id("crm"));
            let begun = Begun {
                tenant: tenant.clone(),
                sink: sink.clone(),
                unpaused,
                healed,
                version: 3,
                may_be_ordered: expedited > 1,
            };
            let resumption = Resumption { tenant, sink, resumed: unpaused || healed, expedited, begun };
            report(&resumption).text().to_owned()
        };
        assert!(shown(false, false, 0).ends_with("crm was neither paused nor disabled, and its circuit is closed."));
        let text = shown(true, false, 1);
        assert_eq!(
            text,
            "acme: crm is no longer paused (version 3). 1 delayed message is due now and comes back within a minute or two."
        );
        let text = shown(true, true, 2);
        assert!(text.contains("`acequia dlq redrive acme`") && text.ends_with("comes back within an hour."), "{text}");
    }
}
