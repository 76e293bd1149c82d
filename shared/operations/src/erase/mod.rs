//! Erasing a person: what a tenant holds of one subject, wherever the platform keeps it, and what remains.
//!
//! Each part can be run again and finds the rest, in whatever way the run before ended. Nothing here tells the subject:
//! who asks has it, and the audit log has its digest.

mod archive;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::BTreeSet;

use acequia_core::consent::SubjectId;
use acequia_core::delivery::delay::DelayedKey;
use acequia_core::event::envelope::Envelope;
use acequia_core::flow::redrive::{Observer, purge_meant};
use acequia_core::id::{ReplayId, TenantId};
use acequia_core::port::{
    Clock as _, Consents as _, DelayedMessages as _, ReplayStore as _, StageQueues as _, SuppressionList as _,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::consent;
use crate::dead_letters::{look_into_empty, places};
use crate::{OperationError, Ports, queues_of};

pub use archive::ArchiveErasure;
pub use wanted::{InvalidPattern, Wanted};

/// How many delayed messages are read at once: each may have a mebibyte.
const DELAYED_AT_ONCE: usize = 10;
/// How many troubles are told, and how many ways of writing the subject are remembered.
const KEPT: usize = 20;

/// What erasing leaves, and why. The texts are part of what is told to people who ask.
pub const REMAINS: [&str; 9] = [
    "what is on its way in the tenant's queues: SQS keeps it for 14 days, and the archive may take it yet: run this again when `acequia status TENANT` shows nothing on its way",
    "events that name the person by something else than their subject: erase these by --match, with an event pattern",
    "the ledger: ids of events as their producers made them, and no data; its rows expire after 30 days",
    "how often an address was asked on a day: a number under a digest, which expires after three days",
    "the audit log and replays that named an event: the digest of the subject, ids of events, for good",
    "logs: none of it, for logs hold no data of events",
    "what sinks received, and the rows of tables that are told below: it is the receivers' to erase",
    "SES's own suppression list, where the address stands on it: `aws sesv2 delete-suppressed-destination` takes it off",
    "the tables' continuous backups: at most 35 days",
];

/// How it is erased.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether it only counts.
    pub dry_run: bool,
    /// Whether the digest of an address stays that wants no mails.
    pub keep_suppressed: bool,
    /// Of the archive: events that were accepted from this time on,
    pub from: Option<Timestamp>,
    /// and in the hour of this one or before.
    pub to: Option<Timestamp>,
}

/// What was erased; in a dry run, what would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Whose.
    pub tenant: TenantId,
    /// The digest of the subject.
    pub subject: SubjectId,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Of the archive.
    pub archive: ArchiveErasure,
    /// Messages that waited outside their queues.
    pub delayed: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Dead letters and delayed messages whose bodies are no events: what they hold stays.
    pub unreadable_messages: u64,
    /// Rows of consents.
    pub consents: usize,
    /// Whether something was known of the address.
    pub address: bool,
    /// Messages in the tenant's queues: some of them may be the subject's.
    pub on_their_way: u64,
    /// Replays that may have read events before they were erased.
    pub replays: Vec<ReplayId>,
    /// Whether it ended before its end.
    pub stopped: bool,
    /// What went wrong; the first of it.
    pub troubles: Vec<String>,
    /// What remains, and why.
    pub remains: [&'static str; 9],
    /// The ways in which events write the subject.
    #[serde(skip)]
    pub spellings: BTreeSet<String>,
}

impl Erased {
    /// Whether all was looked at that could be.
    pub fn is_complete(&self) -> bool {
        !self.stopped && self.troubles.is_empty() && self.unreadable_messages == 0
    }
}

/// What is found on the way.
#[derive(Debug, Default)]
struct Found {
    spellings: BTreeSet<String>,
    troubles: Vec<String>,
    stopped: bool,
}

impl Found {
    fn trouble(&mut self, watch: &impl Observer, text: String) {
        watch.trouble(&text);
        if self.troubles.len() < KEPT {
            self.troubles.push(text);
        }
    }

    fn spelling(&mut self, envelope: &Envelope) {
        if let Some(subject) = envelope.subject.as_ref().filter(|_| self.spellings.len() < KEPT) {
            self.spellings.insert(subject.clone());
        }
    }
}

/// Erases what a tenant holds of a subject. It is for good: a caller asks before.
///
/// # Errors
/// When a service does not answer. It can be run again, and finds the rest.
pub async fn run(
    ports: &impl Ports,
    wanted: &Wanted,
    options: Options,
    watch: &impl Observer,
) -> Result<Erased, OperationError> {
    let tenant = &wanted.tenant;
    let queues = queues_of(ports, tenant).await?;
    let mut found = Found::default();
    // What may still come to the archive goes first.
    let (delayed, of_delayed) = delayed(ports, wanted, options.dry_run, &mut found, watch).await?;
    let (dead_letters, of_letters) = dead_letters(ports, wanted, options.dry_run, &mut found, watch).await?;
    let archive = match queues.first() {
        Some((_, queue)) if !found.stopped => {
            let time = (options.from, options.to);
            archive::erase(
                &ports.archive(queue),
                wanted,
                (time, ports.clock().now()),
                options.dry_run,
                &mut found,
                watch,
            )
            .await?
        }
        _ => ArchiveErasure::default(),
    };
    let (consents, address) = consents(ports, wanted, options, &found).await?;
    let depths = futures::future::try_join_all(
        queues.iter().filter(|(name, _)| !name.dlq).map(async |(_, queue)| ports.stage_queues().depth(queue).await),
    );
    let on_their_way = depths.await?.into_iter().map(acequia_core::queue::Depth::total).sum();
    let replays = ports.replays().list(tenant).await?;
    let under_way = replays.into_iter().filter(|replay| replay.state.is_under_way()).map(|replay| replay.id);
    let Found { mut spellings, troubles, stopped } = found;
    spellings.retain(|spelling| consent::identify(tenant, spelling) == wanted.subject);
    Ok(Erased {
        tenant: tenant.clone(),
        subject: wanted.subject,
        dry_run: options.dry_run,
        archive,
        delayed,
        dead_letters,
        unreadable_messages: of_delayed + of_letters,
        consents,
        address,
        on_their_way,
        replays: under_way.collect(),
        stopped,
        troubles,
        remains: REMAINS,
        spellings,
    })
}

/// Erases delayed messages; answers how many, and how many are no events.
async fn delayed(
    ports: &impl Ports,
    wanted: &Wanted,
    dry_run: bool,
    found: &mut Found,
    watch: &impl Observer,
) -> Result<(u64, u64), OperationError> {
    let store = ports.delayed_messages();
    let (mut erased, mut unreadable) = (0, 0);
    let keys: Vec<DelayedKey> = store.keys(&wanted.tenant).await?;
    for some in keys.chunks(DELAYED_AT_ONCE) {
        let mut meant = Vec::new();
        for read in store.read(some).await {
            // What went back to its queue meanwhile is on its way.
            let Some(row) = read? else { continue };
            match wanted.event(&row.message.body) {
                Some(envelope) if wanted.takes(&envelope) => {
                    found.spelling(&envelope);
                    meant.push(row);
                }
                Some(_) => {}
                None => unreadable += 1,
            }
        }
        erased += meant.len() as u64;
        if !dry_run {
            store.erase(&meant).await.into_iter().collect::<Result<(), _>>()?;
        }
        if watch.ends() {
            found.stopped = true;
            break;
        }
    }
    Ok((erased, unreadable))
}

/// Erases dead letters; answers how many, and how many are no events.
async fn dead_letters(
    ports: &impl Ports,
    wanted: &Wanted,
    dry_run: bool,
    found: &mut Found,
    watch: &impl Observer,
) -> Result<(u64, u64), OperationError> {
    let places = match places(ports, &wanted.tenant, None).await {
        Ok(places) => look_into_empty(ports, places, watch).await?,
        Err(OperationError::NoDeadLetterQueue { .. }) => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let queues = ports.dead_letters();
    let (mut erased, mut unreadable) = (0, 0);
    for place in places.iter().filter(|place| place.total() > 0) {
        let mut matching = 0;
        let meant = |body: &str| match wanted.event(body) {
            Some(envelope) if wanted.takes(&envelope) => {
                found.spelling(&envelope);
                matching += 1;
                !dry_run
            }
            Some(_) => false,
            None => {
                unreadable += 1;
                false
            }
        };
        let purged = purge_meant(&queues, &place.queue, place.total(), watch, meant).await;
        erased += if dry_run { matching } else { purged.purged };
        if purged.failed > 0 {
            let why = format!("{} of {}'s messages could not be deleted", purged.failed, place.name);
            found.trouble(watch, why);
        }
        if let Some(error) = purged.broken {
            return Err(error.into());
        }
        if watch.ends() {
            found.stopped = true;
            break;
        }
    }
    Ok((erased, unreadable))
}

async fn consents(
    ports: &impl Ports,
    wanted: &Wanted,
    options: Options,
    found: &Found,
) -> Result<(usize, bool), OperationError> {
    let (tenant, subject) = (&wanted.tenant, wanted.subject);
    if found.stopped {
        return Ok((0, false));
    }
    if !options.dry_run {
        let erased = consent::erase(ports, tenant, subject, options.keep_suppressed).await?;
        return Ok((erased.rows, erased.address));
    }
    let dossier = ports.consents().dossier(tenant, &subject).await?;
    let known = ports.suppression_list().suppressed(tenant, &[subject]).await?;
    Ok((dossier.consents.len() + dossier.actions.len(), known.iter().any(Option::is_some)))
}
