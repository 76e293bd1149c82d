//! The events of a request, read and sorted: those that are to be sent, and what is decided of the others.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use acequia_core::access::{Principal, Refused};
use acequia_core::event::envelope::Envelope;
use acequia_core::event::trace::TraceContext;
use acequia_core::id::TenantId;
use acequia_core::outcome::{Cause, PANICKED};
use acequia_lambda::CurrentTenant;
use jiff::Timestamp;

use crate::answer::{Decided, EventResult, Refusal, Results};
use crate::read::Text;

/// The events of a request, by their places.
pub(crate) struct Sorted {
    /// Those that are to be sent.
    pub(crate) events: Vec<(usize, Envelope)>,
    /// What became of the others.
    pub(crate) results: Decided,
}

/// Reads events of one request.
pub(crate) struct Reader<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) current: &'a CurrentTenant,
    pub(crate) principal: &'a Principal,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<&'a TraceContext>,
    /// How its events come in, and by whom.
    pub(crate) via: &'a str,
    /// When its events are accepted.
    pub(crate) now: Timestamp,
}

impl Reader<'_> {
    /// Reads the events, and refuses those that can never succeed. `before` is what became of them when the request came
    /// the last time.
    pub(crate) fn sort(&self, texts: &[Text<'_>], before: Option<Results>) -> Sorted {
        let mut sorted = Sorted { events: Vec::with_capacity(texts.len()), results: Decided::none(texts.len()) };
        let mut before = before.map(|before| before.results).unwrap_or_default().into_iter();
        for (place, text) in texts.iter().enumerate() {
            match before.next() {
                None | Some(EventResult::NotTaken) => {}
                Some(known) => {
                    sorted.results.put(place, known);
                    continue;
                }
            }
            match self.read(text) {
                Ok(envelope) => sorted.events.push((place, envelope)),
                Err(result) => sorted.results.put(place, result),
            }
        }
        sorted
    }

    /// Reads one event, by the same rules as the router.
    fn read(&self, text: &Text<'_>) -> Result<Envelope, EventResult> {
        let of_cause = |cause: Cause| {
            if let Cause::ConfigurationInvalid(problem) = &cause {
                // It waits for a version that can, as it would behind the door.
                tracing::error!(tenant.id = %self.tenant, error = problem, "an event cannot be checked");
                return EventResult::NotTaken;
            }
            EventResult::Refused(Refusal::of(&cause))
        };
        let text: &Cow<'_, str> = text.as_ref().map_err(|error| of_cause(Cause::Envelope(error.clone())))?;
        // Parsing is our own code over foreign bytes: a panic in it must not cost the neighbours anything.
        // What violates a schema that is reported only, the router reports.
        let parse = AssertUnwindSafe(|| {
            let received = Envelope::receive(self.tenant, self.now, text)?;
            self.current.admits(&received.envelope, received.irregularity)?;
            Ok(received.envelope.traced(|| self.trace.cloned()).come(Some(self.via.to_owned())))
        });
        let parsed = std::panic::catch_unwind(parse).unwrap_or(Err(Cause::Bug(PANICKED)));
        let envelope = parsed.map_err(of_cause)?;
        if has_noncharacter(&envelope.body) {
            let detail = "the text has U+FFFE or U+FFFF in it, which SQS takes in no message";
            let remedy = "write it as \\ufffe or \\uffff, and send it again";
            return Err(EventResult::Refused(Refusal::named("bad-character", detail, remedy)));
        }
        self.principal.may_send(&envelope).map_err(|refused| {
            let what = match refused {
                Refused::TypeNotAllowed => "the credentials are bound to other types of events",
                Refused::SourceNotAllowed => "the credentials are bound to other sources of events",
                _ => "the credentials do not allow this event",
            };
            EventResult::Refused(Refusal::named("not-allowed", what, "use the credentials that are for it"))
        })?;
        Ok(envelope)
    }
}

/// Whether a text has U+FFFE or U+FFFF in it, which SQS takes in no message, though JSON may have them
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>). They are looked for
/// as bytes: to look at each character was a sixth of what an event costs here.
fn has_noncharacter(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(0xEF, bytes).any(|at| matches!(bytes.get(at + 1..), Some([0xBF, 0xBE | 0xBF, ..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_noncharacters_are_found_wherever_they_stand_and_their_neighbours_are_not() {
        for text in ["\u{fffe}", "a\u{ffff}", "\u{fffd}\u{ffff}b", "\u{f000}\u{fffe}"] {
            assert!(has_noncharacter(text), "{text:?}");
        }
        for text in ["", "a", "\u{fffd}", "\u{efff}\u{ffbf}", "\u{1ffff}\u{10fffe}", "\u{feff}"] {
            assert!(!has_noncharacter(text), "{text:?}");
        }
    }
}
