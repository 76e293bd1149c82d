//! What is due, by an index of keys alone. A row is read from the table itself before anything is done about it.

use std::collections::HashMap;

use acequia_core::consent::{ConsentKey, Due, DuePage, OutboxRow, RowKey, Waiting};
use acequia_core::id::TenantId;
use acequia_core::port::{Agenda, Unavailable};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{DUE, DUE_AT, DUE_KIND, DynamoConsents, SHARD_DIGITS, doc};
use crate::error::{ItemError, was_written};
use crate::keys::{self, Item, PK, SK, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

/// How often a sweep took the row, and whether one has it.
const ATTEMPTS: &str = "tries";
const TAKEN: &str = "taken";

const WAITING: &str = "read outbox rows";
const TAKE: &str = "take an outbox row";
const PUT_OFF: &str = "put an outbox row off";
const SETTLE: &str = "settle an outbox row";
const OVERDUE: &str = "find overdue outbox rows";
const REMIND: &str = "find reminders that are due";
const LATER: &str = "put a reminder off";

impl Agenda for DynamoConsents {
    async fn waiting(&self, rows: &[(TenantId, RowKey)]) -> Vec<Result<Option<Waiting>, Unavailable>> {
        let table = Table::new(self.client.clone(), self.table.clone());
        let wanted = rows.iter().map(|(tenant, row)| key_of(tenant, row)).collect();
        let mut found: HashMap<(String, String), Item> = match table.get(WAITING, wanted).await {
            Ok(found) => found.into_iter().filter_map(|item| Some((pair(&item)?, item))).collect(),
            Err(error) => {
                return rows.iter().map(|_| Err(Unavailable::new(WAITING, format!("{error:?}")))).collect();
            }
        };
        let answer = |(tenant, row): &(TenantId, RowKey)| {
            let item = pair(&key_of(tenant, row)).and_then(|pair| found.remove(&pair));
            item.map(|item| waiting(&item)).transpose()
        };
        rows.iter().map(answer).collect()
    }

    async fn take(&self, tenant: &TenantId, seen: &Waiting, until: Timestamp) -> Result<bool, Unavailable> {
        let update = self
            .change(key_of(tenant, &seen.row.name()))
            .update_expression("SET #due = :until, #tries = :tries, #taken = :yes")
            .condition_expression("#due = :seen")
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_names("#tries", ATTEMPTS)
            .expression_attribute_names("#taken", TAKEN)
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":seen", time(seen.due_at))
            .expression_attribute_values(":tries", count(seen.tries.saturating_add(1)))
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        was_written(update.send().await, UpdateItemError::is_conditional_check_failed_exception, TAKE)
    }

    async fn put_off(&self, tenant: &TenantId, row: &RowKey, tries: u32, until: Timestamp) -> Result<(), Unavailable> {
        let update = self
            .change(key_of(tenant, row))
            .update_expression("SET #due = :until, #tries = :tries REMOVE #taken")
            .condition_expression("attribute_exists(#due)")
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_names("#tries", ATTEMPTS)
            .expression_attribute_names("#taken", TAKEN)
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":tries", count(tries));
        was_written(update.send().await, UpdateItemError::is_conditional_check_failed_exception, PUT_OFF).map(|_| ())
    }

    async fn settle(&self, tenant: &TenantId, row: &OutboxRow) -> Result<(), Unavailable> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key_of(tenant, &row.name())));
        request.send().await.map(|_| ()).map_err(|error| unavailable(SETTLE, error))
    }

    async fn overdue(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage<RowKey>, Unavailable> {
        let page = self.due(OVERDUE, "outbox", (shard, now), from, limit).await?;
        Ok(page.with(|consent, rest| Some(RowKey { consent, id: rest?.to_owned() })))
    }

    async fn to_remind(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage<ConsentKey>, Unavailable> {
        let page = self.due(REMIND, "remind", (shard, now), from, limit).await?;
        Ok(page.with(|consent, _| Some(consent)))
    }

    async fn put_off_reminder(&self, due: &Due<ConsentKey>, until: Option<Timestamp>) -> Result<(), Unavailable> {
        let key = keys::key(keys::subject(&due.tenant, &due.key.subject), keys::consent(&due.key.list));
        let update = self
            .change(key)
            .condition_expression("#due = :seen")
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_values(":seen", time(due.at));
        let update = match until {
            Some(until) => {
                update.update_expression("SET #due = :until").expression_attribute_values(":until", time(until))
            }
            // Out of the index: the next change of the consent puts it back, if it is to be reminded then.
            None => update.update_expression("REMOVE #kind, #due").expression_attribute_names("#kind", DUE_KIND),
        };
        was_written(update.send().await, UpdateItemError::is_conditional_check_failed_exception, LATER).map(|_| ())
    }
}

/// Reads which outbox row, and whose, a stream tells of by its key; `None` where it is no outbox row.
pub fn outbox_row(pk: &str, sk: &str) -> Option<(TenantId, RowKey)> {
    if !sk.starts_with(keys::OUTBOX) {
        return None;
    }
    let (consent, rest) = consent_of(pk, sk)?;
    Some((keys::tenant_of(pk)?, RowKey { consent, id: rest?.to_owned() }))
}

/// Reads the key of a row: `consent#<list>`, or `outbox#<list>#<row>` with what stands behind the list.
fn consent_of<'a>(pk: &str, sk: &'a str) -> Option<(ConsentKey, Option<&'a str>)> {
    let subject = pk.split('#').nth(1)?.parse().ok()?;
    let mut below = sk.splitn(3, '#').skip(1);
    let list = below.next()?.parse().ok()?;
    Some((ConsentKey { subject, list }, below.next()))
}

/// A page of the index.
struct Found {
    items: Vec<Item>,
    next: Option<String>,
}

impl Found {
    /// What the keys of the items name. What is none of ours is left out: it must not keep the others from being found.
    fn with<K>(self, key: impl Fn(ConsentKey, Option<&str>) -> Option<K>) -> DuePage<K> {
        let read = |item: &Item| {
            let pk = text_of(item, PK)?;
            let (consent, rest) = consent_of(pk, text_of(item, SK)?)?;
            let key = key(consent, rest)?;
            Some(Due { at: time_of(item)?, tenant: keys::tenant_of(pk)?, key })
        };
        DuePage { found: self.items.iter().filter_map(read).collect(), next: self.next }
    }
}

impl DynamoConsents {
    fn change(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key))
    }

    async fn due(
        &self,
        operation: &'static str,
        kind: &str,
        (shard, now): (u8, Timestamp),
        from: Option<String>,
        limit: usize,
    ) -> Result<Found, Unavailable> {
        let digit = SHARD_DIGITS.chars().nth(usize::from(shard)).unwrap_or('0');
        let kind = format!("{kind}#{digit}");
        let start = from.map(|mark| start_of(&kind, &mark).ok_or_else(|| Unavailable::new(operation, ItemError::Mark)));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE)
            .key_condition_expression("#kind = :kind AND #due <= :now")
            .expression_attribute_names("#kind", DUE_KIND)
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_values(":kind", text(&kind))
            .expression_attribute_values(":now", time(now))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start.transpose()?);
        let answer = query.send().await.map_err(|error| unavailable(operation, error))?;
        let next = answer.last_evaluated_key.as_ref().and_then(mark_of);
        Ok(Found { items: answer.items.unwrap_or_default(), next })
    }
}

fn key_of(tenant: &TenantId, row: &RowKey) -> Item {
    keys::key(keys::subject(tenant, &row.consent.subject), keys::outbox(&row.consent.list, &row.id))
}

fn pair(item: &Item) -> Option<(String, String)> {
    Some((text_of(item, PK)?.to_owned(), text_of(item, SK)?.to_owned()))
}

fn waiting(item: &Item) -> Result<Waiting, Unavailable> {
    let due_at = time_of(item).ok_or_else(|| Unavailable::new(WAITING, ItemError::Attribute(DUE_AT)))?;
    let tries = item.get(ATTEMPTS).and_then(|tries| tries.as_n().ok()?.parse().ok()).unwrap_or(0);
    let taken = item.get(TAKEN).and_then(|taken| taken.as_bool().ok().copied()).unwrap_or(false);
    Ok(Waiting { row: doc(WAITING, item)?, due_at, tries, taken })
}

fn time_of(item: &Item) -> Option<Timestamp> {
    Timestamp::from_millisecond(item.get(DUE_AT)?.as_n().ok()?.parse().ok()?).ok()
}

fn time(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millisecond().to_string())
}

fn count(tries: u32) -> AttributeValue {
    AttributeValue::N(tries.to_string())
}

/// The mark of a page: `<due time>/<partition key>/<sort key>`. No tenant's id and no digest has a `/`.
fn mark_of(last: &Item) -> Option<String> {
    let due = last.get(DUE_AT)?.as_n().ok()?;
    Some(format!("{due}/{}/{}", text_of(last, PK)?, text_of(last, SK)?))
}

fn start_of(kind: &str, mark: &str) -> Option<Item> {
    let mut parts = mark.splitn(3, '/');
    let due: i64 = parts.next()?.parse().ok()?;
    let mut start = keys::key(parts.next()?, parts.next()?);
    start.insert(DUE_AT.to_owned(), AttributeValue::N(due.to_string()));
    start.insert(DUE_KIND.to_owned(), text(kind));
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let consent = ConsentKey { subject: [1; 16].into(), list: [2; 16].into() };
        let mut item =
            key_of(&"acme".parse().unwrap(), &RowKey { consent, id: format!("{}-00000001-000", consent.list) });
        item.insert(DUE_AT.to_owned(), AttributeValue::N("7".to_owned()));
        item.insert(DUE_KIND.to_owned(), text("outbox#0"));
        item
    }

    #[test]
    fn the_mark_of_a_page_reads_back() {
        let last = item();
        assert_eq!(start_of("outbox#0", &mark_of(&last).unwrap()), Some(last));
        assert_eq!(start_of("outbox#0", "nonsense"), None);
    }

    #[test]
    fn a_row_of_the_index_names_its_tenant_and_itself_and_what_is_none_of_ours_is_left_out() {
        let mut foreign = item();
        foreign.insert(SK.to_owned(), text("outbox"));
        let found = Found { items: vec![foreign, item()], next: None };
        let page = found.with(|consent, rest| Some(RowKey { consent, id: rest?.to_owned() }));
        let [due] = page.found.as_slice() else { panic!("{page:?}") };
        assert_eq!((due.tenant.as_str(), key_of(&due.tenant, &due.key)[SK].clone()), ("acme", item()[SK].clone()));
    }
}
