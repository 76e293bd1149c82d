//! A step at which a future can be dropped: what stands for a process that dies between two calls.

use std::task::Poll;

/// Is there the second time that it is asked.
pub async fn step() {
    let mut asked = false;
    std::future::poll_fn(|context| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
