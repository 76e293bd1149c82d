//! Tables of tenants' databases, in which rows are written once.

use std::future::Future;

use super::Unavailable;
use crate::id::TenantId;
use crate::secret::Secret;
use crate::table::{Database, DatabaseAddress, Description, Layout, Row};

/// How a tenant's database is entered.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Which one.
    pub database: &'a Database,
    /// The password, or the token.
    pub credential: &'a Secret,
}

/// Why a database did not do what it was asked to. The texts hold names and codes, never a value of a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It may do it later: it restarts, is full, or was in somebody's way. Whether it has done it is known of no single
    /// row; the inbox knows it when it is asked again.
    #[error("{0}")]
    Later(String),
    /// The database is not as the sink needs it.
    #[error("{0}")]
    Unready(String),
    /// It refuses one of the rows at least, and wrote none.
    #[error("{0}")]
    Refused(String),
}

/// An event of an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Its place.
    pub id: i64,
    /// The event, as it stands there.
    pub event: String,
}

/// Tables of `PostgreSQL` ([`crate::table`]).
pub trait Tables: Send + Sync {
    /// Writes the rows whose deliveries are not in the inbox, with what the outbox tells of them: all of it or nothing.
    /// Answers how many those were. No two rows are of one delivery.
    fn write(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        rows: &[Row],
    ) -> impl Future<Output = Result<u64, TableError>> + Send;
    /// Says what the database has of what the sink needs.
    fn describe(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
    ) -> impl Future<Output = Result<Description, TableError>> + Send;
    /// The first `most` events of the outbox that were not settled, in their order, of those behind `after`.
    fn waiting(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        after: Option<i64>,
        most: u16,
    ) -> impl Future<Output = Result<Vec<OutboxEvent>, TableError>> + Send;
    /// Says of events of the outbox that they were sent.
    fn settle(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        ids: &[i64],
    ) -> impl Future<Output = Result<(), TableError>> + Send;
}

/// Makes the tokens by which IAM's users enter databases.
pub trait DatabaseTokens: Send + Sync {
    /// A token for this user of this server. It opens connections for 15 minutes.
    fn token(&self, address: &DatabaseAddress) -> impl Future<Output = Result<Secret, Unavailable>> + Send;
}
