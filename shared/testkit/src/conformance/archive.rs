//! The suite of the archive.

use acequia_core::archive::{Hour, ObjectKey};
use acequia_core::delivery::Delivery;
use acequia_core::port::Archive;

use crate::build::{envelope, sink_id, start, tenant_id};

/// An archive into which a test can look.
pub trait ArchiveInTest: Archive {
    /// What an object holds; nothing where there is none.
    fn content(&self, key: &ObjectKey) -> impl Future<Output = Option<Vec<u8>>>;
}

impl ArchiveInTest for crate::InMemoryArchive {
    async fn content(&self, key: &ObjectKey) -> Option<Vec<u8>> {
        self.objects().remove(key)
    }
}

fn key(tenant: &str, event: &str) -> ObjectKey {
    let delivery = Delivery::new(sink_id("keep"), envelope(tenant, event, "action.signed", "{}"));
    ObjectKey::of(&tenant_id(tenant), Hour::of(start()), [&delivery])
}

/// Bytes of any value come back, and the names of tenants keep them apart.
pub async fn what_is_kept_is_there_to_the_byte_under_its_name(archive: &impl ArchiveInTest) {
    let (one, other) = (key("acme", "1"), key("bona", "1"));
    let bytes: Vec<u8> = (0..=255).collect();
    assert!(archive.keep(&one, bytes.clone()).await.unwrap());
    assert_eq!((archive.content(&one).await, archive.content(&other).await), (Some(bytes), None));
}

/// A batch that is repeated, whatever it would write.
pub async fn what_is_there_stays_as_it_is(archive: &impl ArchiveInTest) {
    let key = key("acme", "2");
    assert!(archive.keep(&key, b"first".to_vec()).await.unwrap());
    assert!(!archive.keep(&key, b"second".to_vec()).await.unwrap());
    assert_eq!(archive.content(&key).await.unwrap(), b"first");
}

/// As large as a batch can be.
pub async fn an_object_of_six_megabytes_is_kept(archive: &impl ArchiveInTest) {
    let (key, bytes) = (key("acme", "3"), vec![b'x'; 6_000_000]);
    assert!(archive.keep(&key, bytes.clone()).await.unwrap());
    assert!(archive.content(&key).await.is_some_and(|content| content == bytes));
}
