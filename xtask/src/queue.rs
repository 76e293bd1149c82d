//! How deep the queues are: `acequia status`, read.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::local::Local;

/// `acequia status`.
#[derive(Debug, Deserialize)]
struct Status {
    tenants: Vec<TenantStatus>,
}

#[derive(Debug, Deserialize)]
struct TenantStatus {
    tenant: String,
    queues: Vec<Queue>,
}

/// What `acequia status` says of one queue and its dead-letter queue.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Queue {
    #[serde(rename = "queue")]
    pub(crate) name: String,
    visible: u64,
    in_flight: u64,
    not_yet_visible: u64,
    dlq_visible: u64,
    dlq_in_flight: u64,
}

impl Queue {
    /// Messages that are not done with.
    pub(crate) fn waiting(&self) -> u64 {
        self.visible + self.in_flight + self.not_yet_visible
    }

    /// Messages in its dead-letter queue.
    pub(crate) fn dead(&self) -> u64 {
        self.dlq_visible + self.dlq_in_flight
    }
}

/// All queues, by tenant and name.
pub(crate) type Queues = BTreeMap<(String, String), Queue>;

/// One of them; an empty one where it is not there.
pub(crate) fn of(queues: &Queues, tenant: &str, name: &str) -> Queue {
    queues.get(&(tenant.to_owned(), name.to_owned())).cloned().unwrap_or_default()
}

/// What waits and what failed.
pub(crate) fn all(local: &Local) -> Result<Queues> {
    let status: Status =
        serde_json::from_value(local.acequia.read(&["status"])?).context("acequia status printed another form")?;
    let of_tenant = |status: TenantStatus| {
        let tenant = status.tenant;
        status.queues.into_iter().map(move |queue| ((tenant.clone(), queue.name.clone()), queue))
    };
    Ok(status.tenants.into_iter().flat_map(of_tenant).collect())
}
