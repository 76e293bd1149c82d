//! Lambda: how much may run at once, which queue feeds which function, and what the functions were deployed with.

use std::collections::BTreeMap;

use acequia_core::id::Stage;
use acequia_core::port::Unavailable;
use acequia_core::queue::{QueueArn, QueueName};
use serde_json::Value as Json;

use super::Account;
use super::wire::encoded;
use crate::error::EntryError;
use crate::refusal::unavailable;
use crate::service::Service;

const LAMBDA: Service = Service::regional("lambda", "lambda");
const SETTINGS: &str = "read Lambda's limits of the account";
const MAPPINGS: &str = "list the mappings of queues to functions";
const FUNCTION: &str = "read a function's settings";

/// How many invocations of all functions may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// The account's quota in this region.
    pub limit: u64,
    /// What of it is reserved for no function.
    pub unreserved: u64,
}

/// A mapping from one of a tenant's queues to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its id, by which it is switched on and off.
    pub id: String,
    /// The queue that it reads.
    pub queue: QueueName,
    /// `Enabled`, `Disabled`, or what it is turning into.
    pub state: String,
    /// How many invocations at once it may take; `None` for as many as there are.
    pub most: Option<u64>,
}

/// What a function that serves was deployed with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployed {
    /// Its environment.
    pub variables: BTreeMap<String, String>,
    /// What of the account's concurrency is kept for it.
    pub reserved: Option<u64>,
}

impl Account {
    /// How much may run at once.
    ///
    /// # Errors
    /// When Lambda does not answer, or refuses.
    pub async fn concurrency(&self) -> Result<Concurrency, Unavailable> {
        let answer = self.wire.get(SETTINGS, LAMBDA, "/2016-08-19/account-settings/").await?;
        let limits = answer.get("AccountLimit");
        let number = |name: &str| limits.and_then(|limits| limits.get(name)).and_then(Json::as_u64);
        let limit = number("ConcurrentExecutions")
            .ok_or_else(|| unavailable(SETTINGS, EntryError::new("Empty", "the answer has no limit")))?;
        Ok(Concurrency { limit, unreserved: number("UnreservedConcurrentExecutions").unwrap_or(limit) })
    }

    /// The mappings of all tenants' queues of a stage.
    ///
    /// # Errors
    /// When Lambda does not answer, or refuses.
    pub async fn mappings(&self, stage: &Stage) -> Result<Vec<Mapping>, Unavailable> {
        let mut found = Vec::new();
        let mut marker = String::new();
        loop {
            let path = format!("/2015-03-31/event-source-mappings/?MaxItems=100{marker}");
            let answer = self.wire.get(MAPPINGS, LAMBDA, &path).await?;
            let listed = answer.get("EventSourceMappings").and_then(Json::as_array);
            found.extend(listed.into_iter().flatten().filter_map(mapping).filter(|one| one.queue.stage == *stage));
            match answer.get("NextMarker").and_then(Json::as_str).filter(|next| !next.is_empty()) {
                Some(next) => marker = format!("&Marker={}", encoded(next)),
                None => break,
            }
        }
        found.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(found)
    }

    /// What serves under a function's alias `live`; `None` where there is no such function.
    ///
    /// # Errors
    /// When Lambda does not answer, or refuses.
    pub async fn deployed(&self, function: &str) -> Result<Option<Deployed>, Unavailable> {
        let function = encoded(function);
        let live = format!("/2015-03-31/functions/{function}/configuration?Qualifier=live");
        let latest = format!("/2015-03-31/functions/{function}/configuration");
        let Some(configuration) = self.look(&live).await? else {
            // Without an alias of this name, what was deployed last is what serves.
            return Ok(self
                .look(&latest)
                .await?
                .map(|configuration| Deployed { variables: variables(&configuration), reserved: None }));
        };
        let reserved = self.look(&format!("/2019-09-30/functions/{function}/concurrency")).await?;
        let reserved = reserved.and_then(|answer| answer.get("ReservedConcurrentExecutions").and_then(Json::as_u64));
        Ok(Some(Deployed { variables: variables(&configuration), reserved }))
    }

    /// What is at a path; `None` where nothing is.
    async fn look(&self, path: &str) -> Result<Option<Json>, Unavailable> {
        match self.wire.get(FUNCTION, LAMBDA, path).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.source.to_string().contains("ResourceNotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn variables(configuration: &Json) -> BTreeMap<String, String> {
    let variables = configuration.get("Environment").and_then(|environment| environment.get("Variables"));
    let pairs = variables.and_then(Json::as_object).into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Reads one mapping; `None` for one of a queue that is not a tenant's.
fn mapping(json: &Json) -> Option<Mapping> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let queue: QueueArn = text("EventSourceArn")?.parse().ok()?;
    let most = json.get("ScalingConfig").and_then(|scaling| scaling.get("MaximumConcurrency")).and_then(Json::as_u64);
    Some(Mapping {
        id: text("UUID")?.to_owned(),
        queue: queue.name().parse().ok()?,
        state: text("State").unwrap_or("unknown").to_owned(),
        most,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mappings_of_tenants_queues_are_read_and_others_left_out() {
        let of = |queue: &str| {
            mapping(&json!({"UUID": "u", "EventSourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "State": "Enabled", "ScalingConfig": {"MaximumConcurrency": 7}}))
        };
        let found = of("acequia_dev_acme_intake").unwrap();
        assert_eq!((found.most, found.state.as_str(), found.queue.tenant.as_str()), (Some(7), "Enabled", "acme"));
        assert_eq!(of("acequia-dev-feedback"), None);
        let stream = "arn:aws:dynamodb:us-east-1:000000000000:table/acequia-dev-consents/stream/x";
        assert_eq!(mapping(&json!({"UUID": "u", "EventSourceArn": stream})), None);
    }
}
