//! The database of the stub's table sink.
#![expect(clippy::unwrap_used, reason = "what a test builds on fails by panicking")]

use database::Server;

/// Starts a server with what the sink needs, and tells the stub of it.
pub(crate) fn serve() -> Server {
    let server = Server::start().unwrap();
    server.create_database("bench").unwrap();
    let tables = "create table bench (event jsonb, id text, email text); \
                  create table acequia_inbox (delivery_id text primary key, delivered_at timestamptz not null default now()); \
                  grant insert on bench to acequia; grant select, insert on acequia_inbox to acequia";
    server.query("bench", tables).unwrap();
    let sink = serde_json::json!({"database": server.url("bench"), "authorities": server.authority()});
    assert!(stub::DATABASE.set(sink).is_ok(), "one server a process");
    server
}
