//! The language of Acequia and every decision it takes, without I/O, clock, environment or chance of its own.
//!
//! Functions, the command line and the simulator all decide by calling this crate; adapters (`acequia-aws`) carry
//! out what was decided. Whatever needs the outside world is a trait in [`port`].
//!
//! Read in this order: [`id`] (the names), [`envelope`] (what an event is), [`config`] (what a tenant asks for),
//! [`routing`] (which sinks take an event), [`delivery`] (the intent to bring it to one), [`outcome`] (what became of
//! an attempt, and what happens to the message then), [`ledger`] (what is remembered).

pub mod address;
pub mod breaker;
pub mod config;
pub mod connection;
pub mod consent;
pub mod delivery;
pub mod egress;
pub mod envelope;
pub mod grant;
mod hold;
pub mod id;
pub mod ledger;
pub mod mail;
mod nesting;
pub mod order;
pub mod outcome;
pub mod own_type;
pub mod parking;
pub mod pattern;
pub mod port;
pub mod proca;
pub mod queue;
pub mod rate;
mod reading;
mod reason;
pub mod redrive;
pub mod routing;
pub mod schedule;
pub mod secret;
pub mod stall;
pub mod strikes;
pub mod template;
pub mod version;
pub mod watch;
