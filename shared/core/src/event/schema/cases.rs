//! What schemas are taken, and what fits them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event(data: &str) -> Envelope {
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
    Envelope::parse(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap()
}

fn misfit_of(schema: Json, data: &str) -> Option<Misfit> {
    Schema::new(schema).misfit(&event(data)).unwrap()
}

fn flaw_of(schema: Json) -> Option<(String, String)> {
    Schema::new(schema).check().err().map(|flaw| (flaw.place, flaw.problem))
}

#[test]
fn a_schema_has_one_draft_refers_to_itself_alone_and_has_an_end() {
    for (schema, place, words) in [
        (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), ".$schema", "draft 2020-12"),
        (json!({"items": {"$schema": "https://json-schema.org/draft/2019-09/schema"}}), ".items.$schema", "2020-12"),
        (json!({"$ref": "https://example.org/x"}), ".$ref", "not within this schema"),
        (json!({"$ref": "other.json"}), ".$ref", "not within this schema"),
        (json!({"$ref": "#name"}), ".$ref", "not within this schema"),
        (json!({"$ref": "#/$defs/a"}), ".$ref", "not there"),
        (json!({"$ref": "#"}), ".$ref", "leads back"),
        (json!({"properties": {"a": {"$ref": "#"}}}), ".properties.a.$ref", "leads back"),
        (json!({"$defs": {"a": {"allOf": [{"$ref": "#/%24defs/a"}]}}}), ".$defs.a.allOf[0].$ref", "leads back"),
        (json!({"$dynamicRef": "#a"}), ".$dynamicRef", "not taken"),
        (json!({"properties": {"a": {"$id": "https://example.org/a"}}}), ".properties.a.$id", "schema itself"),
        (json!({"type": "strnig"}), ".type", "draft 2020-12"),
        (json!({"properties": {"a": 7}}), ".properties.a", "draft 2020-12"),
        (json!({"items": [{}]}), ".items", "draft 2020-12"),
        (json!({"pattern": "("}), ".pattern", "regular expression"),
        (json!({"pattern": "(?<=a)b"}), ".pattern", "regular expression"),
        (json!({"pattern": "(a)\\1"}), ".pattern", "regular expression"),
        (json!({"pattern": "((a{100}){100}){100}"}), ".pattern", "regular expression"),
        (json!({"patternProperties": {"(?!a)": {}}}), ".patternProperties", "regular expression"),
        (json!("{\"type\":"), "", "not JSON"),
        (json!(7), "", "draft 2020-12"),
    ] {
        let (found, problem) = flaw_of(schema.clone()).unwrap_or_else(|| panic!("{schema} was taken"));
        assert!(found.starts_with(place) && problem.contains(words), "{schema}: {found}: {problem}");
    }
    for schema in [
        json!(true),
        json!(false),
        json!({}),
        json!("{\"type\": \"object\"}"),
        json!({"$schema": DRAFT, "$id": "https://acme.example/signed.json", "$ref": "#/$defs/a", "$defs": {"a": {}}}),
        json!({"$defs": {"a/b": {}}, "items": {"$ref": "#/$defs/a~1b"}, "not": {"$ref": "#/$defs/a~1b"}}),
        json!({"x-own": {"$ref": "https://example.org/"}, "enum": [{"$ref": "https://example.org/"}]}),
        json!({"pattern": "^\\p{L}{1,20}$"}),
        json!({"format": "regex"}),
        json!({"format": "int32"}),
    ] {
        assert_eq!(flaw_of(schema.clone()), None, "{schema}");
    }
}

#[test]
fn a_schema_is_bounded_in_bytes_places_depth_and_regular_expressions() {
    let nested = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({ "not": inner }));
    // Each level refers twice to the next.
    let doubling = |levels: usize| {
        let defs: serde_json::Map<String, Json> = (0..levels)
            .map(|level| {
                let next =
                    if level + 1 == levels { json!({}) } else { json!({"$ref": format!("#/$defs/{}", level + 1)}) };
                (level.to_string(), json!({"allOf": [next, next]}))
            })
            .collect();
        json!({ "$ref": "#/$defs/0", "$defs": defs })
    };
    let patterns = |count: usize| {
        let all: serde_json::Map<String, Json> =
            (0..count).map(|number| (format!("^{number}[a-z]"), json!({}))).collect();
        json!({ "patternProperties": all })
    };
    for (schema, words) in [
        (json!({"description": "x".repeat(MAX_SCHEMA_BYTES)}), "bytes as JSON"),
        (json!({"enum": vec![0; MAX_PLACES]}), "places"),
        (doubling(30), "places"),
        (nested(64), "nests deeper"),
        (patterns(101), "more than 100 regular expressions"),
        (json!({"pattern": "a".repeat(1001)}), "1001 bytes"),
    ] {
        let (_, problem) = flaw_of(schema).unwrap();
        assert!(problem.contains(words), "{words}: {problem}");
    }
    for schema in [json!({"enum": vec![0; MAX_PLACES - 1]}), doubling(10), nested(63), patterns(100)] {
        assert_eq!(flaw_of(schema), None);
    }
}

#[test]
fn formats_of_the_draft_are_checked_and_no_others() {
    for (format, good, bad) in [
        ("email", "ana@example.org", "ana"),
        ("date-time", "2026-01-31T12:00:00Z", "2026-01-31"),
        ("date", "2026-01-31", "2026-02-31"),
        ("uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae"),
        ("uri", "https://a.example/", "a b"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("hostname", "a.example", "-a-"),
    ] {
        let schema = || json!({ "format": format });
        assert_eq!(misfit_of(schema(), &format!("{good:?}")), None, "{format}");
        let misfit = misfit_of(schema(), &format!("{bad:?}")).unwrap_or_else(|| panic!("{bad} is no {format}"));
        assert_eq!(misfit.rule, Rule::Keyword("format".to_owned()));
    }
    for format in ["regex", "int32", "no-such-format"] {
        assert_eq!(misfit_of(json!({ "format": format }), r#""(""#), None, "{format}");
    }
}

#[test]
fn what_is_told_has_neither_values_nor_names_that_the_schema_does_not_know() {
    let schema = || {
        json!({
            "properties": {"people": {"additionalProperties": {"items": {"properties": {"age": {"type": "integer"}}}}}},
            "propertyNames": {"maxLength": 20},
            "patternProperties": {"^x-": {"const": "secret"}},
        })
    };
    for (data, pointer, keyword) in [
        (r#"{"people":{"ana@example.org":[{"age":1},{"age":"ana"}]}}"#, "/data/people/*/1/age", "type"),
        (r#"{"people":{"12":[7,{"age":"ana"}]}}"#, "/data/people/*/1/age", "type"),
        (r#"{"x-ana@example.org":1}"#, "/data/*", "const"),
    ] {
        let misfit = misfit_of(schema(), data).unwrap();
        assert_eq!((misfit.pointer.as_str(), misfit.rule), (pointer, Rule::Keyword(keyword.to_owned())), "{data}");
    }
    let long = misfit_of(schema(), r#"{"ana.maria.lopez@example.org":1}"#).unwrap();
    assert!(!format!("{long:?}").contains("ana"), "{long:?}");
}

#[test]
fn numbers_and_texts_of_any_size_are_checked_as_they_are_read_elsewhere() {
    for (schema, data, fits) in [
        (json!({"maximum": 100}), "1e400", false),
        (json!({"minimum": 100}), "1e400", true),
        (json!({"type": "integer"}), "1.0", true),
        (json!({"type": "integer"}), "123456789012345678901234567890", true),
        (json!({"const": 9_007_199_254_740_993_u64}), "9007199254740993", true),
        (json!({"const": 9_007_199_254_740_993_u64}), "9007199254740992", false),
        (json!({"maxLength": 2}), r#""\ud83d!""#, true),
        (json!({"properties": {"a": {"const": 2}}}), r#"{"a":1,"a":2}"#, true),
    ] {
        assert_eq!(misfit_of(schema.clone(), data).is_none(), fits, "{schema} {data}");
    }
}

#[test]
fn a_large_event_and_a_schema_of_many_places_come_to_a_verdict() {
    // As many alternatives for each value as there may be, of which the last fits, or none.
    let kinds: Vec<Json> = (0..3000).map(|number| json!({"const": number})).collect();
    let schema = Schema::new(json!({"items": {"anyOf": kinds}}));
    let list = |last: &str| format!("[{}{last}]", "2999,".repeat(2000));
    assert_eq!(schema.misfit(&event(&list("2999"))).unwrap(), None);
    assert_eq!(schema.misfit(&event(&list("3000"))).unwrap().unwrap().pointer, "/data/2000");
}

/// Any JSON of a few levels, of words that schemas use.
fn anything() -> impl Strategy<Value = Json> {
    const WORDS: [&str; 24] = [
        "type",
        "object",
        "string",
        "properties",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "$ref",
        "#",
        "#/$defs/a",
        "$defs",
        "a",
        "required",
        "enum",
        "pattern",
        "^a+$",
        "format",
        "unevaluatedProperties",
        "contains",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop::sample::select(WORDS.as_slice()).prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((prop::sample::select(WORDS.as_slice()), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_stands_in_a_schema_and_in_an_event_a_check_ends(schema in anything(), data in anything()) {
        let schema = Schema::new(schema);
        let usable = schema.check().is_ok();
        prop_assert_eq!(schema.misfit(&event(&data.to_string())).is_ok(), usable);
    }
}
