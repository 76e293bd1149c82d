//! What use cases need to be there first: the stage's platform, and a tenant's queues.

use acequia_core::id::TenantId;
use acequia_core::port::{Platform as _, Presence, QueueAddresses as _, StageQueues};
use acequia_core::queue::{QueueArn, QueueName};

use crate::{OperationError, Ports};

/// That the stage has a platform, as far as may be seen: where its tables may not be read, or do not answer, nothing is
/// said.
///
/// # Errors
/// [`OperationError::NoPlatform`] where there is none.
pub async fn require_platform(ports: &impl Ports) -> Result<(), OperationError> {
    match ports.platform().presence().await {
        Ok(Presence::Missing) => Err(OperationError::NoPlatform { stage: ports.stage().clone() }),
        _ => Ok(()),
    }
}

/// That the stage has a platform, though it has no queues. Who may not read its tables is no operator of it, as a rule
/// because the stage or the region is another one.
pub(crate) async fn require_platform_without_queues(ports: &impl Ports) -> Result<(), OperationError> {
    let stage = ports.stage().clone();
    match ports.platform().presence().await? {
        Presence::There => Ok(()),
        Presence::Missing => Err(OperationError::NoPlatform { stage }),
        Presence::Hidden(source) => Err(OperationError::HiddenPlatform { stage, source }),
    }
}

/// The address of a queue, which must be there.
///
/// # Errors
/// [`OperationError::NoQueue`] where it is not, [`OperationError::NoPlatform`] where the stage has none, or when SQS
/// does not answer.
pub async fn locate(ports: &impl Ports, name: &QueueName) -> Result<QueueArn, OperationError> {
    if let Some(queue) = ports.stage_queues().locate(name).await? {
        return Ok(queue);
    }
    require_platform(ports).await?;
    Err(OperationError::NoQueue { name: name.clone() })
}

/// The queues of a tenant, of which there must be some, with their addresses.
///
/// # Errors
/// [`OperationError::NoQueues`] where there is none, [`OperationError::NoPlatform`] where the stage has none, or when
/// SQS does not answer.
pub async fn queues_of(ports: &impl Ports, tenant: &TenantId) -> Result<Vec<(QueueName, QueueArn)>, OperationError> {
    let queues = find_queues(ports, Some(tenant)).await?;
    if queues.is_empty() {
        require_platform(ports).await?;
        return Err(OperationError::NoQueues { tenant: tenant.clone(), stage: ports.stage().clone() });
    }
    Ok(queues)
}

/// The queues of one tenant, or of all, with their addresses.
pub(crate) async fn find_queues(
    ports: &impl Ports,
    tenant: Option<&TenantId>,
) -> Result<Vec<(QueueName, QueueArn)>, OperationError> {
    let names = ports.stage_queues().find(ports.stage(), tenant).await?;
    // All of a stage are in one account and region, so that one address tells the others.
    let Some(first) = names.first() else { return Ok(Vec::new()) };
    let queue = locate(ports, first).await?;
    Ok(names.into_iter().map(|name| (name.clone(), queue.beside(&name))).collect())
}

#[cfg(test)]
mod tests {
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn a_tenants_queues_are_found_with_their_addresses_and_none_is_an_error() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let name = QueueName::new(&build::stage(), &tenant, QueueRole::Intake);
        let missing = queues_of(&world, &tenant).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoQueues { .. }), "{missing:?}");
        let queue = world.stage_queues.make(&name);
        assert_eq!(queues_of(&world, &tenant).await.unwrap(), [(name.clone(), queue.clone())]);
        assert_eq!(locate(&world, &name).await.unwrap(), queue);
        let missing = locate(&world, &name.dead_letter()).await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no queue acequia_test_acme_intake-dlq");
    }

    #[tokio::test]
    async fn a_stage_without_a_platform_says_so_before_it_says_that_a_queue_is_missing() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        world.platform.remove();
        let name = QueueName::new(&build::stage(), &tenant, QueueRole::Intake);
        for error in [locate(&world, &name).await.unwrap_err(), queues_of(&world, &tenant).await.unwrap_err()] {
            assert!(matches!(error, OperationError::NoPlatform { .. }), "{error:?}");
        }
        world.platform.looks.go_down();
        let error = locate(&world, &name).await.unwrap_err();
        assert!(matches!(error, OperationError::NoQueue { .. }), "what cannot be seen is not said: {error:?}");
    }
}
