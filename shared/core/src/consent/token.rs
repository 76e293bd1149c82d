//! The links that mails carry: a signed token that says whose consent, for which action, for what purpose, and until
//! when.
//!
//! `<key>.<payload>.<signature>`: the name of the key, and base64url without padding. The signature is HMAC-SHA256 over
//! the name and the payload, with a key that belongs to one tenant. The payload holds digests only, no address.
//!
//! Invariants:
//! - A token reads in one way only: no other text than the one that was made is accepted, not even another spelling of
//!   it.
//! - What a token says is believed only after its signature was checked; the check takes as long wherever it fails.
//! - A key that is taken out of the configuration ends every link that it signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::id::{ActionId, ConsentKey, ListId, SubjectId};
use crate::id::{SecretName, TenantId};
use crate::secret::{Secret, UnusableSecret};

/// The first byte of every payload.
const VERSION: u8 = 1;
/// Keeps these signatures apart from any other use of the same key.
const CONTEXT: &[u8] = b"acequia consent link 1\0";
/// No token is longer: a key's name, payload and signature in base64, and two dots.
const MAX_TOKEN_BYTES: usize = 64 + 1 + 128 + 1 + 43;

/// What a link is for. A link serves one purpose only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The subject agrees.
    Accept,
    /// The subject agrees, and wants the newsletter.
    AcceptOptIn,
    /// The subject declines.
    Reject,
    /// The subject wants no more mails; mail programs use it by themselves (RFC 8058).
    Unsubscribe,
    /// A moderator takes the action.
    Approve,
    /// A moderator declines the action.
    Decline,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 6] =
        [Self::Accept, Self::AcceptOptIn, Self::Reject, Self::Unsubscribe, Self::Approve, Self::Decline];

    /// The word for it in the record of consent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::AcceptOptIn => "accept-opt-in",
            Self::Reject => "reject",
            Self::Unsubscribe => "unsubscribe",
            Self::Approve => "approve",
            Self::Decline => "decline",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Accept => 1,
            Self::AcceptOptIn => 2,
            Self::Reject => 3,
            Self::Unsubscribe => 4,
            Self::Approve => 5,
            Self::Decline => 6,
        }
    }
}

/// What a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whose consent, for what.
    pub key: ConsentKey,
    /// The action that the mail was about.
    pub action: ActionId,
    /// What it is for.
    pub purpose: Purpose,
    /// Until when it works, in whole seconds.
    pub expires_at: Timestamp,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It is cut off, or no token at all.
    #[error("the link is not complete")]
    Truncated,
    /// It was made for another tenant.
    #[error("the link belongs to another tenant")]
    OtherTenant,
    /// The tenant has no key of this name, or has it no more.
    #[error("the link was signed with a key that is not in use")]
    UnknownKey,
    /// It was changed, or made by somebody else.
    #[error("the link's signature is wrong")]
    WrongSignature,
    /// It is genuine, and was meant for something else.
    #[error("the link is meant for something else")]
    OtherPurpose,
    /// It is genuine, and too old.
    #[error("the link has expired")]
    Expired(Link),
}

/// A tenant's key for links.
#[derive(Clone)]
pub struct LinkKey {
    name: SecretName,
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LinkKey {
    /// Reads a key from the secret of this name.
    ///
    /// # Errors
    /// Where the secret is not one that can sign.
    pub fn new(name: SecretName, secret: &Secret) -> Result<Self, UnusableSecret> {
        let key = secret.signing_key()?;
        Ok(Self { name, mac: Hmac::<Sha256>::new_from_slice(&key).map_err(|_| UnusableSecret::Signing)? })
    }

    fn mac(&self, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(CONTEXT);
        // A name is at most 64 characters, and has no NUL.
        mac.update(self.name.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(payload);
        mac
    }

    /// The token of a link of `tenant`.
    pub fn sign(&self, tenant: &TenantId, link: &Link) -> String {
        let payload = encode(tenant, link);
        let signature = self.mac(&payload).finalize().into_bytes();
        format!("{}.{}.{}", self.name, URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Reads a token that was presented to `tenant` for one of `purposes` at `now`. The tenant's keys are those in use: the
/// current one, and during a rotation the one before.
///
/// # Errors
/// A [`LinkError`] that says what is wrong with it; of a token that is not genuine nothing else is said.
pub fn read(
    tenant: &TenantId,
    keys: &[LinkKey],
    token: &str,
    purposes: &[Purpose],
    now: Timestamp,
) -> Result<Link, LinkError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(LinkError::Truncated);
    }
    let mut parts = token.split('.');
    let (Some(name), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(LinkError::Truncated);
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| LinkError::Truncated);
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    // Not believed yet: the signature is checked with the key of the tenant that was asked.
    let (owner, link) = parse(&payload).ok_or(LinkError::Truncated)?;
    if signature.len() != 32 {
        return Err(LinkError::Truncated);
    }
    if owner != tenant.as_str() {
        return Err(LinkError::OtherTenant);
    }
    let key = keys.iter().find(|key| key.name.as_str() == name).ok_or(LinkError::UnknownKey)?;
    // Constant-time, whatever differs.
    key.mac(&payload).verify_slice(&signature).map_err(|_| LinkError::WrongSignature)?;
    if !purposes.contains(&link.purpose) {
        return Err(LinkError::OtherPurpose);
    }
    if now >= link.expires_at {
        return Err(LinkError::Expired(link));
    }
    Ok(link)
}

/// The name of the key that a token says it was signed with.
pub fn key_name(token: &str) -> Option<SecretName> {
    token.split_once('.').and_then(|(name, _)| name.parse().ok())
}

fn encode(tenant: &TenantId, link: &Link) -> Vec<u8> {
    let mut payload = vec![VERSION, link.purpose.code()];
    payload.extend(link.expires_at.as_second().to_be_bytes());
    payload.extend(link.key.subject.as_bytes());
    payload.extend(link.key.list.as_bytes());
    payload.extend(link.action.as_bytes());
    payload.extend(tenant.as_str().as_bytes());
    payload
}

fn parse(payload: &[u8]) -> Option<(&str, Link)> {
    let ([version, purpose], rest) = payload.split_first_chunk::<2>()?;
    let (expires, rest) = rest.split_first_chunk::<8>()?;
    let (subject, rest) = rest.split_first_chunk::<16>()?;
    let (list, rest) = rest.split_first_chunk::<16>()?;
    let (action, tenant) = rest.split_first_chunk::<16>()?;
    let purpose = Purpose::ALL.into_iter().find(|known| known.code() == *purpose).filter(|_| *version == VERSION)?;
    let link = Link {
        key: ConsentKey { subject: SubjectId::from(*subject), list: ListId::from(*list) },
        action: ActionId::from(*action),
        purpose,
        expires_at: Timestamp::from_second(i64::from_be_bytes(*expires)).ok()?,
    };
    Some((std::str::from_utf8(tenant).ok()?, link))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    fn key(name: &str, byte: u8) -> LinkKey {
        let secret = Secret::new(format!("whsec_{}", STANDARD.encode([byte; 32])));
        LinkKey::new(name.parse().unwrap(), &secret).unwrap()
    }

    fn link() -> Link {
        let acme = tenant("acme");
        Link {
            key: ConsentKey {
                subject: SubjectId::derive(&acme, "ana@example.org"),
                list: ListId::derive(&acme, "no-coal"),
            },
            action: ActionId::from([7; 16]),
            purpose: Purpose::Accept,
            expires_at: Timestamp::from_second(1_800_000_000).unwrap(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_799_999_999).unwrap()
    }

    fn read_as_acme(token: &str, keys: &[LinkKey]) -> Result<Link, LinkError> {
        read(&tenant("acme"), keys, token, &[Purpose::Accept], now())
    }

    #[test]
    fn a_link_reads_back_until_it_expires() {
        let (keys, link) = ([key("links", 1)], link());
        let token = keys[0].sign(&tenant("acme"), &link);
        assert!(token.len() < 200, "{} bytes", token.len());
        assert_eq!(read_as_acme(&token, &keys), Ok(link));
        let late = read(&tenant("acme"), &keys, &token, &[Purpose::Accept], link.expires_at);
        assert_eq!(late, Err(LinkError::Expired(link)));
    }

    #[test]
    fn each_thing_that_can_be_wrong_has_its_own_answer() {
        let keys = [key("links", 1)];
        let token = keys[0].sign(&tenant("acme"), &link());
        let wrong = |keys: &[LinkKey]| read_as_acme(&token, keys).unwrap_err();
        assert_eq!(wrong(&[key("links", 2)]), LinkError::WrongSignature);
        assert_eq!(wrong(&[key("other", 1)]), LinkError::UnknownKey);
        assert_eq!(wrong(&[]), LinkError::UnknownKey);
        let bona = read(&tenant("bona"), &keys, &token, &[Purpose::Accept], now());
        assert_eq!(bona, Err(LinkError::OtherTenant));
        let reject = read(&tenant("acme"), &keys, &token, &[Purpose::Reject], now());
        assert_eq!(reject, Err(LinkError::OtherPurpose));
        for length in 0..token.len() {
            let error = read_as_acme(token.get(..length).unwrap(), &keys).unwrap_err();
            assert!(matches!(error, LinkError::Truncated | LinkError::OtherTenant), "{length}: {error}");
        }
        for text in ["", ".", "..", "...", "links..", "a.b.c", &"x".repeat(100_000)] {
            assert_eq!(read_as_acme(text, &keys), Err(LinkError::Truncated), "{text:.20}");
        }
    }

    #[test]
    fn both_keys_of_a_rotation_are_accepted_and_a_key_taken_out_ends_its_links() {
        let (old, new) = (key("links-2025", 1), key("links-2026", 2));
        let token = old.sign(&tenant("acme"), &link());
        assert!(read_as_acme(&token, &[new.clone(), old]).is_ok());
        assert_eq!(read_as_acme(&token, &[new]), Err(LinkError::UnknownKey));
    }

    #[test]
    fn a_key_is_what_the_command_generates_and_never_shows() {
        for bad in ["", "whsec_", "whsec_!!", "c2hvcnQ=", &format!("whsec_{}", STANDARD.encode([1; 23]))] {
            assert_eq!(
                LinkKey::new("links".parse().unwrap(), &Secret::new(bad)).unwrap_err(),
                UnusableSecret::Signing,
                "{bad}"
            );
        }
        assert!(!format!("{:?}", key("links", 65)).contains("AAA"));
    }

    #[test]
    fn a_token_says_which_key_it_needs() {
        assert_eq!(key_name("links-2026.x.y").unwrap().as_str(), "links-2026");
        assert_eq!(key_name("no dots"), None);
    }

    proptest! {
        #[test]
        fn with_one_bit_flipped_anywhere_no_token_is_accepted(position in 0_usize..1000, bit in 0_u8..8) {
            let keys = [key("links", 1), key("linkr", 1), key("linkt", 1)];
            let mut bytes = keys[0].sign(&tenant("acme"), &link()).into_bytes();
            let position = position % bytes.len();
            bytes[position] ^= 1 << bit;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(read(&tenant("acme"), &keys, &text, &Purpose::ALL, now()).is_err());
        }

        #[test]
        fn another_spelling_of_a_token_is_not_accepted(extra in "[A-Za-z0-9_.=-]{1,8}", before in any::<bool>()) {
            let keys = [key("links", 1)];
            let token = keys[0].sign(&tenant("acme"), &link());
            let text = if before { format!("{extra}{token}") } else { format!("{token}{extra}") };
            prop_assert!(read(&tenant("acme"), &keys, &text, &Purpose::ALL, now()).is_err());
        }

        #[test]
        fn no_text_at_all_makes_it_panic(text in "\\PC*") {
            prop_assert!(read(&tenant("acme"), &[key("links", 1)], &text, &Purpose::ALL, now()).is_err());
        }

        #[test]
        fn a_token_serves_its_own_tenant_purpose_and_key_alone(one in 1_u8..4, two in 1_u8..4, purpose in 0_usize..6) {
            let link = Link { purpose: Purpose::ALL[purpose], ..link() };
            let token = key("links", one).sign(&tenant("acme"), &link);
            for asked in Purpose::ALL {
                for id in ["acme", "acm", "acme-2"] {
                    let fits = one == two && asked == link.purpose && id == "acme";
                    let read = read(&tenant(id), &[key("links", two)], &token, &[asked], now());
                    prop_assert_eq!(read.is_ok(), fits);
                }
            }
        }
    }
}
