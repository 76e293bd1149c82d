//! Errors of the SDK as the ports have them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use acequia_core::port::{Refusal, Unavailable};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::refusal::{Refused, unavailable};

/// One error of a call that failed for many entries.
#[derive(Debug, Clone)]
pub(crate) struct SharedError {
    refusal: Option<Refusal>,
    error: Arc<dyn Error + Send + Sync>,
}

impl SharedError {
    pub(crate) fn new(error: impl Refused + Error + Send + Sync + 'static) -> Self {
        Self { refusal: error.refusal(), error: Arc::new(error) }
    }

    /// The same error for one more entry.
    pub(crate) fn unavailable(&self, operation: &'static str) -> Unavailable {
        Unavailable::new(operation, self.clone()).for_refusal(self.refusal)
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// What a write on a condition came to: false where the condition did not hold, as `lost` tells it from other errors.
///
/// # Errors
/// When it is unknown whether it was written.
pub(crate) fn was_written<T, E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    answer: Result<T, SdkError<E>>,
    lost: impl FnOnce(&E) -> bool,
    operation: &'static str,
) -> Result<bool, Unavailable> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(lost) => Ok(false),
        Err(error) => Err(unavailable(operation, error)),
    }
}

/// What a service said about one entry of a call that itself went well.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct EntryError {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl EntryError {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// A stored item that is not what we write.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ItemError {
    /// It does not read as a record.
    #[error("a stored item cannot be read")]
    Unreadable(#[source] serde_dynamo::Error),
    /// Its key is none of ours.
    #[error("a stored item has no key")]
    Keyless,
    /// An attribute is missing or of the wrong type.
    #[error("a stored item has no valid {0}")]
    Attribute(&'static str),
    /// A page's mark is none that this store gave out.
    #[error("the mark of the page is not valid")]
    Mark,
}
