//! Replays: rows of the tenants table, one for each, one that says which is the tenant's one, and of all tenants one for
//! each that waits for the platform.
//!
//! A replay is stored whole, as JSON, beside its revision: each writing is on condition that the revision before is
//! there, so that of two writers one learns of the other.

use acequia_core::id::{ReplayId, TenantId};
use acequia_core::port::{Begun, Queued, ReplayStore, Unavailable};
use acequia_core::replay::{Replay, State};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::Put;
use aws_sdk_dynamodb::types::builders::PutBuilder;

use crate::contest::{Contest, TRIES, transaction};
use crate::error::ItemError;
use crate::keys::{self, Item, number, text, text_of};
use crate::refusal::unavailable;

const BEGIN: &str = "begin a replay";
const SAVE: &str = "write down how far a replay is";
const LOAD: &str = "read a replay";
const LIST: &str = "list replays";
const QUEUED: &str = "list the replays that wait";
const UNQUEUE: &str = "take a replay out of the list of those that wait";

const DOCUMENT: &str = "document";
const REVISION: &str = "revision";
const ID: &str = "id";

/// The replays' rows of the tenants table.
#[derive(Debug, Clone)]
pub struct DynamoReplays {
    client: Client,
    table: String,
}

impl DynamoReplays {
    /// The replays in this table: the tenants'.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn get(&self, tenant: &TenantId, sk: &str) -> Result<Option<Item>, Unavailable> {
        let request =
            self.client.get_item().table_name(&self.table).set_key(Some(keys::key(keys::replays(tenant), sk)));
        let answer = request.consistent_read(true).send().await.map_err(|error| unavailable(LOAD, error))?;
        Ok(answer.item)
    }

    fn put(&self, tenant: &TenantId, replay: &Replay) -> Result<PutBuilder, ItemError> {
        let document = serde_json::to_string(replay).map_err(|_| ItemError::Attribute(DOCUMENT))?;
        let mut item = keys::key(keys::replays(tenant), format!("{}{}", keys::REPLAY, replay.id));
        item.insert(DOCUMENT.to_owned(), text(document));
        item.insert(REVISION.to_owned(), number(replay.revision));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        Ok(if replay.revision <= 1 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#revision = :before")
                .expression_attribute_names("#revision", REVISION)
                .expression_attribute_values(":before", number(replay.revision - 1))
        })
    }

    /// That the replay waits for the platform.
    fn queue(&self, tenant: &TenantId, replay: &Replay) -> PutBuilder {
        let mut item = keys::key(keys::QUEUED_REPLAYS, keys::queued_replay(tenant, &replay.id));
        item.insert(REVISION.to_owned(), number(replay.revision));
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    /// Whether a replay may be the tenant's one.
    async fn alone(&self, tenant: &TenantId, replay: &Replay) -> Result<Alone, Unavailable> {
        let pointer = self.get(tenant, keys::REPLAYING).await?;
        let before = pointer.as_ref().and_then(|item| text_of(item, ID)).and_then(|id| id.parse::<ReplayId>().ok());
        if let Some(other) = before.as_ref().filter(|other| **other != replay.id)
            && self.load(tenant, other).await?.is_some_and(|other| other.state.is_under_way())
        {
            return Ok(Alone::Busy(other.clone()));
        }
        Ok(Alone::After(before))
    }

    /// That the replay is the tenant's one, in place of `before`.
    fn point(&self, tenant: &TenantId, replay: &Replay, before: Option<&ReplayId>) -> PutBuilder {
        let mut item = keys::key(keys::replays(tenant), keys::REPLAYING);
        item.insert(ID.to_owned(), text(replay.id.as_str()));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => put
                .condition_expression("#id = :before")
                .expression_attribute_names("#id", ID)
                .expression_attribute_values(":before", text(before.as_str())),
        }
    }
}

/// Whether a replay may be the tenant's one.
enum Alone {
    /// Another one is under way.
    Busy(ReplayId),
    /// Yes, in place of the one that was it.
    After(Option<ReplayId>),
}

impl ReplayStore for DynamoReplays {
    async fn begin(&self, tenant: &TenantId, replay: &Replay, alone: bool) -> Result<Begun, Unavailable> {
        let waits = replay.state == State::Waiting;
        if !alone && !waits {
            return Ok(if self.save(tenant, replay).await? { Begun::Yes } else { Begun::Changed });
        }
        let mut contest = Contest::new(BEGIN);
        for _ in 0..TRIES {
            let mut puts = vec![self.put(tenant, replay).map_err(|error| Unavailable::new(BEGIN, error))?];
            puts.extend(waits.then(|| self.queue(tenant, replay)));
            if alone {
                let before = match self.alone(tenant, replay).await? {
                    Alone::Busy(other) => return Ok(Begun::Busy(other)),
                    Alone::After(before) => before,
                };
                puts.push(self.point(tenant, replay, before.as_ref()));
            }
            let request = transaction(&self.client, puts).map_err(|error| Unavailable::new(BEGIN, error))?;
            match request.send().await {
                Ok(_) => return Ok(Begun::Yes),
                Err(error) => {
                    contest.lost(error)?;
                    let there = self.load(tenant, &replay.id).await?.map_or(0, |there| there.revision);
                    if there.saturating_add(1) != replay.revision {
                        return Ok(Begun::Changed);
                    }
                }
            }
        }
        Err(contest.given_up())
    }

    async fn save(&self, tenant: &TenantId, replay: &Replay) -> Result<bool, Unavailable> {
        let put = self.put(tenant, replay).map_err(|error| Unavailable::new(SAVE, error))?;
        let put = put.build().map_err(|error| Unavailable::new(SAVE, error))?;
        let request = self
            .client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                // The SDK repeats a call whose answer was lost, and finds what it wrote.
                Ok(self.load(tenant, &replay.id).await?.as_ref() == Some(replay))
            }
            Err(error) => Err(unavailable(SAVE, error)),
        }
    }

    async fn load(&self, tenant: &TenantId, id: &ReplayId) -> Result<Option<Replay>, Unavailable> {
        let item = self.get(tenant, &format!("{}{id}", keys::REPLAY)).await?;
        item.as_ref().map(read).transpose().map_err(|error| Unavailable::new(LOAD, error))
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Replay>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :tenant AND begins_with(sk, :replay)")
            .expression_attribute_values(":tenant", text(keys::replays(tenant)))
            .expression_attribute_values(":replay", text(keys::REPLAY))
            .into_paginator()
            .items()
            .send();
        let mut replays = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(LIST, error))?;
            replays.push(read(&item).map_err(|error| Unavailable::new(LIST, error))?);
        }
        replays.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(replays)
    }

    async fn queued(&self, most: usize) -> Result<Vec<Queued>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :list")
            .expression_attribute_values(":list", text(keys::QUEUED_REPLAYS))
            .into_paginator()
            .items()
            .send();
        let mut all = Vec::new();
        while all.len() < most
            && let Some(item) = pages.next().await
        {
            let item = item.map_err(|error| unavailable(QUEUED, error))?;
            let queued = waiting(&item).ok_or_else(|| Unavailable::new(QUEUED, ItemError::Attribute(keys::SK)))?;
            all.push(queued);
        }
        Ok(all)
    }

    async fn unqueue(&self, queued: &Queued) -> Result<(), Unavailable> {
        let key = keys::key(keys::QUEUED_REPLAYS, keys::queued_replay(&queued.tenant, &queued.id));
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .condition_expression("#revision = :revision")
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_values(":revision", number(queued.revision));
        match request.send().await {
            Ok(_) => Ok(()),
            // It is gone, or waits anew.
            Err(error)
                if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(unavailable(UNQUEUE, error)),
        }
    }
}

/// A replay in the list of those that wait.
fn waiting(item: &Item) -> Option<Queued> {
    let (tenant, id) = text_of(item, keys::SK)?.split_once('#')?;
    let revision = item.get(REVISION)?.as_n().ok()?.parse().ok()?;
    Some(Queued { tenant: tenant.parse().ok()?, id: id.parse().ok()?, revision })
}

fn read(item: &Item) -> Result<Replay, ItemError> {
    let document = text_of(item, DOCUMENT).ok_or(ItemError::Attribute(DOCUMENT))?;
    serde_json::from_str(document).map_err(|_| ItemError::Attribute(DOCUMENT))
}
