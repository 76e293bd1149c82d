//! Tests of events: what is taken, what is refused and why.

use super::*;

fn parse(body: &[u8]) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, body)
}

fn receive(body: &str) -> Result<Received, EnvelopeError> {
    Envelope::receive(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, body)
}

fn with(extra: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"action.signed"{extra}}}"#)
}

#[test]
fn an_event_keeps_its_bytes_and_its_order() {
    let body =
        "{ \"type\":\"t\",  \"data\":{\"z\":1.10,\"a\":1e400},\"source\":\"/a\",\"id\":\"1\",\"specversion\":\"1.0\"}";
    assert_eq!(parse(body.as_bytes()).unwrap().body, body);
}

#[test]
fn each_kind_of_bad_body_has_its_own_error() {
    let deep = with(&format!(r#","data":{}{}"#, "[".repeat(72), "]".repeat(72)));
    let large = with(&format!(r#","data":"{}""#, "x".repeat(MAX_EVENT_BYTES)));
    let cases: [(&[u8], EnvelopeError); 14] = [
        (b"{", EnvelopeError::NotJson { line: 1, column: 1 }),
        (b"hello", EnvelopeError::NotJson { line: 1, column: 1 }),
        (b"", EnvelopeError::NotJson { line: 1, column: 0 }),
        (b"[1,2", EnvelopeError::NotJson { line: 1, column: 4 }),
        (b"[]", EnvelopeError::NotCloudEvents("it is a list; send one event per message")),
        (b"\"x\"", EnvelopeError::NotCloudEvents("it is not an object")),
        (b"{}", EnvelopeError::Missing("specversion")),
        (br#"{"specversion":"0.3"}"#, EnvelopeError::SpecVersion),
        (br#"{"specversion":"1.0"}"#, EnvelopeError::Missing("id")),
        (br#"{"specversion":"1.0","id":"1","source":"/a"}"#, EnvelopeError::Missing("type")),
        (br#"{"specversion":"1.0","id":"1","type":"t"}"#, EnvelopeError::Missing("source")),
        (b"{\"a\":\"\xff\"}", EnvelopeError::NotUtf8 { valid_up_to: 6 }),
        (deep.as_bytes(), EnvelopeError::TooDeep),
        (large.as_bytes(), EnvelopeError::TooLarge { bytes: large.len() }),
    ];
    for (body, error) in cases {
        assert_eq!(parse(body).unwrap_err(), error, "{}", String::from_utf8_lossy(&body[..body.len().min(80)]));
    }
}

#[test]
fn malformed_attributes_are_named() {
    for (extra, attribute) in [(r#","subject":1"#, "subject"), (r#","partitionkey":"""#, "partitionkey")] {
        let error = parse(with(extra).as_bytes()).unwrap_err();
        assert!(matches!(error, EnvelopeError::Malformed { attribute: a, .. } if a == attribute), "{error}");
    }
    let spaced = br#"{"specversion":"1.0","id":"1","source":"a b","type":"t"}"#;
    assert!(matches!(parse(spaced), Err(EnvelopeError::Malformed { attribute: "source", .. })));
}

#[test]
fn an_attribute_that_stands_twice_is_refused_whichever_way_it_is_written() {
    let twice = with(r#","\u0069d":"2""#);
    assert!(matches!(parse(twice.as_bytes()), Err(EnvelopeError::NotCloudEvents(_))));
}

#[test]
fn the_extension_of_ours_may_name_the_own_tenant_and_no_other_and_what_else_is_called_tenant_is_the_producers() {
    assert!(parse(with(r#","acequiatenant":"acme""#).as_bytes()).is_ok());
    assert_eq!(parse(with(r#","acequiatenant":"bona""#).as_bytes()).unwrap_err(), EnvelopeError::ForeignTenant);
    assert!(receive(&with(r#","tenant":"customer-7","tenantid":7"#)).unwrap().admit(true).is_ok());
}

#[test]
fn attributes_may_have_1024_bytes_and_no_more() {
    for name in ["subject", "partitionkey"] {
        let of = |bytes: usize| receive(&with(&format!(r#","{name}":"{}""#, "x".repeat(bytes))));
        assert!(of(1024).unwrap().admit(true).is_ok(), "{name}");
        assert!(matches!(of(1025), Err(EnvelopeError::Malformed { attribute, .. }) if attribute == name));
    }
    let long = "x".repeat(1024);
    for (id, source, kind) in [(&*long, "/a", "t"), ("1", &*long, "t"), ("1", "/a", &*long)] {
        let event = format!(r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"{kind}"}}"#);
        assert!(receive(&event).unwrap().admit(true).is_ok());
    }
    let both = format!(r#"{{"specversion":"1.0","id":"{long}","source":"{long}","type":"t"}}"#);
    let error = receive(&both).unwrap_err().to_string();
    assert!(error.contains("2000 bytes together"), "{error}");
}

#[test]
fn nothing_is_read_behind_the_256th_member_so_that_their_number_costs_no_time() {
    let members = |count: usize| (0..count).map(|n| format!(r#","x{n}":0"#)).collect::<Vec<_>>().concat();
    assert!(receive(&with(&members(MAX_MEMBERS - 4))).unwrap().admit(true).is_ok());
    let refused = EnvelopeError::NotCloudEvents("it has more than 256 attributes at its top");
    assert_eq!(receive(&with(&members(MAX_MEMBERS - 3))).unwrap_err(), refused);
    assert_eq!(receive(&with(&members(90_000))).unwrap_err(), refused);
    // What is broken further on is not seen any more.
    assert_eq!(receive(&with(&format!("{},nonsense", members(MAX_MEMBERS)))).unwrap_err(), refused);
    // It is still known by its name.
    let named = Named::read(&with(&members(90_000)));
    assert_eq!(named.event.unwrap().to_string(), "/a|1");
}

#[test]
fn a_producer_can_send_no_event_of_ours_nor_of_procas() {
    let of = |source: &str, kind: &str| {
        receive(&format!(r#"{{"specversion":"1.0","id":"17:deliver:5","source":"{source}","type":"{kind}"}}"#))
    };
    for source in
        ["/acequia", "/acequia/consent", "/%61cequia/consent", "/ACEQUIA%2Fconsent", "/acequia?x", "/proca", "/proca/x"]
    {
        let refused = of(source, "t").unwrap_err();
        assert!(matches!(refused, EnvelopeError::Malformed { attribute: "source", .. }), "{source}: {refused}");
    }
    for kind in ["acequia.consent.rejected", "Acequia.x"] {
        let refused = of("/a", kind).unwrap_err();
        assert!(matches!(refused, EnvelopeError::Malformed { attribute: "type", .. }), "{kind}: {refused}");
    }
    for (source, kind) in
        [("/acequia-notes", "t"), ("/a/acequia/x", "t"), ("/a", "acequiaduct"), ("/a", "proca.action.deliver")]
    {
        assert!(of(source, kind).is_ok(), "{source} {kind}");
    }
    // Proca's own messages are its own, and behind the intake nothing is refused.
    assert!(receive(r#"{"schema":"proca:action:2","stage":"deliver","actionId":17,"orgId":5}"#).is_ok());
    assert!(parse(br#"{"specversion":"1.0","id":"1","source":"/acequia/consent","type":"acequia.x"}"#).is_ok());
}

#[test]
fn an_expiry_is_the_moment_that_rfc_3339_says_and_nothing_else() {
    let expiry =
        |text: &str| receive(&with(&format!(r#","expirytime":"{text}""#))).map(|event| event.envelope.expires_at);
    let at = |text: &str| Ok(Some(text.parse::<Timestamp>().unwrap()));
    assert_eq!(expiry("2030-01-01T02:00:00+02:00"), at("2030-01-01T00:00:00Z"));
    assert_eq!(expiry("2030-01-01t00:00:00.1234567891234z"), at("2030-01-01T00:00:00.123456789Z"));
    assert_eq!(expiry("2030-12-31T23:59:60Z"), at("2030-12-31T23:59:59Z"));
    for bad in
        ["2030-01-01 00:00:00Z", "2030-01-01T00:00:00Z[Europe/Paris]", "2030-01-01T00:00:00+05", "2030-01-01T00:00Z"]
    {
        assert!(matches!(expiry(bad), Err(EnvelopeError::Malformed { attribute: "expirytime", .. })), "{bad}");
    }
}

#[test]
fn an_event_of_ours_may_hold_one_that_nests_as_deep_as_the_intake_takes() {
    let deep = with(&format!(r#","data":{}{}"#, "[".repeat(63), "]".repeat(63)));
    assert!(receive(&deep).is_ok());
    let around = with(&format!(r#","data":{{"event":{deep}}}"#));
    assert_eq!(receive(&around).unwrap_err(), EnvelopeError::TooDeep);
    assert!(parse(around.as_bytes()).is_ok());
}

#[test]
fn what_is_wrong_with_a_body_can_be_told_with_its_place_or_without() {
    let error = parse(b"{\n \"a\" 1}").unwrap_err();
    assert_eq!((error.position(), &*error.problem()), (Some((2, 6)), "it is not JSON"));
    assert_eq!(error.to_string(), "the body is not JSON: line 2, column 6");
    let error = parse(b"{}").unwrap_err();
    assert_eq!((error.position(), error.problem()), (None, error.to_string()));
}
