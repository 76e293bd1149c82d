//! Replays: rows of the tenants table, one for each, and one that says which is the tenant's one.
//!
//! A replay is stored whole, as JSON, beside its revision: each writing is on condition that the revision before is
//! there, so that of two writers one learns of the other.

use acequia_core::id::{ReplayId, TenantId};
use acequia_core::port::{Begun, ReplayStore, Unavailable};
use acequia_core::replay::{Replay, State};
use aws_sdk_dynamodb::Client;
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
        let request = self.client.get_item().table_name(&self.table).set_key(Some(keys::key(tenant.as_str(), sk)));
        let answer = request.consistent_read(true).send().await.map_err(|error| unavailable(LOAD, error))?;
        Ok(answer.item)
    }

    fn put(&self, tenant: &TenantId, replay: &Replay) -> Result<PutBuilder, ItemError> {
        let document = serde_json::to_string(replay).map_err(|_| ItemError::Attribute(DOCUMENT))?;
        let mut item = keys::key(tenant.as_str(), format!("{}{}", keys::REPLAY, replay.id));
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

    /// That the replay is the tenant's one, in place of `before`.
    fn point(&self, tenant: &TenantId, replay: &Replay, before: Option<&ReplayId>) -> PutBuilder {
        let mut item = keys::key(tenant.as_str(), keys::REPLAYING);
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

impl ReplayStore for DynamoReplays {
    async fn begin(&self, tenant: &TenantId, replay: &Replay, alone: bool) -> Result<Begun, Unavailable> {
        if !alone {
            return Ok(if self.save(tenant, replay).await? { Begun::Yes } else { Begun::Changed });
        }
        let unbuilt = |error| Unavailable::new(BEGIN, error);
        let mut contest = Contest::new(BEGIN);
        for _ in 0..TRIES {
            let pointer = self.get(tenant, keys::REPLAYING).await?;
            let before = pointer.as_ref().and_then(|item| text_of(item, ID)).and_then(|id| id.parse::<ReplayId>().ok());
            if let Some(other) = before.as_ref().filter(|other| **other != replay.id)
                && self.load(tenant, other).await?.is_some_and(|other| other.state == State::Running)
            {
                return Ok(Begun::Busy(other.clone()));
            }
            let puts = [self.put(tenant, replay).map_err(unbuilt)?, self.point(tenant, replay, before.as_ref())];
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
            .expression_attribute_values(":tenant", text(tenant.as_str()))
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
}

fn read(item: &Item) -> Result<Replay, ItemError> {
    let document = text_of(item, DOCUMENT).ok_or(ItemError::Attribute(DOCUMENT))?;
    serde_json::from_str(document).map_err(|_| ItemError::Attribute(DOCUMENT))
}
