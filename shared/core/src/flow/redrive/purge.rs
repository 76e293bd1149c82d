//! Deleting dead letters for good.

use super::Observer;
use super::walk::{Walker, patience};
use crate::delivery::redrive::{Filter, Letter};
use crate::message::Incoming;
use crate::port::{DeadLetters, Unavailable};
use crate::queue::QueueArn;

/// What a purge came to.
#[derive(Debug, Default)]
pub struct Purged {
    /// The messages that were deleted.
    pub purged: u64,
    /// Those that could not be: they are still there.
    pub failed: u64,
    /// Why it ended before its end, where it did.
    pub broken: Option<Unavailable>,
}

/// Deletes what the filter takes, at most `limit`, out of the `depth` messages that were there at the start.
pub async fn purge(
    queues: &impl DeadLetters,
    queue: &QueueArn,
    depth: u64,
    filter: &Filter,
    limit: Option<u64>,
    watch: &impl Observer,
) -> Purged {
    purge_some(queues, queue, depth, limit, watch, |message| filter.takes(&Letter::read(message))).await
}

/// Deletes the dead letters whose bodies are `meant`, out of the `depth` messages that were there at the start.
pub async fn purge_meant(
    queues: &impl DeadLetters,
    queue: &QueueArn,
    depth: u64,
    watch: &impl Observer,
    mut meant: impl FnMut(&str) -> bool,
) -> Purged {
    purge_some(queues, queue, depth, None, watch, |message| meant(&message.body)).await
}

async fn purge_some(
    queues: &impl DeadLetters,
    queue: &QueueArn,
    depth: u64,
    limit: Option<u64>,
    watch: &impl Observer,
    mut takes: impl FnMut(&Incoming) -> bool,
) -> Purged {
    let (mut walker, mut purged) = (Walker::new(queues, queue, patience(depth), depth), Purged::default());
    while walker.seen() < depth && !watch.ends() {
        let received = match walker.next().await {
            Ok(received) if received.is_empty() => break,
            Ok(received) => received,
            Err(error) => {
                purged.broken = Some(error);
                break;
            }
        };
        let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(purged.purged));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (mut chosen, mut handles) = (Vec::new(), Vec::new());
        for one in received {
            if chosen.len() < room && takes(&one.message) {
                handles.push(one.message.receipt_handle.clone());
                chosen.push(one);
            } else {
                walker.keep(&one);
            }
        }
        let full = chosen.len() == room;
        if !handles.is_empty() {
            for (one, answer) in chosen.iter().zip(queues.delete(queue, &handles).await) {
                match answer {
                    Ok(()) => purged.purged += 1,
                    Err(error) => {
                        watch.trouble(&format!("message {}: {error:?}", one.message.message_id));
                        purged.failed += 1;
                        walker.keep(one);
                    }
                }
            }
            watch.dealt(handles.len() as u64);
        }
        if full {
            break;
        }
    }
    walker.release().await;
    purged
}
