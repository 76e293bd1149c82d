//! `EventBridge` itself, called without its SDK crate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use acequia_aws::json_client::{CallError, JsonClient, JsonService};
use acequia_aws::service::Service;
use acequia_core::tenant::BusArn;
use aws_config::{Region, SdkConfig};
use serde::Deserialize;
use serde_json::json;

use crate::bus::{Buses, Entry, PutError};
use crate::classify::may_pass;

const EVENTS: JsonService = JsonService {
    name: "EventBridge",
    service: Service::regional("events", "events"),
    target: "AWSEvents",
    version: "1.1",
    retries: true,
};

/// The most regions that have a client; one more and all are made anew when they are needed.
const MOST: usize = 8;

/// `EventBridge`: a bus is reached at its own region's endpoint.
#[derive(Debug, Clone)]
pub struct EventBridge {
    config: SdkConfig,
    clients: Arc<Mutex<BTreeMap<String, Arc<JsonClient>>>>,
}

impl EventBridge {
    /// What reaches buses with this configuration's credentials.
    pub fn new(config: SdkConfig) -> Self {
        Self { config, clients: Arc::default() }
    }

    fn client(&self, region: &str) -> Arc<JsonClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(region) {
            return Arc::clone(client);
        }
        if clients.len() >= MOST {
            clients.clear();
        }
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        let client = Arc::new(JsonClient::new(&config, EVENTS));
        clients.insert(region.to_owned(), Arc::clone(&client));
        client
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    entries: Vec<Answered>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answered {
    event_id: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl Buses for EventBridge {
    async fn put(&self, bus: &BusArn, entries: &[Entry<'_>]) -> Vec<Result<String, PutError>> {
        let written: Vec<_> = entries
            .iter()
            .map(|entry| {
                let mut written = json!({"EventBusName": bus.to_string(), "Source": entry.source,
                    "DetailType": entry.detail_type, "Detail": entry.detail, "Time": entry.time.as_second()});
                if let (Some(header), Some(members)) = (&entry.trace_header, written.as_object_mut()) {
                    members.insert("TraceHeader".to_owned(), json!(header));
                }
                written
            })
            .collect();
        let client = self.client(bus.region());
        let answer: Result<Answer, CallError> = client.call("PutEvents", &json!({"Entries": written})).await;
        match answer {
            Ok(answer) => answer.entries.into_iter().map(answered).collect(),
            Err(error) => {
                tracing::warn!(bus.region = bus.region(), error = ?error, "EventBridge does not take entries");
                entries.iter().map(|_| Err(failed(&error))).collect()
            }
        }
    }
}

fn answered(entry: Answered) -> Result<String, PutError> {
    match (entry.event_id, entry.error_code) {
        (Some(id), None) => Ok(id),
        (_, code) => {
            let code = code.unwrap_or_default();
            let told = format!("{code}: {}", entry.error_message.unwrap_or_default());
            Err(if may_pass(&code) { PutError::Later(told) } else { PutError::Refused(told) })
        }
    }
}

/// What the failure of a whole call says of each of its entries.
fn failed(error: &CallError) -> PutError {
    match error.refused() {
        Some((code, told)) if !may_pass(code) => PutError::Refused(format!("{code}: {told}")),
        Some((code, _)) => PutError::Later(code.to_owned()),
        None => PutError::Later("no answer".to_owned()),
    }
}
