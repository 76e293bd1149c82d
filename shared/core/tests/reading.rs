//! One event has one meaning: who reads it sees the same value at the same place, however oddly it is written.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantSummary;
use acequia_core::routing::{Routes, TypeRule};
use acequia_core::template::{Context, Template};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

/// A scalar as JSON writes it, and what a template prints of it.
type Scalar = (String, String);

/// Numbers and texts that parsers have been seen to differ on.
fn scalar() -> impl Strategy<Value = Scalar> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (any::<i64>(), "[0-9]{1,30}").prop_map(|(whole, fraction)| format!("{whole}.{fraction}")),
        select(vec!["1e400", "-1e400", "0.10", "1e3", "-0", "1E-7", "340282366920938463463374607431768211456"])
            .prop_map(str::to_owned),
    ];
    let text = prop::collection::vec(
        select(vec![
            ("a", "a"),
            ("\\u0062", "b"),
            ("\\ud83d", "\u{fffd}"),
            ("\\ude00 ", "\u{fffd} "),
            ("\\n", "\n"),
            ("\\\"", "\""),
            ("é", "é"),
        ]),
        0..6,
    );
    prop_oneof![
        number.prop_map(|number| (number.clone(), number)),
        text.prop_filter("halves that make a whole", |parts| !parts
            .windows(2)
            .any(|two| two[0].0 == "\\ud83d" && two[1].0 == "\\ude00 "))
            .prop_map(|parts| {
                let (json, text): (String, String) = parts.into_iter().unzip();
                (format!("\"{json}\""), text)
            }),
    ]
}

fn summary() -> TenantSummary {
    TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() }
}

fn event(data: &str) -> Envelope {
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
    Envelope::receive(&summary().id, Timestamp::UNIX_EPOCH, &body).unwrap().admit(true).unwrap()
}

fn rendered(template: &str, event: &Envelope) -> String {
    Template::compile("text", template, false).unwrap().render(&Context::new(&summary(), event)).unwrap()
}

fn takes(pattern: &str, event: &Envelope) -> bool {
    let mut routes = Routes::default();
    routes.add("crm".parse().unwrap(), vec![TypeRule::Any], Some(pattern)).unwrap();
    !routes.route(event).unwrap().taken.is_empty()
}

/// Members of which some have one name, written in two ways.
fn members() -> impl Strategy<Value = Vec<(bool, Scalar)>> {
    prop::collection::vec((any::<bool>(), scalar()), 1..5)
}

proptest! {
    #[test]
    fn a_template_and_a_pattern_see_the_last_of_a_repeated_name_as_it_is_written(members in members(), deep in any::<bool>()) {
        let written: Vec<String> = members
            .iter()
            .map(|(escaped, (json, _))| format!("\"{}\":{json}", if *escaped { "\\u006e" } else { "n" }))
            .collect();
        let object = format!("{{{}}}", written.join(","));
        let (data, path) = if deep { (format!(r#"{{"o":{object}}}"#), "data.o.n") } else { (object, "data.n") };
        let event = event(&data);
        // What the other members of the name say is not there, for nobody.
        let (_, (last, printed)) = members.last().unwrap();
        prop_assert_eq!(&rendered(&format!("{{{{ {path} }}}}"), &event), printed);
        for (_, (json, text)) in &members {
            // A pattern names whole texts: half a surrogate pair is none that a configuration could hold.
            if json.contains("\\ud") {
                continue;
            }
            let wanted = format!(r#"{{"n":[{json}]}}"#);
            let pattern = if deep { format!(r#"{{"data":{{"o":{wanted}}}}}"#) } else { format!(r#"{{"data":{wanted}}}"#) };
            // Whether two numbers that are written differently are one, the patterns' own tests say.
            let number = |json: &str| json.parse::<f64>().ok();
            if json != last && number(json).is_some() && number(json) == number(last) {
                continue;
            }
            let same = json.starts_with('"') == last.starts_with('"') && text == printed;
            prop_assert_eq!(takes(&pattern, &event), same, "{} in {}", pattern, data);
        }
    }
}
