//! What tests need: in-memory ports with fault switches, a clock and chance that obey, builders, and the conformance
//! suites that the in-memory ports and the real ones both pass.
//!
//! Everything in memory is a handle: a clone shares its state, so a test keeps one and gives the code under test
//! another.
//!
//! ```
//! use acequia_core::port::Ledger as _;
//! use acequia_testkit::{InMemoryLedger, build};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let ledger = InMemoryLedger::new();
//! ledger.claims.go_down();
//! let verdicts = ledger.claim(&build::tenant_id("acme"), &[build::claim("1", "crm")]).await;
//! assert!(verdicts[0].is_err());
//! # }
//! ```

mod agenda;
mod alerts;
mod archive;
mod audit_copies;
pub mod build;
mod chance;
mod clock;
pub mod conformance;
mod consents;
mod crash_markers;
mod dead_letters;
mod delays;
mod endpoints;
pub mod event;
mod fault;
mod grants;
mod intake;
mod journal;
mod ledger;
mod lines;
mod mail_store;
mod mailer;
mod mortal;
mod operator;
mod ports;
mod queues;
mod rates;
mod replays;
mod secrets;
mod shared;
mod step;
mod tables;
mod tenants;
mod topics;
mod watch;

pub use alerts::InMemoryAlerts;
pub use archive::InMemoryArchive;
pub use audit_copies::InMemoryAuditCopies;
pub use chance::SeededChance;
pub use clock::FixedClock;
pub use consents::InMemoryConsents;
pub use delays::InMemoryDelays;
pub use endpoints::InMemoryEndpoints;
pub use fault::Faults;
pub use grants::InMemoryGrants;
pub use intake::InMemoryIntake;
pub use journal::InMemoryJournal;
pub use ledger::InMemoryLedger;
pub use lines::InMemoryLines;
pub use mail_store::InMemoryMailStore;
pub use mailer::InMemoryMailer;
pub use mortal::{IMMORTAL, Mortal};
pub use operator::{InMemoryPlatform, InMemoryStageQueues};
pub use ports::InMemory;
pub use queues::{Depth, InMemoryQueues};
pub use rates::InMemoryRates;
pub use replays::InMemoryReplays;
pub use secrets::InMemorySecrets;
pub use step::{Stepping, step};
pub use tables::{InMemoryTables, StoredRow};
pub use tenants::InMemoryTenants;
pub use topics::InMemoryTopics;
pub use watch::{InMemoryAges, InMemoryFindings, InMemoryWatched};
