//! The names of things: tenants, sinks, events and deliveries, each a type that cannot hold a malformed value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A name that breaks the rules of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {} {what}: {wants}", article(what))]
pub struct InvalidName {
    what: &'static str,
    value: String,
    wants: &'static str,
}

impl InvalidName {
    pub(crate) fn new(what: &'static str, value: &str, wants: &'static str) -> Self {
        // A name comes from outside: an error repeats at most 64 characters of it.
        Self { what, value: value.chars().take(64).collect(), wants }
    }
}

/// `an event id`, `a tenant id`.
fn article(what: &str) -> &'static str {
    if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Says whether `value` is `first` followed by letters of `rest`, within the length bounds (in bytes).
fn is_slug(value: &str, least: usize, most: usize, rest: fn(u8) -> bool) -> bool {
    let mut bytes = value.bytes();
    (least..=most).contains(&value.len()) && bytes.next().is_some_and(|b| b.is_ascii_lowercase()) && bytes.all(rest)
}

macro_rules! slug {
    ($(#[$meta:meta])* $name:ident, $what:literal, $least:literal, $most:literal, $rest:expr, $wants:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                if is_slug(value, $least, $most, $rest) {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(InvalidName::new($what, value, $wants))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(value: String) -> Result<Self, InvalidName> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug!(
    /// The customer who owns queues and configuration: `[a-z][a-z0-9-]{1,31}`.
    ///
    /// It has no underscore, because an underscore separates the parts of a queue's name ([`crate::queue::QueueName`]).
    TenantId,
    "tenant id",
    2,
    32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-',
    "2 to 32 characters, a lower-case letter first, then lower-case letters, digits or hyphens"
);

slug!(
    /// One sink of a tenant: `[a-z][a-z0-9-]{0,31}`, unique in the tenant's configuration.
    SinkId,
    "sink id",
    1,
    32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-',
    "1 to 32 characters, a lower-case letter first, then lower-case letters, digits or hyphens"
);

slug!(
    /// One installation of the platform in an account: `[a-z][a-z0-9]{1,9}`, such as `dev` or `prod`.
    Stage,
    "stage",
    2,
    10,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
    "2 to 10 characters, a lower-case letter first, then lower-case letters or digits"
);

slug!(
    /// The name of one of a tenant's secrets, `[a-z][a-z0-9-]{0,63}`: the last part of its parameter's path.
    SecretName,
    "secret name",
    1,
    64,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-',
    "1 to 64 characters, a lower-case letter first, then lower-case letters, digits or hyphens"
);

slug!(
    /// One replay of a tenant's events ([`crate::replay`]): `[a-z][a-z0-9]{1,31}`, made by [`ReplayId::of`].
    ReplayId,
    "replay id",
    2,
    32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
    "2 to 32 characters, a lower-case letter first, then lower-case letters or digits"
);

impl ReplayId {
    /// The id that is made of these random bytes: `r` and twelve hex digits, so that people can read it out.
    pub fn of(bytes: [u8; 32]) -> Self {
        Self(hex_behind("r", bytes.get(..6).unwrap_or_default()))
    }
}

/// The bytes of URI references, a bit for each of ASCII.
const OF_URIS: u128 = {
    let (mut bits, mut byte) = (0, 0_u8);
    while byte < 128 {
        let is_other = matches!(byte, b'|' | b'<' | b'>' | b'"' | b'{' | b'}' | b'\\' | b'^' | b'`');
        if byte.is_ascii_graphic() && !is_other {
            bits |= 1 << byte;
        }
        byte += 1;
    }
    bits
};

/// The identity of an event: its `source` *and* its `id`, the pair that `CloudEvents` 1.0 calls unique.
///
/// Its text is `source|id`. A source is a URI reference, in which `|` cannot stand, so the text reads in one way only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    text: String,
    /// Where the bar stands.
    bar: usize,
}

impl EventId {
    /// The longest `source`, in bytes.
    pub const MAX_SOURCE_BYTES: usize = 1024;
    /// The longest `id`, in bytes.
    pub const MAX_ID_BYTES: usize = 1024;
    /// The most bytes that both have together: with the tenant before them they are a partition key, of which
    /// `DynamoDB` takes 2,048 bytes
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
    pub const MAX_BYTES: usize = 2000;

    /// Makes an identity of a source (a URI reference) and an id (no control characters).
    ///
    /// # Errors
    /// When either is empty, too long or has characters that it cannot have, or both together are too long.
    pub fn new(source: &str, id: &str) -> Result<Self, InvalidName> {
        if !Self::is_valid_source(source) {
            let wants = "a URI reference of 1 to 1024 bytes (printable ASCII without spaces or | < > \" { } \\ ^ `)";
            return Err(InvalidName::new("CloudEvents source", source, wants));
        }
        if !Self::is_valid_id(id) {
            return Err(InvalidName::new("CloudEvents id", id, "1 to 1024 bytes without control characters"));
        }
        if source.len() + id.len() > Self::MAX_BYTES {
            return Err(InvalidName::new("CloudEvents id", id, "source and id have at most 2000 bytes together"));
        }
        Ok(Self { text: [source, "|", id].concat(), bar: source.len() })
    }

    /// Whether a source has 1 to 1,024 bytes, all of which can stand in a URI reference.
    pub fn is_valid_source(source: &str) -> bool {
        let is_allowed = |b: u8| b < 128 && OF_URIS >> b & 1 == 1;
        (1..=Self::MAX_SOURCE_BYTES).contains(&source.len()) && source.bytes().all(is_allowed)
    }

    /// Whether an id has 1 to 1,024 bytes and no control characters.
    pub fn is_valid_id(id: &str) -> bool {
        let has_control =
            if id.is_ascii() { id.bytes().any(|b| b.is_ascii_control()) } else { id.chars().any(char::is_control) };
        (1..=Self::MAX_ID_BYTES).contains(&id.len()) && !has_control
    }

    /// The context in which the event happened, a URI reference.
    pub fn source(&self) -> &str {
        self.text.get(..self.bar).unwrap_or_default()
    }

    /// The producer's id of the event, unique within its source.
    pub fn id(&self) -> &str {
        self.text.get(self.bar.saturating_add(1)..).unwrap_or_default()
    }

    /// The text of both.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for EventId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (source, id) =
            text.split_once('|').ok_or_else(|| InvalidName::new("event id", text, "the form source|id"))?;
        Self::new(source, id)
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> String {
        id.text
    }
}

/// The identity of one delivery: a stable hash of tenant, sink and event, the same on every attempt, `dlv_` and 32 hex
/// digits.
///
/// It is the `webhook-id`, the FIFO deduplication id and the tag of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// Derives the id. Each part goes in with its length before it, so no two triples run together.
    pub fn derive(tenant: &TenantId, sink: &SinkId, event: &EventId) -> Self {
        let mut hash = Sha256::new();
        for part in [tenant.as_str(), sink.as_str(), event.source(), event.id()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex_behind("dlv_", half(&hash.finalize())))
    }

    /// Derives the id that a delivery has in a replay which gives new ones: of the first id and the replay.
    #[must_use]
    pub fn anew(&self, replay: &ReplayId) -> Self {
        let mut hash = Sha256::new();
        for part in [self.as_str(), replay.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex_behind("dlv_", half(&hash.finalize())))
    }

    /// The text of the id: 36 ASCII characters, letters, digits and one underscore.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 128 bits of SHA-256 over `bytes`, as 32 hex digits: tells two payloads under one id apart.
pub fn digest(bytes: &[u8]) -> String {
    hex(half(&Sha256::digest(bytes)))
}

/// The first 128 bits of a hash.
fn half(hash: &[u8]) -> &[u8] {
    hash.get(..16).unwrap_or(hash)
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    hex_behind("", bytes)
}

/// A text with bytes as hex digits behind it. Pair by pair: formatting took some 250 instructions a byte, twice for
/// every delivery.
fn hex_behind(before: &str, bytes: &[u8]) -> String {
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    let mut text = Vec::with_capacity(before.len() + bytes.len() * 2);
    text.extend_from_slice(before.as_bytes());
    text.resize(before.len() + bytes.len() * 2, 0);
    let (pairs, _) = text.get_mut(before.len()..).unwrap_or_default().as_chunks_mut();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    // ASCII is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

/// What a tenant is called, by us and by people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSummary {
    /// The id.
    pub id: TenantId,
    /// The name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_two_digits_whatever_its_value() {
        let bytes: Vec<u8> = (0..=255).collect();
        let wanted: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex(&bytes), wanted.concat());
    }

    #[test]
    fn a_tenant_id_has_no_underscore_no_capital_and_two_to_thirty_two_characters() {
        for good in ["ab", "a-1", "acme", &"a".repeat(32)] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "A1", "1a", "a_b", "-a", "a.b", "ä1", &"a".repeat(33)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn an_event_id_reads_back_from_its_text() {
        let id = EventId::new("https://example.org/a?b=c#d", "x|y z").unwrap();
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
    }

    #[test]
    fn a_source_with_a_space_or_a_bar_is_refused_with_what_is_wanted() {
        let error = EventId::new("a b", "1").unwrap_err().to_string();
        assert!(error.contains("URI reference"), "{error}");
        assert!("-".parse::<EventId>().unwrap_err().to_string().starts_with("\"-\" is not an event id: "));
        assert!("-".parse::<TenantId>().unwrap_err().to_string().starts_with("\"-\" is not a tenant id: "));
        assert!(EventId::new("a|b", "1").is_err());
        assert!(EventId::new("", "1").is_err());
        assert!(EventId::new("/a", "").is_err());
    }

    #[test]
    fn source_and_id_fit_a_partition_key_together_and_each_may_have_1024_bytes() {
        let long = "x".repeat(1024);
        assert!(EventId::new(&long, "1").is_ok());
        assert!(EventId::new("/a", &long).is_ok());
        assert!(EventId::new("/a", &format!("{long}x")).is_err());
        let most = EventId::new(&long, &"x".repeat(976)).unwrap();
        // The longest tenant id, a separator, and both with a bar between them.
        assert!(32 + 1 + most.as_str().len() <= 2048);
        let error = EventId::new(&long, &"x".repeat(977)).unwrap_err().to_string();
        assert!(error.contains("2000 bytes together"), "{error}");
    }

    #[test]
    fn delivery_ids_differ_when_any_part_moves_from_one_name_to_the_next() {
        let id = |t: &str, s: &str, source: &str, e: &str| {
            DeliveryId::derive(&t.parse().unwrap(), &s.parse().unwrap(), &EventId::new(source, e).unwrap())
        };
        let base = id("acme", "crm", "/a", "1");
        assert_eq!(base, id("acme", "crm", "/a", "1"));
        assert_ne!(base, id("acmec", "rm", "/a", "1"));
        assert_ne!(base, id("acme", "crm", "/a1", "1"));
        assert_ne!(id("acme", "crm", "/a", "11"), id("acme", "crm", "/a1", "1"));
        assert_eq!(base.as_str().len(), 36);
    }

    #[test]
    fn a_replay_that_gives_new_ids_gives_each_delivery_its_own_and_the_same_each_time() {
        let id = |sink: &str| {
            DeliveryId::derive(&"acme".parse().unwrap(), &sink.parse().unwrap(), &EventId::new("/a", "1").unwrap())
        };
        let (one, other): (ReplayId, ReplayId) = ("r1".parse().unwrap(), "r2".parse().unwrap());
        assert_eq!(id("crm").anew(&one), id("crm").anew(&one));
        let ids = [id("crm"), id("crm").anew(&one), id("crm").anew(&other), id("mail").anew(&one)];
        assert_eq!(std::collections::BTreeSet::from(ids).len(), 4);
        let made = ReplayId::of([0xab; 32]);
        assert_eq!((made.as_str(), made.as_str().parse()), ("rabababababab", Ok(made.clone())));
    }
}
