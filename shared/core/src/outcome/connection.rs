//! Why there is no answer: the closed list of what goes wrong between us and an endpoint, and the one word for each.
//!
//! An operator does something else about each of them: a firewall, a name, a certificate, a server that died. None of
//! the texts repeats a URL, a host or an address.

use std::borrow::Cow;
use std::fmt;

use crate::outcome::Cause;

/// What went wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionFailure {
    /// The host refused it: nothing listens at the port.
    Refused,
    /// The host name has no address.
    NameUnknown,
    /// No way leads to the address.
    Unreachable,
    /// None was made in the time that connecting may take.
    ConnectTimeout,
    /// The certificate leads to no authority that is trusted.
    CertificateUntrusted,
    /// The certificate is not valid now: it expired, or is not valid yet.
    CertificateExpired,
    /// The certificate is for another host name.
    CertificateName,
    /// TLS could not be agreed upon for another reason.
    Tls,
    /// It broke before an answer came.
    Reset,
    /// What came is no answer of HTTP.
    NotHttp,
    /// There was none, and nothing says why.
    Unmade,
}

impl ConnectionFailure {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Refused,
        Self::NameUnknown,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::CertificateUntrusted,
        Self::CertificateExpired,
        Self::CertificateName,
        Self::Tls,
        Self::Reset,
        Self::NotHttp,
        Self::Unmade,
    ];

    /// The word for it in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "connection-refused",
            Self::NameUnknown => "name-unknown",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect-timeout",
            Self::CertificateUntrusted => "certificate-untrusted",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateName => "certificate-name",
            Self::Tls => "tls",
            Self::Reset => "connection-reset",
            Self::NotHttp => "not-http",
            Self::Unmade => "no-connection",
        }
    }
}

impl fmt::Display for ConnectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the host refused it, nothing listens at the port",
            Self::NameUnknown => "the host name does not resolve to an address",
            Self::Unreachable => "no route leads to the address",
            Self::ConnectTimeout => "it could not be made in time",
            Self::CertificateUntrusted => "no trusted authority signed the certificate, or its chain is incomplete",
            Self::CertificateExpired => "the certificate expired, or is not valid yet",
            Self::CertificateName => "the certificate is for another host name",
            Self::Tls => "TLS could not be agreed upon",
            Self::Reset => "it broke before an answer came",
            Self::NotHttp => "what came back is not HTTP",
            Self::Unmade => "it could not be made",
        })
    }
}

impl Cause {
    /// The word for what failed at an endpoint, for logs and metrics: `http-503`, `answer-timeout`, `egress-refused`,
    /// or one of [`ConnectionFailure`]; `None` where nothing was asked of one.
    pub fn failed_by(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Connection(failure) => Some(failure.as_str().into()),
            Self::Timeout(_) => Some("answer-timeout".into()),
            Self::NoAnswer => Some("no-answer".into()),
            Self::EgressRefused(_) => Some("egress-refused".into()),
            Self::Status { code, .. } | Self::Permanent { code } => Some(format!("http-{code}").into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::outcome::DisabledBy;
    use crate::outcome::stall::Store;

    #[test]
    fn each_failure_has_a_word_and_a_text_of_its_own() {
        let words: BTreeSet<&str> = ConnectionFailure::ALL.into_iter().map(ConnectionFailure::as_str).collect();
        let texts: BTreeSet<String> = ConnectionFailure::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((words.len(), texts.len()), (ConnectionFailure::ALL.len(), ConnectionFailure::ALL.len()));
    }

    #[test]
    fn what_was_asked_of_an_endpoint_has_a_word_and_what_was_not_has_none() {
        for (cause, word) in [
            (Cause::Connection(ConnectionFailure::CertificateName), Some("certificate-name")),
            (Cause::Timeout(Duration::ZERO), Some("answer-timeout")),
            (Cause::EgressRefused("loopback"), Some("egress-refused")),
            (Cause::Status { code: 404, retry_after: None }, Some("http-404")),
            (Cause::Permanent { code: 404 }, Some("http-404")),
            (Cause::StoreDown(Store::Ledger), None),
            (Cause::SinkDisabled(DisabledBy::Configuration), None),
        ] {
            assert_eq!(cause.failed_by().as_deref(), word, "{cause:?}");
        }
    }
}
