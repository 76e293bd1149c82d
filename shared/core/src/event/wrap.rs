//! Events made of values that are none: of any JSON that comes from elsewhere, with a type and a source that its tenant
//! gives it.

use jiff::Timestamp;
use serde_json::Value as Json;

/// What a tenant gives values that are no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    /// Their type.
    pub event_type: String,
    /// Their source.
    pub source: String,
}

impl Wrap {
    /// An event with `data`, which must be JSON and stays as it is written.
    pub fn event(&self, id: &str, time: Option<Timestamp>, data: &str) -> String {
        // A text as JSON has it.
        let text = |text: &str| Json::from(text).to_string();
        let time = time.map(|time| format!(r#","time":"{time}""#)).unwrap_or_default();
        let (id, source, kind) = (text(id), text(&self.source), text(&self.event_type));
        format!(r#"{{"specversion":"1.0","id":{id},"source":{source},"type":{kind}{time},"data":{data}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::envelope::Envelope;

    #[test]
    fn what_is_wrapped_is_an_event_that_keeps_every_rule_with_its_data_as_they_were_written() {
        let wrap = Wrap { event_type: "order.\"placed\"".to_owned(), source: "/shop".to_owned() };
        let text = wrap.event("orders/0/17", Some(Timestamp::UNIX_EPOCH), "{ \"a\": 1.10 }");
        assert!(text.ends_with("\"time\":\"1970-01-01T00:00:00Z\",\"data\":{ \"a\": 1.10 }}"), "{text}");
        let received = Envelope::receive(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, &text).unwrap();
        assert_eq!(received.irregularity, None);
        assert_eq!(received.envelope.event.as_str(), "/shop|orders/0/17");
        assert_eq!(received.envelope.event_type, "order.\"placed\"");
    }
}
