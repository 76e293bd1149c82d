//! The trace that an event belongs to: W3C Trace Context (<https://www.w3.org/TR/trace-context/>), as producers send it.
//!
//! An event has it as the extension of `CloudEvents` (`traceparent`, `tracestate`:
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md>). What tells of an
//! event's trace beside it (the header of a request, the attribute of a message, the header of a Kafka record) counts
//! where the event itself tells none. Between the functions it travels as the message's attributes of the same names.
//!
//! Acequia makes no spans, so it hands the context on as it came: a receiver's span is then a child of the producer's,
//! and no span is missing in between.

use serde::{Deserialize, Serialize};

/// The attribute, header and extension with the trace's and the parent span's id.
pub const TRACEPARENT: &str = "traceparent";
/// The attribute, header and extension with what tracing systems say beside it.
pub const TRACESTATE: &str = "tracestate";

/// What a `traceparent` of version 00 has: `00-<32 hex>-<16 hex>-<2 hex>`.
const PARENT_BYTES: usize = 55;
/// The longest `tracestate` that is handed on, in bytes, and its most members: what the specification asks for at least
/// and at most.
const MAX_STATE_BYTES: usize = 512;
const MAX_STATE_MEMBERS: usize = 32;

/// A trace, and the span in it that sent the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// Version 00, all in lower case.
    parent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

impl TraceContext {
    /// Reads the two texts. `None` where `traceparent` is not valid: the specification wants it ignored then. A
    /// `tracestate` that is not valid is left out.
    pub fn read(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let parent = parent(traceparent.trim())?;
        Some(Self { parent, state: tracestate.and_then(state) })
    }

    /// Reads a trace header of AWS (`Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`:
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
    ///
    /// `None` also for a trace that is not sampled, or names no span: Lambda gives each invocation such a header,
    /// whether anybody traces it or not, and a receiver that were told of it would leave out its own spans.
    pub fn read_aws(header: &str) -> Option<Self> {
        let value = |name: &str| {
            header
                .split(';')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, v)| v)
        };
        let (date, rest) = value("Root")?.strip_prefix("1-")?.split_once('-')?;
        let is_sampled = value("Sampled") == Some("1");
        let parent = value("Parent").filter(|_| is_sampled && (date.len(), rest.len()) == (8, 24))?;
        Self::read(&format!("00-{date}{rest}-{parent}-01"), None)
    }

    /// The text of `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The text of `tracestate`, where there is one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The id of the trace: 32 digits.
    pub fn trace_id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// The same as AWS's trace header, by which X-Ray shows what handles a message as a part of the trace.
    pub fn to_aws(&self) -> String {
        let part = |from: usize, to: usize| self.parent.get(from..to).unwrap_or_default();
        let is_sampled = u8::from_str_radix(part(53, 55), 16).is_ok_and(|flags| flags & 1 == 1);
        format!("Root=1-{}-{};Parent={};Sampled={}", part(3, 11), part(11, 35), part(36, 52), u8::from(is_sampled))
    }
}

/// The text as version 00 has it. Of a later version that is read which 00 knows.
fn parent(text: &str) -> Option<String> {
    let known = text.get(..PARENT_BYTES)?;
    let is_later = !known.starts_with("00-");
    let is_ended = text.len() == PARENT_BYTES || (is_later && text.as_bytes().get(PARENT_BYTES) == Some(&b'-'));
    let mut parts = known.split('-');
    let mut part = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)).then_some(part)
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
    let is_valid = is_ended && version != "ff" && !is_zero(trace) && !is_zero(span);
    is_valid.then(|| format!("00-{trace}-{span}-{flags}"))
}

/// A list of members that a header and a message's attribute can have.
fn state(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\t', ',']);
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let members: Vec<&str> = text.split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    let is_list = members.iter().all(|member| member.split_once('=').is_some_and(|(key, _)| !key.is_empty()));
    let fits = (1..=MAX_STATE_MEMBERS).contains(&members.len()) && text.len() <= MAX_STATE_BYTES;
    (is_plain && is_list && fits).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_context_is_handed_on_as_it_came() {
        let read = TraceContext::read(PARENT, Some("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE")).unwrap();
        assert_eq!((read.parent(), read.state()), (PARENT, Some("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE")));
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn what_is_not_valid_is_no_context() {
        for bad in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\u{e9}",
        ] {
            assert_eq!(TraceContext::read(bad, None), None, "{bad}");
        }
        let later = TraceContext::read("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None);
        assert_eq!(later.unwrap().parent(), PARENT, "of a later version the known part counts");
    }

    #[test]
    fn a_state_that_is_not_valid_is_left_out_and_costs_the_trace_nothing() {
        let long = format!("a={}", "x".repeat(511));
        let many = vec!["a=1"; 33].join(",");
        for bad in ["", " , ", "a", "=1", "a=1,b", "a=\n", "a=\u{e9}", long.as_str(), many.as_str()] {
            assert_eq!(TraceContext::read(PARENT, Some(bad)).unwrap().state(), None, "{bad}");
        }
    }

    #[test]
    fn awss_header_and_a_traceparent_say_the_same() {
        let header = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
        assert_eq!(TraceContext::read(PARENT, None).unwrap().to_aws(), header);
        let with_lineage = format!("{header};Lineage=1:a87bd80c:0");
        assert_eq!(TraceContext::read_aws(&with_lineage).unwrap().parent(), PARENT);
        let unsampled = PARENT.replace("-01", "-00");
        assert!(TraceContext::read(&unsampled, None).unwrap().to_aws().ends_with("Sampled=0"));
        for bad in [
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0",
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=1",
            "Root=1-4bf92f357-7b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1",
            "Parent=00f067aa0ba902b7;Sampled=1",
            "",
        ] {
            assert_eq!(TraceContext::read_aws(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic_and_what_is_read_is_read_again(parent: String, state: Option<String>) {
            if let Some(read) = TraceContext::read(&parent, state.as_deref()) {
                prop_assert_eq!(TraceContext::read(read.parent(), read.state()), Some(read.clone()));
            }
            let _read = TraceContext::read_aws(&parent);
        }
    }
}
