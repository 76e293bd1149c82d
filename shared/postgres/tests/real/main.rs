//! The adapter against a real `PostgreSQL`: the suite of tables, and what only a real server can be asked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test builds on fails by panicking")]

mod erase;
mod fault;
mod world;

mod tables {
    acequia_testkit::suite!(tables, crate::world::RealTables::new());
}
