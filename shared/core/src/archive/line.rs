//! The lines of an object: an event's own text with what was known of it when it was kept.
//!
//! `{"accepted_at":"2026-11-29T14:00:00.123Z","config_version":3,"event":{...}}`. The event is written as it came. Where
//! it has line ends (which JSON has between values only), they are spaces there, and `text` beside it is the event to
//! the byte: so a line is a line for every reader, and what is sent again is what was sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::EnvelopeError;
use crate::event::envelope::Envelope;
use crate::id::TenantId;

/// One event of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The event, with its time of acceptance.
    pub envelope: Envelope,
    /// The version of the configuration by which it was kept.
    pub config_version: u64,
}

/// A line that is none of an archive.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLine {
    /// It is not as lines are written.
    #[error("it is no line of an archive: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its event is none.
    #[error("its event is none: {0}")]
    Event(#[from] EnvelopeError),
}

#[derive(Serialize)]
struct Written<'a> {
    accepted_at: String,
    config_version: u64,
    event: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Deserialize)]
struct Read<'a> {
    accepted_at: Timestamp,
    config_version: u64,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(default)]
    text: Option<String>,
}

/// Appends the line of an event, its line end included.
///
/// # Errors
/// Where the event's text is no JSON: an envelope that was parsed always is.
pub fn write_line(out: &mut Vec<u8>, envelope: &Envelope, config_version: u64) -> Result<(), serde_json::Error> {
    let body = envelope.body.as_str();
    // As bytes: to look at each character was a quarter of what the archive takes for an event.
    let has_ends = memchr::memchr2(b'\n', b'\r', body.as_bytes()).is_some();
    let one_line = has_ends.then(|| body.replace(['\n', '\r'], " "));
    let event: &RawValue = serde_json::from_str(one_line.as_deref().unwrap_or(body))?;
    let text = has_ends.then_some(body);
    let accepted_at = format!("{:.3}", envelope.accepted_at);
    serde_json::to_writer(&mut *out, &Written { accepted_at, config_version, event, text })?;
    out.push(b'\n');
    Ok(())
}

impl Line {
    /// Reads a line of an object of `tenant`'s.
    ///
    /// # Errors
    /// [`InvalidLine`] where it is none.
    pub fn read(tenant: &TenantId, line: &str) -> Result<Self, InvalidLine> {
        let Read { accepted_at, config_version, event, text } = serde_json::from_str(line)?;
        let body = text.as_deref().unwrap_or_else(|| event.get());
        Ok(Self { envelope: Envelope::parse_text(tenant, accepted_at, body)?, config_version })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn envelope(body: &str) -> Envelope {
        let at = Timestamp::from_millisecond(1_795_960_356_007).unwrap();
        Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap()
    }

    fn written(envelope: &Envelope) -> String {
        let mut out = Vec::new();
        write_line(&mut out, envelope, 3).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_the_events_own_text_and_when_it_was_accepted() {
        let body = r#"{"b":1.10, "specversion":"1.0","id":"1","source":"/a","type":"t","data":{"é":1e400}}"#;
        let line = written(&envelope(body));
        let head = r#"{"accepted_at":"2026-11-29T13:52:36.007Z","config_version":3,"event":"#;
        assert_eq!(line, format!("{head}{body}}}\n"));
        assert_eq!(Line::read(&"acme".parse().unwrap(), &line).unwrap().envelope, envelope(body));
    }

    #[test]
    fn an_event_of_several_lines_is_one_line_and_comes_back_to_the_byte() {
        let body = "{\"specversion\":\"1.0\",\r\n \"id\":\"1\",\n\"source\":\"/a\",\"type\":\"t\"}\n";
        let line = written(&envelope(body));
        assert_eq!((line.matches('\n').count(), line.contains('\r')), (1, false), "{line}");
        let read = Line::read(&"acme".parse().unwrap(), &line).unwrap();
        assert_eq!((read.envelope.body.as_str(), read.config_version), (body, 3));
    }

    #[test]
    fn what_is_no_line_says_why() {
        for (line, part) in [
            ("", "no line of an archive"),
            ("{}", "accepted_at"),
            (r#"{"accepted_at":"2026-11-29T13:52:36Z","config_version":3,"event":{}}"#, "specversion"),
        ] {
            let error = Line::read(&"acme".parse().unwrap(), line).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_event_holds_comes_back(data: String, space in "[ \n\r\t]{0,3}") {
            let data = serde_json::to_string(&data).unwrap();
            let body = format!(r#"{{"specversion":"1.0",{space}"id":"1","source":"/a","type":"t",{space}"data":{data}}}"#);
            let read = Line::read(&"acme".parse().unwrap(), &written(&envelope(&body))).unwrap();
            prop_assert_eq!(read.envelope.body, body);
        }
    }
}
