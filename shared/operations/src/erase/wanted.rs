//! Which events are a subject's.

use acequia_core::archive::Line;
use acequia_core::consent::SubjectId;
use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantId;
use acequia_core::routing::{Routes, TypeRule};
use jiff::Timestamp;

use crate::consent::identify;
use crate::replay::unpack::{Unreadable, unpack};

/// zstd's level, and its checksum: as the archive's function writes objects.
const LEVEL: i32 = 3;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern is none: {0}")]
pub struct InvalidPattern(String);

/// Whose events are erased: those whose subject it is, and those that match a pattern.
#[derive(Debug)]
pub struct Wanted {
    /// Whose.
    pub tenant: TenantId,
    /// The subject, as its digest: letters' case and spaces around it do not count.
    pub subject: SubjectId,
    pattern: Option<Routes>,
}

impl Wanted {
    /// The subject that a text names (or its digest), and what matches an event pattern, where one is given.
    ///
    /// # Errors
    /// [`InvalidPattern`].
    pub fn new(tenant: &TenantId, subject: &str, pattern: Option<&str>) -> Result<Self, InvalidPattern> {
        let invalid = |error: &dyn std::fmt::Display| InvalidPattern(error.to_string());
        let routes = |pattern: &str| {
            let mut routes = Routes::default();
            let own = "erase".parse().map_err(|error| invalid(&error))?;
            // All, the platform's own too.
            let types = vec![TypeRule::Any, TypeRule::Below("acequia.".to_owned())];
            routes.add(own, types, Some(pattern)).map_err(|error| invalid(&error))?;
            Ok(routes)
        };
        let pattern = pattern.map(routes).transpose()?;
        Ok(Self { tenant: tenant.clone(), subject: identify(tenant, subject), pattern })
    }

    /// Whether an event is to be erased.
    pub fn takes(&self, envelope: &Envelope) -> bool {
        let names = |subject: &String| identify(&self.tenant, subject) == self.subject;
        let matches = |routes: &Routes| routes.route(envelope).is_ok_and(|routed| !routed.taken.is_empty());
        envelope.subject.as_ref().is_some_and(names) || self.pattern.as_ref().is_some_and(matches)
    }

    /// The event of a message; nothing where its body is none.
    pub(super) fn event(&self, body: &str) -> Option<Envelope> {
        Envelope::parse(&self.tenant, Timestamp::UNIX_EPOCH, body.as_bytes()).ok()
    }
}

/// What becomes of an object of the archive.
#[derive(Debug, Default)]
pub(super) struct Without {
    /// The events that are erased.
    pub(super) erased: Vec<Envelope>,
    /// The lines that are none, from 1. They stay.
    pub(super) unreadable: Vec<u64>,
    /// The object without those events; nothing where it has none of them.
    pub(super) content: Option<Vec<u8>>,
}

/// The records of an object, those that are kept, and the object that these make. Each line that stays is the same to the
/// byte; what is written is unpacked again and compared before anybody gets it.
pub(super) fn without(wanted: &Wanted, packed: &[u8]) -> Result<Without, Unreadable> {
    let text = unpack(packed)?;
    let (mut found, mut kept) = (Without::default(), String::with_capacity(text.len()));
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let bare = line.strip_suffix('\n').unwrap_or(line);
        if bare.is_empty() {
            continue;
        }
        match Line::read(&wanted.tenant, bare) {
            Ok(read) if wanted.takes(&read.envelope) => {
                found.erased.push(read.envelope);
                continue;
            }
            Ok(_) => {}
            Err(_) => found.unreadable.push(number),
        }
        kept.push_str(line);
    }
    if !found.erased.is_empty() {
        let packed = pack(kept.as_bytes()).map_err(|_| Unreadable::Damaged)?;
        if unpack(&packed)? != kept {
            return Err(Unreadable::Damaged);
        }
        found.content = Some(packed);
    }
    Ok(found)
}

fn pack(text: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
    packer.include_checksum(true)?;
    packer.write_all(text)?;
    packer.finish()
}
