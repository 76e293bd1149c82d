//! A receiver of webhooks on loopback: it verifies every signature, counts what comes, and answers as it is told to.
//!
//! The signatures are checked by the public `standardwebhooks` crate and not by Acequia's own code, so that the two
//! prove each other. Each endpoint is a path with secrets and a [`Mode`] of its own; a control interface below
//! `/_receiver` makes endpoints, switches modes while it runs and hands out the counts (`tools/receiver/README.md`).
//!
//! It is a tool for development: it listens on loopback, keeps everything in memory and asks for no credentials.

#[cfg(feature = "tls")]
pub mod certificate;
mod control;
mod endpoint;
mod issuer;
mod mode;
mod server;

pub use control::new_secret;
pub use endpoint::{Endpoint, Endpoints, Request, Stats};
pub use mode::{InvalidMode, Mode};
pub use server::{bind, serve};
