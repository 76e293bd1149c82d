//! A step at which a future can be dropped: what stands for a process that dies between two calls.

use std::task::Poll;
use std::time::Duration;

use acequia_core::id::{ReplayId, TenantId};
use acequia_core::message::Outgoing;
use acequia_core::port::{
    ArchiveReader, Begun, Listing, Queued, Queues, ReadError, ReplayStore, SendError, StoredObject, Unavailable,
};
use acequia_core::queue::QueueArn;
use acequia_core::replay::Replay;
use jiff::Timestamp;

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

/// A port at whose every step the process can die.
#[derive(Debug, Clone)]
pub struct Stepping<P>(pub P);

impl<P: ArchiveReader> ArchiveReader for Stepping<P> {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        step().await;
        self.0.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        step().await;
        self.0.read(object).await
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.0.first_kept(object).await
    }
}

impl<P: Queues> Queues for Stepping<P> {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Result<String, SendError>> {
        step().await;
        let sent = self.0.send(queue, messages).await;
        step().await;
        sent
    }

    async fn hide(&self, queue: &QueueArn, handles: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        self.0.hide(queue, handles).await
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        self.0.delete(queue, handles).await
    }
}

impl<P: ReplayStore> ReplayStore for Stepping<P> {
    async fn begin(&self, tenant: &TenantId, replay: &Replay, alone: bool) -> Result<Begun, Unavailable> {
        self.0.begin(tenant, replay, alone).await
    }

    async fn save(&self, tenant: &TenantId, replay: &Replay) -> Result<bool, Unavailable> {
        step().await;
        let saved = self.0.save(tenant, replay).await;
        step().await;
        saved
    }

    async fn load(&self, tenant: &TenantId, id: &ReplayId) -> Result<Option<Replay>, Unavailable> {
        step().await;
        self.0.load(tenant, id).await
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Replay>, Unavailable> {
        self.0.list(tenant).await
    }

    async fn queued(&self, most: usize) -> Result<Vec<Queued>, Unavailable> {
        step().await;
        self.0.queued(most).await
    }

    async fn unqueue(&self, queued: &Queued) -> Result<(), Unavailable> {
        step().await;
        let done = self.0.unqueue(queued).await;
        step().await;
        done
    }
}
