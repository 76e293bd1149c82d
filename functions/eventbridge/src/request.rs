//! The entry of one delivery, and which entries go together.

use acequia_core::delivery::Delivery;
use acequia_core::event::trace::TraceContext;
use acequia_core::outcome::Cause;
use acequia_core::tenant::{BusArn, Target};
use acequia_lambda::Job;

use crate::bus::Entry;

/// The most entries of a call, and the most bytes of all of a call together
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>).
const CALL_ENTRIES: usize = 10;
const CALL_BYTES: usize = 1024 * 1024;
/// What a call counts for an entry's time.
const TIME_BYTES: usize = 14;
/// The longest `DetailType`, in characters.
const LONGEST_TYPE: usize = 128;

/// The bus that a job goes to; `None` for a job of another kind.
pub fn bus(job: &Job) -> Option<&BusArn> {
    match &job.sink.target {
        Target::Eventbridge(eventbridge) => Some(&eventbridge.bus),
        _ => None,
    }
}

/// The entry of a delivery.
///
/// # Errors
/// [`Cause::Rejected`] where `EventBridge` takes no such entry: one that it refuses must not cost the others of its
/// call anything.
pub fn entry(delivery: &Delivery) -> Result<Entry<'_>, Cause> {
    let envelope = &delivery.envelope;
    let rejected = |problem: &str| Err(Cause::Rejected(problem.to_owned()));
    if envelope.event_type.chars().count() > LONGEST_TYPE {
        return rejected("the event's type is longer than the 128 characters of a DetailType");
    }
    if envelope.event.source().starts_with("aws.") {
        return rejected("sources that begin with \"aws.\" are AWS's own");
    }
    let entry = Entry {
        source: envelope.event.source(),
        detail_type: &envelope.event_type,
        detail: &envelope.body,
        time: envelope.accepted_at,
        trace_header: envelope.trace.as_ref().map(TraceContext::to_aws),
    };
    if bytes(&entry) > CALL_BYTES {
        return rejected("the event with its source and type is larger than the 1 MB of an entry");
    }
    Ok(entry)
}

/// How much of a call an entry takes
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>).
fn bytes(entry: &Entry<'_>) -> usize {
    TIME_BYTES + entry.source.len() + entry.detail_type.len() + entry.detail.len()
}

/// Sorts entries into calls by `EventBridge`'s bounds, in their order.
pub fn calls<T>(entries: Vec<(T, Entry<'_>)>) -> Vec<Vec<(T, Entry<'_>)>> {
    let (mut calls, mut call, mut size) = (Vec::new(), Vec::new(), 0);
    for (of, entry) in entries {
        let more = bytes(&entry);
        if call.len() == CALL_ENTRIES || (size + more > CALL_BYTES && !call.is_empty()) {
            calls.push(std::mem::take(&mut call));
            size = 0;
        }
        size += more;
        call.push((of, entry));
    }
    if !call.is_empty() {
        calls.push(call);
    }
    calls
}

#[cfg(test)]
mod tests {
    use acequia_core::event::envelope::Envelope;

    use super::*;

    fn delivery(event_type: &str, source: &str, note: usize) -> Delivery {
        let body = format!(
            r#"{{"specversion":"1.0","id":"1","source":"{source}","type":"{event_type}","data":"{}"}}"#,
            "x".repeat(note)
        );
        let at = jiff::Timestamp::UNIX_EPOCH;
        Delivery::new("s".parse().unwrap(), Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap())
    }

    #[test]
    fn an_entry_is_the_event_byte_for_byte_under_its_source_and_type() {
        let delivery = delivery("action.signed", "/a", 3);
        let entry = entry(&delivery).unwrap();
        assert_eq!((entry.source, entry.detail_type), ("/a", "action.signed"));
        assert_eq!(entry.detail, delivery.envelope.body);
        assert!(!format!("{entry:?}").contains("xxx"), "data is printed nowhere");
    }

    #[test]
    fn what_eventbridge_would_refuse_is_refused_here_and_alone() {
        for (delivery, problem) in
            [(delivery(&"t".repeat(129), "/a", 1), "128 characters"), (delivery("t", "aws.s3", 1), "AWS's own")]
        {
            let Err(Cause::Rejected(told)) = entry(&delivery) else { panic!("{problem}") };
            assert!(told.contains(problem), "{told}");
        }
        assert!(entry(&delivery(&"t".repeat(128), "/a", 1)).is_ok());
    }

    #[test]
    fn a_call_has_ten_entries_and_a_megabyte_at_the_most() {
        let (small, large) = (delivery("t", "/a", 10), delivery("t", "/a", 400_000));
        let sizes = |deliveries: Vec<&Delivery>| -> Vec<usize> {
            let entries = deliveries.into_iter().map(|delivery| ((), entry(delivery).unwrap())).collect();
            calls(entries).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(vec![&small; 25]), [10, 10, 5]);
        assert_eq!(sizes(vec![&large; 5]), [2, 2, 1]);
        assert_eq!(sizes(vec![]), [0; 0]);
    }
}
