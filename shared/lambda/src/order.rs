//! Sends to FIFO queues so that nothing overtakes: in rounds, each with at most one message of a group.
//!
//! A call takes ten messages and may fail for some of them; had it two of one group, the second could go in without the first. A group
//! whose message the queue did not take, or may not have taken, stops: the rest of it is not sent.

use std::collections::BTreeSet;

use acequia_core::delivery::Outgoing;
use acequia_core::order::Stopped;
use acequia_core::port::{Queues, SendError, Unavailable};
use acequia_core::queue::QueueArn;

const OPERATION: &str = "send messages in order";

/// Sends messages to one queue; one answer each, in order. To a standard queue they go all at once.
pub async fn send_in_order(
    queues: &impl Queues,
    queue: &QueueArn,
    messages: &[Outgoing],
) -> Vec<Result<String, SendError>> {
    if !queue.is_fifo() {
        return queues.send(queue, messages).await;
    }
    let not_sent = || Err(Unavailable::new(OPERATION, "a message before it, of the same group, was not sent").into());
    let mut answers: Vec<Result<String, SendError>> = messages.iter().map(|_| not_sent()).collect();
    let mut stopped = Stopped::default();
    let mut open: Vec<(usize, &Outgoing)> = messages.iter().enumerate().collect();
    while !open.is_empty() {
        let mut groups = BTreeSet::new();
        let (round, later): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, one)| groups.insert(one.group.as_deref()));
        let sent: Vec<Outgoing> = round.iter().map(|(_, one)| (*one).clone()).collect();
        let mut taken = queues.send(queue, &sent).await.into_iter();
        for (index, one) in round {
            let answer = taken.next().unwrap_or_else(not_sent);
            if answer.is_err() {
                stopped.stop(one.group.as_deref());
            }
            if let Some(place) = answers.get_mut(index) {
                *place = answer;
            }
        }
        open = later.into_iter().filter(|(_, one)| !stopped.has(one.group.as_deref())).collect();
    }
    answers
}
