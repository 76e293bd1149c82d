//! Claims in batches: 25 `PartiQL` statements in one call, with a verdict each.
//!
//! `BatchExecuteStatement` is no transaction: a statement whose condition fails leaves the others alone, and costs what
//! a write costs. A key that stands in a batch twice fails the whole call, so the port asks for distinct keys.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.batching.html>

use acequia_core::id::TenantId;
use acequia_core::port::Unavailable;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum, BatchStatementRequest, BatchStatementResponse,
};

use super::claim::{ClaimWrite, ClaimWriter, OPERATION};
use super::rows::columns_of;
use crate::columns::{Column, value_of};
use crate::error::{EntryError, ItemError, SharedError};
use crate::keys::{self, PK, SK};
use crate::refusal::unavailable;

/// The default way to write claims.
#[derive(Debug, Clone)]
pub struct PartiqlClaims {
    client: Client,
    table: String,
}

impl PartiqlClaims {
    /// Claims in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn statement(&self, tenant: &TenantId, write: &ClaimWrite) -> Result<BatchStatementRequest, ItemError> {
        let columns = columns_of(tenant, &write.record)?;
        let (statement, parameters) = match &write.over {
            None => insert(&self.table, columns),
            Some(over) => replace(&self.table, columns, &columns_of(tenant, over)?),
        };
        let request = BatchStatementRequest::builder().statement(statement).set_parameters(Some(parameters));
        request.build().map_err(|_| ItemError::Attribute("statement"))
    }
}

impl ClaimWriter for PartiqlClaims {
    async fn write(&self, tenant: &TenantId, writes: &[ClaimWrite]) -> Vec<Result<bool, Unavailable>> {
        let mut request = self.client.batch_execute_statement();
        for write in writes {
            match self.statement(tenant, write) {
                Ok(statement) => request = request.statements(statement),
                Err(error) => return every(writes, &SharedError::new(error)),
            }
        }
        match request.send().await {
            Err(error) => every(writes, &SharedError::new(error)),
            Ok(answer) => {
                let mut responses = answer.responses.unwrap_or_default().into_iter();
                writes.iter().map(|_| verdict(responses.next(), OPERATION)).collect()
            }
        }
    }
}

fn every(writes: &[ClaimWrite], error: &SharedError) -> Vec<Result<bool, Unavailable>> {
    writes.iter().map(|_| Err(error.unavailable(OPERATION))).collect()
}

/// What the service says of one statement. The answers stand in the order of the statements.
fn verdict(response: Option<BatchStatementResponse>, operation: &'static str) -> Result<bool, Unavailable> {
    let missing = || unavailable(operation, EntryError::new("Missing", "the answer has no entry for it"));
    let Some(error) = response.ok_or_else(missing)?.error else { return Ok(true) };
    match error.code {
        Some(BatchStatementErrorCodeEnum::DuplicateItem | BatchStatementErrorCodeEnum::ConditionalCheckFailed) => {
            Ok(false)
        }
        code => {
            let code = code.map_or_else(|| "Unknown".to_owned(), |code| code.as_str().to_owned());
            Err(unavailable(operation, EntryError::new(code, error.message.unwrap_or_default())))
        }
    }
}

/// Writes rows, each on the condition that there is none of its key; whether it was written. At most 25, whose keys are
/// distinct.
pub(crate) async fn insert_new(
    client: &Client,
    table: &str,
    rows: Vec<Vec<Column>>,
    operation: &'static str,
) -> Vec<Result<bool, Unavailable>> {
    let count = rows.len();
    let none = |error: SharedError| (0..count).map(|_| Err(error.unavailable(operation))).collect();
    let mut request = client.batch_execute_statement();
    for row in rows {
        let (statement, parameters) = insert(table, row);
        match BatchStatementRequest::builder().statement(statement).set_parameters(Some(parameters)).build() {
            Ok(statement) => request = request.statements(statement),
            Err(_) => return none(SharedError::new(ItemError::Attribute("statement"))),
        }
    }
    match request.send().await {
        Err(error) => none(SharedError::new(error)),
        Ok(answer) => {
            let mut responses = answer.responses.unwrap_or_default().into_iter();
            (0..count).map(|_| verdict(responses.next(), operation)).collect()
        }
    }
}

/// An INSERT, which fails where the key is taken.
fn insert(table: &str, columns: Vec<Column>) -> (String, Vec<AttributeValue>) {
    let mut statement = format!("INSERT INTO \"{table}\" VALUE {{");
    for (index, (name, _)) in columns.iter().enumerate() {
        statement.push_str(if index == 0 { "'" } else { ",'" });
        statement.push_str(name);
        statement.push_str("':?");
    }
    statement.push('}');
    (statement, columns.into_iter().map(|(_, value)| value).collect())
}

/// An UPDATE to these columns, on the condition that the record is still `over`: same claim (or none), status and time
/// of writing.
///
/// The three together tell any two states of a record apart: a claim has a token of its own, and settling a claim
/// changes the status or takes the token away.
fn replace(table: &str, columns: Vec<Column>, over: &[Column]) -> (String, Vec<AttributeValue>) {
    let (mut changes, mut conditions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    // What the old record has and the new one does not, such as the time at which a retry was due.
    let removed = over.iter().filter(|(name, _)| value_of(&columns, name).is_none());
    let removed: Vec<String> = removed.map(|(name, _)| format!("REMOVE \"{name}\"")).collect();
    let mut key = Vec::with_capacity(2);
    for (name, value) in columns {
        if name == PK || name == SK {
            key.push((name, value));
        } else {
            changes.push(format!("SET \"{name}\" = ?"));
            values.push(value);
        }
    }
    changes.extend(removed);
    for (name, value) in key {
        conditions.push(format!("\"{name}\" = ?"));
        values.push(value);
    }
    for name in keys::STATE {
        match value_of(over, name) {
            Some(value) => {
                conditions.push(format!("\"{name}\" = ?"));
                values.push(value.clone());
            }
            None => conditions.push(format!("\"{name}\" IS MISSING")),
        }
    }
    (format!("UPDATE \"{table}\" {} WHERE {}", changes.join(" "), conditions.join(" AND ")), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(pairs: &[(&'static str, &str)]) -> Vec<Column> {
        pairs.iter().map(|(name, value)| (*name, keys::text(*value))).collect()
    }

    #[test]
    fn an_insert_has_a_parameter_for_each_attribute() {
        let (statement, parameters) = insert("acequia-dev-ledger", columns(&[("pk", "a'b"), ("sk", "s")]));
        assert_eq!(statement, "INSERT INTO \"acequia-dev-ledger\" VALUE {'pk':?,'sk':?}");
        assert_eq!(parameters, ["a'b", "s"].map(keys::text));
    }

    #[test]
    fn an_update_names_its_key_and_the_state_that_must_still_hold() {
        let new = columns(&[("pk", "p"), ("claim", "new")]);
        let old = columns(&[("pk", "p"), ("due_at", "2"), ("status", "retry"), ("updated_at", "1")]);
        let (statement, parameters) = replace("t", new, &old);
        assert_eq!(
            statement,
            "UPDATE \"t\" SET \"claim\" = ? REMOVE \"due_at\" REMOVE \"status\" REMOVE \"updated_at\" \
             WHERE \"pk\" = ? AND \"claim\" IS MISSING AND \"status\" = ? AND \"updated_at\" = ?"
        );
        assert_eq!(parameters, ["new", "p", "retry", "1"].map(keys::text));
    }
}
