//! Clients of SQS in other regions: a queue is reached at its own region's endpoint, and at no other
//! (<https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use acequia_core::queue::QueueArn;
use aws_config::Region;
use aws_sdk_sqs::Client;

/// The most regions beside the own one that have a client; one more and all are made anew when they are needed. A
/// client that is dropped costs its connections, and nothing else.
const MOST: usize = 8;

/// The clients of other regions, each made when a queue of its region is first used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elsewhere(Arc<Mutex<BTreeMap<String, Client>>>);

impl Elsewhere {
    /// The client that reaches a queue: `own`, or one that differs from it in the region alone.
    ///
    /// Where an endpoint is set (the local AWS), that endpoint is all regions', and the region is what the call is
    /// signed for.
    pub(crate) fn client<'a>(&self, own: &'a Client, queue: &QueueArn) -> Cow<'a, Client> {
        let region = queue.region();
        if own.config().region().is_none_or(|known| known.as_ref() == region) {
            return Cow::Borrowed(own);
        }
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(region) {
            return Cow::Owned(client.clone());
        }
        if clients.len() >= MOST {
            clients.clear();
        }
        let config = own.config().to_builder().region(Region::new(region.to_owned())).build();
        let client = Client::from_conf(config);
        clients.insert(region.to_owned(), client.clone());
        Cow::Owned(client)
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, SdkConfig};

    use super::*;

    fn own() -> Client {
        let region = Region::new("eu-west-1");
        Client::new(&SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(region).build())
    }

    fn queue(region: &str) -> QueueArn {
        format!("arn:aws:sqs:{region}:123456789012:q").parse().unwrap()
    }

    #[test]
    fn a_queue_of_another_region_has_a_client_of_that_region_and_one_of_the_own_region_makes_none() {
        let (elsewhere, own) = (Elsewhere::default(), own());
        assert!(matches!(elsewhere.client(&own, &queue("eu-west-1")), Cow::Borrowed(_)));
        assert!(elsewhere.0.lock().unwrap().is_empty());
        for region in ["eu-central-1", "us-east-1", "eu-central-1"] {
            let client = elsewhere.client(&own, &queue(region));
            assert_eq!(client.config().region().unwrap().as_ref(), region);
        }
        assert_eq!(elsewhere.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn there_are_few_at_any_time() {
        let (elsewhere, own) = (Elsewhere::default(), own());
        for number in 0..50 {
            let _ = elsewhere.client(&own, &queue(&format!("xx-region-{number}")));
            assert!(elsewhere.0.lock().unwrap().len() <= MOST);
        }
    }
}
