//! Why access was refused: a closed list, for the audit log. The caller is told the status alone.

use std::fmt;

use super::scope::Scope;

/// A claim that a token must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// `exp`.
    Expiry,
    /// `nbf`, where it is there.
    NotBefore,
    /// The one that names the tenant.
    Tenant,
    /// `acequia_types` or `acequia_source`, where they are there.
    Limits,
}

impl Claim {
    /// The word for it in codes.
    fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "iss",
            Self::Audience => "aud",
            Self::Expiry => "exp",
            Self::NotBefore => "nbf",
            Self::Tenant => "tenant",
            Self::Limits => "limits",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why access was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request shows no credential.
    #[error("the request has no credential")]
    NoCredential,
    /// It shows more than one.
    #[error("the request has more than one credential")]
    TwoCredentials,
    /// The header does not have the form `Bearer CREDENTIAL`.
    #[error("the Authorization header does not read `Bearer` and a credential")]
    MalformedHeader,
    /// The token is longer than is read.
    #[error("the token is too long")]
    TokenTooLong,
    /// The token is no JWT, or one that asks for what is not supported.
    #[error("the token is no JWT that can be read")]
    MalformedToken,
    /// Its algorithm is not allowed, or not that of the key.
    #[error("the token's algorithm is not that of the issuer's key, or none that is allowed")]
    Algorithm,
    /// No trusted issuer has this name.
    #[error("the token's issuer is not trusted for this tenant")]
    UnknownIssuer,
    /// The issuer has no such key.
    #[error("the token's key is none of the issuer's keys")]
    UnknownSigningKey,
    /// The signature is not that key's.
    #[error("the token's signature does not verify")]
    Signature,
    /// The token has expired.
    #[error("the token has expired")]
    TokenExpired,
    /// The token is not valid yet.
    #[error("the token is not valid yet")]
    TokenNotYetValid,
    /// The token is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is not there, or not of its form.
    #[error("the token's claim {0} is missing, or has not its form")]
    Claim(Claim),
    /// The credential is another tenant's.
    #[error("the credential is for another tenant")]
    OtherTenant,
    /// The key does not have the form of one, or was mistyped.
    #[error("the API key does not have the form of one: it is cut, or was mistyped")]
    MalformedKey,
    /// The key is of another stage.
    #[error("the API key is of another stage")]
    OtherStage,
    /// The tenant has no such key.
    #[error("the tenant has no such API key")]
    KeyUnknown,
    /// The tenant has a key of this id, and this is not it.
    #[error("the API key has the id of a key, and not its secret")]
    KeyMismatch,
    /// The key was revoked.
    #[error("the API key was revoked")]
    KeyRevoked,
    /// The key has expired.
    #[error("the API key has expired")]
    KeyExpired,
    /// The credential does not have the scope.
    #[error("the credential does not have the scope {0}")]
    ScopeMissing(Scope),
    /// The credential is bound to other types of events.
    #[error("the credential is bound to other types of events")]
    TypeNotAllowed,
    /// The credential is bound to other sources of events.
    #[error("the credential is bound to other sources of events")]
    SourceNotAllowed,
    /// The issuer's keys are not known, and it does not give them.
    #[error("the issuer does not give its keys, and none are known")]
    IssuerUnreachable,
    /// The store of API keys does not answer.
    #[error("the store of API keys does not answer")]
    KeysUnavailable,
}

impl Refused {
    /// The status of the answer: 401 where it is not known who is asking, 403 where that is known and not enough, 503
    /// where it cannot be told now.
    pub fn status(self) -> u16 {
        match self {
            Self::OtherTenant | Self::ScopeMissing(_) | Self::TypeNotAllowed | Self::SourceNotAllowed => 403,
            Self::IssuerUnreachable | Self::KeysUnavailable => 503,
            _ => 401,
        }
    }

    /// The code of the cause, for the audit log. It never goes to the caller.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoCredential => "no-credential",
            Self::TwoCredentials => "two-credentials",
            Self::MalformedHeader => "malformed-header",
            Self::TokenTooLong => "token-too-long",
            Self::MalformedToken => "malformed-token",
            Self::Algorithm => "algorithm-not-allowed",
            Self::UnknownIssuer => "unknown-issuer",
            Self::UnknownSigningKey => "unknown-signing-key",
            Self::Signature => "bad-signature",
            Self::TokenExpired => "token-expired",
            Self::TokenNotYetValid => "token-not-yet-valid",
            Self::Audience => "other-audience",
            Self::Claim(Claim::Issuer) => "missing-claim-iss",
            Self::Claim(Claim::Audience) => "missing-claim-aud",
            Self::Claim(Claim::Expiry) => "missing-claim-exp",
            Self::Claim(Claim::NotBefore) => "malformed-claim-nbf",
            Self::Claim(Claim::Tenant) => "missing-claim-tenant",
            Self::Claim(Claim::Limits) => "malformed-claim-limits",
            Self::OtherTenant => "other-tenant",
            Self::MalformedKey => "malformed-key",
            Self::OtherStage => "key-of-another-stage",
            Self::KeyUnknown => "key-unknown",
            Self::KeyMismatch => "key-mismatch",
            Self::KeyRevoked => "key-revoked",
            Self::KeyExpired => "key-expired",
            Self::ScopeMissing(_) => "scope-missing",
            Self::TypeNotAllowed => "type-not-allowed",
            Self::SourceNotAllowed => "source-not-allowed",
            Self::IssuerUnreachable => "issuer-unreachable",
            Self::KeysUnavailable => "keys-unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_401_what_is_not_enough_403_and_what_cannot_be_told_503() {
        for (refused, status) in [
            (Refused::NoCredential, 401),
            (Refused::Signature, 401),
            (Refused::KeyRevoked, 401),
            (Refused::OtherTenant, 403),
            (Refused::ScopeMissing(Scope::Replay), 403),
            (Refused::SourceNotAllowed, 403),
            (Refused::IssuerUnreachable, 503),
            (Refused::KeysUnavailable, 503),
        ] {
            assert_eq!(refused.status(), status, "{refused}");
            assert!(refused.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", refused.code());
        }
    }
}
