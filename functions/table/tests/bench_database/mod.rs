//! The database of the stub's table sink.
#![expect(clippy::unwrap_used, reason = "what a test builds on fails by panicking")]

use database::Server;

/// Starts a server with what the sink needs, and tells the stub of it.
pub(crate) fn serve() -> Server {
    let server = Server::for_bench().unwrap();
    let sink = serde_json::json!({"database": server.url("bench"), "authorities": server.authority()});
    assert!(stub::DATABASE.set(sink).is_ok(), "one server a process");
    server
}
