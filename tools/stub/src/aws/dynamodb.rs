//! `DynamoDB`: the tenant's configuration is found, all else is new; every write succeeds.
//!
//! Units are counted as for on-demand tables: a write counts 1 per KB begun of the item, twice in a transaction; a read
//! 1 per 4 KB begun and at least 1, as for consistent reads (others are billed half, and count 1 here).
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>

use serde_json::{Map, Value as Json, json};

use super::{Refusal, Taken, entries, text};
use crate::count::{Tally, blocks, count};
use crate::fixture::{LEDGER_TABLE, TENANTS_TABLE, World};
use crate::latency::Latencies;

/// Limits of one call.
const WRITES: usize = 25;
const STATEMENTS: usize = 25;
const READS: usize = 100;
const TRANSACTED: usize = 100;

pub(super) fn take(world: &World, latencies: &Latencies, operation: &str, request: &Json) -> Result<Taken, Refusal> {
    let (table, items, units, answer) = match operation {
        "GetItem" => get(world, request)?,
        "PutItem" => {
            let table = text(request, "TableName")?;
            (table, 1, write_units(size_of(request.get("Item"))), json!({}))
        }
        // What an update leaves is not known here: it counts as a row of ours, below 1 KB.
        "UpdateItem" | "DeleteItem" => (text(request, "TableName")?, 1, 1, json!({})),
        "Query" | "Scan" => (text(request, "TableName")?, 1, 1, json!({"Items": [], "Count": 0, "ScannedCount": 0})),
        "BatchGetItem" => batch_get(request)?,
        "BatchWriteItem" => batch_write(request)?,
        "BatchExecuteStatement" => batch_execute(request)?,
        "ExecuteStatement" => {
            let (table, units) = statement(request)?;
            (table, 1, units, json!({"Items": []}))
        }
        "TransactWriteItems" => transact(request)?,
        _ => return Err(format!("dynamodb:{operation}: an unknown operation")),
    };
    let latency = match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "ExecuteStatement" => latencies.dynamodb_item,
        _ => latencies.dynamodb_batch,
    };
    let table = match table {
        TENANTS_TABLE => "tenants",
        LEDGER_TABLE => "ledger",
        other => return Err(format!("dynamodb:{operation}: there is no table {other:?}")),
    };
    let tally = Tally { items: count(items), units, ..Tally::default() };
    Ok(Taken { operation: format!("dynamodb:{operation}({table})"), tally, latency, answer })
}

type Parts<'a> = (&'a str, usize, u64, Json);

fn get<'a>(world: &World, request: &'a Json) -> Result<Parts<'a>, Refusal> {
    let table = text(request, "TableName")?;
    let key = |name: &str| request.pointer(&format!("/Key/{name}/S")).and_then(Json::as_str);
    let (Some(pk), Some(sk)) = (key("pk"), key("sk")) else {
        return Err("GetItem: the key is not complete".to_owned());
    };
    let item = if table == TENANTS_TABLE { world.row(pk, sk) } else { None };
    let units = blocks(item.as_ref().map_or(0, |item| size_of(Some(item))), 4096);
    Ok((table, 1, units, item.map_or_else(|| json!({}), |item| json!({"Item": item}))))
}

fn batch_get(request: &Json) -> Result<Parts<'_>, Refusal> {
    let (table, asked) = only_table(request)?;
    let keys = entries(asked, "/Keys", READS)?;
    let answer = json!({"Responses": {table: []}, "UnprocessedKeys": {}});
    Ok((table, keys.len(), count(keys.len()), answer))
}

fn batch_write(request: &Json) -> Result<Parts<'_>, Refusal> {
    let (table, asked) = only_table(request)?;
    let writes = entries(asked, "", WRITES)?;
    let size = |write: &Json| write_units(size_of(write.pointer("/PutRequest/Item")));
    Ok((table, writes.len(), writes.iter().map(size).sum(), json!({"UnprocessedItems": {}})))
}

fn batch_execute(request: &Json) -> Result<Parts<'_>, Refusal> {
    let statements = entries(request, "/Statements", STATEMENTS)?;
    let (mut table, mut units) = ("", 0);
    for one in statements {
        let (of, cost) = statement(one)?;
        (table, units) = (of, units + cost);
    }
    let answers: Vec<Json> = statements.iter().map(|_| json!({"TableName": table})).collect();
    Ok((table, statements.len(), units, json!({"Responses": answers})))
}

fn transact(request: &Json) -> Result<Parts<'_>, Refusal> {
    let writes = entries(request, "/TransactItems", TRANSACTED)?;
    let (mut table, mut units) = ("", 0);
    for write in writes.iter().filter_map(Json::as_object).flat_map(Map::values) {
        table = text(write, "TableName")?;
        units += 2 * write_units(size_of(write.get("Item")));
    }
    Ok((table, writes.len(), units, json!({})))
}

/// The one table of a batch, with what is asked of it.
fn only_table(request: &Json) -> Result<(&str, &Json), Refusal> {
    let tables = request.get("RequestItems").and_then(Json::as_object).ok_or("RequestItems is missing")?;
    match (tables.len(), tables.iter().next()) {
        (1, Some((table, asked))) => Ok((table, asked)),
        _ => Err(format!("RequestItems names {} tables; our calls name one", tables.len())),
    }
}

/// A statement's table and what it costs: an INSERT, UPDATE or DELETE with a parameter for each question mark.
fn statement(request: &Json) -> Result<(&str, u64), Refusal> {
    let statement = text(request, "Statement")?;
    let parameters = request.get("Parameters").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let wanted = statement.matches('?').count();
    if wanted != parameters.len() {
        return Err(format!("a statement has {wanted} parameters and gets {}", parameters.len()));
    }
    let known = ["INSERT INTO ", "UPDATE ", "DELETE FROM ", "SELECT "].iter().any(|verb| statement.starts_with(verb));
    let table = statement.split('"').nth(1).filter(|_| known);
    let table = table.ok_or_else(|| format!("a statement that is none of ours: {statement}"))?;
    // Names stand in quotes; the conditions of an update repeat some, which makes at most a few bytes too many.
    let quote = if statement.starts_with("INSERT") { '\'' } else { '"' };
    let names: usize = statement.split(quote).skip(1).step_by(2).map(str::len).sum();
    Ok((table, write_units(names + parameters.iter().map(value_size).sum::<usize>())))
}

fn write_units(bytes: usize) -> u64 {
    blocks(bytes, 1024)
}

/// The size of an item as it is billed: names and values.
fn size_of(item: Option<&Json>) -> usize {
    let attributes = item.and_then(Json::as_object).into_iter().flatten();
    attributes.map(|(name, value)| name.len() + value_size(value)).sum()
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(crate) fn value_size(value: &Json) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("S", Json::String(text)) => text.len(),
        ("N", Json::String(digits)) => digits.len().div_ceil(2) + 1,
        ("B", Json::String(base64)) => base64.len() * 3 / 4,
        ("L", Json::Array(values)) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        ("M", item) => 3 + size_of(Some(item)) + item.as_object().map_or(0, Map::len),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_one(operation: &str, request: &Json) -> Result<Taken, Refusal> {
        take(&World::default(), &Latencies::NONE, operation, request)
    }

    #[test]
    fn what_dynamodb_refuses_is_refused() {
        let writes: Vec<Json> = (0..26).map(|_| json!({"PutRequest": {"Item": {}}})).collect();
        assert!(take_one("BatchWriteItem", &json!({"RequestItems": {LEDGER_TABLE: writes}})).is_err());
        assert!(take_one("BatchExecuteStatement", &json!({"Statements": []})).is_err());
        let lacking =
            json!({"Statements": [{"Statement": "INSERT INTO \"bench-ledger\" VALUE {'pk': ?}", "Parameters": []}]});
        assert!(take_one("BatchExecuteStatement", &lacking).is_err());
        assert!(take_one("DescribeTable", &json!({"TableName": LEDGER_TABLE})).is_err());
        assert!(take_one("PutItem", &json!({"TableName": "another", "Item": {}})).is_err());
    }

    #[test]
    fn an_item_is_billed_by_the_kilobyte_begun() {
        let item = |bytes: usize| json!({"TableName": LEDGER_TABLE, "Item": {"pk": {"S": "x".repeat(bytes)}}});
        let units = |bytes| take_one("PutItem", &item(bytes)).unwrap().tally.units;
        assert_eq!([units(10), units(1022), units(1023)], [1, 1, 2]);
    }

    #[test]
    fn each_statement_of_a_batch_gets_an_answer() {
        let one = json!({"Statement": "INSERT INTO \"bench-ledger\" VALUE {'pk': ?}", "Parameters": [{"S": "a"}]});
        let taken = take_one("BatchExecuteStatement", &json!({"Statements": [one, one]})).unwrap();
        assert_eq!(
            (taken.operation.as_str(), taken.tally.items, taken.tally.units),
            ("dynamodb:BatchExecuteStatement(ledger)", 2, 2)
        );
        assert_eq!(taken.answer["Responses"].as_array().unwrap().len(), 2);
    }
}
