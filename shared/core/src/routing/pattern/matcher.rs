//! One matcher of a pattern's list: whether it takes a value.

use std::cmp::Ordering;
use std::net::IpAddr;

use memchr::memmem;

use super::case::AnyCase;
use super::number::Comparable;
use super::reader::Value;

/// A matcher.
#[derive(Debug)]
pub(super) enum Matcher {
    /// This text; where it is an IP address, any way to write it.
    Text(String, Option<IpAddr>),
    /// This number, however it is written; where it cannot be compared, its letters.
    Number(String, Option<Comparable>),
    Bool(bool),
    Null,
    Prefix(String),
    Suffix(String),
    AnyCase(AnyCase),
    PrefixAnyCase(AnyCase),
    SuffixAnyCase(AnyCase),
    Wildcard(Wildcard),
    Numeric(Range),
    Cidr(Network),
    /// `exists: true`; that a field may be absent is the field's business.
    Exists,
    /// `exists: false` takes no value.
    Absent,
    /// Any value that none of these takes.
    AnythingBut(Vec<Matcher>),
}

impl Matcher {
    /// Whether it takes a value.
    pub(super) fn takes(&self, value: &Value<'_>) -> bool {
        let text = if let Value::Text(text) = value { Some(text.as_ref()) } else { None };
        let is_text = |is: &dyn Fn(&[u8]) -> bool| text.is_some_and(is);
        match self {
            Self::Text(wanted, address) => is_text(&|text| {
                text == wanted.as_bytes() || address.is_some_and(|address| self::address(text) == Some(address))
            }),
            Self::Number(wanted, comparable) => matches!(value, Value::Number { text, comparable: other }
                if text == wanted || comparable.zip(*other).is_some_and(|(a, b)| a.compare(b) == Ordering::Equal)),
            Self::Bool(wanted) => *value == Value::Bool(*wanted),
            Self::Null => *value == Value::Null,
            Self::Prefix(wanted) => is_text(&|text| text.starts_with(wanted.as_bytes())),
            Self::Suffix(wanted) => is_text(&|text| text.ends_with(wanted.as_bytes())),
            Self::AnyCase(wanted) => is_text(&|text| wanted.is(text)),
            Self::PrefixAnyCase(wanted) => is_text(&|text| wanted.begins(text)),
            Self::SuffixAnyCase(wanted) => is_text(&|text| wanted.ends(text)),
            Self::Wildcard(wanted) => is_text(&|text| wanted.is(text)),
            Self::Numeric(range) => {
                matches!(value, Value::Number { comparable: Some(number), .. } if range.holds(*number))
            }
            Self::Cidr(network) => is_text(&|text| address(text).is_some_and(|address| network.holds(address))),
            Self::Exists => true,
            Self::Absent => false,
            Self::AnythingBut(others) => !others.iter().any(|other| other.takes(value)),
        }
    }
}

fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A text with `*` for any letters: the parts between them, found from left to right in time linear in the text.
#[derive(Debug)]
pub(super) struct Wildcard {
    /// Before the first `*`, between, and behind the last one; one part alone where there is none.
    parts: Vec<String>,
}

impl Wildcard {
    /// Reads it: `\*` and `\\` are letters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let letter = match letter {
                '*' => {
                    if parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
                        return Err("two * beside each other say no more than one");
                    }
                    parts.push(String::new());
                    continue;
                }
                '\\' => letters
                    .next()
                    .filter(|letter| ['*', '\\'].contains(letter))
                    .ok_or("a \\ must stand before a * or a \\")?,
                letter => letter,
            };
            if let Some(part) = parts.last_mut() {
                part.push(letter);
            }
        }
        Ok(Self { parts })
    }

    fn is(&self, text: &[u8]) -> bool {
        let [first, between @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only.as_bytes() == text);
        };
        let Some(rest) = text.strip_prefix(first.as_bytes()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_bytes()) else { return false };
        for part in between {
            let Some(place) = memmem::find(rest, part.as_bytes()) else { return false };
            rest = rest.get(place + part.len()..).unwrap_or_default();
        }
        true
    }
}

/// A range of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// The least number, and whether it is in the range itself.
    pub(super) from: Option<(Comparable, bool)>,
    /// The largest, alike.
    pub(super) to: Option<(Comparable, bool)>,
}

impl Range {
    fn holds(self, number: Comparable) -> bool {
        let above = self.from.is_none_or(|(bound, itself)| match number.compare(bound) {
            Ordering::Greater => true,
            Ordering::Equal => itself,
            Ordering::Less => false,
        });
        above
            && self.to.is_none_or(|(bound, itself)| match number.compare(bound) {
                Ordering::Less => true,
                Ordering::Equal => itself,
                Ordering::Greater => false,
            })
    }
}

/// A network of IP addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8` or `2001:db8::/32`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
