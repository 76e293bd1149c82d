//! The reader of events.

use acequia_core::event::MAX_EVENT_BYTES;
use acequia_core::event::envelope::Envelope;
use acequia_testkit::build;

/// Reads bytes as an event.
///
/// # Panics
/// Where a promise of the reader is broken.
pub fn envelope(bytes: &[u8]) -> bool {
    let Some(tenant) = crate::tenant() else { return false };
    let now = build::start();
    let Ok(read) = Envelope::parse(&tenant, now, bytes) else { return false };
    assert!(read.body.len() <= MAX_EVENT_BYTES, "an event of {} bytes was taken", read.body.len());
    assert!(bytes.windows(read.body.len().max(1)).any(|window| window == read.body.as_bytes()), "the text was changed");
    let again = Envelope::parse_text(&tenant, now, &read.body);
    assert_eq!(again.as_ref(), Ok(&read), "what goes on is read in another way");
    assert_eq!(read.tenant, tenant);
    let name = read.event.to_string();
    assert!(name.contains('|') && !name.contains('\0'), "the identity is not whole: {name:?}");
    true
}
