//! Transactions on rows that others write, too: of two one wins, and the other looks again.

use acequia_core::port::Unavailable;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::TransactWriteItem;
use aws_sdk_dynamodb::types::builders::PutBuilder;

use crate::error::EntryError;
use crate::refusal::unavailable;

/// How often a transaction is tried that lost to another one.
pub(crate) const TRIES: usize = 4;

/// The tries of one operation.
pub(crate) struct Contest {
    operation: &'static str,
    last: Option<Unavailable>,
}

impl Contest {
    pub(crate) fn new(operation: &'static str) -> Self {
        Self { operation, last: None }
    }

    /// Notes a try that another transaction was before, or is in the way of: what is there now says which.
    ///
    /// # Errors
    /// Where it failed for another reason.
    pub(crate) fn lost(&mut self, error: SdkError<TransactWriteItemsError>) -> Result<(), Unavailable> {
        let is_contested = error.as_service_error().is_some_and(|error| {
            error.is_transaction_canceled_exception() || error.is_transaction_in_progress_exception()
        });
        let error = unavailable(self.operation, error);
        if !is_contested {
            return Err(error);
        }
        self.last = Some(error);
        Ok(())
    }

    /// What all tries came to.
    pub(crate) fn given_up(self) -> Unavailable {
        let never = EntryError::new("TransactionConflict", "others write all the time");
        self.last.unwrap_or_else(|| unavailable(self.operation, never))
    }
}

/// A transaction of these.
pub(crate) fn transaction(
    client: &Client,
    puts: impl IntoIterator<Item = PutBuilder>,
) -> Result<TransactWriteItemsFluentBuilder, BuildError> {
    puts.into_iter().try_fold(client.transact_write_items(), |request, put| {
        Ok(request.transact_items(TransactWriteItem::builder().put(put.build()?).build()))
    })
}
