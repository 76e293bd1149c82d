//! The suite of what is known of endpoints at run time.

use acequia_core::port::{Disabled, EndpointStore};

use crate::build::{at, sink_id, tenant_id};

fn gone(endpoint: &str) -> Disabled {
    Disabled { endpoint: endpoint.to_owned(), why: "the endpoint answered 410".to_owned(), since: at(5) }
}

/// It keeps the digest, the reason and the time; the last one counts.
pub async fn an_endpoint_is_on_until_it_is_disabled(endpoints: &impl EndpointStore) {
    let (tenant, sink) = (tenant_id("e-off"), sink_id("crm"));
    assert_eq!(endpoints.disabled(&tenant, &sink).await.unwrap(), None);
    for digest in ["first", "second"] {
        endpoints.disable(&tenant, &sink, gone(digest)).await.unwrap();
        assert_eq!(endpoints.disabled(&tenant, &sink).await.unwrap(), Some(gone(digest)));
    }
    assert_eq!(endpoints.disabled(&tenant, &sink_id("crm-b")).await.unwrap(), None);
}

/// Enabling says whether it was off.
pub async fn an_endpoint_that_is_enabled_again_is_on(endpoints: &impl EndpointStore) {
    let (tenant, sink) = (tenant_id("e-on"), sink_id("crm"));
    assert!(!endpoints.enable(&tenant, &sink).await.unwrap());
    endpoints.disable(&tenant, &sink, gone("x")).await.unwrap();
    assert!(endpoints.enable(&tenant, &sink).await.unwrap());
    assert!(!endpoints.enable(&tenant, &sink).await.unwrap());
    assert_eq!(endpoints.disabled(&tenant, &sink).await.unwrap(), None);
}

/// Sinks of two tenants may have the same id.
pub async fn the_endpoint_of_another_tenant_stays_on(endpoints: &impl EndpointStore) {
    let sink = sink_id("crm");
    endpoints.disable(&tenant_id("e-iso"), &sink, gone("x")).await.unwrap();
    assert_eq!(endpoints.disabled(&tenant_id("e-iso-b"), &sink).await.unwrap(), None);
    assert!(!endpoints.enable(&tenant_id("e-iso-b"), &sink).await.unwrap());
    assert!(endpoints.disabled(&tenant_id("e-iso"), &sink).await.unwrap().is_some());
}
