//! Fetches a key set from its URL, within bounds.

use std::sync::OnceLock;
use std::time::Duration;

use acequia_core::access::KeySet;
use acequia_core::egress::{Authorities, Egress};
use acequia_egress::{ClientError, check_literal};
use reqwest::header::ACCEPT;
use reqwest::{Client, Response, StatusCode};
use url::Url;

/// How long a fetch may take in all: a request waits for it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes of a key set.
const MAX_BYTES: usize = 64 * 1024;

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// There is no client.
    #[error("no HTTP client can be made")]
    Client(#[from] ClientError),
    /// Its address may not be called.
    #[error("its address may not be called")]
    Refused,
    /// No answer came, or not all of it. Its text has no URL in it.
    #[error("no answer came in time")]
    NoAnswer(#[source] reqwest::Error),
    /// The answer is no success; redirects are not followed.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The answer is too long.
    #[error("the answer has more than {MAX_BYTES} bytes")]
    TooLong,
    /// The answer has no key that can be used.
    #[error("the answer is no JWK set with a public key that can be used")]
    NoKeys,
}

/// What fetches key sets.
pub(crate) struct Fetcher {
    egress: Egress,
    authorities: Authorities,
    /// Made when it is first needed: setting up TLS takes milliseconds of a start, and requests with API keys need none.
    client: OnceLock<Client>,
}

impl Fetcher {
    pub(crate) fn new(egress: Egress, authorities: Authorities) -> Self {
        Self { egress, authorities, client: OnceLock::new() }
    }

    /// Fetches a key set.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<KeySet, FetchError> {
        check_literal(self.egress, url).map_err(|_| FetchError::Refused)?;
        let request = self.client()?.get(url.clone()).header(ACCEPT, "application/jwk-set+json, application/json");
        let answer = request.timeout(TIMEOUT).send().await;
        let answer = answer.map_err(|error| FetchError::NoAnswer(error.without_url()))?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let keys = KeySet::read(&body(answer).await?).filter(|keys| !keys.is_empty());
        keys.ok_or(FetchError::NoKeys)
    }

    fn client(&self) -> Result<Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // A set is fetched every ten minutes: a connection would be kept for nothing.
        let builder = acequia_egress::builder(self.egress, self.authorities)?.pool_max_idle_per_host(0);
        let client = builder.build().map_err(ClientError::from)?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

/// Reads an answer to its bound.
async fn body(mut answer: Response) -> Result<Vec<u8>, FetchError> {
    if answer.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(FetchError::TooLong);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| FetchError::NoAnswer(error.without_url()))? {
        if body.len().saturating_add(chunk.len()) > MAX_BYTES {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
