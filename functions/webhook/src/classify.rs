//! What an answer, or the lack of one, comes to.

use std::time::Duration;

use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::schedule::parse_retry_after;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::egress;

/// Classifies an answer. Only 2xx is success.
///
/// # Errors
/// [`Cause::Status`] for every other status, with what Retry-After said.
pub fn answer(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Result<Receipt, Cause> {
    let code = status.as_u16();
    if status.is_success() {
        return Ok(Receipt { id: None, status: Some(code) });
    }
    let retry_after =
        headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| parse_retry_after(text, now));
    Err(Cause::Status { code, retry_after })
}

/// Classifies a request that got no answer. The URL is never repeated: it may hold a token.
pub fn no_answer(error: &reqwest::Error, timeout: Duration) -> Cause {
    if let Some(refused) = egress::refusal_of(error) {
        return Cause::EgressRefused(refused.to_string());
    }
    if error.is_timeout() {
        Cause::Timeout(timeout)
    } else if error.is_connect() {
        Cause::Connection("no connection could be made")
    } else if error.is_builder() {
        Cause::EgressRefused("it is not https".to_owned())
    } else {
        Cause::Connection("the connection broke before an answer came")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(code: u16) -> Result<Receipt, Cause> {
        answer(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_2xx_is_success() {
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(classify(code).unwrap().status, Some(code));
        }
        for code in [300, 301, 302, 304, 399, 400, 404, 410, 429, 500, 503] {
            assert_eq!(classify(code), Err(Cause::Status { code, retry_after: None }));
        }
    }

    #[test]
    fn retry_after_is_read_and_nonsense_ignored() {
        let with = |text: &'static str| {
            let headers = [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
            answer(StatusCode::SERVICE_UNAVAILABLE, &headers, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(with("7"), Err(Cause::Status { code: 503, retry_after: Some(Duration::from_secs(7)) }));
        assert_eq!(with("soon"), Err(Cause::Status { code: 503, retry_after: None }));
    }
}
