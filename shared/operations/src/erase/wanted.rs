//! Which events are a subject's.

use acequia_archive::{Unreadable, Writer, lines, read};
use acequia_core::archive::{Form, Line};
use acequia_core::consent::SubjectId;
use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantId;
use acequia_core::routing::{Routes, TypeRule};
use jiff::Timestamp;

use crate::consent::identify;

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

/// Why an object is left as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Left {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It cannot be written.
    #[error("it cannot be written anew: {0}")]
    Unwritable(String),
    /// What was written is not what was to be.
    #[error("what was written anew does not read back as it was")]
    Differs,
}

/// The records of an object, those that are kept, and the object that these make. Each event that stays is the same to
/// the byte, and in the batch that it was in; what is written is read again and compared before anybody gets it.
pub(super) fn without(wanted: &Wanted, form: Form, packed: &[u8]) -> Result<Without, Left> {
    match form {
        Form::Lines => without_lines(wanted, packed),
        Form::Parquet | Form::Compacted { .. } => without_rows(wanted, form, packed),
    }
}

fn without_lines(wanted: &Wanted, packed: &[u8]) -> Result<Without, Left> {
    let text = lines::unpack(packed)?;
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
        let packed = lines::pack([kept.as_bytes()]).map_err(|error| Left::Unwritable(error.to_string()))?;
        if lines::unpack(&packed)? != kept {
            return Err(Left::Differs);
        }
        found.content = Some(packed);
    }
    Ok(found)
}

fn without_rows(wanted: &Wanted, form: Form, packed: &[u8]) -> Result<Without, Left> {
    let unwritable = |error: &dyn std::fmt::Display| Left::Unwritable(error.to_string());
    let mut found = Without::default();
    let mut writer = Writer::new().map_err(|error| unwritable(&error))?;
    let mut kept = Vec::new();
    for batch in read(form, packed)? {
        for line in batch.records.each(&wanted.tenant) {
            // Its columns were made of it, so it was an event: one that is none any more cannot be written.
            let line = line.map_err(|error| unwritable(&error))?;
            if wanted.takes(&line.envelope) {
                found.erased.push(line.envelope);
                continue;
            }
            let pushed = writer.push(&line.envelope, line.config_version, batch.mark.as_ref());
            pushed.map_err(|error| unwritable(&error))?;
            kept.push((batch.mark.clone(), line));
        }
    }
    if !found.erased.is_empty() {
        let packed = writer.finish().map_err(|error| unwritable(&error))?;
        let mut again = Vec::new();
        for batch in read(form, &packed)? {
            for line in batch.records.each(&wanted.tenant) {
                again.push((batch.mark.clone(), line.map_err(|error| unwritable(&error))?));
            }
        }
        if again != kept {
            return Err(Left::Differs);
        }
        found.content = Some(packed);
    }
    Ok(found)
}
