//! From a body to the texts of its events.
//!
//! A body in which events can be told apart is read event by event, so that a bad one costs itself alone. The text of an
//! event is handed on to the byte, but for the space around it.

use std::borrow::Cow;

use acequia_core::event::EnvelopeError;
use acequia_core::event::binary::structured;
use acequia_core::event::envelope::utf8;
use acequia_lambda::http::HttpRequest;

use crate::list::{self, NoList};
use crate::problem::Problem;

/// The most events of a request.
pub(crate) const MAX_EVENTS: usize = 1000;
/// The most headers with attributes of an event in binary mode.
const MAX_ATTRIBUTES: usize = 64;

/// What a body says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One event, whole.
    Event,
    /// A list of events.
    List,
    /// An event a line.
    Lines,
    /// Either of the first two.
    Either,
    /// The data of one event, whose attributes are headers.
    Binary,
}

/// The text of an event, or why there is none.
pub(crate) type Text<'a> = Result<Cow<'a, str>, EnvelopeError>;

/// The texts of the events of a request, whose body is unpacked.
pub(crate) fn texts<'a>(request: &HttpRequest, body: &'a [u8]) -> Result<Vec<Text<'a>>, Problem> {
    let form = form(request)?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if form != Form::Binary && body.trim_ascii().is_empty() {
        return Err(Problem::malformed("The body is empty: it must have an event, or a list of events."));
    }
    match form {
        Form::Binary => binary(request, body),
        Form::Lines => lines(body),
        Form::List => list(body),
        Form::Either if body.trim_ascii_start().first() == Some(&b'[') => list(body),
        Form::Event | Form::Either => Ok(vec![utf8(body).map(|text| Cow::Borrowed(text.trim()))]),
    }
}

fn form(request: &HttpRequest) -> Result<Form, Problem> {
    let written = request.header("content-type");
    let essence = written.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let is_binary = request.headers.keys().any(|name| name.starts_with("ce-"));
    match essence.as_str() {
        "application/cloudevents+json" => Ok(Form::Event),
        "application/cloudevents-batch+json" => Ok(Form::List),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        other if other.starts_with("application/cloudevents") => Err(Problem::media_type(written)),
        _ if is_binary => Ok(Form::Binary),
        "application/json" => Ok(Form::Either),
        _ => Err(Problem::media_type(written)),
    }
}

/// One event in binary mode. Values of headers are written with percent signs for what HTTP has no place for
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values>).
fn binary<'a>(request: &HttpRequest, body: &[u8]) -> Result<Vec<Text<'a>>, Problem> {
    let named = request.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix("ce-")?, value)));
    let attributes: Vec<(&str, String)> = named.map(|(name, value)| (name, plain(value))).collect();
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Problem::malformed(format!("There are more than {MAX_ATTRIBUTES} ce- headers.")));
    }
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(vec![structured(attributes, request.header("content-type"), body).map(Cow::Owned)])
}

/// The text of a header's value: without quotation marks around it, and with percent signs read; what is none as it is.
fn plain(value: &str) -> String {
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        let coded = match behind {
            [a, b, ..] if *first == b'%' => hex(*a).zip(hex(*b)).and_then(|(a, b)| u8::try_from(a * 16 + b).ok()),
            _ => None,
        };
        bytes.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// An event a line; empty lines are none.
fn lines(body: &[u8]) -> Result<Vec<Text<'_>>, Problem> {
    let mut texts = Vec::new();
    for line in body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        if texts.len() == MAX_EVENTS {
            return Err(too_many());
        }
        texts.push(utf8(line).map(Cow::Borrowed));
    }
    Ok(texts)
}

/// The members of a list, each as it is written.
fn list(body: &[u8]) -> Result<Vec<Text<'_>>, Problem> {
    match list::members(body, MAX_EVENTS) {
        Ok(members) => Ok(members.into_iter().map(|member| utf8(member).map(Cow::Borrowed)).collect()),
        Err(NoList::TooMany) => Err(too_many()),
        Err(NoList::At(at)) => {
            let (line, column) = list::position(body, at);
            Err(Problem::malformed(format!(
                "The body is no JSON list of events: line {line}, column {column}. Nothing of it was taken. In \
                 application/x-ndjson a bad event costs no other, whatever is wrong with it."
            )))
        }
    }
}

fn too_many() -> Problem {
    Problem::too_large(format!("There are more than {MAX_EVENTS} events in it. Send them in several requests."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> HttpRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HttpRequest { headers, ..HttpRequest::default() }
    }

    fn read(kind: &str, body: &[u8]) -> Result<Vec<Result<String, EnvelopeError>>, u16> {
        let texts =
            texts(&request(&[("content-type", kind)]), body).map_err(|problem| problem.response().status_code)?;
        Ok(texts.into_iter().map(|text| text.map(Cow::into_owned)).collect())
    }

    fn good(texts: &[&str]) -> Vec<Result<String, EnvelopeError>> {
        texts.iter().map(|text| Ok((*text).to_owned())).collect()
    }

    #[test]
    fn each_form_gives_the_texts_of_its_events_to_the_byte() {
        for (kind, body, wanted) in [
            ("application/cloudevents+json", " {\"b\":1.10,\"a\":2}\r\n", good(&["{\"b\":1.10,\"a\":2}"])),
            ("application/cloudevents+json; charset=utf-8", "nonsense", good(&["nonsense"])),
            (
                "Application/CloudEvents-Batch+JSON",
                "[{\"a\": 1} ,\n{\"a\":1e400}, 7]",
                good(&["{\"a\": 1}", "{\"a\":1e400}", "7"]),
            ),
            ("application/cloudevents-batch+json", "[]", good(&[])),
            (
                "application/x-ndjson",
                "\u{feff}{\"a\":1}\r\n\n  {\"a\":2}\nnonsense",
                good(&["{\"a\":1}", "{\"a\":2}", "nonsense"]),
            ),
            ("application/json", "[{}]", good(&["{}"])),
            ("application/json", "{}", good(&["{}"])),
        ] {
            assert_eq!(read(kind, body.as_bytes()).unwrap(), wanted, "{kind}");
        }
    }

    #[test]
    fn an_event_that_is_no_text_costs_itself_alone() {
        let bodies: [(&str, &[u8]); 2] = [
            ("application/x-ndjson", b"{}\n\"\xff\"\n{}"),
            ("application/cloudevents-batch+json", b"[{}, \"\xff\",{}]"),
        ];
        for (kind, body) in bodies {
            let wanted = [Ok("{}".to_owned()), Err(EnvelopeError::NotUtf8 { valid_up_to: 1 }), Ok("{}".to_owned())];
            assert_eq!(read(kind, body).unwrap(), wanted, "{kind}");
        }
    }

    #[test]
    fn what_is_no_list_or_has_no_event_or_too_many_is_refused_as_a_whole() {
        let many = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert_eq!(read("application/cloudevents-batch+json", many(1000).as_bytes()).unwrap().len(), 1000);
        assert_eq!(read("application/x-ndjson", "1\n".repeat(1001).as_bytes()), Err(413));
        for (kind, body, status) in [
            ("application/cloudevents-batch+json", many(1001).as_bytes(), 413),
            ("application/cloudevents-batch+json", b"{}", 400),
            ("application/cloudevents-batch+json", b"[{},]", 400),
            ("application/cloudevents-batch+json", b"[] x", 400),
            ("application/x-ndjson", b" \r\n \n", 400),
            ("application/cloudevents+json", b"", 400),
            ("text/plain", b"{}", 415),
            ("", b"{}", 415),
            ("application/cloudevents+avro", b"{}", 415),
        ] {
            assert_eq!(read(kind, body), Err(status), "{kind} {:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn in_binary_mode_the_headers_are_the_attributes() {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "a%20%22b%22"),
            ("ce-source", "/a"),
            ("ce-type", "\"t\""),
            ("ce-subject", "50% of %C3%A9"),
            ("content-type", "application/json"),
        ];
        let read = texts(&request(&headers), b" {\"x\": 1}").unwrap();
        let text = read[0].as_ref().unwrap();
        for part in [r#""id":"a \"b\"""#, r#""type":"t""#, r#""subject":"50% of é""#, r#""data":{"x": 1}}"#] {
            assert!(text.contains(part), "{text}");
        }
        let broken = texts(&request(&headers), b"{").unwrap();
        assert!(matches!(broken[0], Err(EnvelopeError::NotJson { .. })), "{broken:?}");
    }

    proptest! {
        #[test]
        fn no_body_makes_reading_panic(body: Vec<u8>, kind in 0_usize..5) {
            let kinds = ["application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson", "application/json", "text/csv"];
            let headers = [("content-type", kinds[kind]), ("ce-id", "1")];
            let _read = texts(&request(&headers), &body);
        }

        #[test]
        fn a_headers_value_that_was_escaped_is_read_back(value: String) {
            let escaped = value.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(plain(&escaped), value);
        }
    }
}
