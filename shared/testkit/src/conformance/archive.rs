//! The suite of the archive.

use acequia_core::archive::{Form, Hour, ObjectKey};
use acequia_core::delivery::Delivery;
use acequia_core::id::TenantId;
use acequia_core::port::{Archive, ArchiveEraser, ArchiveReader, ArchiveUpkeep, Listing, ReadError, StoredObject};

use crate::build::{at, envelope, sink_id, start, tenant_id};

/// An archive into which a test can look.
pub trait ArchiveInTest: Archive {
    /// What an object holds; nothing where there is none.
    fn content(&self, key: &ObjectKey) -> impl Future<Output = Option<Vec<u8>>>;
    /// Takes an object away.
    fn delete(&self, key: &ObjectKey) -> impl Future<Output = ()>;
}

impl ArchiveInTest for crate::InMemoryArchive {
    async fn content(&self, key: &ObjectKey) -> Option<Vec<u8>> {
        self.objects().remove(key)
    }

    async fn delete(&self, key: &ObjectKey) {
        self.remove(key);
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

/// The key of an object with this one event, kept so many hours after [`start`].
fn key_of(tenant: &str, event: &str, hour: u64) -> ObjectKey {
    let delivery = Delivery::new(sink_id("keep"), envelope(tenant, event, "action.signed", "{}"));
    ObjectKey::of(&tenant_id(tenant), Hour::of(at(hour * 3_600)), [&delivery])
}

/// All pages behind a name.
async fn all(archive: &impl ArchiveReader, tenant: &TenantId, after: &str) -> Vec<StoredObject> {
    let (mut objects, mut after) = (Vec::new(), after.to_owned());
    loop {
        let Listing { objects: more, foreign, next } = archive.list(tenant, &after).await.unwrap();
        assert!(foreign.is_empty(), "{foreign:?}");
        objects.extend(more);
        match next {
            Some(next) => after = next,
            None => return objects,
        }
    }
}

/// Whatever order they were kept in; an hour's begin behind what [`ObjectKey::before`] says.
pub async fn objects_are_listed_in_the_order_of_their_names_behind_any_name(
    archive: &(impl ArchiveInTest + ArchiveReader),
) {
    let tenant = tenant_id("ordered");
    let mut keys: Vec<ObjectKey> = [3, 0, 2, 0, 1, 30].map(|hour| key_of("ordered", &hour.to_string(), hour)).into();
    keys.push(key_of("ordered", "another", 2));
    for key in &keys {
        archive.keep(key, b"x".to_vec()).await.unwrap();
    }
    keys.sort_by_key(ToString::to_string);
    keys.dedup();
    let listed = |after: String| async move {
        let found = all(archive, &tenant_id("ordered"), &after).await;
        found.into_iter().map(|object| object.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(ObjectKey::before(&tenant, Hour::of(start()))).await, keys);
    assert_eq!(listed(ObjectKey::before(&tenant, Hour::of(at(2 * 3_600)))).await, keys[2..]);
    assert_eq!(listed(keys[3].to_string()).await, keys[4..]);
    assert_eq!(listed(keys[5].to_string()).await, []);
}

/// With the size that it has.
pub async fn what_is_listed_is_read_to_the_byte_and_what_is_gone_is_missing(
    archive: &(impl ArchiveInTest + ArchiveReader),
) {
    let (key, bytes) = (key_of("read", "1", 0), (0..=255).collect::<Vec<u8>>());
    archive.keep(&key, bytes.clone()).await.unwrap();
    let tenant = tenant_id("read");
    let listed = all(archive, &tenant, &ObjectKey::prefix(&tenant)).await;
    assert_eq!(listed.iter().map(|object| (&object.key, object.bytes)).collect::<Vec<_>>(), [(&key, 256)]);
    assert_eq!(archive.read(&listed[0]).await.unwrap(), bytes);
    archive.delete(&key).await;
    assert!(matches!(archive.read(&listed[0]).await, Err(ReadError::Missing)));
    let large = StoredObject { bytes: u64::MAX, ..listed[0].clone() };
    assert!(matches!(archive.read(&large).await, Err(ReadError::TooLarge { bytes: u64::MAX })), "it is not asked for");
}

/// A page has a thousand names at the most.
pub async fn more_than_a_page_of_objects_is_listed_whole(archive: &(impl ArchiveInTest + ArchiveReader)) {
    let tenant = tenant_id("pages");
    for n in 0..1_005 {
        archive.keep(&key_of("pages", &n.to_string(), n % 3), b"x".to_vec()).await.unwrap();
    }
    let listed = all(archive, &tenant, &ObjectKey::prefix(&tenant)).await;
    assert_eq!(listed.len(), 1_005);
    assert!(listed.is_sorted_by(|a, b| a.key.to_string() < b.key.to_string()));
}

/// Though one's name begins like the other's.
pub async fn no_tenants_objects_stand_among_those_of_another(archive: &(impl ArchiveInTest + ArchiveReader)) {
    for tenant in ["apart", "apart-b"] {
        archive.keep(&key_of(tenant, "1", 0), b"x".to_vec()).await.unwrap();
    }
    for tenant in ["apart", "apart-b"] {
        let listed = all(archive, &tenant_id(tenant), &ObjectKey::prefix(&tenant_id(tenant))).await;
        assert_eq!(listed.iter().map(|object| object.key.tenant.as_str()).collect::<Vec<_>>(), [tenant]);
    }
}

/// What is not there is gone, too; no other object is touched.
pub async fn what_is_removed_is_gone_and_can_be_removed_again(
    archive: &(impl ArchiveInTest + ArchiveReader + ArchiveUpkeep),
) {
    let tenant = tenant_id("emptied");
    let keys = ["1", "2"].map(|event| key_of("emptied", event, 0));
    for key in &keys {
        archive.keep(key, b"x".to_vec()).await.unwrap();
    }
    let listed = all(archive, &tenant, &ObjectKey::prefix(&tenant)).await;
    for _ in 0..2 {
        ArchiveUpkeep::remove(archive, &listed[0]).await.unwrap();
        assert!(matches!(archive.read(&listed[0]).await, Err(ReadError::Missing)));
    }
    assert_eq!(all(archive, &tenant, &ObjectKey::prefix(&tenant)).await, listed[1..]);
}

/// Each once, though one's name begins like the other's, and whatever form their objects have.
pub async fn the_tenants_that_have_objects_are_listed_each_once(
    archive: &(impl ArchiveInTest + ArchiveReader + ArchiveUpkeep),
) {
    let names = ["listed-a", "listed-a-b", "listed-a0", "listed-b"];
    for name in names {
        archive.keep(&key_of(name, "1", 0), b"x".to_vec()).await.unwrap();
        archive.keep(&key_of(name, "2", 1).in_form(Form::Parquet), b"x".to_vec()).await.unwrap();
    }
    let mut found: Vec<TenantId> = Vec::new();
    loop {
        let page = archive.tenants(found.last()).await.unwrap();
        if page.is_empty() {
            break;
        }
        // A page of one, so that each is asked for what is behind it.
        found.extend(page.into_iter().take(1));
    }
    found.retain(|tenant| tenant.as_str().starts_with("listed-"));
    found.sort();
    let mut wanted = names.map(tenant_id);
    wanted.sort();
    assert_eq!(found, wanted);
}

/// Under its name, and only where it is still the one that was listed.
pub async fn an_object_is_written_anew_in_place_of_the_one_that_was_listed_and_of_no_other(
    archive: &(impl ArchiveInTest + ArchiveEraser),
) {
    let (key, tenant) = (key_of("anew", "1", 0), tenant_id("anew"));
    archive.keep(&key, b"first".to_vec()).await.unwrap();
    let first = all(archive, &tenant, "").await.remove(0);
    assert!(archive.rewrite(&first, b"second".to_vec()).await.unwrap());
    assert!(!archive.rewrite(&first, b"third".to_vec()).await.unwrap(), "it is another by now");
    assert_eq!(archive.content(&key).await.unwrap(), b"second");
    let second = all(archive, &tenant, "").await.remove(0);
    assert_eq!((&second.key, second.bytes), (&key, 6));
    assert_ne!(second.version, first.version);
    assert!(!archive.keep(&key, b"fourth".to_vec()).await.unwrap(), "a batch that comes again changes nothing");
    assert!(archive.rewrite(&second, Vec::new()).await.unwrap());
    assert_eq!(archive.content(&key).await.unwrap(), b"");
    archive.delete(&key).await;
    assert!(!archive.rewrite(&second, b"fifth".to_vec()).await.unwrap(), "what is gone stays gone");
    assert_eq!(archive.content(&key).await, None);
}

/// However often it is written anew.
pub async fn when_an_object_was_kept_first_is_remembered(archive: &(impl ArchiveInTest + ArchiveEraser)) {
    let (key, tenant) = (key_of("since", "1", 0), tenant_id("since"));
    archive.keep(&key, b"first".to_vec()).await.unwrap();
    let kept = all(archive, &tenant, "").await.remove(0);
    assert_eq!(archive.first_kept(&kept).await.unwrap(), kept.kept_at);
    for content in [b"second", b"third."] {
        let now = all(archive, &tenant, "").await.remove(0);
        assert!(archive.rewrite(&now, content.to_vec()).await.unwrap());
    }
    let anew = all(archive, &tenant, "").await.remove(0);
    assert_eq!(archive.first_kept(&anew).await.unwrap(), kept.kept_at);
    archive.delete(&key).await;
    assert!(matches!(archive.first_kept(&anew).await, Err(ReadError::Missing)));
}
