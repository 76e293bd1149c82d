//! What must hold when all is over: every event that needs consent stands where the table allows, and all that follows
//! from a change has reached the sinks.

use acequia_core::consent::{ActionState, OutboxRow, OutboxTask, SubjectState};
use acequia_core::id::TenantId;
use acequia_core::wire::REASON;
use acequia_testkit::build;

use super::driver::ROLES;
use super::people;
use super::rows::Parcel;
use super::scenario::EventPlan;
use super::scene::Scene;

/// Checks it all.
pub fn check(scene: &Scene) {
    let events = scene.seen().scenario.events.clone();
    for event in &events {
        let held = if event.is_governed() { stands(scene, event) } else { passed(scene, event) };
        scene.hold(0, held);
    }
    check_rows(scene);
    for tenant in scene.tenants() {
        for role in ROLES {
            let dead = build::dead_letter_queue(tenant.as_str(), role);
            for message in scene.world.queues.messages(&dead) {
                let reason = message.attributes.get(REASON).and_then(|reason| reason.as_text());
                scene.hold(0, Err(format!("a message still lies in {}: {reason:?}", dead.name())));
            }
        }
    }
}

/// Whether all that follows from a change has come to its end.
fn check_rows(scene: &Scene) {
    for row in scene.consents.outbox() {
        scene.hold(0, Err(format!("{row:?} was never carried out")));
    }
    let consequences = scene.seen().consequences.clone();
    for consequence in consequences {
        for any in &consequence.parcels {
            let held = if any.iter().any(|parcel| has_come(scene, parcel)) {
                Ok(())
            } else {
                Err(format!("{}, and {any:?} is LOST", consequence.what))
            };
            scene.hold(0, held);
        }
    }
    let rows = scene.seen().rows.clone();
    for (tenant, row, parcels) in rows {
        for parcel in parcels {
            let held = carried_out(scene, &tenant, &row, &parcel);
            scene.hold(0, held);
        }
    }
}

/// Whether what a row asks for has come, or was a mail that is not wanted any more.
fn carried_out(scene: &Scene, tenant: &TenantId, row: &OutboxRow, parcel: &Parcel) -> Result<(), String> {
    let (sent, arrived) = {
        let seen = scene.seen();
        (seen.sent.contains_key(parcel), seen.arrived.contains(parcel))
    };
    if !sent {
        return Err(format!("{row:?} asks for {parcel:?}, which is LOST"));
    }
    let answered = || scene.consents.consent(tenant, &row.key).is_some_and(|it| it.state != SubjectState::Confirming);
    let suppressed = || scene.seen().suppressed.contains_key(&(tenant.clone(), row.key.subject));
    let void = matches!(row.task, OutboxTask::Mail { .. } | OutboxTask::Deliver { .. }) && parcel.is_mail();
    let void = void && ((parcel.is_asking() && answered()) || suppressed());
    if arrived || void { Ok(()) } else { Err(format!("{row:?} asks for {parcel:?}, which never arrived")) }
}

/// Whether it reached its sink: the tenant's queue, or (a mail, which may be void by then) the queue of the e-mail
/// sink.
fn has_come(scene: &Scene, parcel: &Parcel) -> bool {
    let seen = scene.seen();
    if parcel.is_mail() { seen.sent.contains_key(parcel) } else { seen.arrived.contains(parcel) }
}

/// Whether an action and its subject stand where the table allows that all comes to rest.
fn stands(scene: &Scene, event: &EventPlan) -> Result<(), String> {
    let consent = scene.consents.consent(&event.tenant, &event.key);
    let action = scene.consents.action(&event.tenant, &event.key, &event.action);
    let Some((consent, action)) = consent.zip(action) else {
        return Err(format!(
            "{} of {} was accepted, and the store of consents does not know it",
            event.event, event.tenant
        ));
    };
    let waits = consent.waiting.contains(&event.action);
    let rests = match (consent.state, action.state) {
        (SubjectState::Confirming, ActionState::New | ActionState::Accepted | ActionState::Confirming) => {
            waits && event.asks_subject()
        }
        (SubjectState::Accepted, ActionState::Confirming) => waits && event.asks_moderator(),
        (SubjectState::Accepted | SubjectState::Rejected, ActionState::Delivered | ActionState::Repeat)
        | (_, ActionState::Rejected) => !waits,
        _ => false,
    };
    if !rests {
        let (subject, state) = (consent.state, action.state);
        return Err(format!(
            "{} of {} rests {state:?} (waits: {waits}), its subject {subject:?}",
            event.event, event.tenant
        ));
    }
    let told = (event.tenant.clone(), event.key);
    let address = (event.tenant.clone(), people::address_of(event));
    let seen = scene.seen();
    if seen.told.contains(&told)
        && (consent.state == SubjectState::Confirming || !seen.suppressed.contains_key(&address))
    {
        return Err(format!("SES told of {}, and it is asked or written to all the same", event.address));
    }
    // An action that has an answer does not keep the event's bytes.
    if action.body.is_some() != action.state.is_open() {
        return Err(format!("{} of {} is {:?}, and its bytes say otherwise", event.event, event.tenant, action.state));
    }
    Ok(())
}

/// Whether an event that needs no consent came to every sink that takes it.
fn passed(scene: &Scene, event: &EventPlan) -> Result<(), String> {
    let seen = scene.seen();
    let Some(tenant) = seen.scenario.tenant(&event.tenant) else { return Ok(()) };
    for sink in tenant.sinks.iter().filter(|sink| sink.takes(event.kind)) {
        let parcel = Parcel { tenant: event.tenant.clone(), event: event.event.clone(), sink: sink.id.clone() };
        if !seen.arrived.contains(&parcel) {
            return Err(format!("{parcel:?} needs no consent, and is LOST"));
        }
    }
    Ok(())
}
