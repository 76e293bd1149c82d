//! What an answer, or the lack of one, comes to.

use std::error::Error;
use std::io;
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::outcome::connection::ConnectionFailure;
use acequia_core::outcome::schedule::parse_retry_after;
use acequia_egress::{self as egress, Unresolved};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use rustls::CertificateError;

/// Classifies an answer. Only 2xx is success. `permanent` are the statuses that the sink's configuration calls so.
///
/// # Errors
/// [`Cause::Permanent`] for a status that is permanent, [`Cause::Status`] for every other status, with what Retry-After
/// said.
pub fn answer(status: StatusCode, headers: &HeaderMap, permanent: &[u16], now: Timestamp) -> Result<Receipt, Cause> {
    let code = status.as_u16();
    if status.is_success() {
        return Ok(Receipt { id: None, status: Some(code) });
    }
    if permanent.contains(&code) {
        return Err(Cause::Permanent { code });
    }
    // Where it stands there more than once, nothing is earlier than any of them asks for.
    let asked = headers.get_all(RETRY_AFTER).iter().filter_map(|value| parse_retry_after(value.to_str().ok()?, now));
    Err(Cause::Status { code, retry_after: asked.max() })
}

/// Classifies a request that got no answer; `connecting` where it had no connection yet. The URL is never repeated: it
/// may hold a token.
pub fn no_answer(error: &reqwest::Error, connecting: bool, timeout: Duration) -> Cause {
    if let Some(refused) = egress::refusal_of(error) {
        return Cause::EgressRefused(refused.refusal);
    }
    if error.is_builder() {
        return Cause::EgressRefused("it is not https");
    }
    match error.is_timeout() {
        true if connecting || error.is_connect() => Cause::Connection(ConnectionFailure::ConnectTimeout),
        true => Cause::Timeout(timeout),
        false => Cause::Connection(failure(error)),
    }
}

/// What went wrong with the connection, by the first of the error's causes that says it.
fn failure(error: &reqwest::Error) -> ConnectionFailure {
    let unknown = if error.is_connect() { ConnectionFailure::Unmade } else { ConnectionFailure::Reset };
    egress::causes(error).find_map(known).unwrap_or(unknown)
}

fn known(error: &(dyn Error + 'static)) -> Option<ConnectionFailure> {
    if error.is::<Unresolved>() {
        return Some(ConnectionFailure::NameUnknown);
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(by_tls(error));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_parse().then_some(ConnectionFailure::NotHttp);
    }
    let error = error.downcast_ref::<io::Error>()?;
    // An I/O error is no source of what it wraps, but has it inside.
    error.get_ref().and_then(|inside| known(inside)).or_else(|| by_io(error.kind()))
}

fn by_io(kind: io::ErrorKind) -> Option<ConnectionFailure> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(ConnectionFailure::Refused),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(ConnectionFailure::Unreachable),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(ConnectionFailure::Reset),
        _ => None,
    }
}

fn by_tls(error: &rustls::Error) -> ConnectionFailure {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => ConnectionFailure::CertificateExpired,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ConnectionFailure::CertificateName,
        rustls::Error::InvalidCertificate(_) => ConnectionFailure::CertificateUntrusted,
        _ => ConnectionFailure::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(code: u16) -> Result<Receipt, Cause> {
        answer(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), &[], Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_status_that_the_sink_calls_permanent_is_and_success_is_none() {
        let classify =
            |code| answer(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), &[404, 503], Timestamp::UNIX_EPOCH);
        assert_eq!(classify(404), Err(Cause::Permanent { code: 404 }));
        assert_eq!(classify(503), Err(Cause::Permanent { code: 503 }));
        assert_eq!(classify(403), Err(Cause::Status { code: 403, retry_after: None }));
        assert_eq!(classify(204).unwrap().status, Some(204));
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
        let both = |texts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(RETRY_AFTER, text.parse().unwrap());
            }
            answer(StatusCode::SERVICE_UNAVAILABLE, &headers, &[], Timestamp::UNIX_EPOCH)
        };
        let with = |text| both(&[text]);
        let longest = Err(Cause::Status { code: 503, retry_after: Some(Duration::from_secs(9)) });
        assert_eq!(both(&["7", "soon", "9", "8"]), longest, "nothing comes earlier than any of them says");
        assert_eq!(with("7"), Err(Cause::Status { code: 503, retry_after: Some(Duration::from_secs(7)) }));
        assert_eq!(with("soon"), Err(Cause::Status { code: 503, retry_after: None }));
    }
}
