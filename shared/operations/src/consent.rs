//! Who agreed to what, when, on which text; and forgetting it.

use acequia_core::consent::{AddressId, Dossier, SubjectId, Suppression};
use acequia_core::id::{EventId, TenantId};
use acequia_core::port::{Consents as _, SuppressionList as _};
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, time};

/// What erasing leaves, and why. The texts are part of what is told to people who ask.
pub const REMAINS: [&str; 9] = [
    "the ledger: ids of events, and no address; its rows expire after 30 days",
    "delayed messages, with their bodies: up to 15 days after they are due, and as long as their sink is paused; `acequia erase` erases the subject's",
    "what is known of the address, where the events name the subject by something else: erase the address in the same way, `acequia consent erase TENANT ADDRESS`",
    "how often an address was asked on a day: a number under a digest, which expires after three days",
    "messages on their way and in dead-letter queues: SQS keeps them for 14 days in each; `acequia erase` deletes the subject's dead letters",
    "what sinks received, but for the rows of table sinks, which `acequia erase` deletes: it is the receivers' to erase",
    "the archive, where the tenant has such a sink: `acequia erase` takes the subject's events out of its objects",
    "SES's own suppression list, where the address stands on it: `aws sesv2 delete-suppressed-destination` takes it off",
    "the tables' continuous backups: at most 35 days",
];

/// Where a subject stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownSubject {
    /// Whose subject.
    pub tenant: TenantId,
    /// The digest that it is known by.
    pub subject: SubjectId,
    /// Why its address gets no mails, where that is so.
    pub suppressed: Option<&'static str>,
    /// What is known of it, list by list.
    pub consents: Vec<ShownConsent>,
}

/// What is known of a subject on one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownConsent {
    /// The list.
    pub list: String,
    /// Where the subject stands.
    pub state: &'static str,
    /// Where its address stands.
    pub email_status: &'static str,
    /// Since when it is known.
    #[serde(serialize_with = "time::one")]
    pub since: Timestamp,
    /// When that changed last.
    #[serde(serialize_with = "time::one")]
    pub changed: Timestamp,
    /// The proof: what was done, the first first.
    pub proofs: Vec<ShownProof>,
    /// Its actions.
    pub actions: Vec<ShownAction>,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownProof {
    /// When.
    #[serde(serialize_with = "time::one")]
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// By which way.
    pub by: String,
    /// The event of the action that it was about; null where that is gone.
    pub event: Option<EventId>,
    /// The version of the configuration whose texts were shown.
    pub config_version: u64,
    /// The name of the key that signed the link.
    pub key: Option<String>,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownAction {
    /// Its event.
    pub event: EventId,
    /// Where it stands.
    pub state: &'static str,
    /// When SQS took the event.
    #[serde(serialize_with = "time::one")]
    pub accepted_at: Timestamp,
}

/// One line of the proof of a subject's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofLine {
    /// When it was done.
    #[serde(serialize_with = "time::one")]
    pub at: Timestamp,
    /// By which way.
    pub by: String,
    /// The version of the configuration whose texts were shown.
    pub config_version: u64,
    /// The event of the action that it was about.
    pub event: Option<EventId>,
    /// The name of the key that signed the link.
    pub key: Option<String>,
    /// The list.
    pub list: String,
    /// Where the subject stands on it.
    pub state: &'static str,
    /// The subject.
    pub subject: SubjectId,
    /// Whose subject.
    pub tenant: TenantId,
    /// What was done.
    pub what: String,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// How many rows.
    pub rows: usize,
    /// Whether something was known of the address, and is not any more.
    pub address: bool,
    /// What remains, and why.
    pub remains: [&'static str; 9],
}

/// The subject that a text names: by its digest, as events of the consent function do, or as the tenant's own events
/// do.
pub fn identify(tenant: &TenantId, text: &str) -> SubjectId {
    text.parse().unwrap_or_else(|_| SubjectId::derive(tenant, text))
}

/// Shows where a subject stands.
///
/// # Errors
/// [`OperationError::UnknownSubject`] where nothing is known of it, or when a store does not answer.
pub async fn show(ports: &impl Ports, tenant: &TenantId, subject: SubjectId) -> Result<ShownSubject, OperationError> {
    let dossier = ports.consents().dossier(tenant, &subject).await?;
    let suppressed = ports.suppression_list().suppressed(tenant, &[subject]).await?.into_iter().flatten().next();
    if dossier == Dossier::default() && suppressed.is_none() {
        return Err(OperationError::UnknownSubject { tenant: tenant.clone(), subject });
    }
    Ok(ShownSubject::of(tenant, subject, &dossier, suppressed.as_ref()))
}

/// Erases a subject: its consents, what waits for them, and what is known of its address. `keep_suppressed` keeps the
/// digest of an address that wants no mails, so that it gets none. It is for good: a caller asks before.
///
/// # Errors
/// When a store does not answer. It can be run again, and finds the rest.
pub async fn erase(
    ports: &impl Ports,
    tenant: &TenantId,
    subject: SubjectId,
    keep_suppressed: bool,
) -> Result<Erasure, OperationError> {
    let address: AddressId = subject;
    // The address first: if the second fails, it can be run again and finds the rest.
    let address = if keep_suppressed { false } else { ports.suppression_list().forget(tenant, &address).await? };
    let rows = ports.consents().erase(tenant, &subject).await?;
    Ok(Erasure { rows, address, remains: REMAINS })
}

impl ShownSubject {
    fn of(tenant: &TenantId, subject: SubjectId, dossier: &Dossier, suppressed: Option<&Suppression>) -> Self {
        let consents = dossier.consents.iter().map(|(key, consent)| {
            let of_list = || dossier.actions.iter().filter(move |(owner, _)| owner == key).map(|(_, action)| action);
            let event = |id| of_list().find(|action| action.id == id).map(|action| action.event.clone());
            let proofs = consent.proofs.iter().map(|proof| ShownProof {
                at: proof.at,
                what: proof.what.clone(),
                by: proof.by.clone(),
                event: event(proof.action),
                config_version: proof.config_version,
                key: proof.key.clone(),
            });
            let actions = of_list().map(|action| ShownAction {
                event: action.event.clone(),
                state: action.state.as_str(),
                accepted_at: action.accepted_at,
            });
            ShownConsent {
                list: consent.list.clone(),
                state: consent.state.as_str(),
                email_status: consent.email.as_str(),
                since: consent.created_at,
                changed: consent.updated_at,
                proofs: proofs.collect(),
                actions: actions.collect(),
            }
        });
        let suppressed = suppressed.map(|suppression| suppression.reason.as_str());
        Self { tenant: tenant.clone(), subject, suppressed, consents: consents.collect() }
    }

    /// The proof of its consent, a line for each thing that was done.
    pub fn proof(&self) -> Vec<ProofLine> {
        let lines = self.consents.iter().flat_map(|consent| consent.proofs.iter().map(move |proof| (consent, proof)));
        let line = |(consent, proof): (&ShownConsent, &ShownProof)| ProofLine {
            at: proof.at,
            by: proof.by.clone(),
            config_version: proof.config_version,
            event: proof.event.clone(),
            key: proof.key.clone(),
            list: consent.list.clone(),
            state: consent.state,
            subject: self.subject,
            tenant: self.tenant.clone(),
            what: proof.what.clone(),
        };
        lines.map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::consent::{
        Action, ActionId, ActionState, Change, Consent, ConsentKey, ListId, Proof, SubjectState, SuppressionReason,
    };
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    /// Ana has agreed on the list `trees`.
    async fn world() -> World {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let key = ConsentKey {
            subject: SubjectId::derive(&tenant, "ana@example.org"),
            list: ListId::derive(&tenant, "trees"),
        };
        let id = ActionId::derive(&tenant, &build::event_id("1"));
        let action = Action {
            id,
            event: build::event_id("1"),
            state: ActionState::Delivered,
            rank: 0,
            with_consent: true,
            body: None,
            accepted_at: build::start(),
            trace: None,
        };
        let mut consent =
            Consent { version: 1, state: SubjectState::Accepted, ..Consent::new("trees", build::start()) };
        for what in ["asked", "accept"] {
            consent.note(Proof {
                at: build::start(),
                what: what.to_owned(),
                by: "link".to_owned(),
                action: id,
                config_version: 3,
                key: None,
            });
        }
        let change = Change { key, consent, actions: vec![action], outbox: vec![] };
        world.consents.commit(&tenant, &change).await.unwrap();
        world
    }

    #[tokio::test]
    async fn a_subject_is_found_by_address_or_digest_and_told_without_the_address() {
        let (world, tenant) = (world().await, build::tenant_id("acme"));
        let id = identify(&tenant, "Ana@example.org");
        assert_eq!(identify(&tenant, &id.to_string()), id);
        let shown = show(&world, &tenant, id).await.unwrap();
        let json = serde_json::to_value(&shown).unwrap();
        let trees = &json["consents"][0];
        assert_eq!((&trees["list"], &trees["state"]), (&"trees".into(), &"accepted".into()));
        assert_eq!(trees["actions"][0]["event"], "/tests|1");
        assert_eq!(trees["since"], "2026-01-01T00:00:00.000Z");
        assert!(!json.to_string().contains("na@"), "{json}");
        let missing = show(&world, &tenant, identify(&tenant, "ben@example.org")).await;
        assert!(matches!(missing, Err(OperationError::UnknownSubject { .. })), "{missing:?}");
    }

    #[tokio::test]
    async fn the_proof_has_a_line_for_each_thing_that_was_done() {
        let (world, tenant) = (world().await, build::tenant_id("acme"));
        let id = identify(&tenant, "ana@example.org");
        let lines = show(&world, &tenant, id).await.unwrap().proof();
        assert_eq!(lines.len(), 2);
        let wanted = format!(
            r#"{{"at":"2026-01-01T00:00:00.000Z","by":"link","config_version":3,"event":"/tests|1","key":null,"list":"trees","state":"accepted","subject":"{id}","tenant":"acme","what":"accept"}}"#
        );
        assert_eq!(serde_json::to_string(&lines[1]).unwrap(), wanted);
    }

    #[tokio::test]
    async fn erasing_leaves_no_row_and_can_keep_that_no_mail_is_wanted() {
        for (keep, stays) in [(false, false), (true, true)] {
            let (world, tenant) = (world().await, build::tenant_id("acme"));
            let id = identify(&tenant, "ana@example.org");
            let suppression = Suppression { reason: SuppressionReason::Complaint, since: build::start() };
            world.mail_store.suppress(&tenant, &id, &suppression).await.unwrap();
            let erased = erase(&world, &tenant, id, keep).await.unwrap();
            assert_eq!((erased.rows, erased.address), (2, !keep));
            for named in ["delayed", "erase the address", "dead letters", "archive", "backups"] {
                assert!(erased.remains.iter().any(|line| line.contains(named)), "{named}");
            }
            assert_eq!(world.consents.dossier(&tenant, &id).await.unwrap(), Dossier::default());
            assert_eq!(world.mail_store.suppressed(&tenant, &[id]).await.unwrap()[0].is_some(), stays);
        }
    }
}
