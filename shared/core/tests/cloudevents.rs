//! Which events the intake takes: each case of `tests/fixtures/cloudevents`, by the rules of `CloudEvents` and by those
//! that no tenant can do without.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::{Envelope, Received};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// An event. It is taken, or refused because of one attribute: by the rules of `CloudEvents`, or always.
#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    what: String,
    event: Box<RawValue>,
    refused: Option<String>,
    #[serde(default)]
    always: bool,
}

/// A text that is refused with words.
#[derive(Deserialize)]
struct Text {
    #[serde(rename = "case")]
    what: String,
    #[serde(rename = "text")]
    body: String,
    reason: String,
}

fn cases<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = format!("{}/../../tests/fixtures/cloudevents/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn receive(text: &str) -> Result<Received, EnvelopeError> {
    Envelope::receive(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, text)
}

/// The attribute that an error names, or else what it says.
fn attribute(error: &EnvelopeError) -> String {
    match error {
        EnvelopeError::Missing(name) | EnvelopeError::Malformed { attribute: name, .. } => (*name).to_owned(),
        EnvelopeError::Extension { name, .. } => name.clone(),
        EnvelopeError::SpecVersion => "specversion".to_owned(),
        EnvelopeError::ForeignTenant => "acequiatenant".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn an_event_is_taken_or_refused_because_of_the_attribute_that_breaks_a_rule() {
    let cases: Vec<Case> = cases("cases");
    assert!(cases.len() > 100);
    for Case { what, event, refused, always } in cases {
        let strict = receive(event.get()).and_then(|received| received.admit(true));
        assert_eq!(strict.as_ref().err().map(attribute), refused, "{what}: {strict:?}");
        let lenient = receive(event.get()).and_then(|received| received.admit(false));
        assert_eq!(lenient.is_err(), always, "{what}, where the intake is not strict: {lenient:?}");
    }
}

#[test]
fn what_is_no_event_at_all_is_refused_with_the_reason() {
    for Text { what, body, reason } in cases("texts") {
        let error = receive(&body).and_then(|received| received.admit(true)).unwrap_err().to_string();
        assert!(error.contains(&reason), "{what}: {error}");
    }
}
