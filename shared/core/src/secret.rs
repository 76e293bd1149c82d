//! A value that must not be seen: it has no `Display`, its `Debug` shows nothing, and its memory is wiped. And what it
//! is for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::id::SecretName;

/// What a signing key must measure, in bytes: those of Standard Webhooks
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme>).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret text, such as a signing key or an authorization header.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes of a signing key, `whsec_` and their base64.
    ///
    /// # Errors
    /// [`UnusableSecret::Signing`] where it is none.
    pub fn signing_key(&self) -> Result<Zeroizing<Vec<u8>>, UnusableSecret> {
        let text = self.0.trim().strip_prefix("whsec_").ok_or(UnusableSecret::Signing)?;
        let key = Zeroizing::new(STANDARD.decode(text).map_err(|_| UnusableSecret::Signing)?);
        if KEY_BYTES.contains(&key.len()) { Ok(key) } else { Err(UnusableSecret::Signing) }
    }

    /// A private key of X25519, from its base64url.
    ///
    /// # Errors
    /// [`UnusableSecret::Private`] where it is none.
    pub fn private_key(&self) -> Result<Zeroizing<[u8; 32]>, UnusableSecret> {
        let text = self.0.trim().trim_end_matches('=');
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableSecret::Private)?);
        <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| UnusableSecret::Private)
    }

    /// The value of a header: what HTTP lets stand there.
    ///
    /// # Errors
    /// [`UnusableSecret::Header`] where it cannot be one.
    pub fn header_value(&self) -> Result<&str, UnusableSecret> {
        let printable = self.0.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if printable && !self.0.trim().is_empty() { Ok(&self.0) } else { Err(UnusableSecret::Header) }
    }
}

impl Secret {
    /// A password.
    ///
    /// # Errors
    /// [`UnusableSecret::Password`] where it is none.
    pub fn password(&self) -> Result<&str, UnusableSecret> {
        let is_line = (1..=1000).contains(&self.0.len()) && !self.0.chars().any(char::is_control);
        if is_line { Ok(&self.0) } else { Err(UnusableSecret::Password) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What is wrong with the form of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSecret {
    /// It is no signing key.
    #[error(
        "a signing secret reads whsec_ and the base64 of 24 to 64 bytes, as acequia secret put --generate makes it"
    )]
    Signing,
    /// It cannot stand in a header.
    #[error("the value of a header is printable ASCII")]
    Header,
    /// It is no private key.
    #[error("a private key of X25519 is the base64url of 32 bytes")]
    Private,
    /// It cannot be a password.
    #[error("a password is one line of 1 to 1000 bytes, without control characters")]
    Password,
}

/// What a secret is for. A secret serves one purpose: it is part of its path, and each function can read those of its
/// own purposes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPurpose {
    /// Signs what goes to endpoints; the receiver has it too.
    Webhook,
    /// Is the value of a header, and so is sent.
    Header,
    /// Signs the links of mails; nobody else has it.
    Link,
    /// Opens sealed personal data.
    Personal,
    /// Is the password of a user of a database.
    Database,
}

/// What a tenant's secrets are for and called.
pub type SecretNames = BTreeSet<(SecretPurpose, SecretName)>;

impl SecretPurpose {
    /// All purposes.
    pub const ALL: [Self; 5] = [Self::Webhook, Self::Header, Self::Link, Self::Personal, Self::Database];

    /// The word for it in paths and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Header => "header",
            Self::Link => "link",
            Self::Personal => "personal",
            Self::Database => "database",
        }
    }

    /// Whether such a secret can be made up: nobody else decides what it reads.
    pub fn can_be_generated(self) -> bool {
        matches!(self, Self::Webhook | Self::Link)
    }

    /// Checks that a secret has a form in which it can serve.
    ///
    /// # Errors
    /// What form it must have. The secret itself is not in it.
    pub fn check(self, secret: &Secret) -> Result<(), UnusableSecret> {
        match self {
            Self::Webhook | Self::Link => secret.signing_key().map(drop),
            Self::Header => secret.header_value().map(drop),
            Self::Personal => secret.private_key().map(drop),
            Self::Database => secret.password().map(drop),
        }
    }
}

impl fmt::Display for SecretPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not webhook, header, link, personal or database")]
pub struct UnknownPurpose(String);

impl FromStr for SecretPurpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.as_str() == text);
        found.ok_or_else(|| UnknownPurpose(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const PRIVATE: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
    const PADDED: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

    #[test]
    fn a_secret_does_not_show_when_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }

    #[test]
    fn each_purpose_takes_its_own_form_and_says_of_others_what_it_wants_without_the_value() {
        let rows = [
            (SecretPurpose::Webhook, vec![SIGNING], vec![PRIVATE, "whsec_!!", "whsec_c2hvcnQ=", ""]),
            (SecretPurpose::Link, vec![SIGNING], vec!["Bearer t0ken", "whsec_x"]),
            (SecretPurpose::Personal, vec![PRIVATE, PADDED], vec![SIGNING, "AgIC", ""]),
            (SecretPurpose::Database, vec!["hunter2", "k\u{f6}nig in sp\u{e9}"], vec!["", "a\nb"]),
            (SecretPurpose::Header, vec!["Bearer t0ken", SIGNING], vec!["", "  ", "a\nb", "t\u{f6}ken"]),
        ];
        for (purpose, good, bad) in rows {
            for text in good {
                assert_eq!(purpose.check(&Secret::new(text)), Ok(()), "{purpose}");
            }
            for text in bad {
                let problem = purpose.check(&Secret::new(text)).unwrap_err().to_string();
                assert!(text.is_empty() || text.trim().is_empty() || !problem.contains(text), "{purpose}: {problem}");
            }
        }
    }

    #[test]
    fn a_purpose_reads_back_from_its_word() {
        for purpose in SecretPurpose::ALL {
            assert_eq!(purpose.as_str().parse(), Ok(purpose));
        }
        assert!("signing".parse::<SecretPurpose>().is_err());
    }
}
