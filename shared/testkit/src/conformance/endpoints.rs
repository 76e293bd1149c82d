//! The suite of what is known of endpoints at run time.

use std::time::Duration;

use acequia_core::delivery::breaker::{Alert, Circuit, Disabled, EndpointState, Failing, PendingAlert};
use acequia_core::outcome::DisabledBy;
use acequia_core::port::EndpointStore;

use crate::build::{at, sink_id, tenant_id};

fn state(revision: u64) -> EndpointState {
    EndpointState { revision, ..EndpointState::healthy("digest", None) }
}

/// A state with everything that it can hold comes back as it was written; the last one counts.
pub async fn a_state_is_read_as_it_was_written(endpoints: &impl EndpointStore) {
    let (tenant, sink) = (tenant_id("e-state"), sink_id("crm"));
    assert_eq!(endpoints.state(&tenant, &sink).await.unwrap(), None);
    let circuits = [
        Circuit::Closed,
        Circuit::Open { until: at(30), since: at(1), trips: 2 },
        Circuit::Probing { until: at(90), since: at(1), trips: 2, by: "me".to_owned() },
    ];
    let alerts = [Alert::Gone, Alert::Fails { percent: 70, since: at(1) }, Alert::Gone];
    for (revision, (circuit, alert)) in (1..).zip(circuits.into_iter().zip(alerts)) {
        let full = EndpointState {
            circuit,
            failing: Some(Failing { first: at(1), last: at(7), warned: 50 }),
            disabled: Some(Disabled { by: DisabledBy::Failing(Duration::from_secs(5)), since: at(5) }),
            pending_alert: Some(PendingAlert { alert, until: at(60) }),
            ..state(revision)
        };
        assert!(endpoints.change(&tenant, &sink, &full).await.unwrap());
        assert_eq!(endpoints.state(&tenant, &sink).await.unwrap(), Some(full));
    }
    assert!(endpoints.change(&tenant, &sink, &state(4)).await.unwrap());
    assert_eq!(endpoints.state(&tenant, &sink).await.unwrap(), Some(state(4)), "nothing of the old one is left");
    assert_eq!(endpoints.state(&tenant, &sink_id("crm-b")).await.unwrap(), None);
}

/// Of two changes of one state only the first is made.
pub async fn of_two_changes_of_one_state_one_is_made(endpoints: &impl EndpointStore) {
    let (tenant, sink) = (tenant_id("e-two"), sink_id("crm"));
    for revision in 1..=3 {
        let (one, two) = (state(revision), EndpointState { endpoint: "another".to_owned(), ..state(revision) });
        assert!(endpoints.change(&tenant, &sink, &one).await.unwrap());
        assert!(!endpoints.change(&tenant, &sink, &two).await.unwrap());
        assert_eq!(endpoints.state(&tenant, &sink).await.unwrap(), Some(one));
    }
    assert!(!endpoints.change(&tenant, &sink, &state(9)).await.unwrap(), "it does not follow");
}

/// All states of a tenant, and of no other.
pub async fn the_endpoint_of_another_tenant_is_another(endpoints: &impl EndpointStore) {
    let (one, two) = (tenant_id("e-iso"), tenant_id("e-iso-b"));
    for sink in ["crm", "crm-b"] {
        assert!(endpoints.change(&one, &sink_id(sink), &state(1)).await.unwrap());
    }
    assert_eq!(endpoints.state(&two, &sink_id("crm")).await.unwrap(), None);
    assert!(endpoints.states(&two).await.unwrap().is_empty());
    let states = endpoints.states(&one).await.unwrap();
    let mut states: Vec<_> = states.into_iter().map(|(sink, state)| (sink, state.unwrap())).collect();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(states, [(sink_id("crm"), state(1)), (sink_id("crm-b"), state(1))]);
}
