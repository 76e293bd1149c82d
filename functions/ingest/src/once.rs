//! What is taken once: a request by its `Idempotency-Key`
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>), and events by their identity.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use acequia_core::event::envelope::Envelope;
use acequia_core::id::{TenantId, digest};
use acequia_core::intake::once::REQUEST_KEPT;
use acequia_core::intake::{Entry, EntryKey, Once, State};
use acequia_core::outcome::Cause;
use acequia_core::port::{Chance, IntakeStore};
use acequia_core::time::after;
use acequia_lambda::Timing;
use acequia_lambda::http::HttpRequest;

use crate::answer::{Decided, EventResult, Refusal, Results};
use crate::problem::Problem;

/// The header.
const HEADER: &str = "idempotency-key";
/// The longest key.
const MAX_KEY: usize = 255;

/// What a client calls its request by; `None` where it does not.
pub(crate) fn key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let Some(written) = request.header(HEADER) else { return Ok(None) };
    let written = written.trim();
    let key = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
    let is_one = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if is_one { Ok(Some(key)) } else { Err(Problem::idempotency_key()) }
}

/// The digest of what a request asks for: its body, and what says how that is read.
pub(crate) fn content(request: &HttpRequest) -> String {
    let mut text = String::new();
    let of_body = |name: &str| name.starts_with("ce-") || name == "content-type" || name == "content-encoding";
    for (name, value) in request.headers.iter().filter(|(name, _)| of_body(name)) {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name}:{}:{value}", value.len());
    }
    let body = request.body.as_bytes().unwrap_or_default();
    digest(&[text.as_bytes(), b"\n", body].concat())
}

/// A request that has begun under its key.
pub(crate) struct Begun {
    key: EntryKey,
    entry: Entry,
    /// What became of its events the last time, where it was not finished then.
    pub(crate) before: Option<Results>,
}

/// How a request with a key goes on.
pub(crate) enum Request {
    /// It is done now.
    Begun(Begun),
    /// It was done before.
    Replayed(Results),
}

fn running(content: String, kept: Duration, chance: &dyn Chance, timing: Timing<'_>) -> Entry {
    Entry {
        content,
        state: State::Running,
        claim: chance.token(),
        lease_until: timing.deadline.lease(),
        answer: None,
        expires_at: after(timing.clock.now(), kept),
    }
}

/// Begins a request under its key. `by` is who asks: two producers of a tenant may use the same key.
pub(crate) async fn begin(
    store: &impl IntakeStore,
    tenant: &TenantId,
    (by, key): (&str, &str),
    request: &HttpRequest,
    events: usize,
    chance: &dyn Chance,
    timing: Timing<'_>,
) -> Result<Request, Problem> {
    let key = EntryKey::request(&format!("{by}\n{key}"));
    let entry = running(content(request), REQUEST_KEPT, chance, timing);
    let wanted = [(key.clone(), entry.clone())];
    let answer = timing.for_effects(store.begin(tenant, &wanted, timing.clock.now())).await;
    let answer = answer.and_then(|answers| answers.into_iter().next());
    match answer {
        Some(Ok(Once::Begun(before))) => {
            let before = before.and_then(|stored| Results::read(&stored, events));
            Ok(Request::Begun(Begun { key, entry, before }))
        }
        Some(Ok(Once::Done(stored))) => {
            let read = stored.and_then(|stored| Results::read(&stored, events)).map(Request::Replayed);
            read.ok_or_else(|| {
                tracing::error!(tenant.id = %tenant, "the stored answer of a request cannot be read");
                Problem::unavailable()
            })
        }
        Some(Ok(Once::Running(left))) => Err(Problem::key_running(left)),
        Some(Ok(Once::Conflict)) => Err(Problem::key_reused()),
        Some(Err(error)) => {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the memory of requests does not answer");
            Err(Problem::unavailable())
        }
        None => Err(Problem::unavailable()),
    }
}

/// Writes what became of a request. Where that fails its events are taken all the same, and the entry's lease ends: the
/// request then is one that may be done again.
pub(crate) async fn end(
    store: &impl IntakeStore,
    tenant: &TenantId,
    begun: Begun,
    results: &Results,
    timing: Timing<'_>,
) {
    let state = if results.not_taken > 0 { State::Partial } else { State::Done };
    let entry = Entry { state, answer: Some(results.stored()), ..begun.entry };
    let ended = [(begun.key, entry)];
    let answer = timing.for_settling(store.end(tenant, &ended)).await;
    if !matches!(answer.as_deref(), Some([Ok(())])) {
        tracing::warn!(tenant.id = %tenant, error = ?answer, "the answer to a request could not be stored");
    }
}

/// Events that are taken once, and what is decided of them already.
pub(crate) struct Events {
    kept: Duration,
    /// By the place of the event: its key and entry, where it is this request that takes it.
    begun: BTreeMap<usize, (EntryKey, Entry)>,
    /// By the place of a repetition within the request: the place of the first one.
    repeated: BTreeMap<usize, usize>,
    /// By the place of the event: what became of it before.
    pub(crate) decided: BTreeMap<usize, EventResult>,
}

fn conflict() -> EventResult {
    EventResult::Refused(Refusal::of(&Cause::PayloadConflict))
}

/// Begins events, each by its identity.
pub(crate) async fn begin_events(
    store: &impl IntakeStore,
    tenant: &TenantId,
    events: &[(usize, Envelope)],
    kept: Duration,
    chance: &dyn Chance,
    timing: Timing<'_>,
) -> Events {
    let mut begun = Events { kept, begun: BTreeMap::new(), repeated: BTreeMap::new(), decided: BTreeMap::new() };
    let mut first: BTreeMap<EntryKey, (usize, String)> = BTreeMap::new();
    let mut wanted = Vec::with_capacity(events.len());
    for (place, envelope) in events {
        let (key, content) = (EntryKey::event(&envelope.event), digest(envelope.body.as_bytes()));
        match first.get(&key) {
            Some((of, same)) if *same == content => {
                begun.repeated.insert(*place, *of);
            }
            Some(_) => {
                begun.decided.insert(*place, conflict());
            }
            None => {
                first.insert(key.clone(), (*place, content.clone()));
                wanted.push((*place, (key, running(content, kept, chance, timing))));
            }
        }
    }
    let (places, entries): (Vec<usize>, Vec<(EntryKey, Entry)>) = wanted.into_iter().unzip();
    let answers = timing.for_effects(store.begin(tenant, &entries, timing.clock.now())).await;
    let mut answers = answers.unwrap_or_default().into_iter();
    for (place, entry) in places.into_iter().zip(entries) {
        match answers.next() {
            Some(Ok(Once::Begun(_))) => {
                begun.begun.insert(place, entry);
            }
            Some(Ok(Once::Done(_))) => {
                begun.decided.insert(place, EventResult::Duplicate);
            }
            Some(Ok(Once::Conflict)) => {
                begun.decided.insert(place, conflict());
            }
            // Another request may be at it, and may not get through with it.
            Some(Ok(Once::Running(_))) => {
                begun.decided.insert(place, EventResult::NotTaken);
            }
            Some(Err(error)) => {
                tracing::warn!(tenant.id = %tenant, error = ?error, "the memory of events does not answer");
                begun.decided.insert(place, EventResult::NotTaken);
            }
            None => {
                begun.decided.insert(place, EventResult::NotTaken);
            }
        }
    }
    begun
}

impl Events {
    /// Whether the event at this place is to be sent.
    pub(crate) fn sends(&self, place: usize) -> bool {
        self.begun.contains_key(&place)
    }

    /// What became of the event at a place that repeats another of the request.
    pub(crate) fn of_repeated(&self, results: &mut Decided) {
        for (place, first) in &self.repeated {
            let result = match results.get(*first) {
                Some(EventResult::Accepted) => EventResult::Duplicate,
                Some(other) => other.clone(),
                None => EventResult::NotTaken,
            };
            results.put(*place, result);
        }
    }

    /// Writes which events SQS has, and forgets the others. Where that fails an event that SQS has may come once more
    /// after its lease, and one that it does not have may be taken then.
    pub(crate) async fn end(self, store: &impl IntakeStore, tenant: &TenantId, results: &Decided, timing: Timing<'_>) {
        let expires_at = after(timing.clock.now(), self.kept);
        let (mut done, mut not_taken) = (Vec::new(), Vec::new());
        for (place, (key, entry)) in self.begun {
            if results.get(place) == Some(&EventResult::Accepted) {
                done.push((key, Entry { state: State::Done, expires_at, ..entry }));
            } else {
                not_taken.push(key);
            }
        }
        let both = async { futures::join!(store.end(tenant, &done), store.forget(tenant, &not_taken)) };
        let failed = match timing.for_settling(both).await {
            Some((ended, forgotten)) => {
                ended.into_iter().chain(forgotten).find_map(Result::err).map(|e| format!("{e:?}"))
            }
            None => Some("there was no time left".to_owned()),
        };
        if let Some(error) = failed {
            tracing::warn!(tenant.id = %tenant, error, "which events were taken could not be stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(value: &str) -> HttpRequest {
        HttpRequest { headers: [(HEADER.to_owned(), value.to_owned())].into(), ..HttpRequest::default() }
    }

    #[test]
    fn a_key_stands_with_or_without_quotation_marks() {
        for value in ["8e03978e-40d5-43dd-bc93-6894a57f9324", " \"8e03978e-40d5-43dd-bc93-6894a57f9324\" "] {
            assert_eq!(key(&request(value)), Ok(Some("8e03978e-40d5-43dd-bc93-6894a57f9324")));
        }
        assert_eq!(key(&HttpRequest::default()), Ok(None));
        for bad in ["", "\"\"", "a b", "a\"b", "é", &"x".repeat(256)] {
            assert_eq!(key(&request(bad)).unwrap_err().kind(), "idempotency-key", "{bad}");
        }
    }

    #[test]
    fn the_content_is_the_body_and_what_says_how_to_read_it() {
        let of = |kind: &str, body: &str| {
            let body = acequia_lambda::http::Body::Text(body.to_owned());
            content(&HttpRequest {
                headers: [("content-type".to_owned(), kind.to_owned())].into(),
                body,
                ..request("k")
            })
        };
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_ne!(of("a", "b"), of("a", "c"));
        assert_ne!(of("a", "b"), of("ab", ""));
    }
}
