//! The archive as it is read: names in pages, and objects whole
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>).

use std::fmt;
use std::time::Duration;

use acequia_core::archive::ObjectKey;
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, Listing, MAX_PACKED_BYTES, ReadError, StoredObject, Unavailable};
use aws_config::SdkConfig;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata as _};
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::archive::{FIRST_KEPT, bucket, in_path, refused};
use crate::error::ItemError;
use crate::json_client::{Refused, operation, retrying};
use crate::refusal::unavailable;
use crate::xml::Xml;

const LIST: &str = "list the archive's objects";
const READ: &str = "read an object of the archive";
const REMOVE: &str = "take an object out of the archive";
const TENANTS: &str = "list the archive's tenants";
/// One try: an object of some megabytes over a slow line.
const ATTEMPT: Duration = Duration::from_secs(30);
/// With all tries.
const OPERATION: Duration = Duration::from_mins(2);

/// A bucket that is an archive, for who reads it.
pub struct S3ArchiveReader {
    operation: Operation<Ask, Answer, Refused>,
    /// What stands before a key in the path: nothing where the bucket is a part of the host's name.
    before: String,
}

impl fmt::Debug for S3ArchiveReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3ArchiveReader").field(&self.before).finish()
    }
}

/// What is asked for: a method, and a path with its query.
#[derive(Debug)]
struct Ask(&'static str, String);

/// What came back. It holds events, and shows nowhere.
struct Answer {
    content: Vec<u8>,
    /// When the content was kept first, where it was written anew since.
    first_kept: Option<Timestamp>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl S3ArchiveReader {
    /// The bucket of this name, in the configuration's region.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let (endpoint, before, plugin) = bucket(config, name);
        let times = config.timeout_config().cloned().unwrap_or_else(crate::clients::timeouts);
        let times: TimeoutConfig =
            times.to_builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION).build();
        let operation = retrying(operation(config, ("S3", "GetObject"), &endpoint).timeout_config(times), config);
        let operation = operation.runtime_plugin(plugin).serializer(request).deserializer(answer).build();
        Self { operation, before }
    }

    /// Deletes an object; S3 answers alike where there is none.
    pub(crate) async fn remove(&self, object: &StoredObject) -> Result<(), Unavailable> {
        let path = format!("{}/{}", self.before, in_path(&object.key.to_string()));
        let removed = self.operation.invoke(Ask("DELETE", path)).await;
        removed.map(|_| ()).map_err(|error| unavailable(REMOVE, error))
    }

    /// A page of the tenants that have objects, of those behind one.
    pub(crate) async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, Unavailable> {
        // Behind all of its objects, whose names go on with `/`, and before those of the next one.
        let after = after.map(|tenant| format!("&start-after={}", in_query(&format!("tenant={tenant}0"))));
        let path = if self.before.is_empty() { "/" } else { &self.before };
        let asked =
            format!("{path}?list-type=2&delimiter=%2F&max-keys=1000&prefix=tenant%3D{}", after.unwrap_or_default());
        let answer = self.operation.invoke(Ask("GET", asked)).await;
        let Answer { content: page, .. } = answer.map_err(|error| unavailable(TENANTS, error))?;
        let page = std::str::from_utf8(&page).ok().and_then(Xml::parse);
        page.as_ref().map(tenants).ok_or_else(|| Unavailable::new(TENANTS, ItemError::Attribute("CommonPrefixes")))
    }
}

impl ArchiveReader for S3ArchiveReader {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        let (prefix, after) = (in_query(&ObjectKey::prefix(tenant)), in_query(after));
        let path = if self.before.is_empty() { "/" } else { &self.before };
        let asked = format!("{path}?list-type=2&max-keys=1000&prefix={prefix}&start-after={after}");
        let Answer { content: page, .. } =
            self.operation.invoke(Ask("GET", asked)).await.map_err(|error| unavailable(LIST, error))?;
        let read = std::str::from_utf8(&page).ok().and_then(Xml::parse).as_ref().and_then(|page| listing(tenant, page));
        read.ok_or_else(|| Unavailable::new(LIST, ItemError::Attribute("Contents")))
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        if object.bytes > MAX_PACKED_BYTES {
            return Err(ReadError::TooLarge { bytes: object.bytes });
        }
        self.one("GET", object).await.map(|answer| answer.content)
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.one("HEAD", object).await.map(|answer| answer.first_kept.unwrap_or(object.kept_at))
    }
}

impl S3ArchiveReader {
    async fn one(&self, method: &'static str, object: &StoredObject) -> Result<Answer, ReadError> {
        let path = format!("{}/{}", self.before, in_path(&object.key.to_string()));
        match self.operation.invoke(Ask(method, path)).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.as_service_error().is_some_and(|refused| refused.code() == Some("NoSuchKey")) => {
                Err(ReadError::Missing)
            }
            Err(error) => Err(unavailable(READ, error).into()),
        }
    }
}

/// What signatures want as `%XX`: all but letters, digits, `-`, `.`, `_` and `~`.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value of a query, as signatures want it.
fn in_query(value: &str) -> String {
    utf8_percent_encode(value, &RESERVED).to_string()
}

/// The tenants of a page; what is none of ours is left out.
fn tenants(page: &Xml) -> Vec<TenantId> {
    let tenant = |prefix: &str| prefix.strip_prefix("tenant=")?.strip_suffix('/')?.parse().ok();
    page.all("CommonPrefixes").filter_map(|one| tenant(one.text("Prefix"))).collect()
}

/// A page of names; `None` where it is not as it is documented.
fn listing(tenant: &TenantId, page: &Xml) -> Option<Listing> {
    let mut listing = Listing::default();
    let mut last = None;
    for one in page.all("Contents") {
        let name = one.text("Key");
        match name.parse::<ObjectKey>() {
            Ok(key) if key.tenant == *tenant => {
                let (bytes, kept_at) = (one.text("Size").parse().ok()?, one.text("LastModified").parse().ok()?);
                let version = one.text("ETag").to_owned();
                listing.objects.push(StoredObject { key, bytes, kept_at: Timestamp::clone(&kept_at), version });
            }
            _ => listing.foreign.push(name.to_owned()),
        }
        last = Some(name.to_owned());
    }
    listing.next = last.filter(|_| page.text("IsTruncated") == "true");
    Some(listing)
}

fn request(Ask(method, path): Ask) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method(method)?;
    request.set_uri(path)?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<Refused>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        let first_kept = response.headers().get(FIRST_KEPT).and_then(|written| written.parse().ok());
        return Ok(Answer { content: body.to_vec(), first_kept });
    }
    let (code, message) = refused(&String::from_utf8_lossy(body), response.status().as_u16());
    // An answer may have no body.
    let code = if response.status().as_u16() == 404 && code == "HTTP 404" { "NoSuchKey".to_owned() } else { code };
    Err(OrchestratorError::operation(Refused(ErrorMetadata::builder().code(code).message(message).build())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_tenants_objects_what_is_none_and_where_the_next_begins() {
        let digest = "1f0c8c4f9d2b7a6e5d4c3b2a19080706";
        let key = format!("tenant=acme/date=2026-11-29/hour=13/{digest}.ndjson.zst");
        let one = |key: &str| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-29T13:52:36.000Z</LastModified><Size>17</Size><ETag>&quot;e1&quot;</ETag></Contents>"
            )
        };
        let page = |truncated| {
            let (ours, other) = (one(&key), one("tenant=acme/notes &amp; more.txt"));
            let xml = format!(
                "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{truncated}</IsTruncated>{ours}{other}</ListBucketResult>"
            );
            listing(&"acme".parse().unwrap(), &Xml::parse(&xml).unwrap()).unwrap()
        };
        let found = page(true);
        assert_eq!(found.objects.len(), 1);
        assert_eq!((found.objects[0].key.to_string(), found.objects[0].bytes), (key.clone(), 17));
        assert_eq!(found.objects[0].version, "\"e1\"");
        assert_eq!(found.objects[0].kept_at, "2026-11-29T13:52:36Z".parse().unwrap());
        let other = "tenant=acme/notes & more.txt".to_owned();
        assert_eq!((found.foreign, found.next), (vec![other.clone()], Some(other)));
        assert_eq!(page(false).next, None);
    }

    #[test]
    fn what_stands_in_a_query_is_written_as_signatures_want_it() {
        assert_eq!(in_query("tenant=acme/a.b-c_d~é"), "tenant%3Dacme%2Fa.b-c_d~%C3%A9");
    }
}
