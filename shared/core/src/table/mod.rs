//! What a `table` sink writes into a database of `PostgreSQL`: rows of a table that is the tenant's, with the inbox that
//! makes each of them happen once, and the outbox where that is wanted. Everything is decided here; an adapter sends
//! what [`statement`] says.
//!
//! Invariants:
//! - A batch is one statement, and so one transaction. What is new is said by the inbox alone: rows, and what the outbox
//!   tells, are of the deliveries that the inbox took in the same statement.
//! - Every statement writes inbox and table in the order of their keys, so that two batches never wait for each other in
//!   a circle.
//! - A row that the database refuses is found by halving ([`Spans`]), and costs no other row anything.
//! - No text that is stored or logged has a value of a row in it.

mod address;
mod cell;
mod description;
mod erasure;
mod layout;
mod name;
mod row;
mod source;
mod span;
mod statement;
mod verdict;

pub use address::{DatabaseAddress, InvalidAddress};
pub use cell::Cell;
pub use description::{ColumnFacts, Description, Need, Problem, needs, problems, types_of};
pub use erasure::{erasure, of_subjects};
pub use layout::{Authentication, Column, Database, Layout, Mode};
pub use name::{Identifier, TableName};
pub use row::{Row, WRITTEN};
pub use source::{ColumnSource, InvalidSource};
pub use span::Spans;
pub use statement::{ddl, statement};
pub use verdict::{Verdict, described};
