//! Who is asking, once that is known.

use std::fmt;

use super::api_key::{ApiKey, KeyId, prefix};
use super::limit::Limits;
use super::refused::Refused;
use super::scope::{Scope, Scopes};
use crate::event::envelope::Envelope;
use crate::id::{Stage, TenantId};

/// What the audit log calls a credential. Nothing of its secret, or of a person, is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API key, by its beginning.
    Key {
        /// The stage that it is of.
        stage: Stage,
        /// The tenant that it is of.
        tenant: TenantId,
        /// Its id.
        id: KeyId,
    },
    /// A token.
    Token {
        /// Whose it is.
        issuer: String,
        /// A digest of issuer and subject, where it has one: the same for each token of one subject.
        subject: Option<String>,
    },
}

impl From<&ApiKey> for Credential {
    fn from(key: &ApiKey) -> Self {
        Self::Key { stage: key.stage.clone(), tenant: key.tenant.clone(), id: key.id.clone() }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { stage, tenant, id } => f.write_str(&prefix(stage, tenant, id)),
            Self::Token { issuer, subject: Some(subject) } => write!(f, "{issuer} sub:{subject}"),
            Self::Token { issuer, subject: None } => f.write_str(issuer),
        }
    }
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The tenant that it acts for: the one of the request's path, proven.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: Scopes,
    /// The events that it is bound to.
    pub limits: Limits,
    /// What the audit log calls it.
    pub credential: Credential,
}

impl Principal {
    /// Whether it may do this.
    ///
    /// # Errors
    /// [`Refused::ScopeMissing`].
    pub fn may(&self, scope: Scope) -> Result<(), Refused> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Refused::ScopeMissing(scope)) }
    }

    /// Whether it may send this event of its tenant.
    ///
    /// # Errors
    /// [`Refused::OtherTenant`], [`Refused::ScopeMissing`], [`Refused::TypeNotAllowed`] or
    /// [`Refused::SourceNotAllowed`].
    pub fn may_send(&self, envelope: &Envelope) -> Result<(), Refused> {
        if envelope.tenant != self.tenant {
            return Err(Refused::OtherTenant);
        }
        self.may(Scope::EventsWrite)?;
        self.limits.admit(envelope)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_principal_sends_its_own_tenants_events_within_its_scopes_and_limits() {
        let event = |tenant: &str, kind: &str| {
            let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"{kind}"}}"#);
            Envelope::parse(&tenant.parse().unwrap(), Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap()
        };
        let mut principal = Principal {
            tenant: "acme".parse().unwrap(),
            scopes: [Scope::EventsWrite].into(),
            limits: Limits::read(["action.*"], None).unwrap(),
            credential: Credential::Token { issuer: "https://id.example".to_owned(), subject: None },
        };
        assert_eq!(principal.may_send(&event("acme", "action.signed")), Ok(()));
        assert_eq!(principal.may_send(&event("bona", "action.signed")), Err(Refused::OtherTenant));
        assert_eq!(principal.may_send(&event("acme", "ping")), Err(Refused::TypeNotAllowed));
        assert_eq!(principal.may(Scope::EventsRead), Err(Refused::ScopeMissing(Scope::EventsRead)));
        principal.scopes.clear();
        assert_eq!(principal.may_send(&event("acme", "action.signed")), Err(Refused::ScopeMissing(Scope::EventsWrite)));
    }
}
