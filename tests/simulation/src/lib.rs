//! A deterministic simulator of the delivery path: the real router and the real sink loop with the real forward and
//! e-mail sinks, over in-memory ports, in virtual time. One seed decides everything.
//!
//! - [`run::run`] is one run. [`scenario`] says what it begins with, [`weather`] how much goes wrong.
//! - [`driver`] plays SQS and Lambda, [`receive`] how SQS hands out, [`operator`] the producers, endpoints and
//!   operators, [`redrive`] the command that moves dead letters back.
//! - [`port`] and [`peril`] stand between the code and the in-memory ports: each call can be refused, slowed down,
//!   repeated, lose its answer, or be the last of its process.
//! - [`history`] and [`story`] hold what was seen and check it as it comes; [`limit`] what rates, circuits and pauses
//!   allow, [`acknowledged`] what may be acknowledged; [`check`] what must hold in the end.
//! - [`sweep`] runs many seeds.
//! - [`mutation`] breaks the protocol on purpose: a simulator that finds nothing then would prove nothing.
//!
//! - [`consent`] is a second family of runs, with its own scenario, functions and rules over the same perils; [`task`]
//!   is what both poll.
//! - [`ordered`] is a third one: tenants whose stacks keep order, over the same driver, ports and rules as the first,
//!   and the rules of order.
//! - [`kafka`] is a fourth one: the first and the third again, with topics of Kafka and the real bridge before the
//!   intakes.
//!
//! Not simulated: HTTP (the webhook sink here is a stand-in), and the adapters to AWS.

pub mod acknowledged;
pub mod check;
pub mod consent;
pub mod dice;
pub mod driver;
pub mod function;
pub mod history;
pub mod kafka;
pub mod limit;
pub mod mutation;
pub mod operator;
pub mod ordered;
pub mod peril;
pub mod port;
pub mod receive;
pub mod redrive;
pub mod run;
pub mod scenario;
pub mod story;
pub mod sweep;
pub mod task;
pub mod trace;
pub mod weather;
pub mod webhook;
pub mod world;

pub use mutation::Mutation;
pub use run::{Family, Options, Report, run};
