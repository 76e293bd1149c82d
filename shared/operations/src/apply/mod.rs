//! Applying a configuration: what it would change, and writing it as the next version.
//!
//! [`plan`] reads and checks, and writes nothing; [`publish`] writes what was planned, on condition that no other
//! version came in between. Whoever must agree to a plan does so between the two.

mod secret;

use acequia_core::id::TenantId;
use acequia_core::port::{
    Change as Publication, Clock as _, GrantStore as _, StageQueues, TenantStore as _, Unavailable,
};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::tenant::{Issues, RawTenant, Tenant, grant};
use serde::Serialize;

pub use self::secret::MissingSecret;
use self::secret::missing_secrets;
use crate::change::{self, Change};
use crate::{OperationError, Ports};

/// The longest summary in the audit log, in characters.
const SUMMARY: usize = 500;

/// What is to be done with a configuration.
#[derive(Debug)]
pub struct Plan {
    /// Whose configuration.
    pub tenant: TenantId,
    /// The version that is current; 0 where there is none.
    pub current: u64,
    /// What differs from it; nothing is published where nothing does.
    pub changes: Vec<Change>,
    /// The sinks that an operator paused, and of which the new configuration says nothing: they stay paused.
    pub still_paused: Vec<String>,
    /// The secrets that it names and that are not there, or why that could not be seen. They may come later: what needs
    /// one waits in the dead-letter queue.
    pub missing_secrets: Result<Vec<MissingSecret>, Unavailable>,
    /// What is published.
    document: RawTenant,
    summary: String,
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Whose configuration.
    pub tenant: TenantId,
    /// The version that is current.
    pub version: u64,
    /// What changed, or would.
    pub changed: Vec<Change>,
}

impl Plan {
    /// The report of a plan that is not carried out.
    pub fn unapplied(&self) -> Applied {
        Applied { tenant: self.tenant.clone(), version: self.current, changed: self.changes.clone() }
    }
}

/// Looks what a configuration would change. `tenant` is `raw`, validated.
///
/// # Errors
/// [`OperationError::NotGranted`] where it asks for what the tenant's stack does not allow, or when a store does not
/// answer.
pub async fn plan(ports: &impl Ports, tenant: &Tenant, raw: &RawTenant) -> Result<Plan, OperationError> {
    let id = tenant.summary.id.clone();
    let mut document = raw.clone();
    let (mut current, mut still_paused) = (0, Vec::new());
    let mut old = None;
    if let Some(stored) = ports.tenants().current(&id).await? {
        current = stored.version;
        // What an earlier release stored and this one cannot read is replaced as a whole.
        old = RawTenant::from_json(&stored.document).ok();
        if let Some(old) = &old {
            keep_paused(old, &mut document);
        }
        let pairs = raw.sinks.iter().zip(&document.sinks);
        let kept = pairs.filter(|(said, kept)| said.paused.is_none() && kept.paused == Some(true));
        still_paused = kept.map(|(_, sink)| sink.id.clone()).collect();
    }
    let changes = change::between(old.as_ref(), &document);
    require_grants(ports, &id, raw).await?;
    let missing_secrets = missing_secrets(ports, &id, raw).await;
    let summary = if current == 0 {
        let sinks: Vec<&str> = tenant.sinks.iter().map(|sink| sink.id.as_str()).collect();
        format!("new, with sinks {}", sinks.join(", "))
    } else {
        changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>().join(", ")
    };
    Ok(Plan { tenant: id, current, changes, still_paused, missing_secrets, document, summary })
}

/// Writes what was planned as the next version. `actor` is who does it, for the audit log.
///
/// # Errors
/// [`OperationError::Publish`] where another version came in between, or the store does not answer.
pub async fn publish(ports: &impl Ports, plan: &Plan, actor: &str) -> Result<Applied, OperationError> {
    let publication = Publication {
        document: plan.document.to_json(),
        expected: plan.current,
        actor: actor.to_owned(),
        at: ports.clock().now(),
        summary: plan.summary.chars().take(SUMMARY).collect(),
    };
    let version = ports.tenants().publish(&plan.tenant, publication).await;
    let version = version.map_err(|source| OperationError::Publish { tenant: plan.tenant.clone(), source })?;
    Ok(Applied { version, ..plan.unapplied() })
}

/// A sink that an operator paused stays so, unless the new configuration says something of it.
pub fn keep_paused(old: &RawTenant, new: &mut RawTenant) {
    for sink in new.sinks.iter_mut().filter(|sink| sink.paused.is_none()) {
        sink.paused = old.sinks.iter().find(|known| known.id == sink.id).and_then(|known| known.paused);
    }
}

/// Refuses a sender or a queue outside that the tenant's stack does not allow. Its deliveries would be quarantined one
/// by one.
///
/// # Errors
/// [`OperationError::NotGranted`], or when the store does not answer.
pub async fn require_grants(ports: &impl Ports, tenant: &TenantId, raw: &RawTenant) -> Result<(), OperationError> {
    if !grant::is_needed(raw) {
        return Ok(());
    }
    let refused = ports.grants().grants(tenant).await?.refusals(raw);
    if refused.is_empty() {
        return Ok(());
    }
    Err(OperationError::NotGranted { tenant: tenant.clone(), issues: Issues(refused) })
}

/// How many events came before the tenant had a configuration, and lie in the intake's dead-letter queue. Without
/// permission to look, none is told.
pub async fn events_before(ports: &impl Ports, tenant: &TenantId) -> u64 {
    let standard = QueueName::new(ports.stage(), tenant, QueueRole::Intake);
    let ordered = QueueName { fifo: true, ..standard.clone() };
    let queues = ports.stage_queues();
    let mut waiting = 0;
    for name in [standard.dead_letter(), ordered.dead_letter()] {
        waiting += held(&queues, &name).await.unwrap_or_default();
    }
    waiting
}

/// How many messages a queue holds; `None` where it is not there, or may not be looked at.
async fn held(queues: &impl StageQueues, name: &QueueName) -> Option<u64> {
    let queue = queues.locate(name).await.ok().flatten()?;
    Some(queues.depth(&queue).await.ok()?.total())
}

#[cfg(test)]
mod tests {
    use acequia_core::egress::Egress;
    use acequia_core::message::Outgoing;
    use acequia_core::port::{PublishError, Queues as _};
    use acequia_core::secret::SecretPurpose;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    fn validated(document: serde_json::Value) -> (Tenant, RawTenant) {
        let raw = RawTenant::from_value(document).unwrap();
        (Tenant::validate(&raw, Egress::Public).unwrap(), raw)
    }

    fn webhook(url: &str) -> (Tenant, RawTenant) {
        validated(serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [
            {"id": "crm", "kind": "webhook", "types": ["*"], "url": url, "secrets": ["crm"]}]}))
    }

    async fn apply(world: &World, (tenant, raw): &(Tenant, RawTenant)) -> (usize, u64) {
        let plan = plan(world, tenant, raw).await.unwrap();
        (plan.changes.len(), publish(world, &plan, "ana").await.unwrap().version)
    }

    #[tokio::test]
    async fn a_configuration_becomes_the_next_version_and_the_same_one_changes_nothing() {
        let world = World::default();
        let (one, two) = (webhook("https://a.example/"), webhook("https://b.example/"));
        assert_eq!(apply(&world, &one).await, (7, 1));
        assert_eq!(apply(&world, &two).await, (1, 2));
        let again = plan(&world, &two.0, &two.1).await.unwrap();
        assert_eq!((again.current, again.changes.len()), (2, 0));
        let audit = world.tenants.audit(&build::tenant_id("acme")).await.unwrap();
        assert_eq!([&*audit[0].summary, &*audit[1].summary], ["new, with sinks crm", "sinks.crm.url"]);
    }

    #[tokio::test]
    async fn a_change_in_between_is_a_conflict_that_names_both_versions() {
        let world = World::default();
        let (one, two) = (webhook("https://a.example/"), webhook("https://b.example/"));
        let early = plan(&world, &one.0, &one.1).await.unwrap();
        apply(&world, &two).await;
        let error = publish(&world, &early, "ana").await.unwrap_err();
        let OperationError::Publish { source: PublishError::Conflict { current, expected }, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((current, expected), (1, 0));
    }

    #[tokio::test]
    async fn a_paused_sink_stays_paused_unless_the_configuration_says_otherwise() {
        let world = World::default();
        let mut first = webhook("https://a.example/");
        first.1.sinks[0].paused = Some(true);
        apply(&world, &first).await;
        let silent = webhook("https://b.example/");
        let of_silent = plan(&world, &silent.0, &silent.1).await.unwrap();
        assert_eq!((of_silent.document.sinks[0].paused, of_silent.changes.len()), (Some(true), 1));
        assert_eq!(of_silent.still_paused, ["crm"], "it is said");
        let mut explicit = webhook("https://b.example/");
        explicit.1.sinks[0].paused = Some(false);
        let of_explicit = plan(&world, &explicit.0, &explicit.1).await.unwrap();
        assert!(of_explicit.still_paused.is_empty());
        assert_eq!(of_explicit.document.sinks[0].paused, Some(false));
    }

    #[tokio::test]
    async fn a_sender_or_a_queue_that_the_tenants_stack_does_not_allow_is_refused_field_by_field() {
        let (tenant, raw) = validated(serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [
            {"id": "thanks", "kind": "email", "types": ["*"], "from": "Acme <a@acme.example>", "to": "x@y.example",
             "subject": "s", "text": "t"},
            {"id": "far", "kind": "forward", "types": ["*"], "queue": "arn:aws:sqs:eu-west-1:111122223333:crm"}]}));
        let world = World::default();
        let error = plan(&world, &tenant, &raw).await.unwrap_err();
        let OperationError::NotGranted { issues, .. } = &error else { panic!("{error:?}") };
        let paths: Vec<&str> = issues.0.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["sinks[0].from", "sinks[1].queue"]);
        world.grants.put(&build::tenant_id("acme"), "acme.example", "arn:aws:sqs:eu-west-1:111122223333:*");
        assert_eq!(plan(&world, &tenant, &raw).await.unwrap().current, 0);
    }

    #[tokio::test]
    async fn a_configuration_that_needs_no_grant_asks_for_none() {
        let (world, (tenant, raw)) = (World::default(), webhook("https://a.example/"));
        world.grants.reads.go_down();
        assert!(plan(&world, &tenant, &raw).await.is_ok());
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_told_and_that_it_cannot_be_seen_hinders_nothing() {
        let (world, (tenant, raw)) = (World::default(), webhook("https://a.example/"));
        let missing = plan(&world, &tenant, &raw).await.unwrap().missing_secrets.unwrap();
        let crm = MissingSecret {
            purpose: SecretPurpose::Webhook,
            name: "crm".to_owned(),
            path: "sinks[0].secrets[0]".to_owned(),
        };
        assert_eq!(missing, [crm]);
        world.secrets.lists.go_down();
        assert!(plan(&world, &tenant, &raw).await.unwrap().missing_secrets.is_err());
    }

    #[tokio::test]
    async fn events_that_came_before_the_configuration_are_counted() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        assert_eq!(events_before(&world, &tenant).await, 0, "there is no queue");
        let name = QueueName::new(&build::stage(), &tenant, QueueRole::Intake).dead_letter();
        let dead = world.stage_queues.make(&name);
        for waiting in [1, 2] {
            let event = Outgoing { body: "{}".to_owned(), ..Outgoing::default() };
            assert!(world.queues.send(&dead, &[event]).await.iter().all(Result::is_ok));
            assert_eq!(events_before(&world, &tenant).await, waiting);
        }
        world.stage_queues.finds.go_down();
        assert_eq!(events_before(&world, &tenant).await, 0, "what may not be seen is not told");
    }

    #[tokio::test]
    async fn the_report_has_tenant_version_and_changes() {
        let (world, mut new) = (World::default(), webhook("https://a.example/"));
        apply(&world, &new).await;
        new.1.name = "Other".to_owned();
        let planned = plan(&world, &new.0, &new.1).await.unwrap();
        let json = serde_json::to_value(publish(&world, &planned, "ana").await.unwrap()).unwrap();
        let changed = r#"name: "Acme" -> "Other""#;
        assert_eq!(json, serde_json::json!({"tenant": "acme", "version": 2, "changed": [changed]}));
    }
}
