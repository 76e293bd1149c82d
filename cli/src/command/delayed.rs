//! `acequia delayed`: the messages of a tenant that wait outside their queues.

use acequia_operations::delayed::{self, DelayedList, DelayedMessage};
use acequia_operations::time;

use crate::args::DelayedArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, count, or_dash, sink_or_routing, table};

pub(super) async fn run(context: &Context, arguments: &DelayedArgs) -> Result<Report, Failure> {
    let DelayedArgs { tenant, sink, limit } = arguments;
    Ok(report(&delayed::run(context, tenant, sink.as_ref(), usize::from(*limit)).await?))
}

fn report(listed: &DelayedList) -> Report {
    let tenant = &listed.tenant;
    if listed.total == 0 {
        return Report::new(
            listed,
            format!("{tenant}: nothing is delayed. `acequia status {tenant}` shows its queues."),
        );
    }
    let row = |message: &DelayedMessage| {
        [
            or_dash(message.event.as_ref()),
            or_dash(message.r#type.as_deref()),
            sink_or_routing(message.sink.as_ref()),
            time::text(message.delayed_at),
            time::text(message.due_at),
        ]
    };
    let header = ["EVENT", "TYPE", "SINK", "DELAYED", "DUE"];
    let text = format!(
        "{}\n\n{} of {}, those due first. `acequia explain {tenant} 'EVENT'` tells what became of one so far.",
        table(header, listed.messages.iter().map(row)),
        listed.messages.len(),
        count(listed.total, "delayed message", "delayed messages")
    );
    Report::new(listed, text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn what_waits_shows_its_event_and_when_it_is_due() {
        let message = |event: Option<&str>, sink: Option<&str>| DelayedMessage {
            event: event.map(build::event_id),
            r#type: event.map(|_| "t".to_owned()),
            sink: sink.map(build::sink_id),
            message_id: "m-1".to_owned(),
            delayed_at: build::start(),
            due_at: build::at(3600),
            expedited: false,
            bytes: 100,
        };
        let messages = vec![message(Some("1"), Some("crm")), message(None, None)];
        let report = report(&DelayedList { tenant: build::tenant_id("acme"), total: 9, messages });
        assert!(report.text().contains("(to be routed)") && report.text().contains("2 of 9 delayed messages"));
        assert!(
            report
                .text()
                .contains("\n/tests|1  t     crm             2026-01-01T00:00:00.000Z  2026-01-01T01:00:00.000Z\n"),
            "{}",
            report.text()
        );
    }

    #[test]
    fn nothing_delayed_says_so() {
        let nothing = DelayedList { tenant: build::tenant_id("acme"), total: 0, messages: Vec::new() };
        assert!(report(&nothing).text().contains("nothing is delayed"));
    }
}
