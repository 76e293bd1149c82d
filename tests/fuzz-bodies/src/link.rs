//! The reader of tokens in the links of mails.

use acequia_core::consent::token::{self, Link, LinkKey, Purpose};
use acequia_core::consent::{ActionId, ConsentKey, ListId, SubjectId};
use acequia_core::id::TenantId;
use acequia_core::secret::Secret;
use acequia_testkit::build;
use jiff::Timestamp;

/// A secret of no worth, which signs.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Reads bytes as a token; and makes a link of them, which is read back.
///
/// # Panics
/// Where a promise of the reader is broken.
pub fn link(bytes: &[u8]) -> bool {
    let (Some(tenant), Ok(name)) = (crate::tenant(), "links".parse()) else { return false };
    let Ok(key) = LinkKey::new(name, &Secret::new(SECRET)) else { return false };
    let text = String::from_utf8_lossy(bytes);
    check(&tenant, &key, &text);
    if let Some(name) = token::key_name(&text) {
        assert!(text.starts_with(name.as_str()));
    }
    let Some(link) = made_of(bytes) else { return false };
    let signed = key.sign(&tenant, &link);
    let read = token::read(&tenant, std::slice::from_ref(&key), &signed, &Purpose::ALL, build::start());
    let is_fresh = link.expires_at > build::start();
    assert_eq!(read.ok(), Some(link).filter(|_| is_fresh), "what was signed is not what is read");
    // Every token that begins as a genuine one does and goes on by other bytes.
    let place = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % signed.len();
    let cut: String = signed.chars().take(place).chain(text.chars().take(64)).collect();
    check(&tenant, &key, &cut);
    is_fresh
}

fn check(tenant: &TenantId, key: &LinkKey, text: &str) {
    let keys = std::slice::from_ref(key);
    if let Ok(link) = token::read(tenant, keys, text, &Purpose::ALL, build::start()) {
        assert_eq!(key.sign(tenant, &link), text, "another spelling of a token was read");
        assert!(link.expires_at > build::start(), "a token that has expired was read");
    }
}

/// A link of these bytes: the purpose, the time, and three digests.
fn made_of(bytes: &[u8]) -> Option<Link> {
    let (purpose, rest) = bytes.split_first()?;
    let (time, rest) = rest.split_first_chunk::<4>()?;
    let (subject, rest) = rest.split_first_chunk::<16>()?;
    let (list, rest) = rest.split_first_chunk::<16>()?;
    let (action, _) = rest.split_first_chunk::<16>()?;
    Some(Link {
        key: ConsentKey { subject: SubjectId::from(*subject), list: ListId::from(*list) },
        action: ActionId::from(*action),
        purpose: *Purpose::ALL.get(usize::from(*purpose) % Purpose::ALL.len())?,
        expires_at: Timestamp::from_second(i64::from(u32::from_be_bytes(*time))).ok()?,
    })
}
