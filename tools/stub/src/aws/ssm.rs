//! The parameter store: every parameter is there, as a signing secret, or as what a tenant's stack allows.

use serde_json::{Value as Json, json};

use super::{Refusal, Taken, entries, text};
use crate::count::{Tally, count};
use crate::fixture::{PASSWORD, SECRET};
use crate::latency::Latencies;

/// Allows what the fixture's tenant asks for.
const GRANTS: &str =
    r#"{"senders":"acme.example","targets":"arn:aws:events:*:event-bus/partners,postgresql://acequia@localhost:*"}"#;

pub(super) fn take(latencies: &Latencies, operation: &str, request: &Json) -> Result<Taken, Refusal> {
    let parameter = |name: &str| {
        let value = match name {
            _ if name.contains("/grants/") => GRANTS,
            _ if name.contains("/database/") => PASSWORD,
            _ => SECRET,
        };
        json!({"Name": name, "Type": "String", "Value": value, "Version": 1, "DataType": "text"})
    };
    let (items, answer) = match operation {
        "GetParameter" => (1, json!({"Parameter": parameter(text(request, "Name")?)})),
        "GetParameters" => {
            let names = entries(request, "/Names", 10)?;
            let found: Vec<Json> = names.iter().filter_map(Json::as_str).map(parameter).collect();
            (found.len(), json!({"Parameters": found, "InvalidParameters": []}))
        }
        _ => return Err(format!("ssm:{operation}: an unknown operation")),
    };
    let tally = Tally { items: count(items), units: 1, ..Tally::default() };
    Ok(Taken { operation: format!("ssm:{operation}"), tally, latency: latencies.ssm, answer })
}
