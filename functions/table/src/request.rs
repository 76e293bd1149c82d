//! The rows of a batch: which deliveries go together, and what a database is entered by.

use std::collections::BTreeMap;

use acequia_core::id::{DeliveryId, SinkId, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{DatabaseTokens, SecretError, Secrets};
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::table::{Authentication, Database, Layout, Row};
use acequia_core::tenant::{self, Target};
use acequia_lambda::Job;

/// The table that a sink writes into; nothing where the sink is of another kind by now.
pub fn table(sink: &tenant::Sink) -> Option<&tenant::TableSink> {
    match &sink.target {
        Target::Table(table) => Some(table),
        _ => None,
    }
}

/// The places of the jobs of each sink.
pub fn by_sink(jobs: &[Job]) -> BTreeMap<&SinkId, Vec<usize>> {
    let mut sorted: BTreeMap<&SinkId, Vec<usize>> = BTreeMap::new();
    for (place, job) in jobs.iter().enumerate() {
        sorted.entry(&job.sink.id).or_default().push(place);
    }
    sorted
}

/// Rows with the places of their jobs: one row for each delivery, whoever brings it.
#[derive(Debug, Default)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<Row>,
    /// For each of them, the places of its jobs.
    pub places: Vec<Vec<usize>>,
    /// The jobs that can have none, and why.
    pub refused: Vec<(usize, Cause)>,
}

/// Makes the rows of these jobs.
pub fn rows(layout: &Layout, jobs: &[Job], places: &[usize]) -> Rows {
    let mut made = Rows::default();
    let mut known: BTreeMap<&DeliveryId, usize> = BTreeMap::new();
    for place in places {
        let Some(job) = jobs.get(*place) else { continue };
        if let Some(row) = known.get(&job.delivery.id)
            && let Some(places) = made.places.get_mut(*row)
        {
            places.push(*place);
            continue;
        }
        match Row::of(layout, &job.delivery) {
            Ok(row) => {
                known.insert(&job.delivery.id, made.rows.len());
                made.rows.push(row);
                made.places.push(vec![*place]);
            }
            Err(cause) => made.refused.push((*place, cause)),
        }
    }
    made
}

/// What a database is entered by.
///
/// # Errors
/// [`Cause::SecretMissing`], [`Cause::SecretMalformed`] or [`Cause::StoreDown`].
pub async fn credential(
    secrets: &impl Secrets,
    tokens: &impl DatabaseTokens,
    tenant: &TenantId,
    database: &Database,
) -> Result<Secret, Cause> {
    let down = |error: acequia_core::port::Unavailable| {
        tracing::warn!(tenant.id = %tenant, error = ?error, "what a database is entered by cannot be had");
        Cause::StoreDown(Store::Secrets)
    };
    match &database.authentication {
        Authentication::Iam => tokens.token(&database.address).await.map_err(down),
        Authentication::Password(name) => {
            let secret = secrets.secret(tenant, SecretPurpose::Database, name).await.map_err(|error| match error {
                SecretError::Missing(name) => Cause::SecretMissing(name),
                SecretError::Unavailable(error) => down(error),
            })?;
            secret.password().map_err(|unusable| Cause::SecretMalformed(name.clone(), unusable))?;
            Ok(secret)
        }
    }
}
