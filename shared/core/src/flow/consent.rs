//! The loop that everybody goes through who changes a consent: load, plan, commit; and again, if somebody else was
//! there first.

use jiff::Timestamp;

use crate::consent::plan::{self, Origin, Plan, Rules, SubjectAction};
use crate::consent::{ActionId, Answer, ConsentKey, ListId, Snapshot, SubjectId};
use crate::event::envelope::Envelope;
use crate::id::TenantId;
use crate::outcome::Cause;
use crate::outcome::stall::Store;
use crate::port::{CommitError, Consents, Unavailable};
use crate::tenant::{ConsentSettings, Requirement};

/// How often a change is planned anew before it is left for later.
const TRIES: usize = 6;

/// One tenant's consents, changed by its current settings.
#[derive(Debug)]
pub struct ConsentCommands<'a, C> {
    /// Where consents are kept.
    pub consents: &'a C,
    /// Whose.
    pub tenant: &'a TenantId,
    /// The tenant's settings.
    pub settings: &'a ConsentSettings,
    /// Their version.
    pub config_version: u64,
    /// Now.
    pub now: Timestamp,
}

/// Why nothing was done, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The event cannot be taken: a permanent cause.
    #[error(transparent)]
    Refused(#[from] Cause),
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Others write all the time.
    #[error("the consent is changed by others all the time")]
    Contested,
}

impl ConsentError {
    /// The store of ours that this is for.
    pub fn stalled_by(&self) -> Option<Store> {
        match self {
            Self::Refused(cause) => cause.stalled_by(None),
            Self::Unavailable(_) => Some(Store::Consents),
            Self::Contested => None,
        }
    }
}

impl<C: Consents> ConsentCommands<'_, C> {
    /// Takes in an event that needs consent.
    ///
    /// # Errors
    /// [`ConsentError::Refused`] where it cannot be taken; else it may be taken later, and nothing or all was written.
    pub async fn submit(&self, need: &Requirement, envelope: &Envelope) -> Result<Answer, ConsentError> {
        if !self.settings.has_list(&need.list) {
            return Err(Cause::CannotWait("its list is none of consent.lists, and consent.lists_closed is set").into());
        }
        let subject = SubjectId::derive(self.tenant, &need.subject);
        let key = ConsentKey { subject, list: ListId::derive(self.tenant, &need.list) };
        let id = ActionId::derive(self.tenant, &envelope.event);
        for _ in 0..TRIES {
            let before = self.consents.load(self.tenant, &key, &[id]).await?;
            let rules = self.rules(&need.list);
            let plan = plan::submit(key, id, need, envelope, &before, rules)?;
            if let Some(answer) = self.carry_out(plan).await? {
                return Ok(answer);
            }
        }
        Err(ConsentError::Contested)
    }

    /// Records what somebody did about an action; `None` where there is no such consent or action.
    ///
    /// # Errors
    /// It may be done later.
    pub async fn act(
        &self,
        key: ConsentKey,
        id: ActionId,
        subject_action: &SubjectAction,
        origin: &Origin,
    ) -> Result<Option<Answer>, ConsentError> {
        self.change(key, id, |before, rules| plan::act(key, id, subject_action, origin, before, rules)).await
    }

    /// What would come of such an action now, and the name of the list that it is about. Nothing is written.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn foresee(
        &self,
        key: ConsentKey,
        id: ActionId,
        subject_action: &SubjectAction,
    ) -> Result<Option<(Answer, String)>, ConsentError> {
        // The answer is about this action alone: the others that wait are not looked at.
        let before = self.consents.load(self.tenant, &key, &[id]).await?;
        let Some(list) = before.consent.as_ref().map(|consent| consent.list.clone()) else { return Ok(None) };
        let origin = Origin { by: "nobody", key: None };
        let plan = plan::act(key, id, subject_action, &origin, &before, self.rules(&list));
        Ok(plan.map(|plan| (plan.answer, list)))
    }

    /// Sends the mail that asks once more, if it may be.
    ///
    /// # Errors
    /// It may be done later.
    pub async fn ask_again(&self, key: ConsentKey, id: ActionId) -> Result<Option<Answer>, ConsentError> {
        self.change(key, id, |before, rules| plan::ask_again(key, id, before, rules)).await
    }

    /// Sends a reminder, if one is due.
    ///
    /// # Errors
    /// It may be done later.
    pub async fn remind(&self, key: ConsentKey) -> Result<Option<Answer>, ConsentError> {
        for _ in 0..TRIES {
            let first = self.consents.load(self.tenant, &key, &[]).await?;
            let Some(consent) = &first.consent else { return Ok(None) };
            let oldest: Vec<ActionId> = consent.waiting.first().copied().into_iter().collect();
            let before = self.consents.load(self.tenant, &key, &oldest).await?;
            let rules = self.rules(&consent.list);
            let Some(plan) = plan::remind(key, &before, rules) else { return Ok(None) };
            if let Some(answer) = self.carry_out(plan).await? {
                return Ok(Some(answer));
            }
        }
        Err(ConsentError::Contested)
    }

    async fn change(
        &self,
        key: ConsentKey,
        id: ActionId,
        plan: impl Fn(&Snapshot, Rules) -> Option<Plan> + Send + Sync,
    ) -> Result<Option<Answer>, ConsentError> {
        for _ in 0..TRIES {
            let first = self.consents.load(self.tenant, &key, &[id]).await?;
            let Some(consent) = &first.consent else { return Ok(None) };
            let rules = self.rules(&consent.list);
            // An answer may release all that wait, so they are read too; what is read last is what counts.
            let mut ids = consent.waiting.clone();
            ids.retain(|waiting| *waiting != id);
            let before = if ids.is_empty() {
                first
            } else {
                ids.push(id);
                self.consents.load(self.tenant, &key, &ids).await?
            };
            // Another action may have come in between the two: then it is not among those that were read.
            let complete = |before: &Snapshot| {
                before
                    .consent
                    .as_ref()
                    .is_some_and(|consent| consent.waiting.iter().all(|waiting| before.actions.contains_key(waiting)))
            };
            if !complete(&before) {
                continue;
            }
            let Some(plan) = plan(&before, rules) else { return Ok(None) };
            if let Some(answer) = self.carry_out(plan).await? {
                return Ok(Some(answer));
            }
        }
        Err(ConsentError::Contested)
    }

    fn rules(&self, list: &str) -> Rules {
        Rules {
            asks: self.settings.asks(list),
            reminders: self.settings.reminders,
            config_version: self.config_version,
            now: self.now,
        }
    }

    /// Writes a plan; `None` where somebody else was there first.
    async fn carry_out(&self, plan: Plan) -> Result<Option<Answer>, ConsentError> {
        let Some(change) = plan.change else { return Ok(Some(plan.answer)) };
        match self.consents.commit(self.tenant, &change).await {
            Ok(()) => Ok(Some(plan.answer)),
            Err(CommitError::Conflict) => Ok(None),
            Err(CommitError::Unavailable(error)) => Err(error.into()),
        }
    }
}
