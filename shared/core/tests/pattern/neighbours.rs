//! Each sink is judged by itself: what stands beside it in the tenant's file, and in which order, changes nothing.

use acequia_core::event::envelope::Envelope;
use acequia_core::routing::{Routes, TypeRule};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Matchers over few values, so that the patterns of several sinks meet on the same fields and the same values.
const MATCHERS: [&str; 22] = [
    "\"a\"",
    "\"ab\"",
    "\"vip\"",
    "\"\"",
    "5",
    "100",
    "true",
    "null",
    "{\"prefix\":\"a\"}",
    "{\"suffix\":\"b\"}",
    "{\"prefix\":\"\"}",
    "{\"equals-ignore-case\":\"VIP\"}",
    "{\"wildcard\":\"a*\"}",
    "{\"numeric\":[\">=\",100]}",
    "{\"numeric\":[\"<\",10]}",
    "{\"numeric\":[\">\",0,\"<\",10]}",
    "{\"anything-but\":[3]}",
    "{\"anything-but\":[\"abc\",\"a\"]}",
    "{\"anything-but\":{\"prefix\":\"a\"}}",
    "{\"exists\":true}",
    "{\"exists\":false}",
    "{\"cidr\":\"10.0.0.0/8\"}",
];
const VALUES: [&str; 18] = [
    "\"a\"",
    "\"ab\"",
    "\"abc\"",
    "\"vip\"",
    "\"VIP\"",
    "\"q\"",
    "\"\"",
    "\"10.1.2.3\"",
    "0",
    "5",
    "7",
    "301.8",
    "100",
    "true",
    "null",
    "[]",
    "[\"a\",5]",
    "{\"x\":1}",
];
const FIELDS: [&str; 3] = ["a", "b", "n"];

fn pattern() -> impl Strategy<Value = String> {
    let matchers = subsequence(MATCHERS.to_vec(), 1..3).prop_map(|list| format!("[{}]", list.join(",")));
    subsequence(FIELDS.to_vec(), 1..=3).prop_flat_map(move |fields| {
        prop::collection::vec(matchers.clone(), fields.len()).prop_map(move |lists| {
            let members: Vec<String> =
                fields.iter().zip(lists).map(|(field, list)| format!("\"{field}\":{list}")).collect();
            format!("{{\"data\":{{{}}}}}", members.join(","))
        })
    })
}

fn event() -> impl Strategy<Value = String> {
    // Fields may be missing, and repeated.
    prop::collection::vec((select(FIELDS.to_vec()), select(VALUES.to_vec())), 0..5).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{{{}}}}}"#, members.join(","))
    })
}

/// Which of the sinks take the event, by their numbers.
fn taken(sinks: &[(usize, &String)], event: &str) -> Vec<String> {
    let mut routes = Routes::default();
    for (number, pattern) in sinks {
        routes.add(format!("s{number}").parse().unwrap(), vec![TypeRule::Any], Some(pattern)).unwrap();
    }
    let envelope = Envelope::parse(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, event.as_bytes()).unwrap();
    let mut taken: Vec<String> = routes.route(&envelope).unwrap().taken.iter().map(ToString::to_string).collect();
    taken.sort();
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_sink_takes_beside_others_in_any_order_what_it_takes_alone(
        patterns in prop::collection::vec(pattern(), 2..9),
        event in event(),
        turn in 0..8usize,
    ) {
        let mut sinks: Vec<(usize, &String)> = patterns.iter().enumerate().collect();
        let mut alone: Vec<String> = sinks.iter().flat_map(|sink| taken(std::slice::from_ref(sink), &event)).collect();
        alone.sort();
        prop_assert_eq!(&taken(&sinks, &event), &alone);
        sinks.reverse();
        prop_assert_eq!(&taken(&sinks, &event), &alone);
        let middle = turn % sinks.len();
        sinks.rotate_left(middle);
        prop_assert_eq!(&taken(&sinks, &event), &alone);
    }
}

/// Pairs of sinks on one field of which one automaton for both gave the second what the first takes.
#[test]
fn an_exact_value_beside_an_operator_on_the_same_field_takes_that_value_alone() {
    for (first, second, data) in [
        (r#"{"n":[{"numeric":[">=",100]}]}"#, r#"{"n":[100]}"#, r#"{"n":301.8}"#),
        (r#"{"n":[{"numeric":["<",10]}]}"#, r#"{"n":[5]}"#, r#"{"n":7}"#),
        (r#"{"a":[{"equals-ignore-case":"vip"}]}"#, r#"{"a":["vip"],"b":[true]}"#, r#"{"a":"VIP","b":true}"#),
        (r#"{"n":[{"anything-but":[3]}]}"#, r#"{"n":[5]}"#, r#"{"n":7}"#),
        (r#"{"n":[{"anything-but":["abc","a"]}]}"#, r#"{"n":["a","b"]}"#, r#"{"n":"q"}"#),
        (r#"{"n":[{"prefix":""}]}"#, r#"{"n":["1"]}"#, r#"{"n":"s"}"#),
    ] {
        let [first, second] = [first, second].map(|data| format!(r#"{{"data":{data}}}"#));
        let event = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
        assert_eq!(taken(&[(1, &first), (2, &second)], &event), ["s1"], "{second} takes {data}");
        assert_eq!(taken(&[(2, &second), (1, &first)], &event), ["s1"], "{second} takes {data}");
    }
}
