//! The names of subjects, lists and actions: digests, so that keys, links and tags hold no address.
//!
//! They are pseudonyms, not anonymous: who knows an address can compute its digest. So they are personal data all the
//! same, and erasing a subject removes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{EventId, TenantId, hex};

/// How many bytes of the digest are kept.
const BYTES: usize = 16;

/// A text that is no such digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be 32 hex digits")]
pub struct InvalidDigest;

macro_rules! digest_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; BYTES]);

        impl $name {
            /// The digest of texts, each with its length before it, so that no two lists of texts run together.
            fn of(parts: &[&str]) -> Self {
                let mut hash = Sha256::new();
                for part in [stringify!($name)].iter().chain(parts) {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part.as_bytes());
                }
                let mut bytes = [0; BYTES];
                for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
                    *to = from;
                }
                Self(bytes)
            }

            /// The bytes of the digest.
            pub fn as_bytes(&self) -> &[u8; BYTES] {
                &self.0
            }
        }

        impl From<[u8; BYTES]> for $name {
            fn from(bytes: [u8; BYTES]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
                if text.len() != BYTES * 2 {
                    return Err(InvalidDigest);
                }
                let mut bytes = [0; BYTES];
                for (to, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let [high, low] = pair else { return Err(InvalidDigest) };
                    let value = digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low);
                    *to = value.and_then(|value| u8::try_from(value).ok()).ok_or(InvalidDigest)?;
                }
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidDigest;

            fn try_from(text: String) -> Result<Self, InvalidDigest> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

digest_id!(
    /// A subject: the digest of what identifies the person to the tenant, an address as a rule.
    SubjectId
);
digest_id!(
    /// A list: the digest of its name.
    ListId
);
digest_id!(
    /// An action: the digest of its event's identity.
    ActionId
);

impl SubjectId {
    /// The subject of this text. Letters' case and spaces around it do not count.
    pub fn derive(tenant: &TenantId, subject: &str) -> Self {
        Self::of(&[tenant.as_str(), &subject.trim().to_lowercase()])
    }
}

impl ListId {
    /// The list of this name.
    pub fn derive(tenant: &TenantId, name: &str) -> Self {
        Self::of(&[tenant.as_str(), name])
    }
}

impl ActionId {
    /// The action of this event.
    pub fn derive(tenant: &TenantId, event: &EventId) -> Self {
        Self::of(&[tenant.as_str(), event.source(), event.id()])
    }
}

/// Whose consent, and for what. The tenant goes beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConsentKey {
    /// The person.
    pub subject: SubjectId,
    /// What the consent is for.
    pub list: ListId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_same_however_the_address_is_written_and_another_at_another_tenant() {
        let (acme, bona): (TenantId, TenantId) = ("acme".parse().unwrap(), "bona".parse().unwrap());
        let ana = SubjectId::derive(&acme, "ana@example.org");
        assert_eq!(SubjectId::derive(&acme, " Ana@Example.ORG\n"), ana);
        assert_ne!(SubjectId::derive(&bona, "ana@example.org"), ana);
        assert_ne!(ListId::derive(&acme, "ana@example.org").as_bytes(), ana.as_bytes());
    }

    #[test]
    fn the_text_of_a_digest_reads_back_and_nothing_else_does() {
        let id = SubjectId::derive(&"acme".parse().unwrap(), "ana@example.org");
        let text = id.to_string();
        assert_eq!(text.parse::<SubjectId>().unwrap(), id);
        let short = text.chars().skip(1).collect::<String>();
        let high = format!("A{short}");
        for bad in ["", &short, &format!("{text}0"), &high, &"é".repeat(16), &"g".repeat(32)] {
            assert!(bad.parse::<SubjectId>().is_err(), "{bad:?} was taken");
        }
    }
}
