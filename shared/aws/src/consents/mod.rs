//! Consents in `DynamoDB`: a subject's rows share a partition, and a change is one transaction.
//!
//! Each row holds its record as JSON in `doc`; beside it stands only what conditions and the index need. The index
//! `due` holds the rows that something is to be done about (outbox rows, and consents with a reminder) and no others,
//! by their keys alone, spread over 16 partitions so that the busiest stage does not write to one.
//!
//! A consent and its actions are read in one transaction: with separate reads an action could be older than the consent
//! beside it, and the version of the consent would not tell.

mod agenda;

use std::collections::HashMap;

use acequia_core::consent::{Action, ActionId, Change, Consent, ConsentKey, Dossier, OutboxRow, Snapshot, SubjectId};
use acequia_core::id::TenantId;
use acequia_core::port::{CommitError, Consents, Unavailable};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Get, Put, TransactGetItem, TransactWriteItem};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ItemError;
use crate::keys::{self, Item, number, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

pub use agenda::outbox_row;

/// The attribute with the record.
const DOC: &str = "doc";
const VERSION: &str = "version";
/// The keys of the index, and its name.
const DUE_KIND: &str = "due_kind";
const DUE_AT: &str = "due_at";
const DUE: &str = "due";
/// The index is spread by a subject's first hex digit, which names the shard.
const SHARD_DIGITS: &str = "0123456789abcdef";
/// How often a read is tried that met a write.
const TRIES: usize = 5;

const LOAD: &str = "read a consent";
const COMMIT: &str = "write a consent";
const DOSSIER: &str = "read a subject's rows";
const ERASE: &str = "erase a subject's rows";

/// The consents table.
#[derive(Debug, Clone)]
pub struct DynamoConsents {
    client: Client,
    table: String,
}

impl DynamoConsents {
    /// The store in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn new_put(&self, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    fn puts(&self, tenant: &TenantId, change: &Change) -> Result<Vec<TransactWriteItem>, Unavailable> {
        let pk = keys::subject(tenant, &change.key.subject);
        let list = &change.key.list;
        let mut consent = item(&pk, keys::consent(list), &change.consent)?;
        consent.insert(VERSION.to_owned(), number(change.consent.version));
        if let Some(due) = change.consent.remind_at {
            mark_due(&mut consent, "remind", &change.key.subject, due);
        }
        let put = self.new_put(consent);
        let put = if change.expected() == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#version = :expected")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":expected", number(change.expected()))
        };
        let mut puts = vec![put];
        for action in &change.actions {
            puts.push(self.new_put(item(&pk, keys::action(list, &action.id), action)?));
        }
        for row in &change.outbox {
            let mut outbox = item(&pk, keys::outbox(list, &row.id), row)?;
            mark_due(&mut outbox, "outbox", &change.key.subject, row.due_at());
            puts.push(self.new_put(outbox));
        }
        let built: Result<Vec<_>, _> =
            puts.into_iter().map(aws_sdk_dynamodb::types::builders::PutBuilder::build).collect();
        let built = built.map_err(|error| Unavailable::new(COMMIT, error))?;
        Ok(built.into_iter().map(|put| TransactWriteItem::builder().put(put).build()).collect())
    }

    async fn rows(&self, operation: &'static str, pk: String) -> Result<Vec<Item>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(pk))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(item) = pages.next().await {
            rows.push(item.map_err(|error| unavailable(operation, error))?);
        }
        Ok(rows)
    }
}

impl Consents for DynamoConsents {
    async fn load(&self, tenant: &TenantId, key: &ConsentKey, actions: &[ActionId]) -> Result<Snapshot, Unavailable> {
        let pk = keys::subject(tenant, &key.subject);
        let sort_keys =
            std::iter::once(keys::consent(&key.list)).chain(actions.iter().map(|id| keys::action(&key.list, id)));
        let mut gets = Vec::with_capacity(actions.len() + 1);
        for sk in sort_keys {
            let get = Get::builder().table_name(&self.table).set_key(Some(keys::key(&*pk, sk))).build();
            let get = get.map_err(|error| Unavailable::new(LOAD, error))?;
            gets.push(TransactGetItem::builder().get(get).build());
        }
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            match self.client.transact_get_items().set_transact_items(Some(gets.clone())).send().await {
                Ok(answer) => break answer,
                // A write was under way.
                Err(error)
                    if tries < TRIES
                        && error
                            .as_service_error()
                            .is_some_and(TransactGetItemsError::is_transaction_canceled_exception) => {}
                Err(error) => return Err(unavailable(LOAD, error)),
            }
        };
        let mut snapshot = Snapshot::default();
        for item in answer.responses.unwrap_or_default().into_iter().filter_map(|response| response.item) {
            if text_of(&item, keys::SK).is_some_and(|sk| sk.starts_with("consent#")) {
                snapshot.consent = Some(doc(LOAD, &item)?);
            } else {
                let action: Action = doc(LOAD, &item)?;
                snapshot.actions.insert(action.id, action);
            }
        }
        Ok(snapshot)
    }

    async fn commit(&self, tenant: &TenantId, change: &Change) -> Result<(), CommitError> {
        let puts = self.puts(tenant, change)?;
        match self.client.transact_write_items().set_transact_items(Some(puts)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(was_contested) => Err(CommitError::Conflict),
            Err(error) => Err(unavailable(COMMIT, error).into()),
        }
    }

    async fn dossier(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Dossier, Unavailable> {
        let mut dossier = Dossier::default();
        for item in self.rows(DOSSIER, keys::subject(tenant, subject)).await? {
            let sk = text_of(&item, keys::SK).ok_or_else(|| Unavailable::new(DOSSIER, ItemError::Keyless))?;
            let list = sk.split('#').nth(1).and_then(|list| list.parse().ok());
            let list = list.ok_or_else(|| Unavailable::new(DOSSIER, ItemError::Keyless))?;
            let key = ConsentKey { subject: *subject, list };
            if sk.starts_with("consent#") {
                dossier.consents.push((key, doc::<Consent>(DOSSIER, &item)?));
            } else if sk.starts_with("action#") {
                dossier.actions.push((key, doc::<Action>(DOSSIER, &item)?));
            } else if sk.starts_with(keys::OUTBOX) {
                dossier.outbox.push(doc::<OutboxRow>(DOSSIER, &item)?);
            }
        }
        Ok(dossier)
    }

    async fn erase(&self, tenant: &TenantId, subject: &SubjectId) -> Result<usize, Unavailable> {
        let rows = self.rows(ERASE, keys::subject(tenant, subject)).await?;
        let count = rows.len();
        let key = |mut item: Item| {
            item.retain(|name, _| name == keys::PK || name == keys::SK);
            item
        };
        let table = Table::new(self.client.clone(), self.table.clone());
        let answers = table.delete(ERASE, rows.into_iter().map(key).collect()).await;
        answers.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }
}

/// Returns whether another writer wrote in between, or is writing. Anything else that cancels a transaction, such as
/// throttling, is no conflict.
fn was_contested(error: &TransactWriteItemsError) -> bool {
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled
            .cancellation_reasons()
            .iter()
            .any(|reason| matches!(reason.code(), Some("ConditionalCheckFailed" | "TransactionConflict"))),
        other => matches!(other.code(), Some("TransactionInProgressException" | "TransactionConflictException")),
    }
}

fn item(pk: &str, sk: String, record: &impl Serialize) -> Result<Item, Unavailable> {
    let json = serde_json::to_string(record).map_err(|error| Unavailable::new(COMMIT, error))?;
    let mut item = keys::key(pk, sk);
    item.insert(DOC.to_owned(), text(json));
    Ok(item)
}

fn mark_due(item: &mut HashMap<String, AttributeValue>, kind: &str, subject: &SubjectId, at: Timestamp) {
    let shard = subject.to_string().chars().next().unwrap_or('0');
    item.insert(DUE_KIND.to_owned(), text(format!("{kind}#{shard}")));
    item.insert(DUE_AT.to_owned(), AttributeValue::N(at.as_millisecond().to_string()));
}

fn doc<T: DeserializeOwned>(operation: &'static str, item: &Item) -> Result<T, Unavailable> {
    let json = text_of(item, DOC).ok_or_else(|| Unavailable::new(operation, ItemError::Attribute(DOC)))?;
    // The text of serde's error may hold a value, so it is not passed on.
    serde_json::from_str(json).map_err(|_| Unavailable::new(operation, ItemError::Attribute(DOC)))
}
