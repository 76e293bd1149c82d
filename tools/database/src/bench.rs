//! What the stub's table sink writes into: a database `bench` with its table, inbox and outbox.

use crate::server::{Server, ServerError, USER};

/// The columns are those of `tools/stub`'s sink.
const TABLES: &str = "create table bench (event jsonb, id text, email text); \
     create table acequia_inbox (delivery_id text primary key, delivered_at timestamptz not null default now()); \
     create table acequia_outbox (id bigint generated always as identity primary key, event_id text not null unique, \
     event text not null, created_at timestamptz not null default now(), delivered_at timestamptz)";

impl Server {
    /// Starts a server with the database.
    ///
    /// # Errors
    /// As [`Server::start`], and what `psql` says.
    pub fn for_bench() -> Result<Self, ServerError> {
        let server = Self::start()?;
        server.create_database("bench")?;
        server.query("bench", &format!("grant create on schema public to {USER}; set role {USER}; {TABLES}"))?;
        Ok(server)
    }
}
