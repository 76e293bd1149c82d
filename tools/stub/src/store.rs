//! A table of `DynamoDB` that keeps what is written, as far as the functions' periodic work asks it: so that what a job
//! reads follows from what is stored.
//!
//! It knows updates and conditions of the forms that `shared/aws` writes, queries of a partition and of the index `due`,
//! and pages. Units are counted by what is read: 1 for 4 KB begun of all items of a page, consistent or not. Rows that
//! only a scan or a query of their partition would see can be stored as their number and size alone
//! ([`Store::bury`]), so that the history of thousands of tenants takes no memory.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::aws::value_size;
use crate::count::{Tally, blocks, count};

/// The most that a page of a query has.
const PAGE_BYTES: usize = 1024 * 1024;

type Item = Map<String, Json>;
type Key = (String, String);

/// The tables, by name.
#[derive(Debug, Default)]
pub struct Store {
    tables: BTreeMap<String, BTreeMap<Key, Item>>,
    buried: BTreeMap<(String, String), (u64, usize)>,
}

/// What a call came to: its table, what it counts for, its status and its answer.
pub(crate) struct Done {
    pub(crate) table: String,
    pub(crate) tally: Tally,
    pub(crate) status: u16,
    pub(crate) answer: Json,
}

impl Store {
    /// Writes a row: texts and numbers by the names of their attributes, `pk` and `sk` among them.
    pub fn put(&mut self, table: &str, row: &Json) {
        let typed = |value: &Json| match value {
            Json::Number(number) => json!({"N": number.to_string()}),
            other => json!({"S": other.as_str().unwrap_or_default()}),
        };
        let attributes = row.as_object().into_iter().flatten();
        self.insert(table, attributes.map(|(name, value)| (name.clone(), typed(value))).collect());
    }

    /// Says that so many rows of so many bytes lie in a partition, without keeping them.
    pub fn bury(&mut self, table: &str, partition: &str, rows: u64, bytes: usize) {
        self.buried.insert((table.to_owned(), partition.to_owned()), (rows, bytes));
    }

    /// How many rows a table has, those that are not kept among them.
    pub fn rows(&self, table: &str) -> u64 {
        let kept = self.tables.get(table).map_or(0, BTreeMap::len);
        let buried = self.buried.iter().filter(|((of, _), _)| of == table).map(|(_, (rows, _))| rows);
        count(kept) + buried.sum::<u64>()
    }

    fn insert(&mut self, table: &str, item: Item) {
        self.tables.entry(table.to_owned()).or_default().insert(key_of(&item), item);
    }

    pub(crate) fn take(&mut self, operation: &str, request: &Json) -> Result<Done, String> {
        match operation {
            "BatchGetItem" | "BatchWriteItem" => self.batch(operation, request),
            "GetItem" => {
                let (table, key) = (table_of(request)?, key_of(object(request, "Key")?));
                let item = self.tables.get(&table).and_then(|rows| rows.get(&key));
                let units = blocks(item.map_or(0, size_of), 4096);
                let answer = item.map_or_else(|| json!({}), |item| json!({"Item": item}));
                Ok(done(table, (1, units), answer))
            }
            "PutItem" => {
                let (table, item) = (table_of(request)?, object(request, "Item")?.clone());
                let units = blocks(size_of(&item), 1024);
                if !self.holds(&table, &key_of(&item), request)? {
                    return Ok(refused(table, units));
                }
                self.insert(&table, item);
                Ok(done(table, (1, units), json!({})))
            }
            "UpdateItem" => self.update(request),
            "Query" => self.query(request),
            _ => Err(format!("dynamodb:{operation}: the store does not know it")),
        }
    }

    fn batch(&mut self, operation: &str, request: &Json) -> Result<Done, String> {
        let (table, asked) = object(request, "RequestItems")?.iter().next().ok_or("RequestItems is empty")?;
        if operation == "BatchGetItem" {
            let keys = asked.pointer("/Keys").and_then(Json::as_array).ok_or("Keys is missing")?;
            let rows = self.tables.get(table);
            let found = |key: &Json| rows.and_then(|rows| rows.get(&key_of(key.as_object()?)));
            let units = keys.iter().map(|key| blocks(found(key).map_or(0, size_of), 4096)).sum();
            let items: Vec<&Item> = keys.iter().filter_map(found).collect();
            let answer = json!({"Responses": {table: items}, "UnprocessedKeys": {}});
            return Ok(done(table.clone(), (keys.len(), units), answer));
        }
        let writes = asked.as_array().ok_or("the writes are no list")?;
        let mut units = 0;
        for write in writes {
            if let Some(item) = write.pointer("/PutRequest/Item").and_then(Json::as_object) {
                units += blocks(size_of(item), 1024);
                self.insert(table, item.clone());
            } else if let Some(key) = write.pointer("/DeleteRequest/Key").and_then(Json::as_object) {
                let gone = self.tables.entry(table.clone()).or_default().remove(&key_of(key));
                units += blocks(gone.as_ref().map_or(0, size_of), 1024);
            }
        }
        Ok(done(table.clone(), (writes.len(), units), json!({"UnprocessedItems": {}})))
    }

    /// Whether the condition of a write holds for the row as it stands; a write without one always does.
    fn holds(&self, table: &str, key: &Key, request: &Json) -> Result<bool, String> {
        let Some(condition) = request.get("ConditionExpression").and_then(Json::as_str) else { return Ok(true) };
        let item = self.tables.get(table).and_then(|rows| rows.get(key));
        for either in condition.split(" OR ") {
            let mut all = true;
            for one in either.split(" AND ") {
                all &= holds_one(one.trim(), item, request)?;
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn update(&mut self, request: &Json) -> Result<Done, String> {
        let (table, key) = (table_of(request)?, object(request, "Key")?.clone());
        if !self.holds(&table, &key_of(&key), request)? {
            let mut refused = refused(table.clone(), 1);
            let tells = request.get("ReturnValuesOnConditionCheckFailure").and_then(Json::as_str) == Some("ALL_OLD");
            let stands = self.tables.get(&table).and_then(|rows| rows.get(&key_of(&key))).filter(|_| tells);
            if let (Some(stands), Some(answer)) = (stands, refused.answer.as_object_mut()) {
                answer.insert("Item".to_owned(), Json::Object(stands.clone()));
            }
            return Ok(refused);
        }
        let item = self.tables.entry(table.clone()).or_default().entry(key_of(&key)).or_insert(key);
        let before = item.clone();
        let expression = request.get("UpdateExpression").and_then(Json::as_str).ok_or("UpdateExpression is missing")?;
        for (verb, clause) in clauses(expression) {
            for part in clause.split(',').map(str::trim) {
                apply(item, verb, part, request)?;
            }
        }
        let units = blocks(size_of(item).max(size_of(&before)), 1024);
        let answer = match request.get("ReturnValues").and_then(Json::as_str) {
            Some("ALL_NEW") => json!({"Attributes": item}),
            Some("UPDATED_OLD") => json!({"Attributes": before}),
            _ => json!({}),
        };
        Ok(done(table, (1, units), answer))
    }

    /// Queries a partition, or one of the index `due` up to a time, in its order and by pages.
    fn query(&self, request: &Json) -> Result<Done, String> {
        let table = table_of(request)?;
        let condition =
            request.get("KeyConditionExpression").and_then(Json::as_str).ok_or("a query has a condition")?;
        let is_index = request.get("IndexName").is_some();
        let limit = request
            .get("Limit")
            .and_then(Json::as_u64)
            .map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
        let start = request.get("ExclusiveStartKey").and_then(Json::as_object);
        let sorted = |item: &Item| (if is_index { number(item.get("due_at")) } else { 0 }, key_of(item));
        let mut found: Vec<&Item> = Vec::new();
        for item in self.tables.get(&table).into_iter().flat_map(BTreeMap::values) {
            let mut all = true;
            for one in condition.split(" AND ") {
                all &= holds_one(one.trim(), Some(item), request)?;
            }
            if all && start.is_none_or(|start| sorted(item) > sorted(start)) {
                found.push(item);
            }
        }
        found.sort_by_key(|item| sorted(item));
        // Rows that are not kept are read all the same where their whole partition is.
        let values = object(request, "ExpressionAttributeValues")?.values();
        let partitions = values.filter_map(|value| value.get("S").and_then(Json::as_str));
        let buried: Vec<(u64, usize)> = partitions
            .filter_map(|partition| self.buried.get(&(table.clone(), partition.to_owned())).copied())
            .collect();
        let (mut bytes, mut page) = (0, Vec::new());
        for item in &found {
            if page.len() >= limit || bytes >= PAGE_BYTES {
                break;
            }
            bytes += if is_index { keys_size(item) } else { size_of(item) };
            page.push(*item);
        }
        let more = page.len() < found.len() || page.len() == limit;
        let mut answer = json!({"Items": page, "Count": page.len(), "ScannedCount": page.len()});
        if let (true, Some(last), Some(answer)) = (more, page.last(), answer.as_object_mut()) {
            let names: &[&str] = if is_index { &["pk", "sk", "due_at", "shard"] } else { &["pk", "sk"] };
            let key: Item =
                names.iter().filter_map(|name| Some(((*name).to_owned(), last.get(*name)?.clone()))).collect();
            answer.insert("LastEvaluatedKey".to_owned(), Json::Object(key));
        }
        let hidden: u64 = buried.iter().map(|(rows, _)| rows).sum();
        let units = blocks(bytes + buried.iter().map(|(_, bytes)| bytes).sum::<usize>(), 4096);
        let mut done = done(table, (page.len(), units), answer);
        done.tally.items += hidden;
        Ok(done)
    }
}

fn done(table: String, (items, units): (usize, u64), answer: Json) -> Done {
    Done { table, tally: Tally { items: count(items), units, ..Tally::default() }, status: 200, answer }
}

fn refused(table: String, units: u64) -> Done {
    let answer = json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed"});
    Done { status: 400, ..done(table, (1, units), answer) }
}

fn table_of(request: &Json) -> Result<String, String> {
    request.get("TableName").and_then(Json::as_str).map(str::to_owned).ok_or_else(|| "TableName is missing".to_owned())
}

fn object<'a>(request: &'a Json, name: &str) -> Result<&'a Item, String> {
    request.get(name).and_then(Json::as_object).ok_or_else(|| format!("{name} is missing"))
}

fn key_of(item: &Item) -> Key {
    let text = |name| item.get(name).and_then(|value| value.get("S")).and_then(Json::as_str).unwrap_or_default();
    (text("pk").to_owned(), text("sk").to_owned())
}

fn number(value: Option<&Json>) -> i64 {
    value.and_then(|value| value.get("N")).and_then(Json::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn size_of(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn keys_size(item: &Item) -> usize {
    let keys = ["pk", "sk", "due_at", "shard"];
    keys.iter().filter_map(|name| Some(name.len() + value_size(item.get(*name)?))).sum()
}

/// The attribute that an expression names, itself or by a placeholder.
fn name_of<'a>(name: &'a str, request: &'a Json) -> &'a str {
    let placed = request.get("ExpressionAttributeNames").and_then(|names| names.get(name)).and_then(Json::as_str);
    placed.unwrap_or(name)
}

fn value_of<'a>(name: &str, request: &'a Json) -> Result<&'a Json, String> {
    let value = request.get("ExpressionAttributeValues").and_then(|values| values.get(name));
    value.ok_or_else(|| format!("there is no value {name}"))
}

/// One comparison of a condition.
fn holds_one(condition: &str, item: Option<&Item>, request: &Json) -> Result<bool, String> {
    let attribute = |name: &str| item.and_then(|item| item.get(name_of(name, request)));
    if let Some(name) = condition.strip_prefix("attribute_not_exists(").and_then(|rest| rest.strip_suffix(')')) {
        return Ok(attribute(name).is_none());
    }
    let mut words = condition.split(' ');
    let (Some(name), Some(operator), Some(value), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("a condition that the store does not know: {condition}"));
    };
    let (Some(found), wanted) = (attribute(name), value_of(value, request)?) else { return Ok(false) };
    match operator {
        "=" => Ok(found == wanted),
        "<" => Ok(number(Some(found)) < number(Some(wanted))),
        "<=" => Ok(number(Some(found)) <= number(Some(wanted))),
        _ => Err(format!("a condition that the store does not know: {condition}")),
    }
}

/// The clauses of an update: each verb with what follows it.
fn clauses(expression: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for word in expression.split(' ') {
        match (["SET", "REMOVE", "ADD"].contains(&word), found.last_mut()) {
            (true, _) => found.push((word, String::new())),
            (false, Some((_, clause))) => *clause = format!("{clause} {word}"),
            (false, None) => {}
        }
    }
    found
}

fn apply(item: &mut Item, verb: &str, part: &str, request: &Json) -> Result<(), String> {
    let mut words = part.split_whitespace().filter(|word| *word != "=");
    let name = name_of(words.next().ok_or("an update of nothing")?, request).to_owned();
    match (verb, words.next()) {
        ("REMOVE", None) => {
            item.remove(&name);
        }
        ("SET", Some(value)) => {
            item.insert(name, value_of(value, request)?.clone());
        }
        ("ADD", Some(value)) => {
            let sum = number(item.get(&name)) + number(Some(value_of(value, request)?));
            item.insert(name, json!({"N": sum.to_string()}));
        }
        _ => return Err(format!("an update that the store does not know: {verb} {part}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_made_where_its_condition_holds_and_says_what_was_there() {
        let mut store = Store::default();
        let update = |bucket: &str| {
            json!({"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}, "ReturnValues": "UPDATED_OLD",
                "UpdateExpression": "SET #b = :b REMOVE gone ADD sum :one",
                "ConditionExpression": "attribute_not_exists(#b) OR #b < :b",
                "ExpressionAttributeNames": {"#b": "bucket"},
                "ExpressionAttributeValues": {":b": {"N": bucket}, ":one": {"N": "1"}}})
        };
        let answers = ["1", "1", "2"].map(|bucket| store.take("UpdateItem", &update(bucket)).unwrap());
        assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 400, 200]);
        let mut telling = update("1");
        telling["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
        let told = store.take("UpdateItem", &telling).unwrap();
        assert_eq!((told.status, &told.answer["Item"]["bucket"]), (400, &json!({"N": "2"})));
        assert!(answers[1].answer.get("Item").is_none());
        assert_eq!(answers[2].answer["Attributes"]["bucket"], json!({"N": "1"}));
        let get = json!({"TableName": "t", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}});
        assert_eq!(store.take("GetItem", &get).unwrap().answer["Item"]["sum"], json!({"N": "2"}));
    }

    #[test]
    fn a_query_reads_its_partition_in_pages_and_what_is_buried_there() {
        let mut store = Store::default();
        for number in 0..5 {
            store.put("t", &json!({"pk": "a", "sk": number.to_string(), "text": "x".repeat(4000)}));
        }
        store.put("t", &json!({"pk": "b", "sk": "0"}));
        store.bury("t", "b", 100, 10 * 4096);
        let query = |pk: &str, start: Json| {
            let mut request = json!({"TableName": "t", "KeyConditionExpression": "pk = :pk", "Limit": 3,
                "ExpressionAttributeValues": {":pk": {"S": pk}}});
            request["ExclusiveStartKey"] = start;
            request
        };
        let first = store.take("Query", &query("a", Json::Null)).unwrap();
        assert_eq!((first.tally.items, first.tally.units), (3, 3));
        let rest = store.take("Query", &query("a", first.answer["LastEvaluatedKey"].clone())).unwrap();
        assert_eq!((rest.tally.items, rest.answer.get("LastEvaluatedKey")), (2, None));
        let buried = store.take("Query", &query("b", Json::Null)).unwrap();
        assert_eq!((buried.tally.items, buried.tally.units, store.rows("t")), (101, 11, 106));
    }
}
