//! The ports that the real code is given: the in-memory ones of the testkit, with perils before and after each call,
//! and with eyes that see what really reached them.

mod archive;
mod buses;
mod crash_markers;
mod delays;
mod endpoints;
mod ledger;
mod mailer;
mod queues;
mod rates;
mod tables;
mod tenants;

use acequia_core::port::Ports;
use acequia_testkit::InMemoryConsents;

use crate::peril::Instance;

pub use queues::see_moved;

/// All ports of one instance.
#[derive(Debug, Clone)]
pub struct Perilous(pub Instance);

/// The simulated tenants ask for no consent, so the memory of consents is out of reach of peril.
impl Ports for Perilous {
    type Tenants = Self;
    type Ledger = Self;
    type Queues = Self;
    type Delays = Self;
    type Rates = Self;
    type Endpoints = Self;
    type Alerts = Self;
    type Consents = InMemoryConsents;
}
