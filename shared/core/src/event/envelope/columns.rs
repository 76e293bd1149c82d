//! What a table of events has a column for, read of the event's own text.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Envelope, EnvelopeError, Format, Members, expiry};

/// The members that have a column of their own, or that the event's own text alone has.
const APART: [&str; 8] = ["specversion", "id", "source", "type", "subject", "time", "data", "data_base64"];

/// The parts of an event that a table shows beside its identity and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns<'a> {
    /// Its subject; of one of Proca's messages the contact that orders it.
    pub subject: Option<Cow<'a, str>>,
    /// Its `time`, where it has one that is a time.
    pub time: Option<Timestamp>,
    /// The JSON text of its `data`, as it came; one of Proca's messages is data as a whole.
    pub data: Option<&'a str>,
    /// A JSON object of its other members, each with the text that it came with, in the order of their names. It has
    /// no `data_base64`: the event's own text has it.
    pub extensions: String,
}

impl Envelope {
    /// The columns of the event.
    ///
    /// # Errors
    /// As [`Envelope::parse`]: what an envelope was parsed from always has them.
    pub fn columns(&self) -> Result<Columns<'_>, EnvelopeError> {
        if self.format == Format::Proca {
            let subject = self.partition_key.as_deref().map(Cow::Borrowed);
            return Ok(Columns { subject, time: None, data: Some(&self.body), extensions: "{}".to_owned() });
        }
        let members = Members::parse(&self.body)?;
        let time = members.text("time").ok().flatten().and_then(|text| expiry(&text));
        let mut extensions = String::from("{");
        for (name, raw) in members.all().filter(|(name, raw)| !APART.contains(name) && *raw != "null") {
            if extensions.len() > 1 {
                extensions.push(',');
            }
            extensions.push_str(&serde_json::Value::from(name).to_string());
            extensions.push(':');
            extensions.push_str(raw);
        }
        extensions.push('}');
        let subject = self.subject.as_deref().map(Cow::Borrowed);
        Ok(Columns { subject, time, data: members.raw("data"), extensions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str) -> Envelope {
        Envelope::parse(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap()
    }

    #[test]
    fn each_attribute_is_in_its_column_or_among_the_extensions_with_its_own_text() {
        let event = envelope(
            r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","subject":"s","time":"2026-11-29T13:52:36.0070+01:00",
                "z\"":1.10,"dataschema":"u","none":null,"data": {"n": 1.10 } ,"data_base64":null}"#,
        );
        let columns = event.columns().unwrap();
        assert_eq!(columns.time, Some("2026-11-29T12:52:36.007Z".parse().unwrap()));
        assert_eq!((columns.subject.as_deref(), columns.data), (Some("s"), Some(r#"{"n": 1.10 }"#)));
        assert_eq!(columns.extensions, r#"{"dataschema":"u","z\"":1.10}"#);
    }

    #[test]
    fn what_is_absent_or_no_time_is_nothing() {
        let event = envelope(r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","time":"yesterday"}"#);
        let nothing = Columns { subject: None, time: None, data: None, extensions: "{}".to_owned() };
        assert_eq!(event.columns().unwrap(), nothing);
    }

    #[test]
    fn one_of_procas_messages_is_data_as_a_whole_and_is_about_its_contact() {
        let body =
            r#"{"schema":"proca:action:2","stage":"deliver","actionId":1,"orgId":3,"contact":{"contactRef":"vG"}}"#;
        let event = envelope(body);
        let columns = event.columns().unwrap();
        assert_eq!((columns.subject.as_deref(), columns.data), (Some("vG"), Some(body)));
    }
}
