//! Attempts the deliveries of a batch, a statement for those that go together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, DatabaseTokens, Entry, GrantStore, Secrets, TableError, Tables};
use acequia_core::secret::Secret;
use acequia_core::table::Spans;
use acequia_core::tenant;
use acequia_core::tenant::grant::Grants;
use acequia_lambda::{Attempted, Batch, Course, Sink, within};

use crate::request::Rows;
use crate::{classify, request};

/// What one statement may take, a new connection and one more try after a lost one included: the adapter's own
/// time-outs end before.
const BUDGET: Duration = Duration::from_secs(28);
/// What the look-up of grants and passwords may take.
const LOOK_UP: Duration = Duration::from_secs(4);

/// The sink, wired to its ports.
pub struct TableSink<D, S, G, T> {
    /// The databases.
    pub tables: D,
    /// The tenants' secrets.
    pub secrets: S,
    /// What tenants' stacks allow: which databases each may enter, and as whom.
    pub grants: G,
    /// Makes IAM's tokens.
    pub tokens: T,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What each sink's database is entered by, or why it is not.
type Credentials = BTreeMap<SinkId, Result<Secret, Cause>>;

impl<D: Tables, S: Secrets, G: GrantStore, T: DatabaseTokens> Sink for TableSink<D, S, G, T> {
    const KIND: SinkKind = SinkKind::Table;
    type Ready = Credentials;

    async fn prepare(&self, batch: Batch<'_>, sinks: &[Arc<tenant::Sink>]) -> Credentials {
        let tenant = &batch.current.tenant.summary.id;
        let grants = self.grants_of(tenant).await;
        let mut credentials = Credentials::new();
        for sink in sinks {
            let credential = self.credential_of(tenant, sink, grants.as_ref()).await;
            credentials.insert(sink.id.clone(), credential);
        }
        credentials
    }

    async fn deliver(&self, batch: Batch<'_>, credentials: &Credentials, course: &Course<'_>) {
        // One after the other: an instance has one connection.
        for (id, places) in request::by_sink(course.jobs()) {
            let sink = places.first().and_then(|place| course.jobs().get(*place)).map(|job| &job.sink);
            let credential = match credentials.get(id) {
                Some(Ok(credential)) => Ok(credential),
                Some(Err(cause)) => Err(cause.clone()),
                None => Err(Cause::StoreDown(Store::Secrets)),
            };
            let ready = sink
                .and_then(|sink| request::table(sink))
                .ok_or(Cause::SinkUnknown)
                .and_then(|table| Ok((table, credential?)));
            match ready {
                Ok((table, credential)) => self.write(batch, (table, credential), &places, course).await,
                Err(cause) => tell(course, &places, &Attempted::not_begun(cause)),
            }
        }
    }
}

impl<D: Tables, S: Secrets, G: GrantStore, T: DatabaseTokens> TableSink<D, S, G, T> {
    /// Writes the rows of one sink, and tells what came of each delivery.
    async fn write(
        &self,
        batch: Batch<'_>,
        (table, credential): (&tenant::TableSink, &Secret),
        places: &[usize],
        course: &Course<'_>,
    ) {
        let made = request::rows(&table.layout, course.jobs(), places);
        for (place, cause) in &made.refused {
            course.tell(*place, Attempted::not_begun(cause.clone()));
        }
        let entry = Entry { tenant: &batch.current.tenant.summary.id, database: &table.database, credential };
        let mut spans = Spans::of(made.rows.len());
        while let Some(span) = spans.next() {
            if batch.deadline.for_effects(&*self.clock) < BUDGET {
                tell_rest(course, &made, span, spans, &Attempted::not_begun(Cause::NoTime));
                return;
            }
            let begun = self.clock.now();
            let rows = made.rows.get(span.clone()).unwrap_or_default();
            let written = within(&*self.clock, BUDGET, Box::pin(self.tables.write(entry, &table.layout, rows))).await;
            let written = written.unwrap_or_else(|| Err(TableError::Later("the database took too long".to_owned())));
            let ended = self.clock.now();
            let duration = Duration::try_from(ended.duration_since(begun)).unwrap_or_default();
            let attempted = |result| Attempted { result, duration, ended_at: Some(ended), stages: None };
            match written {
                // That some were there already says that these deliveries were made before.
                Ok(_) => {
                    let receipt = Receipt { id: Some(table.layout.table.to_string()), status: None };
                    tell_span(course, &made, span, &attempted(Ok(receipt)));
                }
                Err(TableError::Refused(problem)) => {
                    if spans.refused(&span).is_some() {
                        tell_span(course, &made, span, &attempted(Err(classify::cause(TableError::Refused(problem)))));
                    }
                }
                Err(error) => {
                    tracing::warn!(tenant.id = %entry.tenant, error = %error, "a database does not take rows");
                    tell_rest(course, &made, span, spans, &attempted(Err(classify::cause(error))));
                    return;
                }
            }
        }
    }

    /// What a sink's database is entered by, where the tenant may enter it.
    async fn credential_of(
        &self,
        tenant: &TenantId,
        sink: &tenant::Sink,
        grants: Option<&Grants>,
    ) -> Result<Secret, Cause> {
        let table = request::table(sink).ok_or(Cause::SinkUnknown)?;
        grants.ok_or(Cause::StoreDown(Store::Secrets))?.check_target(&table.database.address)?;
        let asked = request::credential(&self.secrets, &self.tokens, tenant, &table.database);
        within(&*self.clock, LOOK_UP, Box::pin(asked)).await.unwrap_or(Err(Cause::StoreDown(Store::Secrets)))
    }

    /// What the tenant's stack allows; `None` where it cannot be read in time.
    async fn grants_of(&self, tenant: &TenantId) -> Option<Grants> {
        let error = match within(&*self.clock, LOOK_UP, Box::pin(self.grants.grants(tenant))).await {
            Some(Ok(grants)) => return Some(grants),
            Some(Err(error)) => Some(error),
            None => None,
        };
        tracing::warn!(tenant.id = %tenant, error = ?error, "what the tenant's stack allows cannot be read: rows of databases wait");
        None
    }
}

fn tell(course: &Course<'_>, places: &[usize], attempted: &Attempted) {
    for place in places {
        course.tell(*place, attempted.clone());
    }
}

/// Tells what came of these rows.
fn tell_span(course: &Course<'_>, made: &Rows, span: Range<usize>, attempted: &Attempted) {
    for places in made.places.get(span).unwrap_or_default() {
        tell(course, places, attempted);
    }
}

/// Tells what came of these rows and of all that were to follow.
fn tell_rest(course: &Course<'_>, made: &Rows, span: Range<usize>, rest: Spans, attempted: &Attempted) {
    for span in std::iter::once(span).chain(rest) {
        tell_span(course, made, span, attempted);
    }
}
