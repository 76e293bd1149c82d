//! The language of Acequia and every decision it takes, without I/O, clock, environment or chance of its own.
//!
//! Functions, the command line and the simulator all decide by calling this crate; adapters (`acequia-aws`) carry
//! out what was decided. Whatever needs the outside world is a trait in [`port`].
//!
//! The modules stand on floors: each uses those before it in this list, and none behind it (a test in
//! `tests/architecture` keeps that).
//!
//! 1. [`time`], [`version`], [`id`], [`audit`], [`price`], [`kind`], [`address`], [`egress`], [`secret`], [`queue`], [`topic`]: names and small things.
//! 2. [`event`]: what an event is.
//! 3. [`outcome`]: what can happen to a message, and what is done with it then.
//! 4. [`message`], [`wire`]: SQS's messages, and what ours say beside the event.
//! 5. [`template`], [`mail`]: what is written to people.
//! 6. [`routing`]: which sinks take an event.
//! 7. [`delivery`]: bringing an event to a sink: what is remembered, what holds it back, what becomes of what failed.
//! 8. [`access`]: who may send and read.
//! 9. [`table`]: rows of tenants' databases.
//! 10. [`tenant`]: what a tenant asks for.
//! 11. [`consent`]: whose agreement an event needs.
//! 12. [`watch`]: which queues are in trouble.
//! 13. [`intake`]: what producers hand in at the front door.
//! 14. [`archive`]: what is kept of events, and how.
//! 15. [`replay`]: what of that is sent again.
//! 16. [`port`]: the outside world, as traits.
//! 17. [`flow`]: what takes several calls of ports.

pub mod access;
pub mod address;
pub mod archive;
pub mod audit;
pub mod consent;
pub mod delivery;
pub mod egress;
pub mod event;
pub mod flow;
pub mod id;
pub mod intake;
pub mod kind;
pub mod mail;
pub mod message;
pub mod outcome;
pub mod port;
pub mod price;
pub mod queue;
pub mod replay;
pub mod routing;
pub mod secret;
pub mod table;
pub mod template;
pub mod tenant;
pub mod time;
pub mod topic;
pub mod version;
pub mod watch;
pub mod wire;
