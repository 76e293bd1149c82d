//! Many at once: a store that gives way before and after every call, so that others get in between.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use acequia_core::consent::{
    ActionId, Answer, Change, ConsentKey, Dossier, Origin, Snapshot, SubjectAction, SubjectId,
};
use acequia_core::flow::consent::ConsentCommands;
use acequia_core::id::TenantId;
use acequia_core::port::{Clock as _, CommitError, Consents, Unavailable};
use acequia_testkit::InMemoryConsents;

use crate::world::World;

/// Lets everybody else run once.
struct GiveWay(bool);

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

struct Interleaved(InMemoryConsents);

impl Consents for Interleaved {
    async fn load(&self, tenant: &TenantId, key: &ConsentKey, actions: &[ActionId]) -> Result<Snapshot, Unavailable> {
        let found = self.0.load(tenant, key, actions).await;
        GiveWay(false).await;
        found
    }

    async fn commit(&self, tenant: &TenantId, change: &Change) -> Result<(), CommitError> {
        GiveWay(false).await;
        self.0.commit(tenant, change).await
    }

    async fn dossier(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Dossier, Unavailable> {
        self.0.dossier(tenant, subject).await
    }

    async fn erase(&self, tenant: &TenantId, subject: &SubjectId) -> Result<usize, Unavailable> {
        self.0.erase(tenant, subject).await
    }
}

impl World {
    /// All of them act about ana's action at the same time.
    async fn at_once(&self, event: &str, subject_actions: &[SubjectAction]) -> Vec<Option<Answer>> {
        let store = Interleaved(self.consents.clone());
        let commands = ConsentCommands {
            consents: &store,
            tenant: &self.tenant,
            settings: self.consent_settings(),
            config_version: 7,
            now: self.clock.now(),
        };
        let (commands, key, id) = (&commands, self.key("ana", "trees"), self.id(event));
        let origin = Origin { by: "link", key: None };
        let work = subject_actions.iter().map(|subject_action| commands.act(key, id, subject_action, &origin));
        futures::future::join_all(work).await.into_iter().map(Result::unwrap).collect()
    }
}

#[tokio::test]
async fn of_many_that_accept_between_each_others_calls_one_releases() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    let accept = SubjectAction::Accept { opt_in: false };
    let answers = world.at_once("1", &vec![accept; 5]).await;
    assert_eq!(answers.iter().filter(|answer| **answer == Some(Answer::Done)).count(), 1, "{answers:?}");
    assert_eq!(world.outbox(), ["confirm-1 of 1", "deliver 1"]);
}

#[tokio::test]
async fn accepting_and_rejecting_at_once_end_in_rejected_and_no_notice_is_lost_or_doubled() {
    for first in [true, false] {
        let world = World::new();
        world.sign("1", "ana", "trees").await;
        let mut subject_actions = [SubjectAction::Accept { opt_in: true }, SubjectAction::Reject];
        if !first {
            subject_actions.reverse();
        }
        world.at_once("1", &subject_actions).await;
        let outbox = world.outbox();
        let notices = outbox.iter().filter(|row| row.starts_with("acequia.consent.rejected")).count();
        assert_eq!((world.consent("ana", "trees").state.as_str(), notices), ("rejected", 1), "{outbox:?}");
        assert!(world.consent("ana", "trees").waiting.is_empty());
    }
}
