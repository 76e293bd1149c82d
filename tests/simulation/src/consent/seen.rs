//! What was seen of consent, checked as it comes: changes, what follows from them, mails and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acequia_core::consent::{ActionId, AddressId, ConsentKey, OutboxRow, RowKey};
use acequia_core::delivery::ledger::DeliveryRecord;
use acequia_core::id::{EventId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_testkit::{FixedClock, build};
use jiff::Timestamp;

use super::people::Happening;
use super::rows::{Consequence, Parcel};
use super::scenario::{EventPlan, Scenario};
use crate::scenario::SinkPlan;
use crate::story::{Effect, Schedules, Story};

/// From a look at the stores to the mail that goes by it: an invocation, and two clocks that differ.
const UNDER_WAY: Duration = Duration::from_secs(64);
/// No delivery of consent's own mails has so many attempts.
const ATTEMPTS: [u64; 40] = [0; 40];

/// All that was seen in a run.
#[derive(Debug)]
pub struct Seen {
    pub(super) clock: FixedClock,
    /// What the run began with.
    pub scenario: Scenario,
    /// What is to happen when.
    pub agenda: BTreeMap<(Timestamp, u64), Happening>,
    noted: u64,
    /// The invocations that answer a person who only looks.
    pub looks: BTreeSet<u64>,
    /// The people who agreed, so far as a button was pressed.
    pub agreed: BTreeSet<(TenantId, ConsentKey)>,
    /// The people who declined, or of whom a bounce or a complaint was reported.
    pub declined: BTreeSet<(TenantId, ConsentKey)>,
    /// Which actions a moderator took.
    pub approved: BTreeSet<(TenantId, ActionId)>,
    /// Which actions a moderator declined.
    pub turned_down: BTreeSet<(TenantId, ActionId)>,
    /// The actions that were ever released.
    pub released: BTreeSet<(TenantId, ActionId)>,
    /// When each subject's answer was written.
    pub answered: BTreeMap<(TenantId, ConsentKey), Timestamp>,
    /// Of whose mails SES told that they bounced, or were called spam.
    pub told: BTreeSet<(TenantId, ConsentKey)>,
    /// What was released or taken back, by its action: each once.
    pub once: BTreeSet<(TenantId, ActionId, &'static str)>,
    /// Since when addresses are suppressed.
    pub suppressed: BTreeMap<(TenantId, AddressId), Timestamp>,
    /// When mails were ordered that ask, reminders left out.
    pub asked: BTreeMap<(TenantId, ConsentKey), Vec<Timestamp>>,
    /// What must be in the queues in the end, by what the states say.
    pub consequences: Vec<Consequence>,
    /// The rows of the outbox, with what they ask for.
    pub rows: Vec<(TenantId, OutboxRow, Vec<Parcel>)>,
    /// How often an invocation was handed a row (by its place).
    pub handed: BTreeMap<(u64, usize), u32>,
    /// Rows that were deleted lately: the index may still show them.
    pub settled: Vec<(Timestamp, TenantId, OutboxRow)>,
    /// The last invocation that began.
    pub begun: u64,
    /// Rows (by their place) that were deleted, with the last invocation that had begun by then.
    gone: BTreeMap<usize, u64>,
    /// Whether all is mended.
    pub mended: bool,
    published: BTreeMap<(u64, Parcel), u32>,
    /// What was sent to sinks' queues.
    pub sent: BTreeMap<Parcel, u32>,
    /// What arrived in tenants' own queues, or left as mails.
    pub arrived: BTreeSet<Parcel>,
    /// What each event says.
    bodies: BTreeMap<(TenantId, EventId), String>,
    by_delivery: BTreeMap<String, Parcel>,
    stories: BTreeMap<Parcel, Story>,
}

impl Seen {
    /// Nothing, of a scenario that begins now.
    pub fn new(clock: FixedClock, scenario: Scenario) -> Self {
        Self {
            clock,
            scenario,
            agenda: BTreeMap::new(),
            noted: 0,
            looks: BTreeSet::new(),
            agreed: BTreeSet::new(),
            declined: BTreeSet::new(),
            approved: BTreeSet::new(),
            turned_down: BTreeSet::new(),
            released: BTreeSet::new(),
            answered: BTreeMap::new(),
            told: BTreeSet::new(),
            once: BTreeSet::new(),
            suppressed: BTreeMap::new(),
            asked: BTreeMap::new(),
            consequences: Vec::new(),
            rows: Vec::new(),
            handed: BTreeMap::new(),
            settled: Vec::new(),
            begun: 0,
            gone: BTreeMap::new(),
            mended: false,
            published: BTreeMap::new(),
            sent: BTreeMap::new(),
            arrived: BTreeSet::new(),
            bodies: BTreeMap::new(),
            by_delivery: BTreeMap::new(),
            stories: BTreeMap::new(),
        }
    }

    /// Puts something on the agenda.
    pub fn plan(&mut self, wait: Duration, what: Happening) {
        self.noted += 1;
        self.agenda.insert((after(self.clock.now(), wait), self.noted), what);
    }

    /// The event of this identity.
    pub fn event(&self, tenant: &TenantId, event: &EventId) -> Option<&EventPlan> {
        self.scenario.events.iter().find(|plan| plan.tenant == *tenant && plan.event == *event)
    }

    /// The event that is this action.
    pub fn action(&self, tenant: &TenantId, action: &ActionId) -> Option<&EventPlan> {
        self.scenario.events.iter().find(|plan| plan.tenant == *tenant && plan.action == *action)
    }

    /// An invocation is handed a row of the outbox, by the stream or by the sweep.
    pub fn hand(&mut self, who: u64, tenant: &TenantId, row: &OutboxRow) {
        if let Some(index) = self.place(tenant, &row.name()) {
            *self.handed.entry((who, index)).or_default() += 1;
        }
    }

    fn place(&self, tenant: &TenantId, row: &RowKey) -> Option<usize> {
        self.rows.iter().position(|(owner, known, _)| owner == tenant && known.key == row.consent && known.id == row.id)
    }

    /// The row of this name, whether it is still there or not.
    pub fn row(&self, tenant: &TenantId, row: &RowKey) -> Option<OutboxRow> {
        self.rows.get(self.place(tenant, row)?).map(|(_, row, _)| row.clone())
    }

    /// Whether the outbox dies of this event (still).
    pub fn kills(&self, parcel: &Parcel) -> bool {
        !self.mended && self.event(&parcel.tenant, &parcel.event).is_some_and(|plan| plan.kills)
    }

    /// Whether a tenant's queue for mails does not exist (yet).
    pub fn lacks_email(&self, tenant: &TenantId) -> bool {
        !self.mended && self.scenario.tenant(tenant).is_some_and(|plan| plan.lacks_email)
    }

    /// A row is deleted.
    ///
    /// # Errors
    /// Where what it asks for is not in the queues.
    pub fn settle(&mut self, tenant: &TenantId, row: &OutboxRow) -> Result<(), String> {
        self.settled.push((self.clock.now(), tenant.clone(), row.clone()));
        let place = self.place(tenant, &row.name());
        if let Some(place) = place {
            self.gone.entry(place).or_insert(self.begun);
        }
        let parcels = place.and_then(|place| self.rows.get(place));
        let missing =
            parcels.and_then(|(_, _, parcels)| parcels.iter().find(|parcel| !self.sent.contains_key(*parcel)));
        missing.map_or(Ok(()), |parcel| Err(format!("row {} is deleted before {parcel:?} is in its queue", row.id)))
    }

    /// A delivery came to a sink's queue, from the router (`routed`) or from the outbox.
    ///
    /// # Errors
    /// Where it must not have.
    pub fn send(&mut self, who: u64, routed: bool, parcel: &Parcel, body: &str) -> Result<(), String> {
        *self.sent.entry(parcel.clone()).or_default() += 1;
        self.by_delivery.insert(parcel.delivery_id().to_string(), parcel.clone());
        let known = self.bodies.entry((parcel.tenant.clone(), parcel.event.clone())).or_insert_with(|| body.to_owned());
        if known != body {
            return Err(format!("{parcel:?} was sent with two contents"));
        }
        if let Some(event) = self.event(&parcel.tenant, &parcel.event) {
            if event.body != body {
                return Err(format!("{parcel:?} is not as its producer wrote it"));
            }
            if event.is_governed() && routed {
                return Err(format!("{parcel:?} needs consent, and the router sends it on"));
            }
            let releases = !parcel.is_question();
            if event.is_governed() && releases && !self.released.contains(&(parcel.tenant.clone(), event.action)) {
                return Err(format!("{parcel:?} is sent, and was never released"));
            }
        }
        if routed { Ok(()) } else { self.publish(who, parcel) }
    }

    /// The outbox may publish what a row asks for once for each time that it was handed the row, and nothing else; and
    /// nothing of a row that was carried out before it began: whatever happened to the others of a batch is no reason.
    fn publish(&mut self, who: u64, parcel: &Parcel) -> Result<(), String> {
        let rows = self.rows.iter().enumerate().filter(|(_, (.., parcels))| parcels.contains(parcel));
        let theirs: Vec<usize> =
            rows.map(|(index, _)| index).filter(|index| self.handed.contains_key(&(who, *index))).collect();
        if theirs.iter().any(|index| self.gone.get(index).is_some_and(|begun| who > *begun)) {
            return Err(format!("{parcel:?} is published again, and its row was gone before the invocation began"));
        }
        let handed: u32 = theirs.iter().filter_map(|index| self.handed.get(&(who, *index))).sum();
        let published = self.published.entry((who, parcel.clone())).or_default();
        *published += 1;
        if *published <= handed {
            return Ok(());
        }
        Err(format!(
            "{parcel:?} is published {published} times by an invocation that was handed its row {handed} times"
        ))
    }

    /// Which delivery this is.
    pub fn parcel(&self, id: &str) -> Option<Parcel> {
        self.by_delivery.get(id).cloned()
    }

    /// The tenant's own queue took an event, or SES a mail.
    ///
    /// # Errors
    /// Where it must not have.
    pub fn arrive(&mut self, who: u64, parcel: &Parcel, running: &BTreeSet<u64>) -> Result<(), String> {
        let at = self.clock.now();
        self.arrived.insert(parcel.clone());
        let strict = self.claims(parcel);
        let effect = Effect { at, by: who, event: 0, settled: None };
        let held = self.stories.entry(parcel.clone()).or_default().effect(&strict, effect, running);
        held.map_err(|broken| format!("{parcel:?}: {broken}"))
    }

    /// A mail that asks leaves, or one to an address that is to get none.
    ///
    /// # Errors
    /// Where it was known long enough that it must not.
    pub fn mail(&self, parcel: &Parcel, key: ConsentKey, address: &AddressId) -> Result<(), String> {
        let now = self.clock.now();
        let long_ago = |at: &Timestamp| after(*at, UNDER_WAY) < now;
        let owner = |id: ConsentKey| (parcel.tenant.clone(), id);
        if parcel.is_asking() && self.answered.get(&owner(key)).is_some_and(long_ago) {
            return Err(format!("{parcel:?} asks who has answered"));
        }
        if self.suppressed.get(&(parcel.tenant.clone(), *address)).is_some_and(long_ago) {
            return Err(format!("{parcel:?} goes to an address that is suppressed"));
        }
        Ok(())
    }

    /// A record of a delivery landed in the ledger.
    ///
    /// # Errors
    /// What it breaks.
    pub fn written(&mut self, who: u64, tenant: &TenantId, record: &DeliveryRecord) -> Result<(), String> {
        let key = record.key();
        let parcel = Parcel { tenant: tenant.clone(), event: key.event.clone(), sink: key.sink.to_string() };
        let strict = self.claims(&parcel);
        let schedules = Schedules(vec![&ATTEMPTS]);
        let held = self.stories.entry(parcel.clone()).or_default().write(&strict, who, record, &schedules);
        held.map_err(|broken| format!("{parcel:?}: {broken}"))
    }

    fn claims(&self, parcel: &Parcel) -> SinkPlan {
        let own = self
            .scenario
            .tenant(&parcel.tenant)
            .and_then(|tenant| tenant.sinks.iter().find(|sink| sink.id == parcel.sink));
        SinkPlan {
            id: build::sink_id(&parcel.sink),
            kind: if parcel.is_mail() { SinkKind::Email } else { SinkKind::Forward },
            claims: own.is_none_or(|sink| sink.strict),
            quarantines_ambiguous: false,
            fifo: false,
        }
    }
}
