//! Sending in order: nothing overtakes in its group ([`crate::delivery::order`]).

use crate::delivery::order::{Stopped, waves};
use crate::message::Outgoing;
use crate::port::{Queues, SendError, Unavailable};
use crate::queue::QueueArn;

/// What is being done where a message was held back.
const OPERATION: &str = "send messages in order";

/// Sends messages to one queue so that nothing overtakes; one answer each, in order. To a standard queue they go all at
/// once.
///
/// To a FIFO queue they go in waves, each with at most one message of a group: a call may fail for some of its
/// messages, and had it two of one group, the second could go in without the first. A group whose message the queue did
/// not take, or may not have taken, stops: the rest of it is not sent. No wave begins when `may_begin` says that there
/// is no time for it.
pub async fn send_in_order(
    queues: &impl Queues,
    queue: &QueueArn,
    messages: &[Outgoing],
    may_begin: impl Fn() -> bool,
) -> Vec<Result<String, SendError>> {
    if !queue.is_fifo() {
        return queues.send(queue, messages).await;
    }
    let not_sent = || {
        Err(Unavailable::new(
            OPERATION,
            "a message before it, of the same group, was not sent, or there is no time for more",
        )
        .into())
    };
    let mut answers: Vec<Result<String, SendError>> = messages.iter().map(|_| not_sent()).collect();
    let mut stopped = Stopped::default();
    for mut wave in waves(messages.iter().enumerate(), |(_, one)| one.group.clone()) {
        wave.retain(|(_, one)| !stopped.has(one.group.as_deref()));
        if wave.is_empty() {
            continue;
        }
        if !may_begin() {
            break;
        }
        let sent: Vec<Outgoing> = wave.iter().map(|(_, one)| (*one).clone()).collect();
        let mut taken = queues.send(queue, &sent).await.into_iter();
        for (index, one) in wave {
            let answer = taken.next().unwrap_or_else(not_sent);
            if answer.is_err() {
                stopped.stop(one.group.as_deref());
            }
            if let Some(place) = answers.get_mut(index) {
                *place = answer;
            }
        }
    }
    answers
}
