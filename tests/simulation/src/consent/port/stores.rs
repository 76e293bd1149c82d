//! The stores of consents, addresses, secrets and grants, with perils.

use acequia_core::consent::{
    ActionId, AddressId, Change, ConsentKey, Dossier, Snapshot, SubjectId, SubjectState, Suppression,
};
use acequia_core::id::{SecretName, TenantId};
use acequia_core::port::{
    Clock as _, CommitError, Consents, GrantStore, SecretError, Secrets, SendQuota, SuppressionList, Unavailable,
};
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::tenant::grant::Grants;
use jiff::Timestamp;

use super::Port;
use crate::consent::function::Kind;
use crate::consent::mutation::Mutation;
use crate::peril::unavailable;

const READ: &str = "read a consent";
const WRITE: &str = "write a consent";
const BOOK: &str = "ask what is known of addresses";
const GRANTS: &str = "read what a tenant's stack allows";

impl Port {
    /// Writes for real, and sees it.
    async fn commit_now(&self, tenant: &TenantId, change: &Change) -> Result<(), CommitError> {
        let consents = &self.scene.consents;
        let ids: Vec<ActionId> = change.actions.iter().map(|action| action.id).collect();
        let before = consents.load(tenant, &change.key, &ids).await?;
        let mut change = change.clone();
        if self.scene.mutation == Some(Mutation::IgnoreVersion) {
            change.consent.version = before.consent.as_ref().map_or(0, |consent| consent.version) + 1;
        }
        let outbox = if self.scene.mutation == Some(Mutation::SplitCommit) {
            std::mem::take(&mut change.outbox)
        } else {
            Vec::new()
        };
        consents.commit(tenant, &change).await?;
        let state = (change.consent.version, change.consent.state, change.actions.iter().map(|action| action.state));
        let text =
            format!("WRITES version {} {:?} {:?}, {:?}", state.0, state.1, state.2.collect::<Vec<_>>(), change.outbox);
        self.scene.note(self.who(), &text);
        change.outbox.extend(outbox.iter().cloned());
        let held = self.scene.seen().commit(self.who(), tenant, &before, &change);
        self.hold(held);
        if !outbox.is_empty() {
            let call = self.instance.call("consents.commit, the outbox").await.ok_or_else(|| unavailable(WRITE))?;
            consents.add_rows(tenant, &outbox);
            if !self.instance.end(&call).await {
                return Err(unavailable(WRITE).into());
            }
        }
        Ok(())
    }
}

impl Consents for Port {
    async fn load(&self, tenant: &TenantId, key: &ConsentKey, actions: &[ActionId]) -> Result<Snapshot, Unavailable> {
        let call = self.instance.call("consents.load").await.ok_or_else(|| unavailable(READ))?;
        let mut found = self.scene.consents.load(tenant, key, actions).await?;
        if let (Some(Mutation::AskTheAnswered), Kind::Email, Some(consent)) =
            (self.scene.mutation, self.kind, &mut found.consent)
        {
            consent.state = SubjectState::Confirming;
        }
        if self.instance.end(&call).await { Ok(found) } else { Err(unavailable(READ)) }
    }

    async fn commit(&self, tenant: &TenantId, change: &Change) -> Result<(), CommitError> {
        let call = self.instance.call("consents.commit").await.ok_or_else(|| unavailable(WRITE))?;
        let mut answer = self.commit_now(tenant, change).await;
        if call.repeated {
            // The client's own repetition meets the version that its first try wrote.
            answer = self.commit_now(tenant, change).await;
        }
        if self.instance.end(&call).await { answer } else { Err(unavailable(WRITE).into()) }
    }

    async fn dossier(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Dossier, Unavailable> {
        self.scene.consents.dossier(tenant, subject).await
    }

    async fn erase(&self, tenant: &TenantId, subject: &SubjectId) -> Result<usize, Unavailable> {
        self.scene.consents.erase(tenant, subject).await
    }
}

impl SuppressionList for Port {
    async fn suppressed(
        &self,
        tenant: &TenantId,
        addresses: &[AddressId],
    ) -> Result<Vec<Option<Suppression>>, Unavailable> {
        let call = self.instance.call("mail_store.suppressed").await.ok_or_else(|| unavailable(BOOK))?;
        let mut answer = self.scene.mail_store.suppressed(tenant, addresses).await;
        if self.scene.mutation == Some(Mutation::IgnoreSuppression) {
            answer = Ok(addresses.iter().map(|_| None).collect());
        }
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }

    async fn suppress(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        suppression: &Suppression,
    ) -> Result<(), Unavailable> {
        let call = self.instance.call("mail_store.suppress").await.ok_or_else(|| unavailable(BOOK))?;
        let answer = self.scene.mail_store.suppress(tenant, address, suppression).await;
        let look = {
            let mut seen = self.scene.seen();
            let now = self.scene.world.clock.now();
            seen.suppressed.entry((tenant.clone(), *address)).or_insert(now);
            seen.looks.contains(&self.who())
        };
        if look {
            self.hold(Err("a look at a link suppressed an address".to_owned()));
        }
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }

    async fn forget(&self, tenant: &TenantId, address: &AddressId) -> Result<bool, Unavailable> {
        self.scene.mail_store.forget(tenant, address).await
    }

    async fn count_failure(&self, tenant: &TenantId, address: &AddressId, now: Timestamp) -> Result<u32, Unavailable> {
        let call = self.instance.call("mail_store.count_failure").await.ok_or_else(|| unavailable(BOOK))?;
        let answer = self.scene.mail_store.count_failure(tenant, address, now).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }
}

impl SendQuota for Port {
    async fn take(&self, tenant: &TenantId, cap: u64, now: Timestamp) -> Result<bool, Unavailable> {
        let call = self.instance.call("mail_store.take").await.ok_or_else(|| unavailable(BOOK))?;
        let answer = self.scene.mail_store.take(tenant, cap, now).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }

    async fn give_back(&self, tenant: &TenantId, now: Timestamp) -> Result<(), Unavailable> {
        let call = self.instance.call("mail_store.give_back").await.ok_or_else(|| unavailable(BOOK))?;
        let answer = self.scene.mail_store.give_back(tenant, now).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }

    async fn take_ask(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        most: u64,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let call = self.instance.call("mail_store.take_ask").await.ok_or_else(|| unavailable(BOOK))?;
        let answer = self.scene.mail_store.take_ask(tenant, address, most, now).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }

    async fn give_back_ask(&self, tenant: &TenantId, address: &AddressId, now: Timestamp) -> Result<(), Unavailable> {
        let call = self.instance.call("mail_store.give_back_ask").await.ok_or_else(|| unavailable(BOOK))?;
        let answer = self.scene.mail_store.give_back_ask(tenant, address, now).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(BOOK)) }
    }
}

impl Secrets for Port {
    async fn secret(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
    ) -> Result<Secret, SecretError> {
        let call = self.instance.call("secrets.secret").await.ok_or_else(|| unavailable("read a secret"))?;
        let answer = self.scene.secrets.secret(tenant, purpose, name).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable("read a secret").into()) }
    }
}

impl GrantStore for Port {
    async fn grants(&self, tenant: &TenantId) -> Result<Grants, Unavailable> {
        let call = self.instance.call("grants.grants").await.ok_or_else(|| unavailable(GRANTS))?;
        let answer = self.scene.world.grants.grants(tenant).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(GRANTS)) }
    }
}
