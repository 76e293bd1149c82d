//! A query with the configuration that it is asked under: which deliveries an archived event comes to.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::query::{InvalidQuery, MAX_EVENTS, MAX_PATTERN_BYTES, MAX_SINKS, MAX_TYPES, Query, Was};
use crate::delivery::Delivery;
use crate::delivery::ledger::{DeliveryRecord, RETENTION, Status};
use crate::event::envelope::Envelope;
use crate::id::{EventId, SinkId};
use crate::kind::SinkKind;
use crate::outcome::Cause;
use crate::routing::{Routes, TypeRule};
use crate::tenant::{Recording, Sink, Tenant};
use crate::wire::Replayed;

/// One delivery that a query chooses.
pub type Candidate = Delivery;

/// A query, ready to be asked of each event.
#[derive(Debug)]
pub struct Selection<'t> {
    tenant: &'t Tenant,
    from: Timestamp,
    to: Timestamp,
    events: BTreeSet<EventId>,
    /// Types and pattern, as the rules of one sink; nothing where the query has neither.
    filter: Option<Routes>,
    sinks: BTreeSet<SinkId>,
    status: Option<Was>,
}

impl<'t> Selection<'t> {
    /// The query under this configuration.
    ///
    /// # Errors
    /// What of it cannot be asked.
    pub fn new(query: &Query, tenant: &'t Tenant, now: Timestamp) -> Result<Self, InvalidQuery> {
        if query.from >= query.to {
            return Err(InvalidQuery::Backwards { from: query.from, to: query.to });
        }
        for (field, has, most) in [
            ("types", query.types.len(), MAX_TYPES),
            ("sinks", query.sinks.len(), MAX_SINKS),
            ("events", query.events.len(), MAX_EVENTS),
            ("the pattern", query.pattern.as_ref().map_or(0, String::len), MAX_PATTERN_BYTES),
        ] {
            if has > most {
                return Err(InvalidQuery::TooMuch { field, has, most });
            }
        }
        check_status(query, tenant, now)?;
        Ok(Self {
            tenant,
            from: query.from,
            to: query.to,
            events: query.events.iter().cloned().collect(),
            filter: filter(query)?,
            sinks: sinks(query, tenant)?,
            status: query.status,
        })
    }

    /// The sinks that it may send to.
    pub fn sinks(&self) -> impl Iterator<Item = &'t Arc<Sink>> {
        self.tenant.sinks.iter().filter(|sink| self.sinks.contains(&sink.id))
    }

    /// Whether the ledger is to be asked about each delivery ([`Self::had`]).
    pub fn asks_ledger(&self) -> bool {
        self.status.is_some()
    }

    /// Whether an event is meant, whoever takes it.
    ///
    /// # Errors
    /// [`Cause::MatchFailed`] where it cannot be read.
    pub fn means(&self, envelope: &Envelope) -> Result<bool, Cause> {
        let in_time = self.from <= envelope.accepted_at && envelope.accepted_at < self.to;
        if !in_time || !(self.events.is_empty() || self.events.contains(&envelope.event)) {
            return Ok(false);
        }
        match &self.filter {
            None => Ok(true),
            Some(filter) => Ok(!filter.route(envelope)?.taken.is_empty()),
        }
    }

    /// The deliveries of an event, as the replay with this mark makes them. Which of them it makes is said by
    /// [`Self::had`] where the ledger is to be asked.
    ///
    /// # Errors
    /// [`Cause::MatchFailed`] where it cannot be read.
    pub fn choose(&self, envelope: &Arc<Envelope>, mark: &Replayed) -> Result<Vec<Candidate>, Cause> {
        let taken = self.tenant.routes.route(envelope)?.taken;
        let chosen = taken.into_iter().filter(|sink| self.sinks.contains(sink));
        Ok(chosen.map(|sink| Delivery::new(sink, Arc::clone(envelope)).replayed(Some(mark.clone()))).collect())
    }

    /// Whether the first delivery, by what the ledger has of it, came to what is asked for.
    pub fn had(&self, first: Option<&DeliveryRecord>) -> bool {
        let status = first.map(|record| record.status);
        match self.status {
            None => true,
            Some(Was::Failed) => matches!(status, Some(Status::Quarantined | Status::Expired)),
            Some(Was::Unmatched) => matches!(status, None | Some(Status::Shadowed)),
            Some(Was::Delivered) => status == Some(Status::Delivered),
        }
    }
}

fn check_status(query: &Query, tenant: &Tenant, now: Timestamp) -> Result<(), InvalidQuery> {
    let Some(status) = query.status else { return Ok(()) };
    if tenant.record == Recording::Failures && status != Was::Failed {
        return Err(InvalidQuery::NotRecorded(status));
    }
    let remembered = now.checked_sub(RETENTION).unwrap_or(Timestamp::MIN);
    // A record lives from when it was written, which is after its event was accepted.
    if query.from < remembered { Err(InvalidQuery::Forgotten(remembered)) } else { Ok(()) }
}

fn filter(query: &Query) -> Result<Option<Routes>, InvalidQuery> {
    if query.types.is_empty() && query.pattern.is_none() {
        return Ok(None);
    }
    let rule = |text: &String| {
        text.parse::<TypeRule>().map_err(|wants| InvalidQuery::Type { text: text.chars().take(200).collect(), wants })
    };
    let mut types = query.types.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    if types.is_empty() {
        // All, the platform's own too: which sinks take those is said by their own rules.
        types = vec![TypeRule::Any, TypeRule::Below("acequia.".to_owned())];
    }
    let mut routes = Routes::default();
    let own = "query".parse().map_err(|_| InvalidQuery::Pattern("it has no name".to_owned()))?;
    routes.add(own, types, query.pattern.as_deref()).map_err(|error| InvalidQuery::Pattern(error.to_string()))?;
    Ok(Some(routes))
}

fn sinks(query: &Query, tenant: &Tenant) -> Result<BTreeSet<SinkId>, InvalidQuery> {
    let known = || tenant.sinks.iter().map(|sink| sink.id.clone()).collect();
    if query.sinks.is_empty() {
        let takes = |sink: &&Arc<Sink>| refuses(sink).is_none() && sink.kind() != SinkKind::Email;
        let sinks: BTreeSet<SinkId> = tenant.sinks.iter().filter(takes).map(|sink| sink.id.clone()).collect();
        return if sinks.is_empty() { Err(InvalidQuery::Nowhere { known: known() }) } else { Ok(sinks) };
    }
    for named in &query.sinks {
        let Some(sink) = tenant.sinks.iter().find(|sink| sink.id == *named) else {
            return Err(InvalidQuery::NoSink { sink: named.clone(), known: known() });
        };
        if let Some(why) = refuses(sink) {
            return Err(InvalidQuery::NotForReplay { sink: named.clone(), why });
        }
    }
    Ok(query.sinks.iter().cloned().collect())
}

/// Why a sink takes no replay, named or not.
fn refuses(sink: &Sink) -> Option<&'static str> {
    if sink.kind() == SinkKind::Archive {
        return Some("the archive is what a replay reads");
    }
    (!sink.enabled).then_some("it is switched off (enabled = false), so that its deliveries would be dead letters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;
    use crate::tenant::RawTenant;
    use crate::time::after;
    use crate::wire::ReplayIds;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn tenant(more: &str) -> Tenant {
        let webhook = |id: &str, more: &str| {
            format!(
                r#"{{"id":"{id}","kind":"webhook","types":["*"],"url":"https://a.example/{id}","secrets":["s"]{more}}}"#
            )
        };
        let sinks = [
            webhook("crm", r#","pattern":{"data":{"country":["FR"]}}"#),
            webhook("all", ""),
            webhook("off", r#","enabled":false"#),
            r#"{"id":"keep","kind":"archive","types":["*"]}"#.to_owned(),
            r#"{"id":"mail","kind":"email","types":["*"],"from":"a@acme.example","to":"{{ data.email }}","subject":"s","text":"t"}"#
                .to_owned(),
        ];
        let document = format!(r#"{{"tenant":"acme","name":"Acme"{more},"sinks":[{}]}}"#, sinks.join(","));
        Tenant::validate(&RawTenant::from_json(&document).unwrap(), Egress::Public).unwrap()
    }

    fn event(id: &str, kind: &str, country: &str, seconds: i64) -> Arc<Envelope> {
        let body = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/a","type":"{kind}","data":{{"country":"{country}"}}}}"#
        );
        Arc::new(Envelope::parse(&"acme".parse().unwrap(), at(seconds), body.as_bytes()).unwrap())
    }

    fn hour() -> Query {
        Query::between(at(0), at(3_600))
    }

    fn mark() -> Replayed {
        Replayed { id: "r1".parse().unwrap(), ids: ReplayIds::Same, at: at(0) }
    }

    fn chosen(query: &Query, event: &Arc<Envelope>) -> Vec<String> {
        let tenant = tenant("");
        let selection = Selection::new(query, &tenant, at(0)).unwrap();
        if !selection.means(event).unwrap() {
            return vec!["not meant".to_owned()];
        }
        selection.choose(event, &mark()).unwrap().iter().map(|one| one.sink.to_string()).collect()
    }

    #[test]
    fn an_event_goes_to_the_sinks_that_take_it_now_but_to_no_archive_and_no_mail_unless_named() {
        assert_eq!(chosen(&hour(), &event("1", "t", "FR", 0)), ["crm", "all"]);
        assert_eq!(chosen(&hour(), &event("1", "t", "DE", 0)), ["all"]);
        let mail = Query { sinks: vec!["mail".parse().unwrap(), "crm".parse().unwrap()], ..hour() };
        assert_eq!(chosen(&mail, &event("1", "t", "DE", 0)), ["mail"]);
    }

    #[test]
    fn time_type_pattern_and_identity_say_which_events_are_meant() {
        let none = ["not meant"];
        assert_eq!(chosen(&hour(), &event("1", "t", "DE", -1)), none);
        assert_eq!(chosen(&hour(), &event("1", "t", "DE", 3_600)), none);
        let typed = Query { types: vec!["action.*".to_owned()], ..hour() };
        assert_eq!(chosen(&typed, &event("1", "t", "DE", 0)), none);
        assert_eq!(chosen(&typed, &event("1", "action.signed", "DE", 0)), ["all"]);
        let matching = Query { pattern: Some(r#"{"data":{"country":["FR"]}}"#.to_owned()), ..hour() };
        assert_eq!(chosen(&matching, &event("1", "t", "DE", 0)), none);
        assert_eq!(chosen(&matching, &event("1", "t", "FR", 0)), ["crm", "all"]);
        let named = Query { events: vec!["/a|2".parse().unwrap()], ..hour() };
        assert_eq!(chosen(&named, &event("1", "t", "DE", 0)), none);
        assert_eq!(chosen(&named, &event("2", "t", "DE", 0)), ["all"]);
    }

    #[test]
    fn what_cannot_be_asked_says_what_and_why() {
        let sinks = |name: &str| Query { sinks: vec![name.parse().unwrap()], ..hour() };
        for (query, says) in [
            (Query { to: at(0), ..hour() }, "before it begins"),
            (Query { types: vec!["a*b".to_owned()], ..hour() }, "type \"a*b\" is not an event type"),
            (Query { types: vec!["t".to_owned(); 51], ..hour() }, "types has 51, and may have 50"),
            (Query { pattern: Some("{".to_owned()), ..hour() }, "the pattern is none"),
            (sinks("nope"), "there is no sink nope; there are crm, all, off, keep, mail"),
            (sinks("keep"), "takes no replay: the archive is what a replay reads"),
            (sinks("off"), "switched off (enabled = false)"),
        ] {
            let refused = Selection::new(&query, &tenant(""), at(0)).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn a_status_is_asked_of_what_the_ledger_can_know() {
        let failures = r#","record":"failures""#;
        let asked = |status, more: &str, now| {
            Selection::new(&Query { status: Some(status), ..hour() }, &tenant(more), now).map(|_| ())
        };
        assert_eq!(asked(Was::Delivered, "", at(0)), Ok(()));
        assert_eq!(asked(Was::Failed, failures, at(0)), Ok(()));
        assert_eq!(asked(Was::Delivered, failures, at(0)), Err(InvalidQuery::NotRecorded(Was::Delivered)));
        assert_eq!(asked(Was::Unmatched, failures, at(0)), Err(InvalidQuery::NotRecorded(Was::Unmatched)));
        let late = after(at(1), RETENTION);
        assert_eq!(asked(Was::Failed, "", late), Err(InvalidQuery::Forgotten(at(1))));
        let tenant = tenant("");
        let query = Query { status: Some(Was::Unmatched), ..hour() };
        let selection = Selection::new(&query, &tenant, at(0)).unwrap();
        assert!(selection.asks_ledger() && selection.had(None));
    }
}
