//! What a sink writes where: the table, its columns with what of an event stands in each, and what becomes of a row
//! that is there.

use crate::id::SecretName;
use crate::table::{ColumnSource, DatabaseAddress, Identifier, TableName};

/// How a database is reached, and entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where it is, and as whom it is entered.
    pub address: DatabaseAddress,
    /// By what.
    pub authentication: Authentication,
    /// Certificates of the authorities that may have signed the server's, as PEM; without, the public web's.
    pub authorities: Option<String>,
}

/// By what a database is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// A password, which is one of the tenant's secrets.
    Password(SecretName),
    /// A token of IAM's, made by the function's own role.
    Iam,
}

/// One column that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Identifier,
    /// What stands in it.
    pub source: ColumnSource,
}

/// What becomes of a row whose key is in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: each event is a row.
    Append,
    /// It is replaced where the event is newer.
    Upsert {
        /// The columns that make the key, by their places among the sink's, in the order of the file.
        key: Vec<usize>,
        /// The column that says which of two rows is newer, by its place.
        newest: usize,
    },
}

/// What a sink writes where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The table.
    pub table: TableName,
    /// Its columns that are written, by name.
    pub columns: Vec<Column>,
    /// What becomes of a row that is there.
    pub mode: Mode,
    /// Whether each new row is told in the outbox.
    pub outbox: bool,
}

impl Layout {
    /// Whether the column at this place may not be empty: it is of the key, or says which row is newer.
    pub fn must_have(&self, place: usize) -> bool {
        match &self.mode {
            Mode::Append => false,
            Mode::Upsert { key, newest } => key.contains(&place) || *newest == place,
        }
    }

    /// The columns of the key, by name; none where rows are appended.
    pub fn key(&self) -> impl Iterator<Item = &Identifier> {
        let places: &[usize] = match &self.mode {
            Mode::Append => &[],
            Mode::Upsert { key, .. } => key,
        };
        places.iter().filter_map(|place| self.columns.get(*place)).map(|column| &column.name)
    }
}
