//! One batch of notices, each settled on its own.

use std::sync::Arc;

use acequia_core::consent::{Origin, SubjectAction, SubjectId, Suppression, SuppressionReason};
use acequia_core::delivery::ledger::{Learned, Receipt, learn};
use acequia_core::flow::consent::{ConsentCommands, ConsentError};
use acequia_core::id::Stage;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Amend, Clock, Consents, Ledger, SuppressionList, TenantStore, Unavailable};
use acequia_lambda::{CachedTenants, Telemetry, UnusableBatch, read_batch};
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures::StreamExt as _;

use crate::notice::{Happened, Notice, is_greeting};

/// How many notices are taken in at once.
const AT_ONCE: usize = 8;

/// The feedback function, wired to its ports.
pub struct Feedback<T, C, B, L> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of consents.
    pub consents: C,
    /// What is known of addresses.
    pub mail_store: B,
    /// The memory of deliveries.
    pub ledger: L,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The platform's SES configuration set.
    pub configuration_set: String,
    /// The stage it belongs to.
    pub stage: Stage,
    /// Where it tells what of ours holds it up.
    pub telemetry: Telemetry,
}

/// Why a notice is to come again.
#[derive(Debug, thiserror::Error)]
enum Later {
    #[error("the store {0} does not answer")]
    Down(Store, #[source] Unavailable),
    #[error("the mail's delivery is being recorded")]
    Claimed,
    #[error(transparent)]
    ConsentCommands(#[from] ConsentError),
    #[error("the tenant's configuration cannot be read: {0}")]
    Tenant(Cause),
}

impl Later {
    fn down(store: Store) -> impl Fn(Unavailable) -> Self {
        move |error| Self::Down(store, error)
    }

    /// The store of ours that it waits for.
    fn stalled_by(&self) -> Option<Store> {
        match self {
            Self::Down(store, _) => Some(*store),
            Self::Claimed => None,
            Self::ConsentCommands(error) => error.stalled_by(),
            Self::Tenant(cause) => cause.stalled_by(None),
        }
    }
}

impl<T: TenantStore, C: Consents, B: SuppressionList, L: Ledger + Amend> Feedback<T, C, B, L> {
    /// Takes in one batch. A notice that could not be taken in comes again. So does a message that is no notice of
    /// ours: it ends in the dead-letter queue, where an operator can look at it.
    ///
    /// # Errors
    /// [`UnusableBatch`] where the batch cannot be answered item by item.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, UnusableBatch> {
        let Some((_, messages)) = read_batch(event)? else { return Ok(SqsBatchResponse::default()) };
        let work: Vec<_> = messages
            .into_iter()
            .map(|message| async move {
                let taken = self.take_in(&message.body).await;
                (!taken).then_some(message.message_id)
            })
            .collect();
        let failed: Vec<Option<String>> = futures::stream::iter(work).buffered(AT_ONCE).collect().await;
        let failure = |id: String| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        };
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = failed.into_iter().flatten().map(failure).collect();
        Ok(response)
    }

    async fn take_in(&self, body: &str) -> bool {
        let notice = match Notice::read(body, &self.configuration_set) {
            Ok(notice) => notice,
            Err(_) if is_greeting(body) => {
                tracing::info!("SES publishes to the topic from now on");
                return true;
            }
            Err(error) => {
                tracing::error!(audit = "feedback-refused", error = %error, "a notice was refused");
                return false;
            }
        };
        match self.apply(&notice).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(tenant.id = %notice.tenant, error = ?error, "a notice could not be taken in");
                let who = ("feedback", Some(&notice.tenant));
                self.telemetry.write_stall(&self.stage, who, &*self.clock, error.stalled_by());
                false
            }
        }
    }

    async fn apply(&self, notice: &Notice) -> Result<(), Later> {
        match notice.happened {
            Happened::HardBounce => self.suppress(notice, SuppressionReason::Bounce, SubjectAction::Bounce).await,
            Happened::Complaint => self.suppress(notice, SuppressionReason::Complaint, SubjectAction::Complaint).await,
            Happened::SoftBounce => {
                for address in &notice.addresses {
                    let address = SubjectId::derive(&notice.tenant, address);
                    let counted = self.mail_store.count_failure(&notice.tenant, &address, self.clock.now()).await;
                    let count = counted.map_err(Later::down(Store::Consents))?;
                    tracing::info!(tenant.id = %notice.tenant, mail.failures = count, "a mail bounced, and may not the next time");
                }
                Ok(())
            }
            Happened::Sent => self.learn(notice).await,
            Happened::Delivered | Happened::Delayed | Happened::Rejected | Happened::Other => {
                tracing::info!(tenant.id = %notice.tenant, mail.event = notice.happened.as_str(), "a mail's way");
                Ok(())
            }
        }
    }

    /// SES took the mail: where the ledger does not know that, because the answer was lost or the process died, it
    /// knows it now.
    async fn learn(&self, notice: &Notice) -> Result<(), Later> {
        let Some(key) = &notice.delivery else { return Ok(()) };
        let answer = self.ledger.read(&notice.tenant, std::slice::from_ref(key)).await.pop().transpose();
        let Some(record) = answer.map_err(Later::down(Store::Ledger))?.flatten() else { return Ok(()) };
        let receipt = Receipt { id: notice.message_id.clone(), status: None };
        match learn(&record, receipt, self.clock.now()) {
            Learned::Known => Ok(()),
            Learned::Later(_) => Err(Later::Claimed),
            Learned::Delivered(delivered) => {
                let amended = self.ledger.amend(&notice.tenant, &record, &delivered).await;
                if !amended.map_err(Later::down(Store::Ledger))? {
                    return Err(Later::Claimed);
                }
                tracing::info!(tenant.id = %notice.tenant, sink.id = %key.sink, "a mail of unknown fate was sent");
                Ok(())
            }
        }
    }

    async fn suppress(
        &self,
        notice: &Notice,
        reason: SuppressionReason,
        subject_action: SubjectAction,
    ) -> Result<(), Later> {
        let suppression = Suppression { reason, since: self.clock.now() };
        for address in &notice.addresses {
            let address = SubjectId::derive(&notice.tenant, address);
            let suppressed = self.mail_store.suppress(&notice.tenant, &address, &suppression).await;
            suppressed.map_err(Later::down(Store::Consents))?;
        }
        let Some((key, action)) = notice.about else { return Ok(()) };
        let current = match self.tenants.current(&notice.tenant).await {
            Ok(current) => current,
            // No tenant is left to be told.
            Err(Cause::TenantUnknown) => return Ok(()),
            Err(cause) => return Err(Later::Tenant(cause)),
        };
        let Some(settings) = &current.tenant.consent else { return Ok(()) };
        let commands = ConsentCommands {
            consents: &self.consents,
            tenant: &notice.tenant,
            settings,
            config_version: current.version,
            now: self.clock.now(),
        };
        commands.act(key, action, &subject_action, &Origin { by: "ses", key: None }).await?;
        Ok(())
    }
}
