//! What the use cases ask of the outside world, in one bundle.

use acequia_archive::compact::Compactable;
use acequia_core::id::Stage;
use acequia_core::port::{
    ApiKeys, ArchiveEraser, Chance, Clock, Consents, DeadLetters, DelayedMessages, EndpointStore, GrantStore, Ledger,
    Platform, Queues, RedriveJournal, ReplayStore, SecretCatalog, StageQueues, SuppressionList, TenantStore,
};
use acequia_core::queue::QueueArn;

/// One stage and its ports. Each call gives a handle that is cheap to make.
pub trait Ports: Send + Sync {
    /// The stage that all of them lead to.
    fn stage(&self) -> &Stage;
    /// The time.
    fn clock(&self) -> impl Clock;
    /// Chance, for what must not be guessed.
    fn chance(&self) -> impl Chance;
    /// Whether the platform is there.
    fn platform(&self) -> impl Platform;
    /// Tenants' configurations.
    fn tenants(&self) -> impl TenantStore;
    /// Tenants' API keys.
    fn api_keys(&self) -> impl ApiKeys;
    /// What tenants' stacks allow them.
    fn grants(&self) -> impl GrantStore;
    /// Which secrets tenants have.
    fn secret_catalog(&self) -> impl SecretCatalog;
    /// The queues, found and measured.
    fn stage_queues(&self) -> impl StageQueues;
    /// Dead-letter queues, and the queues before them.
    fn dead_letters(&self) -> impl DeadLetters;
    /// The journal of redriving.
    fn journal(&self) -> impl RedriveJournal;
    /// Queues that are sent to.
    fn sending(&self) -> impl Queues;
    /// The archive of the account and region that this queue is in.
    fn archive(&self, beside: &QueueArn) -> impl ArchiveEraser;
    /// The same, for what makes one object of many.
    fn archive_upkeep(&self, beside: &QueueArn) -> impl Compactable;
    /// Replays.
    fn replays(&self) -> impl ReplayStore;
    /// The memory of deliveries.
    fn ledger(&self) -> impl Ledger;
    /// Messages that wait outside their queues.
    fn delayed_messages(&self) -> impl DelayedMessages;
    /// What is known of endpoints.
    fn endpoints(&self) -> impl EndpointStore;
    /// Consents.
    fn consents(&self) -> impl Consents;
    /// The addresses that get no mail.
    fn suppression_list(&self) -> impl SuppressionList;
}
