//! What a tenant's events come from beside its intake: `[sources]` in its configuration.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::issue::Findings;
#[cfg(feature = "schema")]
use super::text::EventType;
use crate::event::envelope::Envelope;
use crate::event::wrap::Wrap;
use crate::id::TenantId;

/// What the tenant's events come from beside its queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawSources {
    /// How records of Kafka's topics become events. Without this section, each record is a cloud event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawKafka"))]
    pub kafka: Option<RawKafka>,
}

/// How records of the topics that feed the tenant become events. Which topics these are is said by their stacks
/// (`infra/tenant-kafka.yaml`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawKafka {
    /// What records get whose values are JSON and no cloud events. Without it, they are quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawWrap"))]
    pub wrap: Option<RawWrap>,
}

/// What records get whose values are JSON and no cloud events: they become the `data` of an event with the id
/// `topic/partition/offset` and the record's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawWrap {
    /// The events' type.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "EventType", extend("examples" = ["order.placed"])))]
    pub event_type: String,
    /// The events' source, a URI reference.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["/shop"])))]
    pub source: String,
}

/// Validates the section.
pub(super) fn validate_wrap(
    raw: Option<&RawSources>,
    tenant: Option<&TenantId>,
    findings: &mut Findings,
) -> Option<Wrap> {
    let RawWrap { event_type, source } = raw?.kafka.as_ref()?.wrap.as_ref()?;
    let wrap = Wrap { event_type: event_type.clone(), source: source.clone() };
    // What would come of a record is what says whether it may.
    let received = Envelope::receive(tenant?, Timestamp::UNIX_EPOCH, &wrap.event("topic/0/0", None, "{}"));
    let error = received.map_or_else(Some, |received| received.irregularity);
    if let Some(error) = error {
        let field = error.pointer().unwrap_or_default().replace('/', ".");
        findings.report(format!("sources.kafka.wrap{field}"), error.to_string());
        return None;
    }
    Some(wrap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;
    use crate::tenant::{Issues, RawTenant, Tenant};

    fn wrap(fields: &serde_json::Value) -> Result<Option<Wrap>, Issues> {
        let document = serde_json::json!({
            "tenant": "acme", "name": "Acme", "sources": { "kafka": { "wrap": fields } },
            "sinks": [{ "id": "out", "kind": "forward", "types": ["*"], "queue": "out" }],
        });
        Tenant::validate(&RawTenant::from_value(document)?, Egress::Public).map(|tenant| tenant.kafka_wrap)
    }

    #[test]
    fn a_wrap_makes_events_that_a_producer_could_send_and_no_others() {
        let good = wrap(&serde_json::json!({ "type": "order.placed", "source": "/shop" })).unwrap().unwrap();
        assert_eq!((good.event_type.as_str(), good.source.as_str()), ("order.placed", "/shop"));
        for (kind, source, field) in [
            ("", "/shop", "type"),
            ("acequia.consent.rejected", "/shop", "type"),
            ("a\nb", "/shop", "type"),
            ("t", "", "source"),
            ("t", "a b", "source"),
            ("t", "/acequia/consent", "source"),
        ] {
            let issues = wrap(&serde_json::json!({ "type": kind, "source": source })).unwrap_err();
            assert_eq!(issues.0[0].path, format!("sources.kafka.wrap.{field}"), "{kind:?} {source:?}: {issues}");
        }
    }
}
