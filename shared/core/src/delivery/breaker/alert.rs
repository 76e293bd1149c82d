//! What operators are told of an endpoint, and how an alert is pending until it is told.
//!
//! The change of the row that makes an alert due writes the alert into it too. Who made that change tells the
//! operators, and takes the alert out again. Where that fails, the alert stays pending, and the next batch for the sink
//! tries again.
//!
//! Not guaranteed: that an alert is told once only. Who dies after telling, before the row says so, leaves it to be
//! told again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EndpointState;
use crate::id::{SinkId, TenantId};
use crate::time::after;

/// How much of the way to being disabled an operator is told of, in per cent, each once.
pub const WARNINGS: [u8; 4] = [50, 70, 90, 100];

/// What stands in place of one of [`WARNINGS`] where an operator is told that the circuit stays open: before all of
/// them.
pub const OPENED: u8 = 1;

/// How long somebody has to tell an alert before another one may try.
const TELLING: Duration = Duration::from_mins(2);

/// What operators are to be told of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alert", rename_all = "kebab-case")]
pub enum Alert {
    /// It fails.
    Fails {
        /// How much of the way to being disabled lies behind it, in per cent: one of [`WARNINGS`], or [`OPENED`].
        percent: u8,
        /// Since when it has been failing.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
    },
    /// It said that it is gone for good, and is disabled.
    Gone,
}

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertText {
    /// The subject: one line of at most 100 characters.
    pub subject: String,
    /// The whole of it.
    pub text: String,
}

impl Alert {
    /// What it says of the endpoint of a sink.
    pub fn text(self, tenant: &TenantId, sink: &SinkId) -> AlertText {
        let why = match self {
            Self::Fails { since, .. } => format!("has failed since {since} without a success"),
            Self::Gone => "answered 410 Gone: that it will not come back".to_owned(),
        };
        let (state, after) = match self {
            Self::Fails { percent: OPENED, .. } => (
                "fails: its circuit is open".to_owned(),
                format!(
                    "Its deliveries wait, and one at a time tries whether it is well again. acequia status {tenant} shows how it stands, acequia explain what it answered."
                ),
            ),
            Self::Fails { percent: percent @ 0..100, .. } => (
                format!("fails: {percent} % of the way to being disabled"),
                format!("Its deliveries wait and are tried again. acequia status {tenant} shows how it stands."),
            ),
            Self::Fails { .. } | Self::Gone => (
                "is disabled".to_owned(),
                format!(
                    "Deliveries to it now go to the dead-letter queue. When it is mended: acequia tenant resume {tenant} {sink}, then acequia dlq redrive {tenant}"
                ),
            ),
        };
        let subject = format!("Acequia: {sink} of {tenant} {state}");
        let text = format!("The endpoint of the sink {sink} of tenant {tenant} {why}, and {state}. {after}");
        AlertText { subject: subject.chars().take(100).collect(), text }
    }
}

/// An alert that is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAlert {
    /// What is to be told.
    #[serde(flatten)]
    pub alert: Alert,
    /// Until when it is left to the one who tells it now.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub until: Timestamp,
}

impl PendingAlert {
    /// An alert that whoever writes it tells at once.
    pub(super) fn now(alert: Alert, now: Timestamp) -> Self {
        Self { alert, until: after(now, TELLING) }
    }
}

/// What is to be written to get the right to tell what is pending; `None` where nothing is, or where somebody else is
/// at it.
pub fn take_alert(known: &EndpointState, now: Timestamp) -> Option<EndpointState> {
    let pending_alert = known.pending_alert.filter(|pending_alert| pending_alert.until <= now)?;
    Some(EndpointState { pending_alert: Some(PendingAlert::now(pending_alert.alert, now)), ..known.next() })
}

/// What is to be written once this is told; `None` where it is not pending any more.
pub fn mark_sent(known: &EndpointState, pending_alert: PendingAlert) -> Option<EndpointState> {
    (known.pending_alert == Some(pending_alert)).then(|| EndpointState { pending_alert: None, ..known.next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn owing(until: i64) -> EndpointState {
        let pending_alert = PendingAlert { alert: Alert::Fails { percent: 50, since: at(0) }, until: at(until) };
        EndpointState { pending_alert: Some(pending_alert), ..EndpointState::healthy("digest", None) }
    }

    #[test]
    fn what_is_pending_is_left_to_the_one_who_tells_it_until_its_time_is_over() {
        assert_eq!(take_alert(&owing(120), at(119)), None);
        let taken = take_alert(&owing(120), at(120)).unwrap();
        assert_eq!((taken.revision, taken.pending_alert), (owing(0).revision + 1, owing(240).pending_alert));
        assert_eq!(take_alert(&EndpointState::healthy("digest", None), at(120)), None);
    }

    #[test]
    fn what_is_told_is_pending_no_more_and_a_later_notice_stays() {
        let known = owing(120);
        let now = mark_sent(&known, known.pending_alert.unwrap()).unwrap();
        assert_eq!((now.revision, now.pending_alert), (known.revision + 1, None));
        assert_eq!(mark_sent(&owing(240), known.pending_alert.unwrap()), None, "another one has taken it");
        assert_eq!(mark_sent(&now, known.pending_alert.unwrap()), None);
    }
}
