//! The ports that the real code is given: the in-memory ones of the testkit, with perils before and after each call, and with
//! eyes that see what really reached them.

mod endpoints;
mod ledger;
mod mailer;
mod parking;
mod queues;
mod rates;
mod strikes;
mod tenants;

use crate::peril::Instance;

pub use queues::see_moved;

/// All ports of one instance.
#[derive(Debug, Clone)]
pub struct Perilous(pub Instance);
