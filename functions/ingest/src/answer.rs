//! What became of the events of a request: one result each, in order.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::outcome::{Cause, Outcome, Reason};
use acequia_lambda::http::HttpResponse;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, seconds};

/// How long a client waits before it sends again what was not taken.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// The largest answer that is stored: `DynamoDB` takes 400 KB with an item.
const MAX_STORED: usize = 300 * 1024;

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum EventResult {
    /// SQS has it.
    Accepted,
    /// It was accepted before, within the time for which the tenant takes each event once.
    Duplicate,
    /// It will never be taken as it is.
    Refused(Refusal),
    /// It was not taken this time: send it again.
    NotTaken,
}

/// Why an event is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The code, such as `missing-attribute`: the same as on a dead letter.
    pub reason: String,
    /// Where in the event, as a JSON pointer, if it is at one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What is wrong, in words without the event's data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Refusal {
    /// Why the event can never succeed.
    pub(crate) fn of(cause: &Cause) -> Self {
        let Outcome::Quarantine(reason) = cause.outcome() else {
            let remedy =
                "tell the operators of this installation: it is a fault of theirs to mend, and not of the event";
            return Self::named("fault", "the event could not be read, by a fault of ours", remedy);
        };
        Self {
            reason: reason.as_str().to_owned(),
            pointer: cause.pointer(),
            detail: cause.to_string(),
            remedy: remedy(reason).to_owned(),
        }
    }

    pub(crate) fn named(reason: &str, detail: &str, remedy: &str) -> Self {
        Self { reason: reason.to_owned(), pointer: None, detail: detail.to_owned(), remedy: remedy.to_owned() }
    }
}

/// What a producer does about a refusal.
fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::TooLarge => "put what is large where receivers can fetch it, and its address into the event (dataref)",
        Reason::ForeignTenant => "send it to the other tenant's path, or leave the attribute acequiatenant out",
        Reason::PayloadConflict => "give another event another id",
        _ => "mend the event and send it again; the other events of the request are not touched by it",
    }
}

/// The results of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Results {
    /// How many SQS has.
    pub accepted: usize,
    /// How many it had before.
    pub duplicate: usize,
    /// How many are refused.
    pub refused: usize,
    /// How many are to be sent again.
    pub not_taken: usize,
    /// What became of each, in the order of the request.
    pub results: Vec<EventResult>,
}

/// What is decided of the events of a request so far, by their places.
#[derive(Debug, Clone)]
pub(crate) struct Decided(Vec<Option<EventResult>>);

impl Decided {
    /// Nothing is, of so many events.
    pub(crate) fn none(events: usize) -> Self {
        Self(vec![None; events])
    }

    pub(crate) fn get(&self, place: usize) -> Option<&EventResult> {
        self.0.get(place)?.as_ref()
    }

    pub(crate) fn put(&mut self, place: usize, result: EventResult) {
        if let Some(there) = self.0.get_mut(place) {
            *there = Some(result);
        }
    }

    /// The results of all: of what nothing was decided, that was not taken.
    pub(crate) fn all(self) -> Results {
        Results::new(self.0.into_iter().map(|result| result.unwrap_or(EventResult::NotTaken)).collect())
    }
}

/// Results that are a problem: all are refused, or some are to be sent again.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ProblemResults"))]
pub(crate) struct ProblemResults<'a> {
    /// The kind of problem, as an address that explains it.
    r#type: String,
    /// The kind, in words.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What to do.
    detail: &'a str,
    #[serde(flatten)]
    results: &'a Results,
}

impl Results {
    /// Counts them.
    pub fn new(results: Vec<EventResult>) -> Self {
        let count = |is: fn(&EventResult) -> bool| results.iter().filter(|result| is(result)).count();
        Self {
            accepted: count(|result| matches!(result, EventResult::Accepted)),
            duplicate: count(|result| matches!(result, EventResult::Duplicate)),
            refused: count(|result| matches!(result, EventResult::Refused(_))),
            not_taken: count(|result| matches!(result, EventResult::NotTaken)),
            results,
        }
    }

    /// The status of the answer: 503 where something is to be sent again, 422 where all is refused, 207 where some is,
    /// else 202.
    pub fn status(&self) -> u16 {
        match (self.not_taken, self.refused) {
            (1.., _) => 503,
            (0, 0) => 202,
            (0, refused) if refused == self.results.len() => 422,
            (0, _) => 207,
        }
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        let status_code = self.status();
        let mut headers = BTreeMap::from([("cache-control", "no-store".to_owned())]);
        let (kind, title, detail) = match status_code {
            503 => {
                headers.insert("retry-after", seconds(AGAIN_AFTER).to_string());
                (
                    "not-taken",
                    "Some events were not taken",
                    "Send those with the status not-taken again, or all of it with the same Idempotency-Key.",
                )
            }
            422 => ("all-refused", "No event can be taken", "Each result says what is wrong and what to do."),
            _ => {
                headers.insert("content-type", "application/json".to_owned());
                // A struct of texts, numbers and lists always has a JSON form.
                return HttpResponse { status_code, headers, body: serde_json::to_string(self).unwrap_or_default() };
            }
        };
        headers.insert("content-type", "application/problem+json".to_owned());
        let r#type = Problem::address(kind);
        let whole = ProblemResults { r#type, title, status: status_code, detail, results: self };
        HttpResponse { status_code, headers, body: serde_json::to_string(&whole).unwrap_or_default() }
    }

    /// What is stored of them: all, or where that is too much, without the words. Equal results that follow each other
    /// stand there once with their number, so that a request of which all is taken costs one write unit.
    pub(crate) fn stored(&self) -> String {
        let whole = serde_json::to_string(&runs(self.results.iter().cloned())).unwrap_or_default();
        if whole.len() <= MAX_STORED {
            return whole;
        }
        let brief = self.results.iter().map(|result| match result {
            EventResult::Refused(refusal) => EventResult::Refused(Refusal::named(&refusal.reason, "", "")),
            other => other.clone(),
        });
        serde_json::to_string(&runs(brief)).unwrap_or_default()
    }

    /// Reads what was stored; `None` where it is none, or of another number of events.
    pub(crate) fn read(stored: &str, events: usize) -> Option<Self> {
        let runs: Vec<(EventResult, usize)> = serde_json::from_str(stored).ok()?;
        let number = runs.iter().try_fold(0_usize, |sum, (_, times)| sum.checked_add(*times))?;
        let each = |(result, times)| std::iter::repeat_n(result, times);
        (number == events).then(|| Self::new(runs.into_iter().flat_map(each).collect()))
    }
}

/// Equal results that follow each other, with their number.
fn runs(results: impl Iterator<Item = EventResult>) -> Vec<(EventResult, usize)> {
    let mut runs: Vec<(EventResult, usize)> = Vec::new();
    for result in results {
        match runs.last_mut() {
            Some((last, times)) if *last == result => *times += 1,
            _ => runs.push((result, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use acequia_core::event::EnvelopeError;

    use super::*;

    fn refused() -> EventResult {
        EventResult::Refused(Refusal::of(&Cause::Envelope(EnvelopeError::Missing("id"))))
    }

    #[test]
    fn the_status_says_the_worst_that_a_client_has_to_do_something_about() {
        use EventResult::{Accepted, Duplicate, NotTaken};
        for (results, status) in [
            (vec![], 202),
            (vec![Accepted, Duplicate], 202),
            (vec![Accepted, refused()], 207),
            (vec![Duplicate, refused()], 207),
            (vec![refused(), refused()], 422),
            (vec![Accepted, refused(), NotTaken], 503),
            (vec![NotTaken], 503),
        ] {
            let answer = Results::new(results).response();
            assert_eq!(answer.status_code, status);
            assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
        }
    }

    #[test]
    fn a_refusal_names_its_place_and_what_to_do() {
        let answer = Results::new(vec![EventResult::Accepted, refused()]).response();
        assert_eq!(
            answer.body,
            r#"{"accepted":1,"duplicate":0,"refused":1,"not_taken":0,"results":[{"status":"accepted"},{"status":"refused","reason":"missing-attribute","pointer":"/id","detail":"the attribute \"id\" is missing","remedy":"mend the event and send it again; the other events of the request are not touched by it"}]}"#
        );
        let problem = Results::new(vec![refused()]).response();
        let problem: serde_json::Value = serde_json::from_str(&problem.body).unwrap();
        assert!(
            problem["type"].as_str().unwrap().ends_with("#all-refused") && problem["results"][0]["pointer"] == "/id"
        );
    }

    #[test]
    fn results_are_stored_within_their_bound_and_read_back() {
        let results = Results::new(vec![EventResult::Accepted, refused(), EventResult::NotTaken]);
        assert_eq!(Results::read(&results.stored(), 3), Some(results.clone()));
        assert_eq!(Results::read(&results.stored(), 2), None);
        let long = Refusal { pointer: Some("x".repeat(1000)), ..Refusal::named("schema-violated", "", "") };
        let (one, other) =
            (EventResult::Refused(long.clone()), EventResult::Refused(Refusal { reason: "x".to_owned(), ..long }));
        let many = Results::new([one, other].into_iter().cycle().take(1000).collect());
        assert!(many.stored().len() < 100_000);
        assert_eq!(Results::read(&many.stored(), 1000).unwrap().refused, 1000);
    }

    #[test]
    fn a_thousand_equal_results_are_stored_in_less_than_a_write_unit() {
        let results = Results::new(vec![EventResult::Accepted; 1000]);
        assert!(results.stored().len() < 100, "{}", results.stored());
        assert_eq!(Results::read(&results.stored(), 1000), Some(results));
        for stored in
            [r#"[[{"status":"accepted"},18446744073709551615],[{"status":"accepted"},2]]"#, "[]", "{}", "[[1,2]]"]
        {
            assert_eq!(Results::read(stored, 1), None, "{stored}");
        }
    }
}
