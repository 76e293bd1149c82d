//! SES v2: takes every mail that has a sender, a recipient and a content.

use serde_json::{Value as Json, json};

use super::{Refusal, Taken, text};
use crate::count::{Tally, count};
use crate::latency::Latencies;

pub(super) fn take(latencies: &Latencies, method: &str, path: &str, request: &Json) -> Result<Taken, Refusal> {
    if (method, path) != ("POST", "/v2/email/outbound-emails") {
        return Err(format!("ses: {method} {path}: an unknown operation"));
    }
    text(request, "FromEmailAddress")?;
    let to = request.pointer("/Destination/ToAddresses").and_then(Json::as_array).map_or(0, Vec::len);
    if to == 0 || request.pointer("/Content/Simple/Subject/Data").is_none() {
        return Err("ses:SendEmail: a recipient or the content is missing".to_owned());
    }
    let tally = Tally { items: 1, units: count(to), ..Tally::default() };
    let answer = json!({"MessageId": "0100000000000000-00000000-0000-4000-8000-000000000000-000000"});
    Ok(Taken { operation: "ses:SendEmail".to_owned(), tally, latency: latencies.ses, answer })
}
